"""The store: every instruction, written to the database before anybody hears of it."""

from collections.abc import Sequence
from concurrent.futures import Future
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import Select

from dispatch.store.database import Database
from dispatch.store.records import EarlierRequest, Instruction, check_storable, key_in
from dispatch.store.rows import (
    INSTRUCTIONS,
    REQUESTS,
    earlier_request_of,
    earlier_requests,
    find_by_key,
    find_by_request_id,
    instructions,
    record_of,
    save,
)


class InstructionStore(Protocol):
    """What intake needs of a store. Every method raises StoreError where the database fails."""

    def save(self, draft: Instruction, principal: str = "") -> Instruction:
        """Store a draft and return it under its name; it is on disk when this returns.

        Where the principal's request_id, or the draft's name, is already stored, that answer is returned instead;
        RequestIdConflict if its body was another. ValueError names the field that cannot be stored.
        """
        ...

    def submit(self, draft: Instruction, principal: str = "") -> Future[Instruction]:
        """As `save`, without waiting: the future has what `save` returns or raises, after the commit."""
        ...

    def find_request(self, request_id: str, principal: str = "") -> Instruction | None:
        """The answer stored for a principal's request_id."""
        ...

    def get(self, name: str) -> Instruction | None:
        """The instruction named `instructions/ID`."""
        ...

    def list_incident(self, incident_id: str) -> list[Instruction]:
        """The instructions for an incident, oldest first."""
        ...

    def list_recent(self, limit: int) -> list[Instruction]:
        """The instructions stored last, newest first."""
        ...

    def list_since(self, moment: datetime, limit: int) -> list[EarlierRequest]:
        """The requests answered at a moment or after it, newest first, at most ``limit``."""
        ...

    def ping(self) -> None:
        """Raise StoreError if the database cannot be read, or takes nothing, now; may take as long as a commit."""
        ...

    def close(self) -> None:
        """Finish what was handed in and let go of the database; a second time does nothing."""
        ...


class Store:
    """Requests, instructions and what became of them, in SQLite or PostgreSQL. Threads may share one; make it with
    `Store.open`. On SQLite let one process alone write.
    """

    def __init__(self, database: Database) -> None:
        self.database = database

    @classmethod
    def open(cls, url: str) -> "Store":
        """The store at `sqlite:///FILE` or `postgresql://…`. A missing file and its folder are made; so are the tables
        of an empty database.

        Raises StoreError where the database cannot be written, is another program's, or is of another schema than
        this Dispatch's, and ValueError for a bad URL.
        """
        return cls(Database.open(url))

    def save(self, draft: Instruction, principal: str = "") -> Instruction:
        return self.submit(draft, principal).result()

    def submit(self, draft: Instruction, principal: str = "") -> Future[Instruction]:
        check_storable(draft)
        return self.database.submit("save the instruction", lambda transaction: save(transaction, draft, principal))

    def save_all(self, drafts: Sequence[Instruction], principal: str = "") -> list[Instruction]:
        """Store drafts by one commit, all or none; returns them in order, as `save` does."""
        for draft in drafts:
            check_storable(draft)
        return self.database.write(
            "save the instructions", lambda transaction: [save(transaction, draft, principal) for draft in drafts]
        )

    def find_request(self, request_id: str, principal: str = "") -> Instruction | None:
        with self.database.reading() as connection:
            return find_by_request_id(connection, principal, request_id)

    def get(self, name: str) -> Instruction | None:
        with self.database.reading() as connection:
            return find_by_key(connection, key_in(name))

    def list_incident(self, incident_id: str) -> list[Instruction]:
        oldest = INSTRUCTIONS.c.created_at, INSTRUCTIONS.c.id
        return self._read(instructions().where(REQUESTS.c.incident_id == incident_id).order_by(*oldest))

    def list_recent(self, limit: int) -> list[Instruction]:
        newest = INSTRUCTIONS.c.created_at.desc(), INSTRUCTIONS.c.id
        return self._read(instructions().order_by(*newest).limit(limit))

    def list_since(self, moment: datetime, limit: int) -> list[EarlierRequest]:
        newest = INSTRUCTIONS.c.created_at.desc(), INSTRUCTIONS.c.id
        query = earlier_requests().where(INSTRUCTIONS.c.created_at >= moment).order_by(*newest).limit(limit)
        with self.database.reading() as connection:
            return [earlier_request_of(row._mapping) for row in connection.execute(query)]

    def ping(self) -> None:
        self.database.ping()

    def close(self) -> None:
        self.database.close()

    def _read(self, query: Select[Any]) -> list[Instruction]:
        with self.database.reading() as connection:
            return [record_of(row._mapping) for row in connection.execute(query)]
