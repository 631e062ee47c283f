"""One answer judged against what is known of the right one: a pair's, or a labelled report's."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from dispatch.domain import Convention, Situation, by_urgency
from dispatch.domain.conventions import endings, without_endings
from dispatch.domain.findings import Severity
from dispatch.engine import Candidate
from dispatch.model import normalize
from training.corpus import Pair
from training.grounding import Grounding, ground
from training.labelled import LabelledReport, as_judged, as_labelled
from training.metrics import (
    Ratio,
    Scores,
    says,
    score_kinds,
    score_orders,
    score_slots,
    score_texts,
    score_wording,
    sends,
)
from training.slots import Match, match_situations, slot_errors

Example = Pair | LabelledReport


@dataclass(frozen=True)
class Answer:
    """A candidate that was chosen, and the severity of the worst finding beside it (None without one)."""

    candidate: Candidate
    worst: Severity | None = None

    @property
    def flagged(self) -> bool:
        """Whether a check calls it an error."""
        return self.worst == "error"

    @property
    def warned(self) -> bool:
        """Whether a check asks to look twice."""
        return self.worst in ("error", "warning")


# What can be wrong with an answer, the worst first.
FAULTS = (
    "dismissed request",
    "ungrounded place",
    "ungrounded number",
    "wrong number",
    "nobody sent",
    "wrong place",
    "says",
    "needless dispatch",
    "misread",
    "does not say",
    "other wording",
)


_CRITICAL_SLOTS = ("location", "people:", "requested:", "outages:")


class Fault(NamedTuple):
    """One thing that is wrong with an answer: one of FAULTS, and what it is about ("" where that says all)."""

    name: str
    about: str = ""

    def __str__(self) -> str:
        return f"{self.name}: {self.about}" if self.about else self.name


@dataclass(frozen=True)
class Judgement:
    """What one answer adds to each measure, whether it is right, and what is wrong with it, the worst first.

    A fault that says nothing more than its name is left out beside one that does.
    A pair's answer is right if the instruction is the expected text, that to a labelled report if every slot is right.
    """

    scores: Scores
    right: bool
    faults: tuple[Fault, ...]
    matches: tuple[Match, ...]


def judge(example: Example, answer: Answer) -> Judgement:
    """Compares an answer with its pair or labelled report."""
    if isinstance(example, Pair):
        return judge_pair(example, answer)
    return judge_labelled(example, answer)


def as_of_then(example: Example, answer: Answer, taught: Sequence[Convention]) -> Answer:
    """An answer to a pair that is older than a convention, without it; everything else as it is.

    A pair is older where its text lacks a taught clause that its situations call for.
    """
    if not taught or not isinstance(example, Pair) or not example.situations:
        return answer
    expected = endings(normalize(example.instruction).text, example.situations, taught)
    said = {clause for clauses in expected for clause in clauses}
    newer = [convention for convention in taught if convention.clause not in said]
    candidate = answer.candidate
    return replace(
        answer, candidate=replace(candidate, text=without_endings(candidate.text, candidate.situations, newer))
    )


def judge_pair(pair: Pair, answer: Answer) -> Judgement:
    """Compares an answer with a pair, both as the model writes (NFKC); without situations by the texts alone."""
    text, expected = answer.candidate.text, normalize(pair.instruction).text
    grounding = ground(text, pair.report, pair.context, answer.candidate.situations)
    scores = score_texts(expected, text) | _score_grounding(grounding)
    matches: tuple[Match, ...] = ()
    if pair.situations:
        gold = by_urgency([as_written(situation) for situation in pair.situations])
        answered = answer.candidate.situations
        matches = tuple(match_situations(gold, answered))
        same_location = bool(answered) and answered[0].location == gold[0].location
        scores |= score_orders(expected, text, same_location) | score_kinds(gold, answered) | score_slots(matches)
        scores["situation"] = Ratio(float(answered == gold), 1)
    right = text == expected
    faults = [*_faults(scores, grounding, matches), *_faults_of_text(scores, sends(expected))]
    return _judgement(scores, right, answer, faults, matches)


def judge_labelled(report: LabelledReport, answer: Answer) -> Judgement:
    """Compares an answer with a labelled report; what the labels leave open is not judged."""
    text = normalize(answer.candidate.text).text
    gold, answered = (
        [as_labelled(situation) for situation in side] for side in (report.situations, answer.candidate.situations)
    )
    matches = tuple(
        match if match.answer is None else Match(match.gold, as_judged(gold, match.gold, match.answer))
        for match in match_situations(gold, answered)
    )
    grounding = ground(text, report.report, report.context, answer.candidate.situations)
    expect = report.expect
    scores = score_kinds(gold, answered) | score_slots(matches) | _score_grounding(grounding)
    scores |= score_wording(text, expect.must_contain, expect.must_not_contain)
    if expect.dispatch is not None:
        scores["dispatch"] = Ratio(float(sends(text) == expect.dispatch), 1)
    right = scores["slot_errors"].part == 0
    scores["situation"] = Ratio(float(right), 1)
    faults = [*_faults(scores, grounding, matches), *_faults_of_text(scores, bool(expect.dispatch))]
    faults += [Fault("does not say", "|".join(entry)) for entry in expect.must_contain if not says(text, entry)]
    faults += [Fault("says", "|".join(entry)) for entry in expect.must_not_contain if says(text, entry)]
    return _judgement(scores, right, answer, faults, matches)


def as_written(situation: Situation) -> Situation:
    """A situation with its texts as the model writes them."""
    return replace(
        situation,
        location=normalize(situation.location).text,
        requested=tuple(replace(item, item=normalize(item.item).text) for item in situation.requested),
    )


def _judgement(
    scores: Scores, right: bool, answer: Answer, faults: Sequence[Fault], matches: tuple[Match, ...]
) -> Judgement:
    scores["false_alarms"] = Ratio(float(right and answer.flagged), float(right))
    scores["missed_alarms"] = Ratio(float(not right and not answer.flagged), float(not right))
    scores["false_warnings"] = Ratio(float(right and answer.warned), float(right))
    scores["silent_errors"] = Ratio(float(_is_critical(scores, matches) and not answer.warned), 1)
    if "ungrounded" in scores:
        scores["silent_ungrounded"] = Ratio(scores["ungrounded"].part * (not answer.flagged), 1)
    detailed = {fault.name for fault in faults if fault.about}
    told = [fault for fault in faults if fault.about or fault.name not in detailed]
    ordered = sorted(told, key=lambda fault: FAULTS.index(fault.name))
    return Judgement(scores, right, tuple(ordered), matches)


def _is_critical(scores: Scores, matches: Sequence[Match]) -> bool:
    """Whether a place, a count of people, a quantity, an outage or what is sent is wrong or missing."""
    slots = {slot for match in matches for slot in (*slot_errors(match).missing, *slot_errors(match).wrong)}
    misread = any(slot.startswith(_CRITICAL_SLOTS) for slot in slots)
    return misread or any(scores.get(name) == Ratio(0, 1) for name in ("requests", "place", "resources", "counts"))


def _score_grounding(grounding: Grounding) -> Scores:
    return {
        "ungrounded": Ratio(float(not grounding.whole), 1),
        "ungrounded_numbers": Ratio(len(grounding.ungrounded_numbers), grounding.numbers),
        "ungrounded_places": Ratio(len(grounding.ungrounded_places), grounding.places),
    }


def _faults(scores: Scores, grounding: Grounding, matches: Sequence[Match]) -> Iterator[Fault]:
    """Faults that need no expected text: of the reading, and of what comes from nowhere."""
    if scores.get("requests") == Ratio(0, 1):
        yield Fault("dismissed request")
    yield from (Fault("ungrounded place", place) for place in grounding.ungrounded_places)
    yield from (Fault("ungrounded number", number) for number in grounding.ungrounded_numbers)
    for match in matches:
        errors = slot_errors(match)
        for slot in (*errors.missing, *errors.wrong, *errors.added):
            if slot == "location":
                yield Fault("wrong place", match.answer_slots.get(slot, ""))
            elif slot in errors.wrong and slot.startswith(("people:", "requested:", "measures:")):
                yield Fault("wrong number", f"{slot} {match.answer_slots[slot]}")
            else:
                yield Fault("misread", slot)


def _faults_of_text(scores: Scores, should_send: bool) -> Iterator[Fault]:
    if scores.get("numbers") == Ratio(0, 1):
        yield Fault("wrong number")
    if scores.get("place") == Ratio(0, 1):
        yield Fault("wrong place")
    if scores.get("dispatch") == Ratio(0, 1):
        yield Fault("nobody sent" if should_send else "needless dispatch")
    if scores.get("instruction") == Ratio(0, 1):
        yield Fault("other wording")
