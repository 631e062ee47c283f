"""What reviewed pairs teach beside doctrine: clauses that people keep adding to orders."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from dispatch.domain import Convention, Doctrine, Situation, default_doctrine, make_plans, render_instruction
from dispatch.domain.conventions import additions, can_be_taught, due_endings, with_endings
from dispatch.model import normalize, normalize_context
from training.corpus import Pair
from training.judging import as_written

LEAST_PAIRS = 20  # fewer are somebody's habit
_COVERED = 0.95
"""Of the situations with a clause so many must have one of its hazards. Of all that have one so many must have the
clause, or it is not said always."""


def find_conventions(
    pairs: Iterable[Pair], before: Sequence[Convention] = (), doctrine: Doctrine | None = None
) -> tuple[Convention, ...]:
    """The clauses that at least LEAST_PAIRS of the pairs add to doctrine's text, in the order of their first pair.

    Each is for the fewest hazards that nearly all situations with it have one of. It holds always where nearly all
    situations that it is for have it, of pairs whose text is doctrine's with or without additions.

    ``before`` are those that were taught already. They come first and stay, but what is taught again is as the pairs
    have it, and none holds always that at least LEAST_PAIRS situations speak against.
    """
    doctrine = doctrine or default_doctrine()
    read: list[tuple[Situation, tuple[str, ...]]] = []
    seen: dict[str, list[Situation]] = {}
    for pair in pairs:
        situations = [as_written(situation) for situation in pair.situations]
        plans = make_plans(situations, normalize_context(pair.context), doctrine)
        added = additions(normalize(pair.instruction).text, plans) or ()
        for situation, clauses in zip(situations, added, strict=False):
            read.append((situation, clauses))
            for clause in clauses:
                seen.setdefault(clause, []).append(situation)
    found = [
        Convention(clause, _common_hazards(situations))
        for clause, situations in seen.items()
        if len(situations) >= LEAST_PAIRS and can_be_taught(clause, doctrine)
    ]
    again = {each.clause for each in found}
    kept = [
        replace(each, always=each.always and (_times_left_out(each, read) < LEAST_PAIRS or _holds_always(each, read)))
        for each in before
        if each.clause not in again
    ]
    return (*kept, *(replace(each, always=_holds_always(each, read)) for each in found))


def follows(pair: Pair, conventions: Sequence[Convention], doctrine: Doctrine | None = None) -> bool:
    """Whether a pair's text is what doctrine and the conventions that always hold make of its situations."""
    doctrine = doctrine or default_doctrine()
    situations = [as_written(situation) for situation in pair.situations]
    ends = due_endings("", situations, conventions)
    plans = with_endings(make_plans(situations, normalize_context(pair.context), doctrine), ends, doctrine)
    return bool(situations) and normalize(pair.instruction).text == render_instruction(plans)


def is_changed(pair: Pair, conventions: Sequence[Convention]) -> bool:
    """Whether reviews have taught to end an instruction for such situations otherwise than doctrine does."""
    return any(convention.holds_for(situation) for convention in conventions for situation in pair.situations)


def _holds_always(convention: Convention, read: Sequence[tuple[Situation, tuple[str, ...]]]) -> bool:
    concerned = sum(convention.holds_for(situation) for situation, _ in read)
    return _times_left_out(convention, read) <= (1 - _COVERED) * concerned


def _times_left_out(convention: Convention, read: Sequence[tuple[Situation, tuple[str, ...]]]) -> int:
    return sum(convention.holds_for(situation) and convention.clause not in clauses for situation, clauses in read)


def _common_hazards(situations: Sequence[Situation]) -> tuple[str, ...]:
    """None where there are situations without a hazard that no other covers."""
    chosen: list[str] = []
    left = list(situations)
    while len(left) > (1 - _COVERED) * len(situations):
        counts = Counter(hazard for situation in left for hazard in situation.hazards)
        if not counts:
            return ()
        chosen.append(min(counts, key=lambda hazard: (-counts[hazard], hazard)))
        left = [situation for situation in left if chosen[-1] not in situation.hazards]
    return tuple(chosen)
