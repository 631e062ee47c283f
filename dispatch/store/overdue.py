"""Overdue: the most urgent instructions that nobody has taken in time are told of, and then go out as they came in.

Each is told of once and goes out once, whichever server sees it first, and whatever stops in between: that it was done
is read from what the same transaction has left, an event and a review. Who returns an instruction gives it a new
due_at, from which all of it counts anew.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Exists, RowMapping, Select, func, select

from dispatch.domain import PRIORITIES
from dispatch.store.database import Database
from dispatch.store.records import Instruction, utc_now
from dispatch.store.reviews import REVIEWS, insert_review
from dispatch.store.rows import INSTRUCTIONS, REQUESTS, instructions, record_of, require
from dispatch.store.schema import AUDIT
from dispatch.store.transaction import Transaction

ALARMED = "instruction.overdue"
"""The event of an instruction that was told of."""
ESCALATED = "escalated"
"""The action of the review by which a report went out as it came in; no person has made it."""

_MOST_URGENT = 0  # place of the priority among PRIORITIES
_AT_ONCE = 25  # by one commit: others want to write as well


@dataclass(frozen=True, kw_only=True)
class OverdueInstruction:
    """One that nobody has taken in time."""

    instruction: Instruction
    alarmed_at: datetime | None
    """When it was told of; None where the next look will."""
    escalated_at: datetime | None
    """When its report went out; None where it has not."""


class Overdue:
    """What is overdue in a database: unclaimed, of the highest priority, and past its due_at; a claim that has expired
    counts as none. Every method raises StoreError where the database fails.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, *, limit: int) -> list[OverdueInstruction]:
        """The oldest first."""
        alarmed = select(func.max(AUDIT.c.at)).where(*_alarm()).scalar_subquery()
        escalated = select(func.max(REVIEWS.c.decided_at)).where(*_escalation()).scalar_subquery()
        query = instructions().add_columns(alarmed.label("alarmed_at"), escalated.label("escalated_at"))
        with self._database.reading() as connection:
            rows = _find(connection, query, utc_now(), limit)
        return [
            OverdueInstruction(
                instruction=record_of(row), alarmed_at=row["alarmed_at"], escalated_at=row["escalated_at"]
            )
            for row in rows
        ]

    def count(self) -> int:
        """How many there are."""
        query = select(func.count()).select_from(INSTRUCTIONS)
        now = utc_now()
        with self._database.reading() as connection:
            return sum(connection.scalar(query.where(*wanted)) or 0 for wanted in _unclaimed(now))

    def alarm(self) -> list[str]:
        """Tell of what has not been told of, by an event each; the names of those that this call has told of."""
        return self._do("store the alarm", lambda now: ~_exists(AUDIT.c.seq, *_alarm()), _record_alarm)

    def escalate(self, after: timedelta) -> list[str]:
        """Give out the reports of what was told of so long ago, by a review each; the names of those of this call."""

        def wanted(now: datetime) -> ColumnElement[bool]:
            told = _exists(AUDIT.c.seq, *_alarm(), AUDIT.c.at <= now - after)
            return told & ~_exists(REVIEWS.c.id, *_escalation())

        return self._do("store the escalation", wanted, _escalate)

    def _do(
        self,
        action: str,
        wanted: Callable[[datetime], ColumnElement[bool]],
        step: Callable[[Transaction, str], None],
    ) -> list[str]:
        """Take a step for each overdue instruction for which it is wanted. Where there is none, nothing is written."""
        done: list[str] = []
        while keys := self._keys(wanted):
            # Asked again: since the look another server may have done it, or somebody may have claimed one.
            names = self._database.write(action, lambda transaction: _take_steps(transaction, keys, wanted, step))
            if not names:
                break
            done += names
        return done

    def _keys(self, wanted: Callable[[datetime], ColumnElement[bool]]) -> Sequence[str]:
        """Looked for here, and not while all others wait to write."""
        now = utc_now()
        with self._database.reading() as connection:
            return [row["id"] for row in _find(connection, _KEYS.where(wanted(now)), now, _AT_ONCE)]


_KEYS = select(INSTRUCTIONS.c.id, INSTRUCTIONS.c.created_at)


def _take_steps(
    transaction: Transaction,
    keys: Sequence[str],
    wanted: Callable[[datetime], ColumnElement[bool]],
    step: Callable[[Transaction, str], None],
) -> list[str]:
    """The names of those for which the step is still wanted, when it is taken."""
    query = _KEYS.where(INSTRUCTIONS.c.id.in_(keys), wanted(transaction.now))
    names = [f"instructions/{row['id']}" for row in _find(transaction.connection, query, transaction.now, len(keys))]
    for name in names:
        step(transaction, name)
    return names


def _find(connection: Connection, query: Select[Any], now: datetime, limit: int) -> list[RowMapping]:
    """What of a query of instructions is overdue, the oldest first."""
    query = query.order_by(INSTRUCTIONS.c.created_at, INSTRUCTIONS.c.id).limit(limit)
    rows = [row._mapping for wanted in _unclaimed(now) for row in connection.execute(query.where(*wanted))]
    return sorted(rows, key=lambda row: (row["created_at"], row["id"]))[:limit]


def _unclaimed(now: datetime) -> Iterator[list[ColumnElement[bool]]]:
    """What to ask for, one by one, so that each is read in the order of its index."""
    table = INSTRUCTIONS.c
    # No bare column, so that the index of the queue is taken, and not that of due_at with all that is less urgent.
    past_due = func.coalesce(table.due_at, None) <= now
    overdue = [table.urgency == _MOST_URGENT, past_due, table.erased_at.is_(None)]
    yield [table.review_state == "pending", *overdue]
    yield [table.review_state == "claimed", table.lease_expires_at <= now, *overdue]


def _alarm() -> list[ColumnElement[bool]]:
    """What an event must be to tell of an instruction since it was due."""
    subject = "instructions/" + INSTRUCTIONS.c.id
    return [AUDIT.c.subject == subject, AUDIT.c.action == ALARMED, AUDIT.c.at >= INSTRUCTIONS.c.due_at]


def _escalation() -> list[ColumnElement[bool]]:
    """What a review must be to give out the report of an instruction since it was due."""
    reviews = REVIEWS.c
    return [
        reviews.instruction_id == INSTRUCTIONS.c.id,
        reviews.action == ESCALATED,
        reviews.decided_at >= INSTRUCTIONS.c.due_at,
    ]


def _exists(column: ColumnElement[Any], *conditions: ColumnElement[bool]) -> Exists:
    return select(column).where(*conditions).exists()


def _record_alarm(transaction: Transaction, name: str) -> None:
    due_at = require(transaction, name)["due_at"]
    details = {"priority": PRIORITIES[_MOST_URGENT], "due_at": due_at.isoformat(timespec="milliseconds")}
    transaction.record(ALARMED, "", name, details)


def _escalate(transaction: Transaction, name: str) -> None:
    """The draft stays where it is, and as it is: whoever decides about it later is not disturbed."""
    row = require(transaction, name)
    asked = transaction.find(REQUESTS, row["request_key"])
    assert asked is not None
    insert_review(transaction, row, action=ESCALATED, reviewer="", reason="", text=asked["report"])
    transaction.record(f"instruction.{ESCALATED}", "", name, {"state": row["review_state"]})
