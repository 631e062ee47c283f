"""What reviewed pairs teach beside doctrine: clauses that people keep adding to orders."""

from collections import Counter
from collections.abc import Iterable, Sequence

from dispatch.domain import Convention, Doctrine, Situation, default_doctrine, make_plans
from dispatch.domain.conventions import additions, can_be_taught
from dispatch.model import normalize, normalize_context
from training.corpus import Pair
from training.judging import as_written

LEAST_PAIRS = 20  # fewer are somebody's habit
_COVERED = 0.95  # of the situations with a clause must have one of its hazards


def find_conventions(pairs: Iterable[Pair], doctrine: Doctrine | None = None) -> tuple[Convention, ...]:
    """The clauses that at least LEAST_PAIRS of the pairs add to doctrine's text, in the order of their first pair.

    Each is for the fewest hazards that nearly all situations with it have one of.
    """
    doctrine = doctrine or default_doctrine()
    seen: dict[str, list[Situation]] = {}
    for pair in pairs:
        situations = [as_written(situation) for situation in pair.situations]
        plans = make_plans(situations, normalize_context(pair.context), doctrine)
        added = additions(normalize(pair.instruction).text, plans) or ()
        for situation, clauses in zip(situations, added, strict=False):
            for clause in clauses:
                seen.setdefault(clause, []).append(situation)
    return tuple(
        Convention(clause, _common_hazards(situations))
        for clause, situations in seen.items()
        if len(situations) >= LEAST_PAIRS and can_be_taught(clause, doctrine)
    )


def is_changed(pair: Pair, conventions: Sequence[Convention]) -> bool:
    """Whether reviews have taught to end an instruction for such situations otherwise than doctrine does."""
    return any(convention.holds_for(situation) for convention in conventions for situation in pair.situations)


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
