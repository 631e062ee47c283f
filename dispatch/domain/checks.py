"""Checks: findings about a candidate, made by rules that share no code with the network."""

from collections.abc import Iterator, Sequence

from dispatch.domain.doctrine import Doctrine
from dispatch.domain.findings import Candidate, Check
from dispatch.domain.instruction import parse_orders, parse_orders_by_incident, render_instruction
from dispatch.domain.number_checks import check_numbers
from dispatch.domain.places import is_same_place, is_vague_place, stands_in
from dispatch.domain.plan import UNKNOWN_PLACE, Order
from dispatch.domain.situation import Situation

__all__ = ["Candidate", "Check", "run_checks"]

_LOW_CONFIDENCE = 0.5
_ANSWERED_BY_ANYONE = ("rescue", "evacuation", "heavy_equipment")


def run_checks(candidate: Candidate, doctrine: Doctrine) -> list[Check]:
    """All findings about a candidate, the most severe first."""
    findings = [
        *_check_reading(candidate),
        *_check_places(candidate, doctrine),
        *check_numbers(candidate, doctrine),
        *_check_orders(candidate, doctrine),
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


def _check_certainty(candidate: Candidate) -> Iterator[Check]:
    if candidate.confidence < _LOW_CONFIDENCE:
        message = f"the model is unsure (its least certain token has probability {candidate.confidence:.2f})"
        yield Check("LOW_CONFIDENCE", "warning", message, "instruction")
