"""Checks: findings about a candidate, made by rules that share no code with the network."""

import unicodedata
from collections.abc import Iterator, Sequence

from dispatch.domain.amounts import clause_of
from dispatch.domain.doctrine import CONTINUE, STAND_DOWN, Doctrine
from dispatch.domain.findings import Candidate, Check, Target
from dispatch.domain.hazard_checks import check_hazards
from dispatch.domain.instruction import parse_orders, parse_orders_by_incident, render_instruction
from dispatch.domain.number_checks import check_numbers
from dispatch.domain.place_checks import check_places
from dispatch.domain.plan import Order
from dispatch.domain.situation import Situation

__all__ = ["Candidate", "Check", "run_checks"]

_ANSWERED_BY_ANYONE = ("rescue", "evacuation", "heavy_equipment")
_REGISTER = "核实后登记"  # what is called back for where nobody is sent
_UNREAD_SHARE = 0.3  # of a report's letters
_FEWEST_LETTERS = 5
_MEANINGLESS = ("Cc", "Cn", "Co", "Cs")  # control, unassigned, private use, half of a pair


def run_checks(candidate: Candidate, doctrine: Doctrine) -> list[Check]:
    """All findings about a candidate, the most severe first."""
    parts = parse_orders_by_incident(candidate.instruction, doctrine)
    orders = [order for part in parts for order in part]
    known = _known_items(candidate, doctrine)
    free_texts = [order.item for order in orders if order.item not in known]
    findings = [
        *_check_text(candidate),
        *check_places(candidate, orders, free_texts),
        *check_numbers(candidate, doctrine),
        *check_hazards(candidate),
        *_check_orders(candidate, parts, doctrine),
        *_check_issued(candidate, known, doctrine),
    ]
    rank = {"error": 0, "warning": 1, "info": 2}
    return sorted(findings, key=lambda check: rank[check.severity])


def _known_items(candidate: Candidate, doctrine: Doctrine) -> frozenset[str]:
    """All that orders name in doctrine's words, and what was asked for by number in the report's own."""
    planned = {order.item for plan in candidate.plans for order in plan.orders}
    return doctrine.items | planned | {STAND_DOWN.item, CONTINUE.item, _REGISTER}


def _check_text(candidate: Candidate) -> Iterator[Check]:
    """What was read: whether it asks for help, was read whole, and in characters that mean something."""
    for situation in candidate.situations:
        if situation.kind != "request":
            yield Check("NOT_A_REQUEST", "info", f"read as {situation.kind}: nobody is sent", "report")
    report = candidate.report
    if candidate.truncated:
        message = "the report is longer than the model reads: its end was cut"
        start = len(report) - len(clause_of(report, len(report) - 1, len(report)))
        yield Check("TRUNCATED_INPUT", "error", message, "report", max(0, start), len(report))
    lost = [at for at, char in enumerate(report) if char == "\ufffd" or unicodedata.category(char) in _MEANINGLESS]
    if lost:
        message = f"{len(lost)} characters of the report were lost before it came here, or mean nothing"
        yield Check("UNKNOWN_CHARACTERS", "warning", message, "report", lost[0], _end_of_run(lost))
    foreign = [at for at, char in enumerate(report) if char.isalpha() and not _is_read(char)]
    letters = sum(map(str.isalpha, report))
    if candidate.situations and letters >= _FEWEST_LETTERS and len(foreign) > _UNREAD_SHARE * letters:
        message = "a large part of the report is in a script that the model has not learned"
        yield Check("UNKNOWN_CHARACTERS", "warning", message, "report", foreign[0], _end_of_run(foreign))


def _is_read(char: str) -> bool:
    """Whether a letter is Chinese or Latin."""
    return char.isascii() or "\u4e00" <= char <= "\u9fff" or unicodedata.name(char, "").startswith(("CJK", "LATIN"))


def _end_of_run(places: Sequence[int]) -> int:
    """The end of the run of neighbours that the first place begins."""
    known = set(places)
    return next(at for at in range(places[0] + 1, places[-1] + 2) if at not in known)


def _check_orders(candidate: Candidate, parts: Sequence[Sequence[Order]], doctrine: Doctrine) -> Iterator[Check]:
    if not candidate.situations:
        return
    answer = render_instruction(candidate.plans)
    if candidate.instruction != answer:
        message = f"doctrine answers this situation with: {answer}"
        yield Check("DOCTRINE_MISMATCH", "warning", message, "instruction")
    starts = _part_starts(candidate, parts)
    for situation, plan, orders, start in zip(
        candidate.situations, candidate.plans, _by_situation(candidate, parts), starts, strict=True
    ):
        for order in orders:
            if doctrine.need_of(order.item) in situation.not_needed:
                at = candidate.instruction.find(order.item, start)
                span = (at, at + len(order.item)) if at >= 0 else (0, 0)
                yield Check("DECLINED_ITEM", "error", f"{order.item} was declined", "instruction", *span)
        if situation.kind == "request":
            covered = (order for order in plan.orders if order.action == "已派")
            yield from _check_needs(situation, [*orders, *covered], candidate, doctrine)


def _by_situation(candidate: Candidate, parts: Sequence[Sequence[Order]]) -> list[list[Order]]:
    """The instruction's orders for each situation: all of them for each, where it has not one part for each."""
    if len(parts) == len(candidate.situations):
        return [list(part) for part in parts]
    return [[order for part in parts for order in part]] * len(candidate.situations)


def _part_starts(candidate: Candidate, parts: Sequence[Sequence[Order]]) -> list[int]:
    """About where each situation's part of the instruction begins: an item that stands in two is marked in its own."""
    if len(parts) != len(candidate.situations):
        return [0] * len(candidate.situations)
    starts = [0]
    for part in candidate.instruction.split(";")[: len(parts)]:
        starts.append(starts[-1] + len(part) + 1)
    return (starts + [0] * len(parts))[: len(parts)]


def _check_needs(
    situation: Situation, orders: Sequence[Order], candidate: Candidate, doctrine: Doctrine
) -> Iterator[Check]:
    """What was asked for, not declined as well, and no order answers."""
    served = {doctrine.need_of(order.item) for order in orders}
    for need in situation.needs:
        if need in served or need in _ANSWERED_BY_ANYONE or need in situation.not_needed:
            continue
        words = [word for word, answered in doctrine.needs_by_word.items() if answered == need]
        said = [(candidate.report.find(word), -len(word), word) for word in words if word in candidate.report]
        start, _, asked = min(said, default=(0, 0, ""))
        target: Target = "report" if asked else "instruction"
        span = (start, start + len(asked))
        if need == "generator" and any("恢复供电" in order.item for order in orders):
            message = "the generator asked for is answered by restoring the supply"
            yield Check("MISSING_NEED", "info", message, target, *span)
        else:
            yield Check("MISSING_NEED", "warning", f"nothing answers the need for {need}", target, *span)


def _check_issued(candidate: Candidate, known: frozenset[str], doctrine: Doctrine) -> Iterator[Check]:
    """Issued instructions that are no orders: what they sent cannot be taken off what is ordered now."""
    for text in candidate.context.issued:
        orders = parse_orders(text, doctrine)
        unread = [order.item for order in orders if order.action == "任务" and order.item not in known]
        if unread or not orders:
            message = (
                f"issued, but not read as an order, so nothing is taken off for it: {unread[0] if unread else text}"
            )
            yield Check("UNREAD_ISSUED", "warning", message, "context")
