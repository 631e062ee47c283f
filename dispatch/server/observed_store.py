"""A store whose commits are timed and traced."""

from collections.abc import Callable
from concurrent.futures import Future
from datetime import datetime
from typing import Any

from dispatch.store import EarlierRequest, Instruction, InstructionStore


class ObservedStore:
    """Passes all on to a store; `begin` is called with the timings of each draft that is handed in, and what it returns
    when its commit is done."""

    def __init__(
        self, store: InstructionStore, begin: Callable[[dict[str, float]], Callable[[Future[Any]], None]]
    ) -> None:
        self._store = store
        self._begin = begin

    def save(self, draft: Instruction, principal: str = "") -> Instruction:
        return self.submit(draft, principal).result()

    def submit(self, draft: Instruction, principal: str = "") -> Future[Instruction]:
        done = self._begin(draft.timings)
        future = self._store.submit(draft, principal)
        future.add_done_callback(done)
        return future

    def find_request(self, request_id: str, principal: str = "") -> Instruction | None:
        return self._store.find_request(request_id, principal)

    def get(self, name: str) -> Instruction | None:
        return self._store.get(name)

    def list_incident(self, incident_id: str) -> list[Instruction]:
        return self._store.list_incident(incident_id)

    def list_recent(self, limit: int) -> list[Instruction]:
        return self._store.list_recent(limit)

    def list_since(self, moment: datetime, limit: int) -> list[EarlierRequest]:
        return self._store.list_since(moment, limit)

    def ping(self) -> None:
        self._store.ping()

    def close(self) -> None:
        self._store.close()
