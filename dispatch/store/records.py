"""What the store keeps of one request and its answer, as plain data."""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any

from dispatch.domain.situation import JsonObject


def utc_now() -> datetime:
    """The present moment, aware, in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True)
class Instruction:
    """One instruction with the request that it answers. What JSON can hold stands as JSON would give it back."""

    name: str = ""
    """`instructions/ID`, given by the store; empty while the record is stored nowhere."""
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
    created_at: datetime = field(default_factory=utc_now)


@dataclass(frozen=True, kw_only=True)
class EarlierRequest:
    """What a new request is compared with: one that was stored before, and what was read from it."""

    name: str
    """Of its instruction, `instructions/ID`."""
    request_id: str
    incident_id: str
    report: str
    situations: list[JsonObject]


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
        _check_value(item.name, getattr(record, item.name))
    if record.created_at.tzinfo is None:
        raise ValueError("created_at: must carry its time zone")


def _check_value(name: str, value: Any) -> None:
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
            _check_value(f"a key of {name}", key)
            _check_value(f"{name}.{key}", item)
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            _check_value(f"{name}[{index}]", item)
