"""Traits: what a report is known by, where two may be about one emergency."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from dispatch.domain.extraction import find_phones
from dispatch.domain.places import is_vague_place
from dispatch.model import normalize
from dispatch.store import EarlierRequest, Instruction

_SHINGLE = 3  # characters


@dataclass(frozen=True)
class Traits:
    """What a request is known by."""

    name: str
    request_id: str
    incident_id: str
    created_at: datetime
    places: frozenset[tuple[str, str]]
    """Named places, each with a hazard there."""
    phones: Mapping[str, tuple[int, int]]
    """By digits: the span in the report's own characters."""
    shingles: frozenset[str]
    """The runs of characters in the report, without its telephone numbers: who forwards a call adds their own."""


def traits_of(request: EarlierRequest | Instruction) -> Traits:
    """The traits of a request that was stored, or is about to be."""
    phones, shingles = _read(request.report)
    places = frozenset(
        (str(situation["location"]), str(hazard))
        for situation in request.situations
        if not is_vague_place(situation.get("location", ""))
        for hazard in situation.get("hazards", ())
    )
    return Traits(
        request.name,
        request.request_id,
        request.incident_id,
        request.created_at,
        places,
        phones,
        shingles,
    )


@lru_cache(64)  # a request is compared with others before it is stored, and others with it when it is
def _read(report: str) -> tuple[Mapping[str, tuple[int, int]], frozenset[str]]:
    """The telephone numbers of a text, each with its span, and its shingles."""
    normalized = normalize(report)
    text = normalized.text
    phones = {_digits(text[start:end]): normalized.span(start, end) for start, end in find_phones(text)}
    return phones, _shingles(text)


def likeness(shingles: frozenset[str], others: frozenset[str]) -> float:
    """The part of the shingles of both texts together that both have, 0 to 1."""
    shared = len(shingles & others)
    return shared / (len(shingles) + len(others) - shared) if shared else 0.0


def _shingles(text: str) -> frozenset[str]:
    for start, end in reversed(find_phones(text)):
        text = text[:start] + text[end:]
    return frozenset(text[start : start + _SHINGLE] for start in range(len(text) - _SHINGLE + 1))


def _digits(phone: str) -> str:
    return "".join(char for char in phone if char.isdigit())
