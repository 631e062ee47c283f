"""What the store keeps of one request and its answer, as plain data."""

import hashlib
import json
import math
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any

from dispatch.domain.situation import JsonObject

_encode = json.JSONEncoder(allow_nan=False, ensure_ascii=False).encode

REVIEW_STATES = ("pending", "claimed", "approved", "revised", "rejected", "recalled", "superseded")


def utc_now() -> datetime:
    """The present moment, aware, in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True)
class Instruction:
    """One instruction with the request that it answers. What JSON can hold stands as JSON would give it back."""

    name: str = ""
    """`instructions/ID`; the store gives one to a draft that has none. `new_name` makes one beforehand."""
    request_id: str = ""
    """The caller's own id, unique for its principal; empty when none was given."""
    incident_id: str = ""
    report: str
    context: JsonObject
    decoding: JsonObject
    prefix: str = ""
    body_digest: str = ""
    """`body_digest` of the request: the same request_id with another digest is a conflict."""
    instruction: str
    candidates: list[JsonObject]
    """Best first: text, score and token_scores of each."""
    situations: list[JsonObject]
    plan: list[JsonObject]
    checks: list[JsonObject]
    confidence: float
    model: dict[str, str]
    """name and digest of the bundle that wrote the instruction."""
    doctrine: str
    """Digest of the doctrine that made the plan."""
    timings: dict[str, float]
    """Seconds by stage."""
    priority: str = ""
    review_state: str = "pending"
    """One of REVIEW_STATES."""
    due_at: datetime | None = None
    """When somebody should have decided."""
    created_at: datetime = field(default_factory=utc_now)
    version: int = 1
    """Raised by every change of the stored row."""
    claimed_by: str = ""
    """Who looks at it; the claim counts until `lease_expires_at`."""
    claimed_at: datetime | None = None
    lease_expires_at: datetime | None = None
    final_text: str = ""
    """As a person has approved or revised it; empty before."""
    erased_at: datetime | None = None
    """When its personal data were erased: report, context, texts and the like are empty since."""

    @property
    def etag(self) -> str:
        """Identifies this state of the instruction (AIP-154)."""
        return str(self.version)


_NAME = re.compile("instructions/([0-9a-f]{32})")


def new_name() -> str:
    """A name for an instruction that no other has."""
    return f"instructions/{uuid.uuid4().hex}"


def key_in(name: str) -> str | None:
    """The ID in `instructions/ID`; None where the text is no such name."""
    match = _NAME.fullmatch(name)
    return match[1] if match else None


@dataclass(frozen=True, kw_only=True)
class EarlierRequest:
    """What a new request is compared with: one that was stored before, and what was read from it."""

    name: str
    """Of its instruction, `instructions/ID`."""
    request_id: str
    incident_id: str
    report: str
    situations: list[JsonObject]
    created_at: datetime


def body_digest(
    *,
    report: str,
    context: JsonObject,
    decoding: JsonObject,
    prefix: str = "",
    incident_id: str = "",
    model: str = "",
    priority: str = "",
) -> str:
    """SHA-256, in hexadecimal, of all that a request asks for; `model` is the one asked for, not the one that answered.

    The order of keys does not matter, and a tuple counts as a list.
    """
    body = {
        "report": report,
        "context": context,
        "decoding": decoding,
        "prefix": prefix,
        "incident_id": incident_id,
        "model": model,
        "priority": priority,
    }
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()


def check_storable(record: Instruction) -> None:
    """Raise ValueError naming the field that some database could not keep or would give back changed.

    PostgreSQL stores neither NUL nor lone surrogates, and JSON has no word for a number that is not finite.
    """
    for item in fields(record):
        value = getattr(record, item.name)
        if not _is_plainly_storable(value):
            check_text(item.name, value)
    if record.name and key_in(record.name) is None:
        raise ValueError(f"name: {record.name!r} is not instructions/ID")
    for name in ("created_at", "due_at"):
        moment = getattr(record, name)
        if moment is not None and moment.tzinfo is None:
            raise ValueError(f"{name}: must carry its time zone")


def _is_plainly_storable(value: Any) -> bool:
    """Whether a container holds nothing that `check_text` might refuse: to look at it at once is ten times as quick."""
    if not isinstance(value, list | dict):
        return False
    try:
        text = _encode(value)
        text.encode()
    except (TypeError, ValueError):
        return False
    return "\\u0000" not in text


def check_text(name: str, value: Any) -> None:
    """Raise ValueError naming the place in a value that cannot be stored."""
    if isinstance(value, str):
        if "\0" in value:
            raise ValueError(f"{name}: the character NUL cannot be stored, remove it")
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ValueError(f"{name}: lone surrogates cannot be stored, send well-formed Unicode") from None
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{name}: must be a finite number, not {value}")
    elif isinstance(value, Mapping):
        for key, item in value.items():
            check_text(f"a key of {name}", key)
            check_text(f"{name}.{key}", item)
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            check_text(f"{name}[{index}]", item)
