"""Connections to the database, and its errors turned into ours."""

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, DisconnectionError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from dispatch.store.errors import StoreError

BEGIN = "dispatch_begin"  # execution option: the statement that opens a SQLite transaction

_SQLITE_OPTIONS = {"uri", "mode", "cache", "timeout"}


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


def describe(url: URL) -> str:
    """The address without password and options, fit for messages."""
    if url.get_backend_name() == "sqlite":
        return f"sqlite:///{url.database}"  # with a path as people read it, not percent-encoded
    return URL.create(url.drivername, url.username, None, url.host, url.port, url.database).render_as_string()


def connect(url: URL) -> Engine:
    """An engine that has not connected yet. Raises StoreError where the driver or the folder cannot be had."""
    options: dict[str, Any] = {"hide_parameters": True, "json_serializer": partial(json.dumps, ensure_ascii=False)}
    if url.get_backend_name() == "sqlite":
        return _connect_sqlite(url, options)
    try:
        return create_engine(url, pool_pre_ping=True, connect_args={"connect_timeout": 5}, **options)
    except ModuleNotFoundError as error:
        raise StoreError("PostgreSQL needs its driver: pip install 'dispatch-rescue[postgres]'") from error


def _connect_sqlite(url: URL, options: dict[str, Any]) -> Engine:
    """One connection for all threads: SQLite has one writer, and before 3.51.3 two can damage the log they share."""
    if "uri" not in url.query:
        try:
            Path(str(url.database)).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"cannot make the folder of {url.database}: {error.strerror}") from error
    engine = create_engine(url, poolclass=QueuePool, pool_size=1, max_overflow=0, **options)
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "checkout", _refuse_lost_file)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _set_up_sqlite(connection: sqlite3.Connection, entry: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # transactions begin where _begin_sqlite says, not where the driver guesses
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise StoreError(f"SQLite keeps no write-ahead log there (journal mode {mode}); use a file on a local disk")
    connection.execute("PRAGMA synchronous = FULL")  # a commit returns after its fsync
    connection.execute("PRAGMA foreign_keys = ON")
    entry.info["file"] = connection.execute("PRAGMA database_list").fetchone()[2]
    entry.info["identity"] = _identity(entry.info["file"])


def _refuse_lost_file(connection: sqlite3.Connection, entry: ConnectionPoolEntry, proxy: object) -> None:
    """A file deleted or replaced under us would take rows and lose them: leave it and look again at its path."""
    if _identity(entry.info["file"]) != entry.info["identity"]:
        raise DisconnectionError("the database file was replaced")


def _identity(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get(BEGIN, "BEGIN"))


def writing(engine: Engine) -> Engine:
    """The same engine for transactions that write: a read that turned into a write could fail at once."""
    return engine.execution_options(**{BEGIN: "BEGIN IMMEDIATE"})


@contextmanager
def store_errors(action: str, url: URL) -> Iterator[None]:
    """Turn the database's errors into StoreError: "cannot ACTION: why"."""
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error) as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        reason = str(cause).strip().partition("\n")[0]
        raise StoreError(f"cannot {action} ({describe(url)}): {reason}") from error
