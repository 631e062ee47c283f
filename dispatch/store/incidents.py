"""Incidents: which requests belong to one emergency, and which were stored about the same time."""

from datetime import datetime, timedelta

from dispatch.store.database import Database
from dispatch.store.errors import NotFound
from dispatch.store.records import EarlierRequest, key_in
from dispatch.store.rows import INCIDENTS, INSTRUCTIONS, REQUESTS, earlier_request_of, earlier_requests, require
from dispatch.store.transaction import Row, Transaction

MERGED = "instruction.merged"
"""The event of a request that belongs to an incident from then on; its details name that one, and the one before."""

_REPLACED = "superseded"  # the review state of what another instruction has taken the place of


class Incidents:
    """The incidents of a database. Every method raises StoreError where the database fails."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def near(self, moment: datetime, *, within: timedelta, limit: int) -> list[EarlierRequest]:
        """Requests stored at about a moment, the oldest first: at most ``limit`` before and after it, the nearest.

        What another has taken the place of, or was erased, is left out.
        """
        created, key = INSTRUCTIONS.c.created_at, INSTRUCTIONS.c.id
        there = earlier_requests().where(INSTRUCTIONS.c.erased_at.is_(None), INSTRUCTIONS.c.review_state != _REPLACED)
        before = there.where(created <= moment, created >= moment - within).order_by(created.desc(), key)
        after = there.where(created > moment, created <= moment + within).order_by(created, key)
        with self._database.reading() as connection:
            rows = [*reversed(connection.execute(before.limit(limit)).all()), *connection.execute(after.limit(limit))]
        return [earlier_request_of(row._mapping) for row in rows]

    def join(self, name: str, into: str, actor: str) -> str:
        """Have the request of an instruction belong to an incident from now on, because a person says so.

        ``into`` is the incident's id, or the name of an instruction whose incident it is; where that has none, one is
        made, under its ID, to which both belong then. Returns the incident's id. A second time changes nothing but
        is recorded as well. Raises NotFound for either; ValueError where both are the same instruction.
        """
        if name == into:
            raise ValueError("into_incident: nothing is merged with itself")

        def work(transaction: Transaction) -> str:
            request = _request_of(transaction, name)
            details = {"before": request["incident_id"] or ""}
            if key_in(into) is None:
                incident = into
                if transaction.find(INCIDENTS, incident) is None:
                    raise NotFound(f"incident {incident}")
            else:
                other = _request_of(transaction, into)
                incident = other["incident_id"] or other["id"]
                if not other["incident_id"]:
                    _belong(transaction, other, incident)
                    details["with"] = into
            _belong(transaction, request, incident)
            transaction.record(MERGED, actor, name, {"incident": incident, **details})
            return str(incident)

        return self._database.write("store what belongs together", work)


def _request_of(transaction: Transaction, name: str) -> Row:
    request = transaction.find(REQUESTS, require(transaction, name)["request_key"])
    assert request is not None
    return request


def _belong(transaction: Transaction, request: Row, incident: str) -> None:
    if transaction.find(INCIDENTS, incident) is None:
        transaction.insert(INCIDENTS, {"id": incident, "created_at": transaction.now})
    transaction.update(REQUESTS, request, {"incident_id": incident})
