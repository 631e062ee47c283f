"""The measures, and what one answer adds to each.

A measure is a ratio of sums over the rows of a file, or made of such (see :mod:`training.bootstrap`): each row adds a
part and a whole to it, and a row with a whole of 0 has no say.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from dispatch.domain import Situation, labels, parse_orders
from training.slots import Match, overlap, slot_errors

_NUMBER = re.compile(r"\d+(?:\.\d+)?", re.ASCII)
_SENDING = ("继续", "派", "增派", "备勤", "随行", "通知", "调运", "申请")  # actions that bring somebody or something


@dataclass(frozen=True)
class Measure:
    """A measure by name; best says which end of 0 to 1 is the good one."""

    name: str
    meaning: str
    best: Literal[0, 1] = 1


MEASURES: tuple[Measure, ...] = (
    Measure("instruction", "the instruction is the expected text"),
    Measure("numbers", "the instruction has the expected numbers, each as often"),
    Measure("place", "the first location and the places of the orders are the expected ones"),
    Measure("resources", "the orders name the expected items"),
    Measure("counts", "the orders name the expected items with the expected numbers and units"),
    Measure("bleu", "BLEU of the file (sacrebleu)"),
    Measure("chrf", "chrF of the file (sacrebleu)"),
    Measure("situation", "all situations are right in every slot that gold labels"),
    Measure("kind", "the (first) situation's kind is right"),
    Measure("requests", "requests that are read as requests: the rest are dismissed"),
    Measure("false_requests", "reports without a request that are read as one", best=0),
    Measure("location", "a request's location is right"),
    Measure("location_overlap", "F1 of the characters of a request's location"),
    Measure("people", "a request's counts of people are all right"),
    *(Measure(f"people_{name}", f"the count of {name}, where gold has one, is right") for name in labels.PEOPLE),
    Measure("hazards_f1", "micro F1 of hazards"),
    Measure("needs_f1", "micro F1 of needs"),
    Measure("not_needed_f1", "micro F1 of what is declined"),
    Measure("outages_f1", "micro F1 of outages"),
    Measure("vulnerable_f1", "micro F1 of vulnerable groups"),
    Measure("second_incident", "further incidents of a report that are found: kind, a hazard, and most of the place"),
    Measure("invented_incidents", "reports that are read as more requests than they hold", best=0),
    Measure("slot_errors", "missing, wrong and added slots for each slot of gold; can exceed 100%", best=0),
    Measure("slots_missing", "missing slots for each slot of gold", best=0),
    Measure("slots_wrong", "wrong slots for each slot of gold", best=0),
    Measure("slots_added", "added slots for each slot of gold", best=0),
    Measure("dispatch", "somebody is sent, or nobody, as expected"),
    Measure("must_contain", "expected words that stand in the instruction"),
    Measure("must_not_contain", "forbidden words that do not stand in the instruction"),
    Measure("ungrounded", "instructions with a number or place that comes from nowhere", best=0),
    Measure("ungrounded_numbers", "numbers of instructions that come from nowhere", best=0),
    Measure("ungrounded_places", "places of instructions that come from nowhere", best=0),
    Measure("calibration_error", "expected calibration error of the confidence, in 10 bins", best=0),
    Measure("false_alarms", "right answers that carry an error-level check", best=0),
    Measure("missed_alarms", "wrong answers that carry none", best=0),
    Measure("false_warnings", "right answers that carry a check of severity warning or error", best=0),
    Measure("silent_errors", "answers wrong in what is critical that carry no warning or error", best=0),
    Measure("silent_ungrounded", "answers with a number or place from nowhere that carry no error-level check", best=0),
)


class Ratio(NamedTuple):
    """What a row adds to a measure."""

    part: float
    whole: float


Scores = dict[str, Ratio]


def score_texts(expected: str, answered: str) -> Scores:
    """The two measures of an instruction that need no situation."""
    return {
        "instruction": _verdict(answered == expected),
        "numbers": _verdict(numbers_of(answered) == numbers_of(expected)),
    }


def score_orders(expected: str, answered: str, same_location: bool) -> Scores:
    """The measures of an instruction that read its orders; same_location is whether the first one was read right."""
    wanted, given = parse_orders(expected), parse_orders(answered)
    same_places = {order.place for order in given} == {order.place for order in wanted}
    return {
        "place": _verdict(same_location and same_places),
        "resources": _verdict({order.item for order in given} == {order.item for order in wanted}),
        "counts": _verdict(
            Counter((order.item, order.count, order.unit) for order in given)
            == Counter((order.item, order.count, order.unit) for order in wanted)
        ),
        "dispatch": _verdict(sends(answered) == sends(expected)),
    }


def score_wording(text: str, required: Sequence[Sequence[str]], forbidden: Sequence[Sequence[str]]) -> Scores:
    """How many of the required entries (each of alternatives) a text contains, and of the forbidden does not."""
    found = sum(says(text, entry) for entry in required)
    absent = sum(not says(text, entry) for entry in forbidden)
    return {
        "must_contain": Ratio(found, len(required)),
        "must_not_contain": Ratio(absent, len(forbidden)),
    }


def says(text: str, entry: Sequence[str]) -> bool:
    """Whether one of an entry's alternatives stands in a text."""
    return any(word in text for word in entry)


def score_kinds(gold: Sequence[Situation], answered: Sequence[Situation]) -> Scores:
    """Whether what is a request is read as one, whatever else is in it; each side has the most urgent first."""
    wanted, given = ([situation.kind for situation in side] for side in (gold, answered))
    return {
        "kind": _verdict(given[:1] == wanted[:1]),
        "requests" if "request" in wanted else "false_requests": _verdict("request" in given),
        "invented_incidents": _verdict(given.count("request") > wanted.count("request")),
    }


def score_slots(matches: Sequence[Match]) -> Scores:
    """The measures of what is read: slots of all situations, places and people of requests."""
    errors = [slot_errors(match) for match in matches]
    gold = sum(error.gold for error in errors)
    missing, wrong, added = (
        sum(len(getattr(error, name)) for error in errors) for name in ("missing", "wrong", "added")
    )
    scores = {
        "slot_errors": Ratio(missing + wrong + added, gold),
        "slots_missing": Ratio(missing, gold),
        "slots_wrong": Ratio(wrong, gold),
        "slots_added": Ratio(added, gold),
        "second_incident": _found(matches[1:]),
    }
    for field in ("hazards", "needs", "not_needed", "outages", "vulnerable"):
        scores[f"{field}_f1"] = _f1([(_labels(match.gold, field), _labels(match.answer, field)) for match in matches])
    return scores | _score_requests(matches)


def _score_requests(matches: Sequence[Match]) -> Scores:
    """The places and people of gold requests; what has no answer is wrong."""
    requests = [(m.gold, m.answer) for m in matches if m.gold is not None and m.gold.kind == "request"]
    scores = {
        "location": _share([answer is not None and gold.location == answer.location for gold, answer in requests]),
        "location_overlap": _share(
            [overlap(gold.location, answer.location) if answer is not None else 0 for gold, answer in requests]
        ),
        "people": _share([answer is not None and gold.people == answer.people for gold, answer in requests]),
    }
    for category in labels.PEOPLE:
        stated = [(gold.people[category], answer) for gold, answer in requests if category in gold.people]
        scores[f"people_{category}"] = _share(
            [answer is not None and count == answer.people.get(category) for count, answer in stated]
        )
    return scores


def sends(instruction: str) -> bool:
    """Whether an instruction sends anybody or anything, or lets go on who was sent."""
    return any(order.action in _SENDING for order in parse_orders(instruction))


def numbers_of(text: str) -> Counter[float]:
    """The numbers written in digits, and how often each occurs: 3 and 3.0 are the same number."""
    return Counter(float(number) for number in _NUMBER.findall(text))


def _verdict(right: bool) -> Ratio:
    return Ratio(float(right), 1)


def _share(values: Sequence[float]) -> Ratio:
    return Ratio(float(sum(values)), len(values))


def _labels(situation: Situation | None, field: str) -> set[str]:
    return set(getattr(situation, field)) if situation is not None else set()


def _f1(sides: Sequence[tuple[set[str], set[str]]]) -> Ratio:
    """Twice the labels in common over all labels of both sides: summed over rows, the micro F1."""
    common = sum(len(gold & answer) for gold, answer in sides)
    return Ratio(2 * common, sum(len(gold) + len(answer) for gold, answer in sides))


def _found(further: Sequence[Match]) -> Ratio:
    """How many of the gold situations behind the first have an answer about the same incident."""
    judged = [match for match in further if match.gold is not None]
    return _share([match.answer is not None and _same_incident(match.gold, match.answer) for match in judged])


def _same_incident(gold: Situation | None, answer: Situation) -> bool:
    assert gold is not None
    same_hazard = not gold.hazards or bool(set(gold.hazards) & set(answer.hazards))
    return gold.kind == answer.kind and same_hazard and overlap(gold.location, answer.location) >= 0.5
