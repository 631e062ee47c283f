"""Checks: findings about a candidate, made by rules that share no code with the network."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from dispatch.domain import fields
from dispatch.domain.doctrine import Doctrine
from dispatch.domain.extraction import find_counts, find_numbers
from dispatch.domain.instruction import parse_orders, parse_orders_by_incident, render_instruction
from dispatch.domain.labels import NUMBER_FACTS
from dispatch.domain.places import find_place, is_same_place, is_vague_place, stands_in
from dispatch.domain.plan import UNKNOWN_PLACE, Order, Plan
from dispatch.domain.situation import Context, JsonObject, Situation

Severity = Literal["info", "warning", "error"]
Target = Literal["report", "instruction", "context"]

_LOW_CONFIDENCE = 0.5
_ANSWERED_BY_ANYONE = ("rescue", "evacuation", "heavy_equipment")


@dataclass(frozen=True)
class Check:
    """One finding. ``target[start:end]`` is where (code points); 0, 0 means the whole of it."""

    code: str
    severity: Severity
    message: str
    target: Target
    start: int = 0
    end: int = 0

    def to_dict(self) -> JsonObject:
        return dict(vars(self))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Check":
        """Inverse of :meth:`to_dict`; the span may be left out. Raises ValueError naming the field that is wrong."""
        known = ("code", "severity", "message", "target", "start", "end")
        fields.read_object("check", data, known)
        fields.require("check", data, known[:4])
        return cls(
            fields.read_text("check.code", data["code"]),
            fields.read_choice("check.severity", data["severity"], get_args(Severity)),
            fields.read_text("check.message", data["message"]),
            fields.read_choice("check.target", data["target"], get_args(Target)),
            fields.read_whole_number("check.start", data.get("start", 0)),
            fields.read_whole_number("check.end", data.get("end", 0)),
        )


@dataclass(frozen=True)
class Candidate:
    """What is to be checked: the texts (normalised), what was decoded from them, and doctrine's answer to it."""

    report: str
    context: Context
    situations: tuple[Situation, ...]
    plans: tuple[Plan, ...]
    instruction: str
    confidence: float
    truncated: bool


def run_checks(candidate: Candidate, doctrine: Doctrine) -> list[Check]:
    """All findings about a candidate, the most severe first."""
    findings = [
        *_check_reading(candidate),
        *_check_places(candidate, doctrine),
        *_check_numbers(candidate),
        *_check_orders(candidate, doctrine),
        *_check_unread(candidate),
        *_check_certainty(candidate),
    ]
    rank = {"error": 0, "warning": 1, "info": 2}
    return sorted(findings, key=lambda check: rank[check.severity])


def _check_reading(candidate: Candidate) -> Iterator[Check]:
    for situation in candidate.situations:
        if situation.kind != "request":
            yield Check("NOT_A_REQUEST", "info", f"read as {situation.kind}: nobody is sent", "report")
        elif is_vague_place(situation.location):
            said = f"only {situation.location!r}" if situation.location else "no place"
            yield Check("MISSING_LOCATION", "warning", f"the report names {said}: call back and ask", "report")
        for category, count in situation.people.items():
            if count.conflicting:
                yield Check("CONFLICTING_COUNTS", "warning", f"the counts of {category} contradict", "report")
        known = candidate.context.location
        if known and situation.location and not is_same_place(situation.location, known):
            message = f"the report says {situation.location}, the context {known}"
            if not is_vague_place(situation.location):
                yield Check("LOCATION_CONFLICT", "warning", message, "context")
    if candidate.truncated:
        yield Check("TRUNCATED_INPUT", "error", "the report is longer than the model reads: its end was cut", "report")


def _check_places(candidate: Candidate, doctrine: Doctrine) -> Iterator[Check]:
    """Every place must be a span of the report or of the context."""
    sources = (candidate.report, candidate.context.location)
    places = {order.place for order in parse_orders(candidate.instruction, doctrine)}
    places |= {situation.location for situation in candidate.situations}
    for place in sorted(places - {"", UNKNOWN_PLACE}):
        if not any(stands_in(place, source) for source in sources):
            start = candidate.instruction.find(place)
            span = (start, start + len(place)) if start >= 0 else (0, 0)
            message = f"{place} stands neither in the report nor in the context"
            yield Check("UNGROUNDED_PLACE", "error", message, "instruction", *span)


def _check_numbers(candidate: Candidate) -> Iterator[Check]:
    """Every number must come from the report, the context, or doctrine applied to the situation.

    Without a situation doctrine has no say, and where the numbers come from is not known.
    """
    if not candidate.situations:
        return
    sources = (candidate.report, candidate.context.location, *candidate.context.issued)
    known = {number.value for source in sources for number in find_numbers(source)}
    known |= {number.value for number in find_numbers(render_instruction(candidate.plans))}
    for number in find_numbers(candidate.instruction):
        if number.value not in known:
            message = f"{number.value:g} comes neither from the report nor from doctrine"
            yield Check("UNGROUNDED_NUMBER", "error", message, "instruction", number.start, number.end)


def _check_orders(candidate: Candidate, doctrine: Doctrine) -> Iterator[Check]:
    if not candidate.situations:
        return
    if candidate.instruction != render_instruction(candidate.plans):
        message = f"doctrine answers this situation with: {render_instruction(candidate.plans)}"
        yield Check("DOCTRINE_MISMATCH", "warning", message, "instruction")
    for situation, plan, orders in zip(
        candidate.situations, candidate.plans, _orders_by_situation(candidate, doctrine), strict=True
    ):
        for order in orders:
            if doctrine.need_of(order.item) in situation.not_needed:
                yield Check("DECLINED_ITEM", "error", f"{order.item} was declined", "instruction")
        if situation.kind == "request":
            covered = (order for order in plan.orders if order.action == "已派")
            yield from _check_needs(situation, [*orders, *covered], doctrine)


def _orders_by_situation(candidate: Candidate, doctrine: Doctrine) -> list[list[Order]]:
    """The instruction's orders for each situation: all of them for each, where it has not one part for each."""
    parts = parse_orders_by_incident(candidate.instruction, doctrine)
    if len(parts) == len(candidate.situations):
        return parts
    return [[order for part in parts for order in part]] * len(candidate.situations)


def _check_needs(situation: Situation, orders: Sequence[Order], doctrine: Doctrine) -> Iterator[Check]:
    """What was asked for, not declined as well, and no order answers."""
    served = {doctrine.need_of(order.item) for order in orders}
    for need in situation.needs:
        if need in served or need in _ANSWERED_BY_ANYONE or need in situation.not_needed:
            continue
        if need == "generator" and any("恢复供电" in order.item for order in orders):
            message = "the generator asked for is answered by restoring the supply"
            yield Check("MISSING_NEED", "info", message, "instruction")
        else:
            yield Check("MISSING_NEED", "warning", f"nothing answers the need for {need}", "instruction")


def _check_unread(candidate: Candidate) -> Iterator[Check]:
    """Numbers of the report that no part of the situation claims."""
    if not any(situation.kind == "request" for situation in candidate.situations):
        return
    claimed: set[float] = set()
    for situation in candidate.situations:
        for count in situation.people.values():
            claimed |= {float(count.min), float(count.max if count.max is not None else count.min)}
        claimed |= {float(item.count) for item in situation.requested} | _spellings(situation.measures)
        claimed |= {float(value) for name, value in situation.facts.items() if name in NUMBER_FACTS}
    places = {situation.location for situation in candidate.situations}
    spans = [(start, start + len(place)) for place in places for start in find_place(place, candidate.report)]
    for number in find_counts(candidate.report):
        in_place = any(start <= number.start < end for start, end in spans)
        if number.value not in claimed and not in_place:
            message = f"{candidate.report[number.start : number.end]} is not part of the situation"
            yield Check("UNREAD_NUMBER", "warning", message, "report", number.start, number.end)


def _spellings(measures: Mapping[str, float]) -> set[float]:
    """A measure as stated: in metres, in centimetres, or as its two digits (一米二)."""
    values: set[float] = set()
    for value in measures.values():
        values |= {value, round(value * 100), float(int(value)), float(round(value * 10) % 10)}
    return values


def _check_certainty(candidate: Candidate) -> Iterator[Check]:
    if candidate.confidence < _LOW_CONFIDENCE:
        message = f"the model is unsure (its least certain token has probability {candidate.confidence:.2f})"
        yield Check("LOW_CONFIDENCE", "warning", message, "instruction")
