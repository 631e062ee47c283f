"""Keeping and erasing: personal data go when they must, and stay where the law holds them.

What is erased of an instruction is all that may tell of people: the report, its context, every text, plan and
situation, the reasons of its reviews, the places of its orders. Who decided what and when, the model and its confidence
stay, and so do the salted commitments, with which the chain still verifies.
"""

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select

from dispatch.store.database import Database
from dispatch.store.errors import NotFound, OnHold
from dispatch.store.records import check_text, utc_now
from dispatch.store.reviews import ORDERS, REVIEWS
from dispatch.store.rows import INSTRUCTIONS, REQUESTS, TABLES, require
from dispatch.store.schema import HoldRow
from dispatch.store.transaction import Transaction

HOLDS = TABLES[HoldRow.__tablename__]

_AT_ONCE = 100  # instructions erased by one commit: others want to write as well
_UNDECIDED = ("pending", "claimed")


@dataclass(frozen=True)
class RetentionPolicy:
    """How long personal data are kept. Raises ValueError for less than the floor."""

    keep_days: int
    floor_days: int = 180
    """What nobody may go below: what happened must be open to inquiry for so long."""

    def __post_init__(self) -> None:
        if self.keep_days < self.floor_days:
            raise ValueError(f"personal data are kept for at least {self.floor_days} days, not {self.keep_days}")


class Retention:
    """Erasure and holds in a database. Every method raises StoreError where the database fails."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def erase(self, name: str, *, actor: str, reason: str) -> None:
        """Erase the personal data of one instruction, on a person's demand; a second time changes nothing.

        The reason stays in the audit trail for good, so nothing personal may stand in it. Raises NotFound, OnHold.
        """
        check_text("reason", reason)

        def work(transaction: Transaction) -> None:
            key = require(transaction, name)["id"]
            if _held(transaction, key):
                raise OnHold(name)
            erase_rows(transaction, key, actor, reason)

        self._database.write("erase the instruction", work)
        self._database.forget()

    def expire(self, policy: RetentionPolicy, *, actor: str = "") -> int:
        """Erase what is older than the policy keeps, all but what is undecided or on hold; returns how many."""
        before = utc_now() - timedelta(days=policy.keep_days)
        reason = f"kept for {policy.keep_days} days"
        erased = 0
        while count := self._database.write(
            "erase old instructions", lambda transaction: _expire(transaction, before, actor, reason)
        ):
            erased += count
        if erased:
            self._database.forget()
        return erased

    def hold(self, name: str, *, actor: str, reason: str) -> str:
        """Forbid erasing an instruction; returns the hold's id. Raises NotFound."""
        check_text("reason", reason)

        def work(transaction: Transaction) -> str:
            values = {"id": uuid.uuid4().hex, "instruction_id": require(transaction, name)["id"], "reason": reason}
            row = transaction.insert(HOLDS, {**values, "placed_by": actor, "placed_at": transaction.now})
            transaction.record("hold.placed", actor, name, {"hold": row["id"]})
            return str(row["id"])

        return self._database.write("place the hold", work)

    def lift(self, hold_id: str, *, actor: str) -> None:
        """Lift a hold; a second time changes nothing. Raises NotFound."""

        def work(transaction: Transaction) -> None:
            row = transaction.find(HOLDS, hold_id)
            if row is None:
                raise NotFound(f"hold {hold_id}")
            if row["lifted_at"] is None:
                transaction.update(HOLDS, row, {"lifted_at": transaction.now})
                transaction.record("hold.lifted", actor, f"instructions/{row['instruction_id']}", {"hold": hold_id})

        self._database.write("lift the hold", work)


def _held(transaction: Transaction, key: str) -> bool:
    query = select(HOLDS.c.id).where(HOLDS.c.instruction_id == key, HOLDS.c.lifted_at.is_(None)).limit(1)
    return transaction.connection.scalar(query) is not None


def _expire(transaction: Transaction, before: datetime, actor: str, reason: str) -> int:
    held = select(HOLDS.c.instruction_id).where(HOLDS.c.lifted_at.is_(None))
    query = (
        select(INSTRUCTIONS.c.id)
        .where(
            INSTRUCTIONS.c.created_at < before,
            INSTRUCTIONS.c.erased_at.is_(None),
            INSTRUCTIONS.c.review_state.not_in(_UNDECIDED),
            INSTRUCTIONS.c.id.not_in(held),
        )
        .order_by(INSTRUCTIONS.c.created_at)
        .limit(_AT_ONCE)
    )
    keys = transaction.connection.scalars(query).all()
    for key in keys:
        erase_rows(transaction, key, actor, reason)
    return len(keys)


def erase_rows(transaction: Transaction, key: str, actor: str, reason: str) -> None:
    """Erase the personal data of an instruction by its ID, with its event; a second time changes nothing."""
    answer = transaction.find(INSTRUCTIONS, key)
    assert answer is not None
    if answer["erased_at"] is not None:
        return
    asked = transaction.find(REQUESTS, answer["request_key"])
    assert asked is not None
    transaction.erase(INSTRUCTIONS, answer)
    transaction.erase(REQUESTS, asked)
    for table in (REVIEWS, ORDERS):
        for row in transaction.connection.execute(select(table).where(table.c.instruction_id == key)).all():
            transaction.erase(table, dict(row._mapping))
    transaction.record("instruction.erased", actor, f"instructions/{key}", {"reason": reason})
