"""Checks on places: whether each comes from somewhere, and whether anybody could drive there."""

import re
from collections.abc import Iterator, Sequence

from dispatch.domain.findings import Candidate, Check, Severity
from dispatch.domain.places import (
    find_place,
    is_cut_short,
    is_lone_road,
    is_same_place,
    is_vague_place,
    lacks_district,
    stands_in,
)
from dispatch.domain.plan import UNKNOWN_PLACE, Order
from dispatch.domain.situation import Situation

# What may be a place in the words of a task: a road's number, or characters up to a word that ends a place's name.
_NAMED = re.compile(
    "(?<![A-Za-z0-9])[A-Z][0-9]{1,4}(?![0-9])|[\u4e00-\u9fff]{2,12}?(?:村|镇|乡|县|街道|小区|社区|高速|隧道|大桥|水库)"
)
_LEAST_NAME = 2  # 甲村


def names_place(text: str) -> bool:
    """Whether the words of a task may name a place."""
    return bool(_NAMED.search(text))


def check_places(candidate: Candidate, orders: Sequence[Order], free_texts: Sequence[str]) -> Iterator[Check]:
    """UNGROUNDED_PLACE, and of each request MISSING_LOCATION, AMBIGUOUS_PLACE and LOCATION_CONFLICT.

    ``free_texts`` are the items of those orders that are not in doctrine's own words.
    """
    yield from _check_grounds(candidate, orders)
    yield from _check_tasks(candidate, free_texts)
    for situation in candidate.situations:
        if situation.kind == "request":
            yield from _check_findable(situation, candidate)
        yield from _check_conflict(situation, candidate)


def _check_grounds(candidate: Candidate, orders: Sequence[Order]) -> Iterator[Check]:
    """Every place must be a span of the report or of the context, and not be cut out of a longer name."""
    sources = (candidate.report, candidate.context.location)
    places = {order.place for order in orders} | {situation.location for situation in candidate.situations}
    for place in sorted(places - {"", UNKNOWN_PLACE}):
        if not any(stands_in(place, source) for source in sources):
            message = f"{place} stands neither in the report nor in the context"
            yield from _in_instruction("error", message, place, candidate)
        elif not is_vague_place(place) and not any(
            stands_in(place, source) and not is_cut_short(place, source) for source in sources
        ):
            message = f"{place} stands only inside a longer name, which may be another place"
            yield from _in_instruction("warning", message, place, candidate)


def _in_instruction(severity: Severity, message: str, place: str, candidate: Candidate) -> Iterator[Check]:
    """One finding for each time that the instruction names the place; one for the whole where it does not."""
    spans = [(at, at + len(place)) for at in find_place(place, candidate.instruction)] or [(0, 0)]
    for start, end in spans:
        yield Check("UNGROUNDED_PLACE", severity, message, "instruction", start, end)


def _check_tasks(candidate: Candidate, free_texts: Sequence[str]) -> Iterator[Check]:
    """Places inside tasks that are not doctrine's own words."""
    for item in dict.fromkeys(free_texts):
        for match in _NAMED.finditer(item):
            if not _is_grounded(match[0], candidate):
                start = candidate.instruction.find(item)
                span = (start + match.start(), start + match.end()) if start >= 0 else (0, 0)
                message = f"{match[0]} names a place that stands neither in the report nor in the context"
                yield Check("UNGROUNDED_PLACE", "error", message, "instruction", *span)


def _is_grounded(words: str, candidate: Candidate) -> bool:
    """Whether the words end in a known place; where its name begins, only that place tells (疏散张庄村)."""
    sources = (candidate.report, candidate.context.location)
    if words[0].isascii():
        return any(stands_in(words, source) for source in sources)
    tails = (words[start:] for start in range(len(words) - _LEAST_NAME + 1))
    return any(stands_in(tail, source) for tail in tails for source in sources)


def _check_findable(situation: Situation, candidate: Candidate) -> Iterator[Check]:
    place, report, context = situation.location, candidate.report, candidate.context.location
    at = next(find_place(place, report), None)
    start, end = (0, 0) if at is None else (at, at + len(place))
    if is_vague_place(place):
        said = f"only {place!r}" if place else "no place"
        yield Check("MISSING_LOCATION", "warning", f"the report names {said}: call back and ask", "report", start, end)
        return
    message = ""
    if is_lone_road(place):
        message = f"{place} is a whole road: ask for the kilometre post, the section or what stands beside it"
    elif lacks_district(place, report, context):
        message = f"{place} names no district, and there may be many of that name: ask which one"
    if message and at is not None:
        yield Check("AMBIGUOUS_PLACE", "info", message, "report", start, end)
    elif message:
        yield Check("AMBIGUOUS_PLACE", "info", message, "context", 0, len(context))


def _check_conflict(situation: Situation, candidate: Candidate) -> Iterator[Check]:
    place, known = situation.location, candidate.context.location
    if not known or not place or is_vague_place(place):
        return
    if not is_same_place(place, known):
        message = f"the report says {place}, the context {known}"
        yield Check("LOCATION_CONFLICT", "warning", message, "context", 0, len(known))
    elif situation.facts.get("caller_elsewhere") and not stands_in(place, candidate.report):
        message = f"the caller is elsewhere: {known} is the caller's place and may not be the incident's"
        yield Check("LOCATION_CONFLICT", "warning", message, "context", 0, len(known))
