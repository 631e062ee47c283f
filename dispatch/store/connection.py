"""Connections to the database, and its errors turned into ours."""

import json
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Connection, Dialect, Engine, create_engine, event, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    DisconnectionError,
    InterfaceError,
    OperationalError,
    SQLAlchemyError,
    TimeoutError,
)
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from dispatch.store.errors import StoreError, StoreUnavailable

BEGIN = "dispatch_begin"  # execution option: the statement that opens a SQLite transaction

_SQLITE_OPTIONS = {"uri", "mode", "cache", "timeout"}
_AWAY = (OperationalError, InterfaceError, DisconnectionError, TimeoutError)
_READERS = 4  # connections that only read
_SWITCH_PATIENCE_S = 5.0
# A server whose default is another would answer before the fsync; one that hangs, or a process that does while it holds
# the lock on the chain, must not hold up everybody for ever.
_POSTGRES_SETTINGS = (
    "-c synchronous_commit=on -c lock_timeout=10s -c statement_timeout=60s -c idle_in_transaction_session_timeout=60s"
)
_POSTGRES_CONNECT = {"connect_timeout": 5, "tcp_user_timeout": 15_000}


def parse_url(text: str) -> URL:
    """The address of a store. Raises ValueError for any but a SQLite file or PostgreSQL; never shows a password."""
    try:
        url = make_url(text)
        backend = url.get_backend_name()
    except (ArgumentError, ValueError):
        backend = ""
    if backend not in ("sqlite", "postgresql"):
        raise ValueError("the database URL must be sqlite:///FILE or postgresql://USER@HOST/DATABASE")
    if backend == "sqlite" and url.database in (None, "", ":memory:"):
        raise ValueError("a SQLite store needs a file, sqlite:///FILE: what is only in memory would be lost")
    options = text.partition("?")[2]
    if backend == "sqlite" and options and (not url.query or set(url.query) - _SQLITE_OPTIONS):
        raise ValueError(f"the database URL has unknown options, ?{options}; write ? in a path as %3F")
    return url


def file_url(file: Path) -> str:
    """The address of a SQLite file, whatever characters its path has."""
    return f"sqlite:///{quote(str(file))}"


def describe(url: URL) -> str:
    """The address without password and options, fit for messages."""
    if url.get_backend_name() == "sqlite":
        return f"sqlite:///{url.database}"  # with a path as people read it, not percent-encoded
    return URL.create(url.drivername, url.username, None, url.host, url.port, url.database).render_as_string()


def _options() -> dict[str, Any]:
    return {"hide_parameters": True, "json_serializer": partial(json.dumps, ensure_ascii=False)}


def connect(url: URL) -> Engine:
    """An engine that has not connected yet. Raises StoreError where the driver or the folder cannot be had."""
    options = _options()
    if url.get_backend_name() == "sqlite":
        return _connect_sqlite(url, options)
    given = {"options": " ".join((_POSTGRES_SETTINGS, *_as_texts(url.query.get("options", ())))), **_POSTGRES_CONNECT}
    try:
        return create_engine(url, pool_pre_ping=True, connect_args=given, **options)
    except ModuleNotFoundError as error:
        raise StoreError("PostgreSQL needs its driver: pip install 'dispatch-rescue[postgres]'") from error


def connect_to_read(url: URL) -> Engine:
    """An engine whose connections cannot write, for whoever must not wait for a commit.

    A SQLite file that is not there is not made. The connections neither write nor move the log into the file, so there
    is still one writer. Raises StoreError where the driver cannot be had.
    """
    if url.get_backend_name() != "sqlite":
        return connect(url)
    if "uri" not in url.query:
        query = {**url.query, "uri": "true", "mode": "rw"}
        url = url.set(database=f"file:{quote(os.path.abspath(str(url.database)))}", query=query)
    engine = create_engine(url, poolclass=QueuePool, pool_size=_READERS, max_overflow=0, **_options())
    event.listen(engine, "connect", _set_up_reader)
    event.listen(engine, "checkout", _refuse_lost_file)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _as_texts(values: str | tuple[str, ...]) -> tuple[str, ...]:
    return (values,) if isinstance(values, str) else values


def _connect_sqlite(url: URL, options: dict[str, Any]) -> Engine:
    """One connection for all threads: SQLite has one writer, and before 3.51.3 two can damage the log they share."""
    if "uri" not in url.query:
        try:
            Path(str(url.database)).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"cannot make the folder of {url.database}: {error.strerror}") from error
    engine = create_engine(url, poolclass=QueuePool, pool_size=1, max_overflow=0, **options)
    if "uri" not in url.query:
        event.listen(engine, "do_connect", _make_private_file)
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "checkout", _refuse_lost_file)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _make_private_file(dialect: Dialect, entry: ConnectionPoolEntry, arguments: list[str], options: object) -> None:
    """A file that is not there yet is made for its owner alone to read; SQLite makes the files beside it alike."""
    with suppress(OSError):  # SQLite itself says what is wrong
        os.close(os.open(arguments[0], os.O_RDWR | os.O_CREAT, 0o600))


def _set_up_sqlite(connection: sqlite3.Connection, entry: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # transactions begin where _begin_sqlite says, not where the driver guesses
    mode = _switch_to_log(connection)
    if mode != "wal":
        raise StoreError(f"SQLite keeps no write-ahead log there (journal mode {mode}); use a file on a local disk")
    connection.execute("PRAGMA synchronous = FULL")  # a commit returns after its fsync
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA secure_delete = ON")  # what is erased is overwritten
    _remember_file(connection, entry)


def _switch_to_log(connection: sqlite3.Connection) -> str:
    """The journal mode after asking for the write-ahead log; SQLite refuses at once, without its timeout, while another
    process that opens the new file with us is switching it too."""
    patience_ends = time.monotonic() + _SWITCH_PATIENCE_S
    while True:
        try:
            (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
            return str(mode)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > patience_ends:
                raise
        time.sleep(0.01)


def _set_up_reader(connection: sqlite3.Connection, entry: ConnectionPoolEntry) -> None:
    connection.isolation_level = None
    connection.execute("PRAGMA query_only = ON")
    _remember_file(connection, entry)


def _remember_file(connection: sqlite3.Connection, entry: ConnectionPoolEntry) -> None:
    entry.info["file"] = connection.execute("PRAGMA database_list").fetchone()[2]
    entry.info["identity"] = _identity(entry.info["file"])


def _refuse_lost_file(connection: sqlite3.Connection, entry: ConnectionPoolEntry, proxy: object) -> None:
    """A file deleted or replaced under us would take rows and lose them: leave it and look again at its path."""
    if _identity(entry.info["file"]) != entry.info["identity"]:
        raise DisconnectionError("the database file was replaced")


def _identity(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:  # not there, or on a disk that fails: the database will say so itself
        return None
    return status.st_dev, status.st_ino


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get(BEGIN, "BEGIN"))


@contextmanager
def snapshot(engine: Engine) -> Iterator[Connection]:
    """A transaction that reads all as it was at one moment, while others write."""
    if engine.dialect.name == "postgresql":
        engine = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    with engine.connect() as connection, connection.begin():
        if engine.dialect.name == "postgresql":  # it may wait long for whoever works on what it has read
            connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")
        yield connection


def writing(engine: Engine) -> Engine:
    """The same engine for transactions that write: a read that turned into a write could fail at once."""
    return engine.execution_options(**{BEGIN: "BEGIN IMMEDIATE"})


@contextmanager
def store_errors(action: str, url: URL) -> Iterator[None]:
    """Turn the database's errors into StoreError: "cannot ACTION: why"."""
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error) as error:
        raise failure(error, action, url) from error


def failure(error: Exception, action: str, url: URL) -> StoreError:
    """The StoreError that stands for an error of the database, with it as its cause."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    reason = str(cause).strip().partition("\n")[0]
    kind = StoreUnavailable if isinstance(error, _AWAY) else StoreError
    ours = kind(f"cannot {action} ({describe(url)}): {reason}")
    ours.__cause__ = error
    return ours
