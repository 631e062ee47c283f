"""The audit trail: reading it, adding to it, and proving that neither it nor any row was changed behind its back."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Table, select

from dispatch.domain.situation import JsonObject
from dispatch.store.database import Database
from dispatch.store.digest import GENESIS, PERSONAL, blank, commitment, event_hash, row_digest
from dispatch.store.schema import AUDIT, COVERED, key_of
from dispatch.store.transaction import ChainHead, Row, chain_head

_AT_ONCE = 1000  # rows fetched together
_MOST_FAULTS = 20


@dataclass(frozen=True, kw_only=True)
class AuditEvent:
    """Who did what, when, to what."""

    seq: int
    at: datetime
    actor: str
    """The principal; empty for Dispatch itself."""
    action: str
    subject: str
    details: JsonObject
    hash: str


_COLUMNS = tuple(AUDIT.c[name] for name in AuditEvent.__dataclass_fields__)


@dataclass(frozen=True)
class Fault:
    """Something that is not as it was recorded."""

    seq: int
    """The first event that no longer holds; for a row that no event covers, the one that would come next."""
    message: str


@dataclass(frozen=True)
class ChainReport:
    """What a verification has found."""

    head: ChainHead
    faults: tuple[Fault, ...] = field(default=())
    """The first ones, in the order of events; none where all is as it was recorded."""


class Audit:
    """The trail of a database. Every method raises StoreError where the database fails."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, action: str, actor: str, subject: str, details: Mapping[str, Any] | None = None) -> None:
        """Append an event that changes no row, such as who has read a report. Nothing personal may stand in it."""
        self._database.write(
            "record the event", lambda transaction: transaction.record(action, actor, subject, details)
        )

    def events(self, *, after: int = 0, subject: str = "", actor: str = "", limit: int) -> list[AuditEvent]:
        """Events in their order, those after a number, of one subject and of one actor where they are given."""
        query = select(*_COLUMNS).where(AUDIT.c.seq > after)
        if subject:
            query = query.where(AUDIT.c.subject == subject)
        if actor:
            query = query.where(AUDIT.c.actor == actor)
        with self._database.reading() as connection:
            rows = connection.execute(query.order_by(AUDIT.c.seq).limit(limit))
            return [AuditEvent(**row._mapping) for row in rows]

    def latest(self, subject: str) -> AuditEvent | None:
        """The last event about a subject."""
        query = select(*_COLUMNS).where(AUDIT.c.subject == subject).order_by(AUDIT.c.seq.desc()).limit(1)
        with self._database.reading() as connection:
            row = connection.execute(query).one_or_none()
            return None if row is None else AuditEvent(**row._mapping)

    def head(self) -> ChainHead:
        """The end of the chain now: kept elsewhere, it proves later that the chain was not cut or made anew."""
        with self._database.reading() as connection:
            return chain_head(connection)

    def verify(self, expected: ChainHead | None = None) -> ChainReport:
        """Compute the chain and every row's digest again and compare, while others write.

        ``expected`` is the end of the chain as it was noted earlier.
        """
        with self._database.snapshot() as connection:
            return verify(connection, expected)


def verify(connection: Connection, expected: ChainHead | None = None) -> ChainReport:
    """As `Audit.verify`, in a transaction that reads one state of the database."""
    faults: list[Fault] = []
    last = ChainHead(0, GENESIS)
    digests: dict[str, tuple[int, str]] = {}
    for event in _stream(connection, AUDIT):
        seq = last.seq + 1
        if event["seq"] != seq:
            faults.append(Fault(seq, f"audit event {seq} is missing"))
        elif event["previous"] != last.hash:
            faults.append(Fault(seq, f"audit event {seq} does not follow on the one before it"))
        elif event["hash"] != event_hash(event):
            faults.append(Fault(seq, f"audit event {seq} was changed"))
        elif expected is not None and expected.seq == seq and expected.hash != event["hash"]:
            faults.append(Fault(seq, f"audit event {seq} is another than the one that was noted"))
        if faults:
            return ChainReport(last, tuple(faults))  # what comes after hangs on nothing
        last = ChainHead(seq, event["hash"])
        digests.update((name, (seq, digest)) for name, digest in event["digests"].items())
    if expected is not None and last.seq < expected.seq:
        faults.append(Fault(last.seq + 1, f"the chain ends after {last.seq} of the {expected.seq} events noted"))
    faults.extend(_compare_rows(connection, digests, last.seq + 1))
    return ChainReport(last, tuple(sorted(faults, key=lambda fault: fault.seq)[:_MOST_FAULTS]))


def _compare_rows(connection: Connection, digests: dict[str, tuple[int, str]], end: int) -> Iterator[Fault]:
    """Faults of rows; takes the rows that are there out of ``digests``."""
    for table in COVERED:
        for row in _stream(connection, table):
            name = f"{table.name}/{row[key_of(table)]}"
            seq, recorded = digests.pop(name, (end, ""))
            if not recorded:
                yield Fault(seq, f"no audit event covers {name}")
            elif row_digest(table.name, row) != recorded:
                yield Fault(seq, f"{name} is not as audit event {seq} left it")
            elif table.name in PERSONAL and not _keeps_its_commitment(table, row):
                yield Fault(seq, f"{name} holds other text than audit event {seq} left in it")
    for name, (seq, recorded) in digests.items():
        if recorded:
            yield Fault(seq, f"{name} is missing; audit event {seq} left it there")


def _keeps_its_commitment(table: Table, row: Row) -> bool:
    if row["erased_at"] is not None:
        return all(row[column] == value for column, value in blank(table.name, row).items())
    try:
        return bool(commitment(table.name, row) == row["commitment"])
    except ValueError:  # a salt that is not hexadecimal
        return False


def _stream(connection: Connection, table: Table) -> Iterator[Row]:
    """All rows by key, few of them in memory at a time."""
    query = select(table).order_by(table.c[key_of(table)]).execution_options(yield_per=_AT_ONCE)
    with closing(connection.execute(query)) as rows:
        for row in rows:
            yield dict(row._mapping)
