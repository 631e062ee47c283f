"""Reviews: who holds an instruction, what was decided, and what became of its orders.

The store holds what must hold under races: one holder at a time, one step at a time, every step with its event. Who may
decide, and what reasons it takes, is for the workflow to say.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import RowMapping, func, select, tuple_

from dispatch.domain import Order
from dispatch.store.database import Database
from dispatch.store.errors import EtagMismatch, LeaseHeld, NotFound, SecondReview, StateConflict
from dispatch.store.queue import Page, QueueFilter, conditions_of, filters, read_token, token_of
from dispatch.store.records import Instruction, check_text
from dispatch.store.rows import INSTRUCTIONS, REQUESTS, TABLES, find_by_key, instructions, record_of, require
from dispatch.store.schema import OrderRow, ReviewRow
from dispatch.store.transaction import Row, Transaction

REVIEWS, ORDERS = TABLES[ReviewRow.__tablename__], TABLES[OrderRow.__tablename__]

ORDER_STATES = ("released", "issued", "acknowledged", "on_scene")
"""In the order in which an order goes through them; `cancelled` and `recalled` end it from any of them."""
ENDS = ("cancelled", "recalled")

_RELEASED = ("approved", "revised")
_DECIDED = (*_RELEASED, "rejected")
_STANDING = ("pending", "claimed", *_RELEASED)
_FROM = {
    "approved": ("claimed",),
    "revised": ("claimed",),
    "rejected": ("claimed",),
    "returned": ("claimed", *_DECIDED),
    "recalled": _RELEASED,
    "superseded": _STANDING,
}


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What somebody wants to be decided about an instruction."""

    name: str
    action: str
    """approved, revised, rejected; returned (for a second review); recalled, superseded (what was released)."""
    reviewer: str
    etag: str
    """Of the instruction as the reviewer saw it."""
    text: str = ""
    """Released by revised; approved releases the draft's own. Of superseded the name of what takes its place."""
    reason: str = ""
    orders: Sequence[Order] = ()
    """What is released with the text."""


@dataclass(frozen=True, kw_only=True)
class ReleasedOrder:
    """One order as it was released, and how far it has got."""

    id: str
    order: Order
    state: str
    reported_at: datetime


@dataclass(frozen=True, kw_only=True)
class Review:
    """A decision as it stands in the store."""

    cursor: int
    """Orders all decisions, without gaps, as they were committed."""
    name: str
    """Of the instruction."""
    incident_id: str
    action: str
    reviewer: str
    reason: str
    text: str
    claimed_at: datetime | None
    decided_at: datetime
    orders: tuple[ReleasedOrder, ...]


class Reviews:
    """The reviews of a database. Every method raises StoreError where the database fails."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def queue(self, wanted: QueueFilter = QueueFilter(), *, limit: int, token: str = "") -> Page:
        """Instructions, the most urgent first, then the oldest. A claim that has expired is pending.

        Raises ValueError for a token that no page gave.
        """
        table = INSTRUCTIONS.c
        order = [table.urgency, table.created_at, table.id]
        if wanted.priority:
            del order[0]  # one urgency alone: SQLite would sort all of its rows again
        query = instructions().where(table.erased_at.is_(None), *filters(wanted)).order_by(*order).limit(limit + 1)
        if token:
            query = query.where(tuple_(*order) > tuple_(*read_token(token)[-len(order) :]))
        rows: list[RowMapping] = []
        with self._database.reading() as connection:
            for conditions in conditions_of(
                wanted.states
            ):  # one by one, so that each is read in the order of its index
                rows += [row._mapping for row in connection.execute(query.where(*conditions))]
        rows.sort(key=lambda row: (row["urgency"], row["created_at"], row["id"]))
        last = rows[limit - 1] if len(rows) > limit else None
        return Page([record_of(row) for row in rows[:limit]], token_of(last) if last else "")

    def claim(self, name: str, reviewer: str, lease: timedelta) -> Instruction:
        """Hold an instruction for a reviewer until the lease expires; its holder renews it so.

        Raises NotFound, LeaseHeld where somebody else has it, StateConflict where it is decided, and where it was
        returned for somebody else to look at what this reviewer had decided.
        """

        def work(transaction: Transaction) -> Instruction:
            row = _whole(transaction, name, "claimed")
            now = transaction.now
            mine = row["claimed_by"] == reviewer
            if row["review_state"] == "claimed" and not mine and row["lease_expires_at"] > now:
                raise LeaseHeld(name, row["claimed_by"], row["lease_expires_at"])
            if row["review_state"] not in ("pending", "claimed"):
                raise StateConflict(name, "claimed", row["review_state"])
            changes = {"review_state": "claimed", "claimed_by": reviewer, "lease_expires_at": now + lease}
            step = "renewed" if mine and row["review_state"] == "claimed" else "claimed"
            if step == "claimed" and reviewer and reviewer in _first_deciders(transaction, row["id"]):
                raise SecondReview(name, reviewer)
            return _step(transaction, row, changes | ({} if step == "renewed" else {"claimed_at": now}), step, reviewer)

        return self._database.write("claim the instruction", work)

    def release(self, name: str, reviewer: str) -> Instruction:
        """Give a claim back. Raises NotFound, and StateConflict where the reviewer does not hold it."""

        def work(transaction: Transaction) -> Instruction:
            row = require(transaction, name)
            if row["review_state"] != "claimed" or row["claimed_by"] != reviewer:
                raise _conflict(row, name, "given back")
            return _step(transaction, row, {"review_state": "pending", **_NO_CLAIM}, "unclaimed", reviewer)

        return self._database.write("release the instruction", work)

    def decide(self, decision: Decision) -> Instruction:
        """Decide; what needs a claim takes it from its holder alone, also after its expiry if nobody else has it.

        Raises NotFound and StateConflict, also of what is to take its place; EtagMismatch; ValueError for an unknown
        action or text that cannot be stored.
        """
        if decision.action not in _FROM:
            raise ValueError(f"{decision.action!r} is none of {', '.join(_FROM)}")
        if decision.orders and decision.action not in _RELEASED:
            raise ValueError(f"{decision.action} releases no orders")
        check_text("text", decision.text)
        check_text("reason", decision.reason)
        return self._database.write("store the decision", lambda transaction: _decide(transaction, decision))

    def report_order(self, order_id: str, state: str, actor: str) -> ReleasedOrder:
        """Store how far an order has got; a report that comes twice is taken once.

        Raises NotFound, StateConflict for a step back or after the end, ValueError for an unknown state.
        """
        if state not in (*ORDER_STATES, *ENDS):
            raise ValueError(f"{state!r} is none of {', '.join((*ORDER_STATES, *ENDS))}")

        def work(transaction: Transaction) -> ReleasedOrder:
            row = transaction.find(ORDERS, order_id)
            if row is None:
                raise NotFound(f"order {order_id}")
            if row["state"] != state:
                row = _move(transaction, row, state)
                transaction.record(
                    f"order.{state}", actor, f"instructions/{row['instruction_id']}", {"order": order_id}
                )
            return _released(row)

        return self._database.write("store the order's state", work)

    def decisions(self, *, after: int = 0, agency: str = "", limit: int) -> list[Review]:
        """Decisions in the order of their commits, those after a cursor; of one agency, those with orders for it.

        What a watcher has had up to a cursor it need not ask for again: none is ever inserted before it.
        """
        query = _reviews().where(REVIEWS.c.cursor > after)
        if agency:
            # Asked of each decision by itself: all that were ever ordered of an agency are many.
            of_agency = select(ORDERS.c.id).where(
                ORDERS.c.instruction_id == REVIEWS.c.instruction_id, ORDERS.c.agency == agency
            )
            query = query.where(of_agency.exists())
        return self._read(query.limit(limit))

    def last_cursor(self) -> int:
        """Of the newest decision; 0 where there is none."""
        with self._database.reading() as connection:
            return connection.scalar(select(func.max(REVIEWS.c.cursor))) or 0

    def history(self, name: str) -> list[Review]:
        """The decisions about one instruction, oldest first."""
        return self._read(_reviews().where(REVIEWS.c.instruction_id == name.removeprefix("instructions/")))

    def _read(self, query: Any) -> list[Review]:
        with self._database.reading() as connection:
            reviews = [row._mapping for row in connection.execute(query)]
            keys = [row["id"] for row in reviews]
            query = select(ORDERS).where(ORDERS.c.review_id.in_(keys)).order_by(ORDERS.c.position)
            orders: dict[str, list[ReleasedOrder]] = {}
            for row in connection.execute(query):
                orders.setdefault(row.review_id, []).append(_released(row._mapping))
        return [_review(row, orders.get(row["id"], [])) for row in reviews]


_TAKE_PLACE = "put in the place of another"  # the step as messages name it
_NO_CLAIM: dict[str, Any] = {"claimed_by": None, "claimed_at": None, "lease_expires_at": None}


def _first_deciders(transaction: Transaction, key: str) -> set[str]:
    """Who had decided about an instruction before it was returned, if it was."""
    query = select(REVIEWS.c.action, REVIEWS.c.reviewer).where(REVIEWS.c.instruction_id == key)
    deciders: set[str] = set()
    returned: set[str] = set()
    for action, reviewer in transaction.connection.execute(query.order_by(REVIEWS.c.cursor)):
        if action == "returned":
            returned |= deciders
        elif action in _DECIDED:
            deciders.add(reviewer)
    return returned


def _whole(transaction: Transaction, name: str, step: str) -> Row:
    row = require(transaction, name)
    if row["erased_at"] is not None:
        raise StateConflict(name, step, "erased")
    return row


def _decide(transaction: Transaction, decision: Decision) -> Instruction:
    row = _whole(transaction, decision.name, decision.action)
    if decision.etag != str(row["version"]):
        raise EtagMismatch(decision.name)
    state = row["review_state"]
    held_by_other = state == "claimed" and row["claimed_by"] != decision.reviewer and decision.action != "superseded"
    if state not in _FROM[decision.action] or held_by_other:
        raise _conflict(row, decision.name, decision.action)
    if decision.action == "superseded":  # else two could give way to each other, and nobody decide about either
        successor = _whole(transaction, decision.text, _TAKE_PLACE)
        if successor["review_state"] not in _STANDING:
            raise _conflict(successor, decision.text, _TAKE_PLACE)
    text = row["instruction"] if decision.action == "approved" else decision.text
    due_at = _due_again(transaction, row) if decision.action == "returned" else row["due_at"]
    review = insert_review(
        transaction,
        row,
        action=decision.action,
        reviewer=decision.reviewer,
        reason=decision.reason,
        text=text,
    )
    if state in _RELEASED:
        _recall_orders(transaction, row["id"])
    for position, order in enumerate(decision.orders):
        values = {"instruction_id": row["id"], "review_id": review["id"], "position": position, "state": "released"}
        values |= {"id": uuid.uuid4().hex, "reported_at": transaction.now, **_order_values(order)}
        transaction.insert(ORDERS, values)
    changes = {"review_state": "pending" if decision.action == "returned" else decision.action, "due_at": due_at}
    if decision.action in _RELEASED:
        changes["final_text"] = text
    elif decision.action == "returned":
        changes["final_text"] = ""
    return _step(transaction, row, {**changes, **_NO_CLAIM}, decision.action, decision.reviewer)


def _due_again(transaction: Transaction, row: Row) -> datetime | None:
    """From now on as much time as there was at first, and since then each time that it was returned."""
    if row["due_at"] is None:
        return None
    returned = select(REVIEWS.c.decided_at).where(REVIEWS.c.instruction_id == row["id"], REVIEWS.c.action == "returned")
    began = transaction.connection.scalar(returned.order_by(REVIEWS.c.cursor.desc()).limit(1)) or row["created_at"]
    due_at: datetime = transaction.now + (row["due_at"] - began)
    return due_at


def insert_review(transaction: Transaction, row: Row, *, action: str, reviewer: str, reason: str, text: str) -> Row:
    """Add a review of an instruction's row behind all others; its event is the caller's to record."""
    last = transaction.connection.scalar(select(func.max(REVIEWS.c.cursor)))
    return transaction.insert(
        REVIEWS,
        {
            "id": uuid.uuid4().hex,
            "cursor": (last or 0) + 1,
            "instruction_id": row["id"],
            "action": action,
            "reviewer": reviewer,
            "reason": reason,
            "text": text,
            "claimed_at": row["claimed_at"],
            "decided_at": transaction.now,
        },
    )


def _recall_orders(transaction: Transaction, key: str) -> None:
    query = select(ORDERS).where(ORDERS.c.instruction_id == key, ORDERS.c.state.not_in(ENDS)).order_by(ORDERS.c.id)
    for row in transaction.connection.execute(query).all():
        _move(transaction, dict(row._mapping), "recalled")


def _move(transaction: Transaction, row: Row, state: str) -> Row:
    ranks = {name: rank for rank, name in enumerate((*ORDER_STATES, *ENDS))}
    if row["state"] in ENDS or ranks[state] < ranks[row["state"]]:
        raise StateConflict(f"order {row['id']}", state, row["state"])
    return transaction.update(ORDERS, row, {"state": state, "reported_at": transaction.now})


def _step(transaction: Transaction, row: Row, changes: dict[str, Any], step: str, actor: str) -> Instruction:
    """Change an instruction's row, with its event, and return the instruction."""
    changed = transaction.update(INSTRUCTIONS, row, {**changes, "version": row["version"] + 1})
    name = f"instructions/{row['id']}"
    transaction.record(f"instruction.{step}", actor, name, {"state": changed["review_state"]})
    instruction = find_by_key(transaction.connection, row["id"])
    assert instruction is not None
    return instruction


def _conflict(row: Row, name: str, step: str) -> StateConflict:
    if row["review_state"] == "claimed":
        return StateConflict(name, step, f"claimed by {row['claimed_by']}", row["claimed_by"])
    return StateConflict(name, step, row["review_state"])


def _order_values(order: Order) -> dict[str, Any]:
    return {
        "agency": order.agency,
        "action": order.action,
        "item": order.item,
        "count": order.count,
        "unit": order.unit,
        "place": order.place,
    }


def _released(row: Any) -> ReleasedOrder:
    order = Order(row["agency"], row["action"], row["item"], row["count"], row["unit"], row["place"])
    return ReleasedOrder(id=row["id"], order=order, state=row["state"], reported_at=row["reported_at"])


def _reviews() -> Any:
    return (
        select(REVIEWS, REQUESTS.c.incident_id)
        .join(INSTRUCTIONS, REVIEWS.c.instruction_id == INSTRUCTIONS.c.id)
        .join(REQUESTS, INSTRUCTIONS.c.request_key == REQUESTS.c.id)
        .order_by(REVIEWS.c.cursor)
    )


def _review(row: Any, orders: Sequence[ReleasedOrder]) -> Review:
    same = ("cursor", "action", "reviewer", "reason", "text", "claimed_at", "decided_at")
    return Review(
        name=f"instructions/{row['instruction_id']}",
        incident_id=row["incident_id"] or "",
        orders=tuple(orders),
        **{name: row[name] for name in same},
    )
