"""A spool: while a PostgreSQL store is lost, instructions go to a local SQLite file, and are replayed exactly once.

Only new instructions are spooled. Whatever needs the store itself (reviews, tokens) is refused until it is back. What
was replayed is erased from the spool: the store alone looks after personal data.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Exists, select

from dispatch.store.errors import StoreError, StoreUnavailable
from dispatch.store.records import EarlierRequest, Instruction, check_storable, key_in, new_name
from dispatch.store.repository import InstructionStore, Store
from dispatch.store.retention import erase_rows
from dispatch.store.rows import INSTRUCTIONS, REQUESTS, find_by_key, find_by_request_id, insert, instructions, record_of
from dispatch.store.schema import AUDIT
from dispatch.store.transaction import Transaction

REPLAYED = "instruction.replayed"
"""The event that marks, in the spool, an instruction that is in the store; in the store, where it came from."""

_AT_ONCE = 100
_T = TypeVar("_T")

logger = logging.getLogger(__name__)


class SpoolingStore:
    """A store with a spool behind it, both open; the store is used again once the spool is empty.

    An instruction has its name before it is stored anywhere. So one that the store has taken without being able to say
    so (the connection broke at the commit) is not stored a second time when the spool is replayed.
    """

    def __init__(self, store: Store, spool: Store) -> None:
        self._store = store
        self._spool = spool
        self._gate = threading.Lock()  # shut while the last of the spool is brought over
        self._switch = threading.Lock()  # of the two below; nobody waits for anything else while holding it
        self._spooling = bool(_waiting(spool))
        self._falls = 0
        self._is_away = False  # the store, as far as the last who used it could tell
        self._asking = threading.Lock()  # held by the one who asks it while it is away

    @property
    def state(self) -> str:
        """Where new instructions go: store or spool."""
        return "spool" if self._spooling else "store"

    def save(self, draft: Instruction, principal: str = "") -> Instruction:
        return self.submit(draft, principal).result()

    def submit(self, draft: Instruction, principal: str = "") -> Future[Instruction]:
        """As `InstructionStore.submit`; waits where the end of a replay is just going on."""
        check_storable(draft)
        named = draft if draft.name else replace(draft, name=new_name())
        answer: Future[Instruction] = Future()
        answer.set_running_or_notify_cancel()
        with self._gate:
            target = self._spool if self._spooling else self._store
            stored = target.submit(named, principal)
        if target is self._spool:
            stored.add_done_callback(lambda done: _pass_on(done, answer))
        else:
            stored.add_done_callback(lambda done: self._fall_back(done, named, principal, answer))
        return answer

    def replay(self) -> int:
        """Bring what is in the spool to the store, oldest first, and use the store again; returns how many there were.

        Raises StoreUnavailable while the store is lost; what has been brought over by then is not brought again.
        """
        replayed = self._bring(_waiting(self._spool))  # not what comes meanwhile: that might never end
        with self._gate:
            while True:
                falls = self._falls
                while waiting := _waiting_after_commit(self._spool):
                    replayed += self._bring(waiting)
                self._store.ping()
                with self._switch:
                    if falls == self._falls:  # else one more went to the spool meanwhile
                        self._spooling = False
                        break
        logger.warning("the store is back; %d instructions were replayed into it", replayed)
        while self._spool.database.write("erase what was replayed", _erase_replayed):
            continue
        self._spool.database.forget()
        return replayed

    def find_request(self, request_id: str, principal: str = "") -> Instruction | None:
        return self._find(lambda store: store.find_request(request_id, principal))

    def get(self, name: str) -> Instruction | None:
        return self._find(lambda store: store.get(name))

    def list_incident(self, incident_id: str) -> list[Instruction]:
        return self._either(lambda store: store.list_incident(incident_id))

    def list_recent(self, limit: int) -> list[Instruction]:
        return self._either(lambda store: store.list_recent(limit))

    def list_since(self, moment: datetime, limit: int) -> list[EarlierRequest]:
        return self._either(lambda store: store.list_since(moment, limit))

    def ping(self) -> None:
        """Raise StoreError if instructions can be stored nowhere."""
        self._either(lambda store: store.ping())

    def close(self) -> None:
        self._store.close()
        self._spool.close()

    def _fall_back(
        self, done: Future[Instruction], draft: Instruction, principal: str, answer: Future[Instruction]
    ) -> None:
        """Take a draft into the spool that the store could not take.

        The thread that commits to the store runs this: it must not wait for the gate, whose holder waits for it.
        """
        if not isinstance(done.exception(), StoreUnavailable):
            _pass_on(done, answer)
            return
        try:
            with self._switch:
                if not self._spooling:
                    logger.warning("the store is lost; instructions go to the spool")
                self._spooling = self._is_away = True
                self._falls += 1
                spooled = self._spool.submit(draft, principal)
            spooled.add_done_callback(lambda done: _pass_on(done, answer))
        except StoreError as error:
            answer.set_exception(error)

    def _bring(self, keys: Sequence[str]) -> int:
        """Store instructions, some by one commit, and then mark those in the spool."""
        for start in range(0, len(keys), _AT_ONCE):
            self._bring_together(_load(self._spool, keys[start : start + _AT_ONCE]))
        return len(keys)

    def _bring_together(self, waiting: list[tuple[Instruction, str]]) -> None:
        self._store.database.write("replay the spool", lambda transaction: _take(transaction, waiting))
        self._is_away = False
        self._spool.database.write("mark what was replayed", lambda transaction: _mark(transaction, waiting))

    def _find(self, ask: Callable[[InstructionStore], Instruction | None]) -> Instruction | None:
        """What is spooled is newer than anything in the store, and the store may be lost."""
        if not self._spooling:
            try:
                return ask(self._store)
            except StoreUnavailable:
                return _unless_erased(ask(self._spool))
        return _unless_erased(ask(self._spool)) or self._ask_if_there(ask)

    def _ask_if_there(self, ask: Callable[[InstructionStore], Instruction | None]) -> Instruction | None:
        """What the store knows, if it can tell. While it is away one asks at a time: each may wait for seconds, and all
        together would hold up every call."""
        alone = self._is_away
        if alone and not self._asking.acquire(blocking=False):
            return None
        try:
            found = ask(self._store)
            self._is_away = False
            return found
        except StoreUnavailable:
            self._is_away = True
            return None
        finally:
            if alone:
                self._asking.release()

    def _either(self, ask: Callable[[InstructionStore], _T]) -> _T:
        if self._spooling:
            return ask(self._spool)
        try:
            return ask(self._store)
        except StoreUnavailable:
            return ask(self._spool)


class Replayer:
    """A thread that tries `replay` again and again while there is a spool to bring over."""

    def __init__(self, store: SpoolingStore, every_s: float = 2.0) -> None:
        self._store = store
        self._every_s = every_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="store-replay", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End it; returns when the replay that is going on has ended."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self._every_s):
            if self._store.state == "spool":
                try:
                    self._store.replay()
                except StoreUnavailable:
                    logger.info("the store is still lost")
                except Exception:  # whatever it is, the next try may fare better, and without one the rows stay here
                    logger.exception("the spool could not be replayed, and is tried again")


def _pass_on(done: Future[Instruction], answer: Future[Instruction]) -> None:
    error = done.exception()
    if error is None:
        answer.set_result(done.result())
    else:
        answer.set_exception(error)


def _unless_erased(found: Instruction | None) -> Instruction | None:
    return None if found is None or found.erased_at is not None else found


def _is_marked() -> Exists:
    """Whether an instruction in the spool is in the store as well."""
    subject = "instructions/" + INSTRUCTIONS.c.id
    return select(AUDIT.c.seq).where(AUDIT.c.action == REPLAYED, AUDIT.c.subject == subject).exists()


def _waiting(spool: Store) -> Sequence[str]:
    """The keys of what is in the spool alone, oldest first."""
    query = select(INSTRUCTIONS.c.id).where(~_is_marked()).order_by(INSTRUCTIONS.c.created_at, INSTRUCTIONS.c.id)
    with spool.database.reading() as connection:
        return connection.scalars(query).all()


def _waiting_after_commit(spool: Store) -> Sequence[str]:
    """As `_waiting`, when all that was handed in is committed."""
    spool.database.write("wait for the spool", lambda transaction: None)
    return _waiting(spool)


def _load(spool: Store, keys: Sequence[str]) -> list[tuple[Instruction, str]]:
    """Instructions by their keys, oldest first, with their principals."""
    query = instructions().where(INSTRUCTIONS.c.id.in_(keys)).order_by(INSTRUCTIONS.c.created_at, INSTRUCTIONS.c.id)
    with spool.database.reading() as connection:
        return [(record_of(row._mapping), row.principal) for row in connection.execute(query)]


def _take(transaction: Transaction, waiting: list[tuple[Instruction, str]]) -> None:
    """Store what is not there. A request_id that was answered a second time, while nobody could see the first answer,
    stays with the first; both answers were given, so both are kept."""
    for draft, principal in waiting:
        if find_by_key(transaction.connection, key_in(draft.name)) is not None:
            continue
        details: dict[str, Any] = {}
        if draft.request_id:
            first = find_by_request_id(transaction.connection, principal, draft.request_id)
            if first is not None:
                details = {"request_id": draft.request_id, "answered_first_by": first.name}
                draft = replace(draft, request_id="")
        insert(transaction, draft, principal, REPLAYED, details)


def _mark(transaction: Transaction, waiting: list[tuple[Instruction, str]]) -> None:
    for draft, _ in waiting:
        transaction.record(REPLAYED, "", draft.name)


def _erase_replayed(transaction: Transaction) -> int:
    """Erase some of what is in the store as well; returns how many. Their request_ids are free for the next outage."""
    query = select(INSTRUCTIONS.c.id).where(INSTRUCTIONS.c.erased_at.is_(None), _is_marked()).limit(_AT_ONCE)
    keys = transaction.connection.scalars(query).all()
    for key in keys:
        asked = transaction.find(REQUESTS, key)
        assert asked is not None
        transaction.update(REQUESTS, asked, {"request_id": None})
        erase_rows(transaction, key, "", "replayed into the store")
    return len(keys)
