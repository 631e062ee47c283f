"""Corrections: what reviewers have released, as training pairs."""

import json
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from dispatch.domain import Context, Doctrine, Order, Plan, Situation, make_plans, render_instruction
from dispatch.domain.conventions import additions, can_be_taught, with_endings
from dispatch.domain.situation import JsonObject
from dispatch.model import normalize, normalize_context
from dispatch.store import Instruction, Review, Reviews, Store
from dispatch.workflow.anonymizing import anonymize

RELEASED = ("approved", "revised")
EXPORTED = "pairs.exported"
"""The event by which somebody has taken the pairs; its subject is `pairs`."""
SEED_PLACE = re.compile(r"[Aa]7(?!\d)")
"""The road of the pair that the project grew from, which is a test and in no training file."""

_AT_ONCE = 500  # decisions read together
_OTHER_PAIRS = re.compile(r"\.(?:tsv|csv|parquet|gz)$", re.IGNORECASE)
_NO_LETTER = re.compile(r"[\W_]+")


@dataclass(frozen=True)
class Provenance:
    """Where a pair is from. Who the reviewers are is for the audit trail alone."""

    instructions: tuple[str, ...]
    """Names, the one whose text it is first."""
    action: str
    reviewers: int
    """How many people have released this text for this report."""
    decided_at: str
    model: str
    """Digest of the bundle that had drafted it."""
    regenerated: bool = False
    """Whether doctrine has changed since, and its answer to what the reviewer saw is the text."""


@dataclass(frozen=True)
class ReviewedPair:
    """A report with what a person has released for it.

    The situations are there where the released text is doctrine's for them, with nothing but clauses behind it that
    doctrine leaves open: then the person has confirmed the reading too.
    """

    report: str
    instruction: str
    context: Context
    situations: tuple[Situation, ...]
    provenance: Provenance

    def to_dict(self) -> JsonObject:
        """One line of a file of pairs."""
        pair: JsonObject = {"report": self.report, "instruction": self.instruction}
        if self.context != Context():
            pair["context"] = self.context.to_dict()
        if self.situations:
            pair["situations"] = [situation.to_dict() for situation in self.situations]
        return pair | {"provenance": {**vars(self.provenance), "instructions": list(self.provenance.instructions)}}


@dataclass(frozen=True)
class Export:
    """The pairs, oldest decision first, and how many decisions are none of them, by reason."""

    pairs: tuple[ReviewedPair, ...]
    left_out: Mapping[str, int] = field(default_factory=dict)


class _LeftOut(Exception):
    """A decision that is no pair; the message is the reason."""


@dataclass(frozen=True)
class _Released:
    """A pair, and who has released its text: known here alone, to count each person once."""

    pair: ReviewedPair
    reviewers: frozenset[str]


def read_held_out(paths: Sequence[Path]) -> frozenset[str]:
    """What identifies the reports of evaluation files (JSONL, or folders of such): see :func:`fingerprint`.

    Raises OSError for what cannot be read, ValueError for a line that is no JSON object with a report, or no file, and
    for pairs of another format in a folder.
    """
    files = [file for path in paths for file in (_files_of(path) if path.is_dir() else [path])]
    if not files:
        raise ValueError(f"no evaluation files (*.jsonl) in {', '.join(map(str, paths))}")
    return frozenset(fingerprint(report) for file in files for report in _reports_in(file))


def fingerprint(report: str) -> str:
    """The letters and digits of a report, as the model reads it, anonymous: an exported report has that of its own."""
    return _NO_LETTER.sub("", anonymize(normalize(report).text))


def export_pairs(store: Store, doctrine: Doctrine, held_out: Collection[str]) -> Export:
    """All that is released now, each report in its context once, and none whose fingerprint is held out.

    Of several texts for one report the one that most people have released is taken, of equals the latest. Raises
    StoreError where the store cannot be read.
    """
    left_out: Counter[str] = Counter()
    by_report: dict[tuple[str, Context], list[_Released]] = {}
    for name, decisions in released_decisions(store).items():
        instruction = store.get(name)
        assert instruction is not None, f"{name} has a review and is not there"
        try:
            _require_for_training(instruction, held_out)
            released = _released(instruction, decisions, doctrine)
        except _LeftOut as reason:
            left_out[str(reason)] += 1
            continue
        by_report.setdefault((fingerprint(released.pair.report), released.pair.context), []).append(released)
    chosen = [_merged(same) for same in by_report.values()]
    if repeated := sum(map(len, by_report.values())) - len(chosen):
        left_out["the same report again"] = repeated
    return Export(tuple(chosen), dict(left_out))


def _files_of(folder: Path) -> list[Path]:
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    for file in files:
        if _OTHER_PAIRS.search(file.name):
            raise ValueError(f"{file}: evaluation files are read as .jsonl alone: write it so, or keep it elsewhere")
    return [file for file in files if file.suffix == ".jsonl"]


def _reports_in(file: Path) -> Iterator[str]:
    with file.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                report = json.loads(line)["report"]
            except (ValueError, TypeError, KeyError) as error:
                raise ValueError(f"{file}:{number}: no JSON object with a report: {error}") from error
            yield str(report)


def released_decisions(store: Store) -> Mapping[str, list[Review]]:
    """The decisions about each instruction that was ever released, oldest first."""
    reviews, found, cursor = Reviews(store.database), dict[str, list[Review]](), 0
    while page := reviews.decisions(after=cursor, limit=_AT_ONCE):
        for review in page:
            found.setdefault(review.name, []).append(review)
        cursor = page[-1].cursor
    return {name: made for name, made in found.items() if any(one.action in RELEASED for one in made)}


def _require_for_training(instruction: Instruction, held_out: Collection[str]) -> None:
    """Raises _LeftOut for what nobody may learn from."""
    if instruction.erased_at is not None:
        raise _LeftOut("erased")
    if instruction.review_state not in RELEASED:
        raise _LeftOut("no longer released")
    if instruction.prefix:
        raise _LeftOut("its beginning was typed")
    context = (instruction.context.get("location", ""), *instruction.context.get("issued", ()))
    said = (instruction.report, instruction.final_text, *context)
    if fingerprint(instruction.report) in held_out or any(SEED_PLACE.search(normalize(text).text) for text in said):
        raise _LeftOut("in an evaluation set")


def _released(instruction: Instruction, decisions: Sequence[Review], doctrine: Doctrine) -> _Released:
    """Raises _LeftOut where masking would change what was read, and for what cannot be read."""
    releases = [one for one in decisions if one.action in RELEASED and one.text == instruction.final_text]
    if not releases:
        raise _LeftOut("decided anew meanwhile")
    try:
        context = normalize_context(Context.from_dict(instruction.context))
        released = normalize(instruction.final_text).text
        text, situations = _confirmed(instruction, released, context, doctrine)
    except ValueError as error:
        raise _LeftOut("of another version of Dispatch") from error
    masked = Context(anonymize(context.location), tuple(map(anonymize, context.issued)))
    report, instructed = anonymize(normalize(instruction.report).text), anonymize(text)
    if situations and (instructed != text or not all(_is_said(each, report, masked) for each in situations)):
        raise _LeftOut("masking would change what was read")
    last = releases[-1]
    reviewers = frozenset(one.reviewer for one in releases)
    provenance = Provenance(
        (instruction.name,),
        last.action,
        len(reviewers),
        last.decided_at.isoformat(timespec="seconds"),
        instruction.model["digest"],
        text != released,
    )
    return _Released(ReviewedPair(report, instructed, masked, situations, provenance), reviewers)


def _is_said(situation: Situation, report: str, context: Context) -> bool:
    """Whether the words of a reading are still those of the masked report."""
    is_placed = situation.location in report or situation.location in context.location
    return is_placed and all(anonymize(requested.item) == requested.item for requested in situation.requested)


def _confirmed(
    instruction: Instruction, text: str, context: Context, doctrine: Doctrine
) -> tuple[str, tuple[Situation, ...]]:
    """The text, and the situations that were read where it confirms them; doctrine's text of today where it does by
    the doctrine of then."""
    situations = tuple(Situation.from_dict(each) for each in instruction.situations)
    plans = make_plans(situations, context, doctrine)
    if _says_only(text, plans, doctrine):
        return text, situations
    if len(situations) == 1 and instruction.doctrine != doctrine.digest:
        then = Plan(tuple(Order.from_dict(order) for order in instruction.plan), instruction.priority)
        if _says_only(text, [then], doctrine):
            taught = [clause for clause in text.split(",") if can_be_taught(clause, doctrine)]
            return render_instruction(with_endings(plans, [taught], doctrine)), situations
    return text, ()


def _says_only(text: str, plans: Sequence[Plan], doctrine: Doctrine) -> bool:
    """Whether a text is that of plans, with nothing behind it but what doctrine leaves open."""
    added = additions(text, plans) if plans else None
    return added is not None and all(can_be_taught(clause, doctrine) for clauses in added for clause in clauses)


def _merged(released: Sequence[_Released]) -> ReviewedPair:
    """One pair of those for one report in one context."""
    reviewers: dict[str, frozenset[str]] = {}
    for each in released:
        text = each.pair.instruction
        reviewers[text] = reviewers.get(text, frozenset()) | each.reviewers
    best = max(
        (each.pair for each in released),
        key=lambda pair: (len(reviewers[pair.instruction]), pair.provenance.decided_at),
    )
    same = [each.pair for each in released if each.pair.instruction == best.instruction]
    names = [name for pair in (best, *same) for name in pair.provenance.instructions]
    provenance = replace(
        best.provenance, instructions=tuple(dict.fromkeys(names)), reviewers=len(reviewers[best.instruction])
    )
    return replace(best, provenance=provenance)
