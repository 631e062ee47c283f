"""A database of Dispatch's: one way to write, and one way to read, for all that is kept in it."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import closing, contextmanager
from typing import TypeVar

from sqlalchemy import URL, Connection, text

from dispatch.store.committer import Committer
from dispatch.store.connection import connect, connect_to_read, parse_url, snapshot, store_errors, writing
from dispatch.store.digest import PERSONAL
from dispatch.store.migrate import prepare
from dispatch.store.transaction import Transaction, chain_head

PROBED = "store.probed"
"""The event of a commit that was made only to see whether the database takes rows again."""

T = TypeVar("T")


class Database:
    """Open connections to a store of this version's schema. Threads may share one; make it with `Database.open`."""

    def __init__(self, url: URL) -> None:
        self.url = url
        self._engine = connect(url)
        self._reader = connect_to_read(url) if url.get_backend_name() == "sqlite" else self._engine
        self._committer = Committer(self._engine, url)

    @classmethod
    def open(cls, url: str) -> "Database":
        """Raises what `Store.open` does."""
        database = cls(parse_url(url))
        try:
            with store_errors("open the database", database.url), writing(database._engine).begin() as connection:
                prepare(connection, database.url)
        except BaseException:
            database.close()
            raise
        return database

    def submit(self, action: str, work: Callable[[Transaction], T]) -> Future[T]:
        """Have ``work`` done and committed, together with what others hand in."""
        return self._committer.submit(action, work)

    def write(self, action: str, work: Callable[[Transaction], T]) -> T:
        """Have ``work`` done; returns its result when it is on disk."""
        return self.submit(action, work).result()

    def ping(self) -> None:
        """Raise StoreError unless rows can be read and written now; waits behind what is being written.

        A full or read-only disk can be read, and lets an empty transaction commit. So after a commit that failed, this
        writes an event.
        """
        with self.reading() as connection:
            chain_head(connection)
        self.write("use the database", self._probe)

    def _probe(self, transaction: Transaction) -> None:
        if self._committer.has_failed:
            transaction.record(PROBED, "", "store")

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection that reads what is committed. Raises StoreError where the database fails."""
        with store_errors("read the database", self.url), self._reader.connect() as connection:
            yield connection

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """A connection that reads all as it is now, however long it takes."""
        with store_errors("read the database", self.url), snapshot(self._reader) as connection:
            yield connection

    def forget(self) -> None:
        """Let go of what was overwritten: until then it may lie in the log or in dead rows. Backups keep it."""
        with store_errors("clear what was erased", self.url):
            if self.url.get_backend_name() == "sqlite":
                with closing(self._engine.raw_connection()) as connection:
                    connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
                return
            with self._engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
                connection.execute(text("SET statement_timeout = 0"))
                try:
                    for table in PERSONAL:
                        connection.execute(text(f"VACUUM {table}"))
                finally:
                    connection.execute(text("RESET statement_timeout"))

    def close(self) -> None:
        """Finish what was handed in and let go; a second time does nothing."""
        self._committer.close()
        self._reader.dispose()
        self._engine.dispose()
