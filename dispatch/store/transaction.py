"""One transaction that writes: every row that it changes is covered by an audit event of the same transaction."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Connection, Insert, Select, Table, bindparam, select, text
from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError

from dispatch.store.digest import GENESIS, PERSONAL, blank, commitment, event_hash, new_salt, row_digest
from dispatch.store.records import utc_now
from dispatch.store.schema import AUDIT, key_of

WRITER_LOCK = 0x64697372  # any number, the same in every Dispatch: PostgreSQL's name for the lock on the chain's end

# These are in every transaction: as SQL they take a third of the time.
_LAST_EVENT = f"SELECT seq, hash FROM {AUDIT.name} ORDER BY seq DESC LIMIT 1"
_BEGIN_STEP, _END_STEP, _UNDO_STEP = "SAVEPOINT step", "RELEASE SAVEPOINT step", "ROLLBACK TO SAVEPOINT step"

_encode = json.JSONEncoder(allow_nan=False).encode

Row = dict[str, Any]


@dataclass(frozen=True)
class ChainHead:
    """The end of the chain. Kept elsewhere, it shows later that nothing before it was cut off or made anew."""

    seq: int
    """Number of events."""
    hash: str

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash}"

    @classmethod
    def parse(cls, text: str) -> "ChainHead":
        """Reads `SEQ:HASH`. Raises ValueError for anything else."""
        seq, colon, digest = text.partition(":")
        if not (colon and seq.isascii() and seq.isdigit() and len(digest) == len(GENESIS)):
            raise ValueError(f"{text!r} is no end of a chain, SEQ:HASH")
        return cls(int(seq), digest)


def chain_head(connection: Connection) -> ChainHead:
    """The end of the chain as the connection's transaction sees it."""
    last = connection.exec_driver_sql(_LAST_EVENT).one_or_none()
    return ChainHead(last.seq, last.hash) if last else ChainHead(0, GENESIS)


class Transaction:
    """Writes rows and records them; to be made inside an open transaction that writes, which it makes the only one.

    All rows of one step are written first, then `record` covers them by one event.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.now = utc_now()
        if connection.dialect.name == "postgresql":  # SQLite's BEGIN IMMEDIATE already does
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": WRITER_LOCK})
        self._head = chain_head(connection)
        self._digests: dict[str, str] = {}

    @contextmanager
    def step(self) -> Iterator[None]:
        """What is done inside is undone, alone, where it raises."""
        before = self._head
        self._digests = {}
        self.connection.exec_driver_sql(_BEGIN_STEP)
        try:
            yield
            assert not self._digests, f"no event covers {list(self._digests)}"
        except BaseException as error:
            self._head = before
            self._undo_step(error)
            raise
        self.connection.exec_driver_sql(_END_STEP)

    def _undo_step(self, error: BaseException) -> None:
        """A database that has failed may have lost the whole transaction; then its own error says more than this."""
        try:
            self.connection.exec_driver_sql(_UNDO_STEP)
        except SQLAlchemyError:
            if not isinstance(error, SQLAlchemyError) or isinstance(error, IntegrityError | DataError):
                raise

    def find(self, table: Table, key: str) -> Row | None:
        """The row under a key."""
        found = self.connection.execute(_select_by_key(table), {"key": key}).one_or_none()
        return None if found is None else dict(found._mapping)

    def insert(self, table: Table, values: Mapping[str, Any]) -> Row:
        """Add a row; columns left out are NULL. Returns it as it will be read again."""
        row = {column.name: _as_read(values.get(column.name)) for column in table.columns}
        if table.name in PERSONAL:
            row["salt"] = new_salt()
            row["commitment"] = commitment(table.name, row)
        self.connection.execute(_insert_into(table), row)
        self._cover(table, row)
        return row

    def update(self, table: Table, row: Row, changes: Mapping[str, Any]) -> Row:
        """Change a row that was read in this transaction; returns it as it is then."""
        changed = {**row, **changes}
        if table.name in PERSONAL and changed["erased_at"] is None:
            changed["commitment"] = commitment(table.name, changed)
        self._write(table, row, changed)
        return changed

    def erase(self, table: Table, row: Row) -> Row:
        """Empty a row's personal columns and salt; its commitment to what stood there stays."""
        erased = {**row, **blank(table.name, row), "erased_at": self.now}
        self._write(table, row, erased)
        return erased

    def record(self, action: str, actor: str, subject: str, details: Mapping[str, Any] | None = None) -> None:
        """Append the event that covers what was written since the last one. Nothing personal may stand in it."""
        event: dict[str, Any] = {
            "seq": self._head.seq + 1,
            "at": self.now,
            "actor": actor,
            "action": action,
            "subject": subject,
            "details": _as_read(dict(details or {})),
            "digests": self._digests,
            "previous": self._head.hash,
        }
        event["hash"] = event_hash(event)
        self.connection.execute(_insert_into(AUDIT), event)
        self._head = ChainHead(event["seq"], event["hash"])
        self._digests = {}

    def _write(self, table: Table, row: Row, changed: Row) -> None:
        key = key_of(table)
        different = {column: value for column, value in changed.items() if value != row[column]}
        if different:
            self.connection.execute(table.update().where(table.c[key] == row[key]).values(different))
            self._cover(table, changed)

    def _cover(self, table: Table, row: Row) -> None:
        self._digests[f"{table.name}/{row[key_of(table)]}"] = row_digest(table.name, row)


@cache
def _select_by_key(table: Table) -> Select[Any]:
    return select(table).where(table.c[key_of(table)] == bindparam("key"))


@cache
def _insert_into(table: Table) -> Insert:
    return table.insert()


def _as_read(value: Any) -> Any:
    """A JSON value as a database gives it back: tuples are lists then."""
    return json.loads(_encode(value)) if isinstance(value, dict | list | tuple) else value
