"""The tables, the same on SQLite and PostgreSQL. A change here needs a revision in migrations/versions."""

from datetime import UTC, datetime
from typing import Any, ClassVar

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from dispatch.domain.situation import JsonObject


class UtcDateTime(TypeDecorator[datetime]):
    """An aware moment, kept in UTC: SQLite has no time zones, so there it is stored without and read back with one."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None or dialect.name != "sqlite":
            return value
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """Names every constraint, so that a migration can speak of it on either database."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        str: Text,
        datetime: UtcDateTime,
        JsonObject: JSON,
        list[JsonObject]: JSON,
        list[str]: JSON,
        dict[str, str]: JSON,
    }


class Erasable:
    """Columns of a table with personal text: see dispatch.store.digest."""

    salt: Mapped[str]
    commitment: Mapped[str]
    erased_at: Mapped[datetime | None]


class IncidentRow(Base):
    """An emergency as the caller knows it: several requests may concern one."""

    __tablename__ = "incidents"

    id: Mapped[str] = mapped_column(primary_key=True)
    created_at: Mapped[datetime]


class ModelRow(Base):
    """A bundle that has written at least one instruction."""

    __tablename__ = "models"

    digest: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    first_seen_at: Mapped[datetime]


class RequestRow(Erasable, Base):
    """What was asked. NULL request_ids are distinct from each other, so only those given are unique."""

    __tablename__ = "requests"
    __table_args__ = (UniqueConstraint("principal", "request_id"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    principal: Mapped[str]
    request_id: Mapped[str | None]
    body_digest: Mapped[str]
    incident_id: Mapped[str | None] = mapped_column(ForeignKey(IncidentRow.id), index=True)
    report: Mapped[str]
    context: Mapped[JsonObject]
    decoding: Mapped[JsonObject]
    prefix: Mapped[str]
    created_at: Mapped[datetime]


class InstructionRow(Erasable, Base):
    """What was answered, and how far its review is."""

    __tablename__ = "instructions"
    __table_args__ = (
        Index(None, "review_state", "urgency", "created_at", "id"),
        Index(None, "review_state", "due_at"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    request_key: Mapped[str] = mapped_column(ForeignKey(RequestRow.id), unique=True)
    instruction: Mapped[str]
    candidates: Mapped[list[JsonObject]]
    situations: Mapped[list[JsonObject]]
    plan: Mapped[list[JsonObject]]
    checks: Mapped[list[JsonObject]]
    confidence: Mapped[float]
    model_digest: Mapped[str] = mapped_column(ForeignKey(ModelRow.digest))
    doctrine: Mapped[str]
    timings: Mapped[JsonObject]
    priority: Mapped[str]
    urgency: Mapped[int]
    """Place of the priority among all, 0 the most urgent: what the queue is ordered by."""
    review_state: Mapped[str]
    version: Mapped[int]
    """Raised by every change: the etag."""
    due_at: Mapped[datetime | None]
    claimed_by: Mapped[str | None]
    claimed_at: Mapped[datetime | None]
    lease_expires_at: Mapped[datetime | None]
    final_text: Mapped[str]
    """As approved or revised; empty before."""
    created_at: Mapped[datetime] = mapped_column(index=True)


class ReviewRow(Erasable, Base):
    """One decision about an instruction. The cursor orders all decisions, without gaps, as they were committed."""

    __tablename__ = "reviews"

    id: Mapped[str] = mapped_column(primary_key=True)
    cursor: Mapped[int] = mapped_column(BigInteger, unique=True)
    instruction_id: Mapped[str] = mapped_column(ForeignKey(InstructionRow.id), index=True)
    action: Mapped[str]
    reviewer: Mapped[str]
    reason: Mapped[str]
    text: Mapped[str]
    claimed_at: Mapped[datetime | None]
    decided_at: Mapped[datetime]


class OrderRow(Erasable, Base):
    """One released order and how far it has got; the review released it."""

    __tablename__ = "orders"

    id: Mapped[str] = mapped_column(primary_key=True)
    instruction_id: Mapped[str] = mapped_column(ForeignKey(InstructionRow.id), index=True)
    review_id: Mapped[str] = mapped_column(ForeignKey(ReviewRow.id), index=True)
    position: Mapped[int]
    agency: Mapped[str]
    action: Mapped[str]
    item: Mapped[str]
    count: Mapped[int | None] = mapped_column("count")
    unit: Mapped[str]
    place: Mapped[str]
    state: Mapped[str]
    reported_at: Mapped[datetime]


class AuditEventRow(Base):
    """Who did what when. Triggers refuse every change but an addition at the end."""

    __tablename__ = "audit_events"

    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    at: Mapped[datetime]
    actor: Mapped[str]
    action: Mapped[str]
    subject: Mapped[str] = mapped_column(index=True)
    details: Mapped[JsonObject]
    digests: Mapped[dict[str, str]]
    """By `table/key`: the digests of the rows as the event leaves them, empty for a row that it takes away."""
    previous: Mapped[str]
    hash: Mapped[str]


class PrincipalRow(Base):
    """Somebody who may call: a person or a program."""

    __tablename__ = "principals"

    name: Mapped[str] = mapped_column(primary_key=True)
    created_at: Mapped[datetime]


class TokenRow(Base):
    """A bearer token, of which only the SHA-256 is kept."""

    __tablename__ = "tokens"

    id: Mapped[str] = mapped_column(primary_key=True)
    principal: Mapped[str] = mapped_column(ForeignKey(PrincipalRow.name), index=True)
    digest: Mapped[str] = mapped_column(unique=True)
    scopes: Mapped[list[str]]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class HoldRow(Base):
    """A legal hold: while it is not lifted, nothing of the instruction is erased."""

    __tablename__ = "legal_holds"

    id: Mapped[str] = mapped_column(primary_key=True)
    instruction_id: Mapped[str] = mapped_column(ForeignKey(InstructionRow.id), index=True)
    reason: Mapped[str]
    placed_by: Mapped[str]
    placed_at: Mapped[datetime]
    lifted_at: Mapped[datetime | None]


def key_of(table: Table) -> str:
    """The name of the table's one key column."""
    (column,) = table.primary_key.columns
    return column.name


AUDIT = Base.metadata.tables[AuditEventRow.__tablename__]
COVERED: tuple[Table, ...] = tuple(table for table in Base.metadata.sorted_tables if table is not AUDIT)
"""The tables whose rows the chain covers, referred ones first."""
