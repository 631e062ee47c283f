"""What was read and what is ordered, as claims that one can look up in the report, each by its path in the JSON."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dispatch.console.texts import Words
from dispatch.domain.situation import JsonObject

_LABELS = ("hazards", "vulnerable", "outages", "needs", "not_needed")


@dataclass(frozen=True)
class Claim:
    """One fact of a situation, or one order of the plan."""

    path: str
    """`situations[0].people.trapped`, `plan[1]`: what an alignment names it by."""
    title: str
    said: str


def facts_of(situations: Sequence[JsonObject], words: Words) -> Iterator[tuple[int, list[Claim]]]:
    """The facts of each situation, by its number from 1."""
    for index, situation in enumerate(situations):
        yield index + 1, list(_facts(f"situations[{index}]", situation, words))


def orders_of(plan: Sequence[JsonObject], words: Words) -> list[Claim]:
    """The orders of a plan by agency."""
    return [
        Claim(f"plan[{index}]", order["agency"] or words("plan.anyone"), _order(order))
        for index, order in enumerate(plan)
    ]


def _facts(path: str, situation: JsonObject, words: Words) -> Iterator[Claim]:
    yield Claim(f"{path}.kind", words("situation.kind"), words.label("kind", situation["kind"]))
    if situation.get("location"):
        yield Claim(f"{path}.location", words("situation.location"), situation["location"])
    for name in _LABELS:
        for index, label in enumerate(situation.get(name, [])):
            yield Claim(f"{path}.{name}[{index}]", words(f"situation.{name}"), words.label(name, label))
    for category, count in situation.get("people", {}).items():
        yield Claim(f"{path}.people.{category}", words.label("people", category), _count(count, words))
    for index, requested in enumerate(situation.get("requested", [])):
        said = f"{_number(requested['count'])}{requested['unit']}{requested['item']}"
        yield Claim(f"{path}.requested[{index}]", words("situation.requested"), said)
    for name in ("measures", "facts"):
        for label, value in situation.get(name, {}).items():
            said = words("yes") if value is True else _number(value)
            yield Claim(f"{path}.{name}.{label}", words.label(name, label), said)


def _count(count: Mapping[str, Any], words: Words) -> str:
    least, most = count["min"], count.get("max")
    said = f"{least}" if most == least else f"{least}+" if most is None else f"{least}–{most}"
    notes = [words(f"count.{name}") for name in ("approx", "conflicting") if count.get(name)]
    return " ".join([said, *notes])


def _order(order: Mapping[str, Any]) -> str:
    count = "" if order["count"] is None else f"{order['count']}{order['unit']}"
    return " ".join(part for part in (order["action"], f"{count}{order['item']}", order["place"]) if part)


def _number(value: float) -> str:
    return f"{value:g}" if abs(value) < 1e6 else f"{value:.0f}"
