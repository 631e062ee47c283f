"""Evidence by rule: where a report states a fact of a situation. No part of the network has a say in it.

Places are found word for word, numbers by the independent extractor, and goods by doctrine's own words for them. What
hazards, outages and the like are called differs from caller to caller: of those nothing is said here.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

from dispatch.domain.amounts import Amount, find_amounts, simplified
from dispatch.domain.doctrine import Doctrine
from dispatch.domain.headcounts import find_headcounts
from dispatch.domain.number_checks import (
    ALIKE,
    FACTS_BY_EVENT,
    FACTS_BY_KIND,
    MEASURES_BY_KIND,
    claims_count,
    claims_value,
    event_span,
)
from dispatch.domain.places import find_place
from dispatch.domain.situation import Count, Requested, Situation

Span = tuple[int, int]
"""Start and end in code points, the end exclusive."""

_REACH = 8  # characters between a number and the thing it counts: 3台大功率的发电机
_JOINED = 1  # characters at most between two spans that are shown as one
_FLOOR = "层楼"
_HOUSEHOLD = "户家"
_METRES_A_KM = 1000.0
# What must stand beside a number (#) that has no kind: 9岁 is an age, 9号楼 is none.
_BESIDE = {
    "age": re.compile("#周?岁|年龄[为约有:: ]{0,2}#"),
    "battery_percent": re.compile("#(?:%|个?格?电|格)|(?:百分之|电量?[为约仅只剩余有:: ]{0,3})#"),
}


def find_evidence(situation: Situation, report: str, doctrine: Doctrine) -> Mapping[str, tuple[Span, ...]]:
    """Where a report (NFKC) states the facts, by their paths (``people.trapped``), but for those that no rule finds.

    Spans are in reading order and do not touch.
    """
    places = [(start, start + len(situation.location)) for start in find_place(situation.location, report)]
    amounts = [
        amount for amount in find_amounts(report) if not any(start <= amount.start < end for start, end in places)
    ]
    found: dict[str, Sequence[Span]] = {"location": places}
    for category, count in situation.people.items():
        found[f"people.{category}"] = _people(category, count, amounts, report)
    for name, value in situation.measures.items():
        found[f"measures.{name}"] = [
            _span(amount, report) for amount in amounts if _measures(name, value, amount, report)
        ]
    for name, value in situation.facts.items():
        if not isinstance(value, bool):
            found[f"facts.{name}"] = [
                _span(amount, report) for amount in amounts if _states(name, value, amount, report)
            ]
    for index, requested in enumerate(situation.requested):
        found[f"requested[{index}]"] = _requested(requested, amounts, report)
    for field in ("needs", "not_needed"):
        for index, need in enumerate(getattr(situation, field)):
            found[f"{field}[{index}]"] = list(_goods(need, report, doctrine))
    return {path: join(spans) for path, spans in found.items() if spans}


def join(spans: Sequence[Span]) -> tuple[Span, ...]:
    """The spans in order; those that overlap, or nearly touch, as one."""
    joined: list[Span] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1] + _JOINED:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return tuple(joined)


def _span(amount: Amount, report: str) -> Span:
    """The number with its measure word, where that stands behind it."""
    at = amount.end + report.startswith(" ", amount.end)
    unit = amount.unit if simplified(report).startswith(amount.unit, at) else ""
    return (amount.start, at + len(unit)) if unit else (amount.start, amount.end)


def _people(category: str, count: Count, amounts: Sequence[Amount], report: str) -> list[Span]:
    """The numbers that are the count, of them those whose clause says the same of the people; else who is named."""
    stating = [amount for amount in amounts if amount.kind in ("people", "") and claims_count(count, amount)]
    if category == "households":
        chosen = [amount for amount in stating if amount.unit and amount.unit in _HOUSEHOLD]
    else:
        people = [amount for amount in stating if amount.kind == "people" or amount.events]
        same = [amount for amount in people if any(category in ALIKE[event] for event in amount.events)]
        chosen = same or [amount for amount in people if not amount.events]
    if chosen:
        return [_span(amount, report) for amount in chosen]
    named = [each for each in find_headcounts(report, amounts) if count.min == count.max == each.value]
    if named:
        first = min(named, key=lambda each: (each.end - each.start, each.start))
        return [(first.start, first.end)]
    start, end = event_span(category, report)
    return [(start, end)] if end else []


def _measures(name: str, value: float, amount: Amount, report: str) -> bool:
    if name == "floor":
        after = report[amount.end : amount.end + 1]
        return claims_value(value, amount) and bool(after) and simplified(after) in _FLOOR
    return name in MEASURES_BY_KIND.get(amount.kind, ()) and claims_value(value, amount)


def _states(name: str, value: float, amount: Amount, report: str) -> bool:
    """Whether an amount is the number of a fact."""
    if name == "km":
        return amount.kind == "length" and claims_value(value * _METRES_A_KM, amount)
    if name == "altitude_m":
        return amount.kind == "length" and claims_value(value, amount)
    if name in FACTS_BY_EVENT[""]:
        return amount.kind in ("people", "") and claims_value(value, amount)
    if any(name in names for names in FACTS_BY_KIND.values()):
        return name in FACTS_BY_KIND.get(amount.kind, ()) and claims_value(value, amount)
    if amount.kind or not claims_value(value, amount):
        return False
    around = (
        f"{report[max(0, amount.start - _REACH) : amount.start]}#{report[amount.end : amount.end + _REACH].lstrip()}"
    )
    return name not in _BESIDE or _BESIDE[name].search(simplified(around)) is not None


def _requested(requested: Requested, amounts: Sequence[Amount], report: str) -> list[Span]:
    """The number and the thing; the thing alone where its number is not found."""
    whole, alone = [], []
    for start in find_place(requested.item, report):
        end = start + len(requested.item)
        alone.append((start, end))
        near = [
            amount for amount in amounts if claims_value(requested.count, amount) and 0 <= start - amount.end <= _REACH
        ]
        whole += [(near[-1].start, end)] if near else []
    return whole or alone


def _goods(need: str, report: str, doctrine: Doctrine) -> Iterator[Span]:
    """Where the report says one of doctrine's words for what answers a need, the longest word at a place."""
    spelled = simplified(report)
    words = [word for word, answered in doctrine.needs_by_word.items() if answered == need]
    reached = 0
    for at in range(len(spelled)):
        if at >= reached and (longest := max((w for w in words if spelled.startswith(w, at)), key=len, default="")):
            reached = at + len(longest)
            yield at, reached
