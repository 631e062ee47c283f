"""Looking after a database: is it whole, and how it is copied away and back."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from glob import escape
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, select, text

from dispatch.store import migrate
from dispatch.store.audit import ChainReport, verify
from dispatch.store.connection import (
    connect,
    connect_to_read,
    file_url,
    parse_url,
    snapshot,
    store_errors,
    writing,
)
from dispatch.store.errors import StoreError
from dispatch.store.schema import AUDIT, COVERED, key_of
from dispatch.store.transaction import ChainHead

_AT_ONCE = 500  # rows copied together


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    subject: str
    """schema, file, references, triggers or chain."""
    problems: tuple[str, ...]
    """None where it is fine."""


def check(url: str) -> list[Finding]:
    """What is wrong with a database: its schema, file, references, triggers, chain of audit events and rows.

    Reads only, while others write. Raises StoreError where there is no database to look at, ValueError for a bad URL.
    """
    with _snapshot_of(url) as connection:
        return _check(connection, parse_url(url))


def is_empty(url: str) -> bool:
    """Whether a database has no tables yet. Reads only, while others write.

    Raises StoreError where it cannot be read, or holds what is not of this version's schema; ValueError for a bad URL.
    """
    with _snapshot_of(url) as connection:
        if migrate.is_empty(connection):
            return True
        migrate.require_current(connection, parse_url(url))
        return False


def verify_audit(url: str, expected: ChainHead | None = None) -> ChainReport:
    """As `Audit.verify`, without opening the database to write. Raises StoreError for another schema."""
    with _snapshot_of(url) as connection:
        migrate.require_current(connection, parse_url(url))
        return verify(connection, expected)


def backup(url: str, target: Path) -> ChainReport:
    """Copy a database, as it is at one moment, into a SQLite file, while others write.

    The file appears when it is whole and verified; returns what it verifies as. PostgreSQL too is copied into SQLite:
    the tables are the same. Raises FileExistsError where the target is there, StoreError where the database fails or
    its chain is broken.
    """
    if target.exists():
        raise FileExistsError(f"{target} is there already; name another file")
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    os.close(handle)
    part = Path(name)
    try:
        with _snapshot_of(url) as source:
            migrate.require_current(source, parse_url(url))
            report = _copy_into(source, file_url(part), lambda connection, address: None)
        _sync(part)
        os.link(part, target)  # unlike a rename, never in place of another file
        _sync(target.parent)
    finally:
        for leftover in target.parent.glob(f"{escape(part.name)}*"):
            leftover.unlink()
    return report


def restore(source: Path, url: str) -> ChainReport:
    """Copy a backup into an empty database, or one that is not there yet; returns what it verifies as.

    Raises StoreError, and changes nothing, where the backup is not whole or the database holds anything.
    """
    return _restore(source, url, migrate.require_empty)


def restore_over(source: Path, url: str) -> ChainReport:
    """As `restore`, in place of all that the database holds."""
    return _restore(source, url, migrate.clear)


def _restore(source: Path, url: str, make_room: Callable[[Connection, URL], None]) -> ChainReport:
    address = file_url(source)
    with _snapshot_of(address) as connection:
        problems = [problem for finding in _check(connection, parse_url(address)) for problem in finding.problems]
        if problems:
            raise StoreError(f"{source} is not whole, so nothing was restored: {problems[0]}")
        return _copy_into(connection, url, make_room)


def _copy_into(source: Connection, url: str, make_room: Callable[[Connection, URL], None]) -> ChainReport:
    """Copy all rows into a database, verify the copy, and only then commit it."""
    parsed = parse_url(url)
    engine = connect(parsed)
    try:
        with store_errors("write the copy", parsed), writing(engine).begin() as target:
            migrate.lock_schema(target)
            make_room(target, parsed)
            migrate.run(target, "head")
            for table in (*COVERED, AUDIT):
                rows = source.execute(
                    select(table).order_by(table.c[key_of(table)]).execution_options(yield_per=_AT_ONCE)
                )
                with closing(rows):
                    for part in rows.mappings().partitions():
                        target.execute(table.insert(), [dict(row) for row in part])
            report = verify(target)
            if report.faults:
                raise StoreError(f"the copy does not verify: {report.faults[0].message}")
        _leave_log(engine)
    finally:
        engine.dispose()
    return report


def _leave_log(engine: Engine) -> None:
    """Move everything from SQLite's log into the file."""
    if engine.dialect.name == "sqlite":
        with closing(engine.raw_connection()) as connection:
            connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")


@contextmanager
def _snapshot_of(url: str) -> Iterator[Connection]:
    parsed = parse_url(url)
    engine = connect_to_read(parsed)
    try:
        with store_errors("read the database", parsed), snapshot(engine) as connection:
            yield connection
    finally:
        engine.dispose()


def _check(connection: Connection, url: URL) -> list[Finding]:
    schema = Finding("schema", tuple(_schema_problems(connection, url)))
    file = Finding("file", tuple(_file_problems(connection)))
    if schema.problems or file.problems:
        return [schema, file]  # what else is looked at needs the tables
    faults = verify(connection).faults
    return [
        schema,
        file,
        Finding("references", tuple(_broken_references(connection))),
        Finding("triggers", tuple(_missing_triggers(connection))),
        Finding("chain", tuple(fault.message for fault in faults)),
    ]


def _schema_problems(connection: Connection, url: URL) -> Iterator[str]:
    try:
        migrate.require_current(connection, url)
    except StoreError as error:
        yield str(error)


def _file_problems(connection: Connection) -> list[str]:
    """SQLite's own look at every page and index; PostgreSQL's are its server's business (pg_amcheck)."""
    if connection.dialect.name != "sqlite":
        return []
    return [row for row in connection.scalars(text("PRAGMA integrity_check(10)")) if row != "ok"]


def _broken_references(connection: Connection) -> Iterator[str]:
    """Rows that refer to a row that is not there, such as another program can write with the checks off."""
    for table in COVERED:
        for constraint in sorted(table.foreign_key_constraints, key=lambda constraint: str(constraint.name)):
            (column,), (reference,) = constraint.columns, [key.column for key in constraint.elements]
            there = select(reference).where(reference == column).exists()
            query = select(table.c[key_of(table)]).where(column.is_not(None), ~there).limit(10)
            for key in connection.scalars(query):
                yield f"{table.name}/{key} refers to a row of {reference.table.name} that is not there"


def _missing_triggers(connection: Connection) -> list[str]:
    if connection.dialect.name == "sqlite":
        wanted, query = {"update", "delete", "replace"}, "SELECT name FROM sqlite_master WHERE type = 'trigger'"
    else:
        wanted = {"change", "truncate"}
        query = "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled IN ('O', 'A')"
    there = set(connection.scalars(text(query)))
    missing = sorted(f"audit_events_no_{name}" for name in wanted if f"audit_events_no_{name}" not in there)
    return [f"the trigger {name} is gone: events can be changed" for name in missing]


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
