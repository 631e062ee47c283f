"""The tables, the same on SQLite and PostgreSQL. A change here needs a revision in migrations/versions."""

from datetime import UTC, datetime
from typing import Any, ClassVar

from sqlalchemy import JSON, DateTime, Dialect, ForeignKey, MetaData, Text, TypeDecorator, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

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
    }


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


class RequestRow(Base):
    """What was asked. NULL request_ids are distinct from each other, so only those given are unique."""

    __tablename__ = "requests"
    __table_args__ = (UniqueConstraint("principal", "request_id"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    principal: Mapped[str]
    request_id: Mapped[str | None]
    body_digest: Mapped[str]
    incident_id: Mapped[str | None] = mapped_column(ForeignKey(IncidentRow.id))
    report: Mapped[str]
    context: Mapped[JsonObject]
    decoding: Mapped[JsonObject]
    prefix: Mapped[str]
    created_at: Mapped[datetime]


class InstructionRow(Base):
    """What was answered."""

    __tablename__ = "instructions"

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
    review_state: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(index=True)

    request: Mapped[RequestRow] = relationship(lazy="joined", innerjoin=True)
    model: Mapped[ModelRow] = relationship(lazy="joined", innerjoin=True)
