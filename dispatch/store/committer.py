"""Group commit: what many callers hand in at the same time is committed by one transaction, and then they are told."""

import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from sqlalchemy import URL, Engine
from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError

from dispatch.store.connection import failure, writing
from dispatch.store.errors import StoreError
from dispatch.store.transaction import Transaction

T = TypeVar("T")

_MOST_TOGETHER = 256


@dataclass(frozen=True)
class _Job(Generic[T]):
    action: str
    work: Callable[[Transaction], T]
    future: Future[T] = field(default_factory=Future)


class Committer:
    """One thread that writes. While it commits, jobs gather; it takes all that are there into the next transaction.

    A job that fails is undone alone; the others of its transaction do not notice. Where the commit itself fails, every
    job of the transaction fails with StoreUnavailable.
    """

    def __init__(self, engine: Engine, url: URL) -> None:
        self._engine = writing(engine)
        self._url = url
        self._jobs: queue.SimpleQueue[_Job[Any] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False
        self.has_failed = False
        """Whether the last commit failed: perhaps the database takes nothing just now."""

    def submit(self, action: str, work: Callable[[Transaction], T]) -> Future[T]:
        """Have ``work`` done inside a transaction. The future has its result, or its error, after the commit.

        ``action`` completes "cannot ACTION" in messages. Once the work has begun the future cannot be cancelled.
        """
        job: _Job[T] = _Job(action, work)
        with self._lock:
            if self._closed:
                raise StoreError(f"cannot {action}: the store is closed")
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="store-commit", daemon=True)
                self._thread.start()
            self._jobs.put(job)
        return job.future

    def close(self) -> None:
        """Finish what was handed in, and take nothing more; a second time does nothing."""
        with self._lock:
            self._closed = True
            self._jobs.put(None)
            thread = self._thread
        if thread is not None:
            thread.join()

    def _run(self) -> None:
        while (first := self._jobs.get()) is not None:
            jobs = [first]
            end = False
            while len(jobs) < _MOST_TOGETHER and not end:
                try:
                    job = self._jobs.get_nowait()
                except queue.Empty:
                    break
                if job is None:
                    end = True
                else:
                    jobs.append(job)
            self._commit([job for job in jobs if job.future.set_running_or_notify_cancel()])
            if end:
                return

    def _commit(self, jobs: list[_Job[Any]]) -> None:
        if not jobs:
            return
        outcomes: list[Callable[[], None]] = []
        try:
            with self._engine.begin() as connection:
                transaction = Transaction(connection)
                for job in jobs:
                    outcomes.append(self._do(transaction, job))
        except BaseException as error:
            self.has_failed = True
            for job in jobs:
                job.future.set_exception(self._as_ours(error, job.action))
            return
        self.has_failed = False
        for tell in outcomes:
            tell()

    def _do(self, transaction: Transaction, job: _Job[Any]) -> Callable[[], None]:
        """Do a job; what it comes to is told after the commit. Raises where the whole transaction is lost."""
        try:
            with transaction.step():
                result = job.work(transaction)
        except Exception as error:
            if isinstance(error, SQLAlchemyError) and not isinstance(error, IntegrityError | DataError):
                raise
            ours = self._as_ours(error, job.action)
            return lambda: job.future.set_exception(ours)
        return lambda: job.future.set_result(result)

    def _as_ours(self, error: BaseException, action: str) -> BaseException:
        """What a job's caller gets: the database's errors become ours, one apiece, for each is raised elsewhere."""
        if isinstance(error, SQLAlchemyError | sqlite3.Error):
            return failure(error, action, self._url)
        return error
