"""Duplicates: an emergency is called in more than once, and whoever decides should see the draft made for it before."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from dispatch.domain import Check
from dispatch.domain.extraction import find_phones
from dispatch.domain.places import find_place, is_vague_place
from dispatch.domain.situation import JsonObject
from dispatch.model import normalize
from dispatch.store import EarlierRequest, Instruction, Store

WINDOW = timedelta(hours=6)
_MOST = 300  # of the requests in the window, the newest: a disaster's flood of calls must not slow each of them
_SHINGLE = 3  # characters
_NEARLY_THE_SAME = 0.7  # of the shingles of both texts together
_FEWEST_SHINGLES = 6  # a text of a few characters is like many others


def note_duplicates(draft: Instruction, store: Store | None) -> Instruction:
    """The draft with a POSSIBLE_DUPLICATE check for the newest earlier request that may be about the same emergency.

    Raises StoreError where the store cannot be read.
    """
    if store is None:
        return draft
    report = normalize(draft.report)
    phones = {report.text[start:end]: (start, end) for start, end in find_phones(report.text)}
    own = {_digits(phone): report.span(*span) for phone, span in phones.items()}
    shingles = _shingles(report.text)
    for earlier in store.list_since(draft.created_at - WINDOW, _MOST):
        if _is_the_same_by_name(draft, earlier):
            continue
        text = normalize(earlier.report).text
        theirs = {_digits(text[start:end]) for start, end in find_phones(text)}
        if shared := [span for phone, span in own.items() if phone in theirs]:
            return _with_check(draft, earlier, "the same telephone number", min(shared))
        if place := _shared_place(draft.situations, earlier.situations):
            start = next(find_place(place, report.text), None)
            span = (0, 0) if start is None else report.span(start, start + len(place))
            return _with_check(draft, earlier, "the same place and hazard", span)
        if _alike(shingles, text):
            return _with_check(draft, earlier, "nearly the same words", (0, 0))
    return draft


def _is_the_same_by_name(draft: Instruction, earlier: EarlierRequest) -> bool:
    """Whether the caller already says that both belong together: a repeat, or another report of one incident."""
    return bool(
        (draft.request_id and draft.request_id == earlier.request_id)
        or (draft.incident_id and draft.incident_id == earlier.incident_id)
    )


def _with_check(draft: Instruction, earlier: EarlierRequest, why: str, span: tuple[int, int]) -> Instruction:
    message = f"{why} as in {earlier.name} of the last six hours"
    check = Check("POSSIBLE_DUPLICATE", "info", message, "report", *span)
    return replace(draft, checks=[*draft.checks, check.to_dict()])


def _shared_place(situations: Sequence[JsonObject], others: Sequence[JsonObject]) -> str:
    """The named place at which both tell of one hazard; "" for none."""
    for situation in situations:
        place, hazards = situation.get("location", ""), set(situation.get("hazards", ()))
        if is_vague_place(place):
            continue
        for other in others:
            if other.get("location") == place and hazards & set(other.get("hazards", ())):
                return str(place)
    return ""


def _alike(shingles: frozenset[str], text: str) -> bool:
    theirs = _shingles(text)
    if min(len(shingles), len(theirs)) < _FEWEST_SHINGLES:
        return False
    return len(shingles & theirs) >= _NEARLY_THE_SAME * len(shingles | theirs)


def _shingles(text: str) -> frozenset[str]:
    """The runs of characters in a text, without its telephone numbers: who forwards a call adds their own."""
    for start, end in reversed(find_phones(text)):
        text = text[:start] + text[end:]
    return frozenset(text[start : start + _SHINGLE] for start in range(len(text) - _SHINGLE + 1))


def _digits(phone: str) -> str:
    return "".join(char for char in phone if char.isdigit())
