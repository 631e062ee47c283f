"""The queue: which instructions a list asks for, and where its next page begins."""

import base64
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Text, cast, or_

from dispatch.domain import PRIORITIES
from dispatch.domain.labels import HAZARDS
from dispatch.store.records import REVIEW_STATES, Instruction, key_in, utc_now
from dispatch.store.rows import INSTRUCTIONS, REQUESTS

_NO_TOKEN = "page_token: no page has given this token"


@dataclass(frozen=True, kw_only=True)
class QueueFilter:
    """Which instructions are listed; what is empty does not matter."""

    states: tuple[str, ...] = ("pending",)
    priority: str = ""
    hazard: str = ""
    """One that any of the situations has."""
    text: str = ""
    """Stands in the report or in the draft."""
    claimed_by: str = ""
    incident_id: str = ""

    def __post_init__(self) -> None:
        """Raises ValueError naming the field that asks for what there is not."""
        if unknown := sorted(set(self.states) - set(REVIEW_STATES)):
            raise ValueError(f"states: there is no {unknown[0]!r}; they are {', '.join(REVIEW_STATES)}")
        if self.priority not in ("", *PRIORITIES):
            raise ValueError(f"priority: must be empty or one of {', '.join(PRIORITIES)}")
        if self.hazard not in ("", *HAZARDS):
            raise ValueError(f"hazard: must be empty or one of {', '.join(HAZARDS)}")


@dataclass(frozen=True)
class Page:
    """Some of a list, and where the next page begins; an empty token after the last."""

    instructions: list[Instruction]
    next_token: str


def filters(wanted: QueueFilter) -> Iterator[ColumnElement[bool]]:
    """What to ask for beside the states."""
    table = INSTRUCTIONS.c
    if wanted.priority:
        yield table.urgency == PRIORITIES.index(wanted.priority)
    if wanted.hazard:  # as the column's JSON is written; no label of a hazard is that of anything else
        yield cast(table.situations, Text).contains(f'"{wanted.hazard}"', autoescape=True)
    if wanted.text:
        holds = [column.contains(wanted.text, autoescape=True) for column in (REQUESTS.c.report, table.instruction)]
        yield or_(*holds)
    if wanted.claimed_by:
        yield table.claimed_by == wanted.claimed_by
    if wanted.incident_id:
        yield REQUESTS.c.incident_id == wanted.incident_id


def conditions_of(states: Sequence[str]) -> Iterator[list[ColumnElement[bool]]]:
    """What to ask for, for instructions in some states; a claim that has expired counts as pending."""
    state, expired = INSTRUCTIONS.c.review_state, INSTRUCTIONS.c.lease_expires_at <= utc_now()
    for name in dict.fromkeys(states):
        yield [state == name, ~expired] if name == "claimed" else [state == name]
    if "pending" in states:
        yield [state == "claimed", expired]


def token_of(row: Any) -> str:
    """Of the page behind a row."""
    key = [row["urgency"], row["created_at"].isoformat(), row["id"]]
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode()


def read_token(token: str) -> tuple[int, datetime, str]:
    """The place behind which a page begins. Raises ValueError for a token that no page gave."""
    try:
        urgency, moment, key = json.loads(base64.urlsafe_b64decode(token))
        created_at = datetime.fromisoformat(moment).astimezone(UTC)
    except (ValueError, TypeError, OverflowError) as error:
        raise ValueError(_NO_TOKEN) from error
    last = key_in(f"instructions/{key}")
    if urgency not in range(len(PRIORITIES) + 1) or last is None:
        raise ValueError(_NO_TOKEN)
    return urgency, created_at, last
