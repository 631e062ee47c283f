"""Digests of rows and of audit events: what the chain holds, and how it is computed again to be compared.

Recorded digests stay for good, so what this module computes for a given row must never change. A column that is NULL
does not count, so a later schema may add nullable columns. Personal text enters a row's digest by a salted commitment
alone: erasing text and salt leaves the digest valid, and nobody can find the text by guessing.
"""

import hashlib
import json
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

GENESIS = "0" * 64
"""Stands as the hash before the first event."""

PERSONAL: Mapping[str, tuple[str, ...]] = {
    "requests": ("body_digest", "context", "prefix", "report"),
    "instructions": ("candidates", "checks", "final_text", "instruction", "plan", "situations"),
    "reviews": ("reason", "text"),
    "orders": ("item", "place"),
}
"""By table: the columns that may tell of people. `body_digest` is one, for whoever guesses a report can confirm it."""


def canonical(value: Any) -> bytes:
    """The one serialisation of a JSON value: sorted keys, no spaces, ASCII; a moment is text in UTC."""
    return _encode_canonically(value).encode("ascii")


def new_salt() -> str:
    """32 random bytes in hexadecimal."""
    return secrets.token_hex(32)


def commitment(table: str, row: Mapping[str, Any]) -> str:
    """SHA-256 over the row's salt and its personal columns."""
    personal = {column: row[column] for column in PERSONAL[table]}
    return hashlib.sha256(bytes.fromhex(row["salt"]) + canonical(personal)).hexdigest()


def blank(table: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """What stands in the personal columns and the salt of a row once it is erased: as of their types, but empty."""
    return {column: type(row[column])() for column in (*PERSONAL[table], "salt")}


def row_digest(table: str, row: Mapping[str, Any]) -> str:
    """SHA-256 over all of a row but its personal columns and salt, for which the column `commitment` stands."""
    hidden = (*PERSONAL.get(table, ()), "salt")
    values = {column: value for column, value in row.items() if value is not None and column not in hidden}
    return hashlib.sha256(canonical({"table": table, "values": values})).hexdigest()


def event_hash(event: Mapping[str, Any]) -> str:
    """SHA-256 over an audit event, the hash before it included, its own left out."""
    return hashlib.sha256(canonical({key: value for key, value in event.items() if key != "hash"})).hexdigest()


def _moment_text(value: object) -> str:
    assert isinstance(value, datetime), f"no JSON: {type(value).__name__}"
    moment = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    return moment.isoformat(timespec="microseconds")


_encode_canonically = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), allow_nan=False, default=_moment_text, ensure_ascii=True
).encode
