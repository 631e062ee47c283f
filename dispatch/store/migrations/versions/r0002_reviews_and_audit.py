"""Reviews, orders, principals, holds, and the audit chain, whose first events cover the rows that are there."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import count
from typing import Any

import sqlalchemy as sa
from alembic import op

from dispatch.store.digest import GENESIS, PERSONAL, commitment, event_hash, new_salt, row_digest

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_OLD_TABLES = ("incidents", "models", "requests", "instructions")
_NEW_TABLES = ("legal_holds", "tokens", "principals", "orders", "reviews", "audit_events")
_ERASABLE = ("salt", "commitment", "erased_at")
_REVIEW = ("urgency", "version", "due_at", "claimed_by", "claimed_at", "lease_expires_at", "final_text")
_INDEXES = {
    "ix_requests_incident_id": ("requests", ["incident_id"]),
    "ix_instructions_review_state_urgency_created_at_id": (
        "instructions",
        ["review_state", "urgency", "created_at", "id"],
    ),
    "ix_instructions_review_state_due_at": ("instructions", ["review_state", "due_at"]),
}
_PRIORITIES = ("特急", "紧急", "一般")
_ROWS_AN_EVENT = 200


def upgrade() -> None:
    _extend_old_tables()
    _create_review_tables()
    _create_other_tables()
    _refuse_changes_of_events()
    _cover_old_rows()


def downgrade() -> None:
    for name, (table, _) in _INDEXES.items():
        op.drop_index(name, table_name=table)
    for table in _NEW_TABLES:
        op.drop_table(table)  # with its triggers
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION audit_events_append_only()")
    for column in (*_ERASABLE, *_REVIEW):
        op.drop_column("instructions", column)
    for column in _ERASABLE:
        op.drop_column("requests", column)


def _moment(name: str, nullable: bool = False) -> sa.Column[datetime]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _text(name: str, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=nullable)


def _erasable() -> tuple[sa.Column[Any], ...]:
    return _text("salt"), _text("commitment"), _moment("erased_at", nullable=True)


def _extend_old_tables() -> None:
    for table in ("requests", "instructions"):
        for name in ("salt", "commitment"):
            op.add_column(table, sa.Column(name, sa.Text(), nullable=False, server_default=""))
        op.add_column(table, _moment("erased_at", nullable=True))
    whole = sa.Integer()
    op.add_column("instructions", sa.Column("urgency", whole, nullable=False, server_default=str(len(_PRIORITIES))))
    op.add_column("instructions", sa.Column("version", whole, nullable=False, server_default="1"))
    op.add_column("instructions", _moment("due_at", nullable=True))
    op.add_column("instructions", _text("claimed_by", nullable=True))
    op.add_column("instructions", _moment("claimed_at", nullable=True))
    op.add_column("instructions", _moment("lease_expires_at", nullable=True))
    op.add_column("instructions", sa.Column("final_text", sa.Text(), nullable=False, server_default=""))
    for name, (table, columns) in _INDEXES.items():
        op.create_index(name, table, columns)


def _create_review_tables() -> None:
    op.create_table(
        "reviews",
        _text("id"),
        sa.Column("cursor", sa.BigInteger(), nullable=False),
        _text("instruction_id"),
        _text("action"),
        _text("reviewer"),
        _text("reason"),
        _text("text"),
        _moment("claimed_at", nullable=True),
        _moment("decided_at"),
        *_erasable(),
        sa.PrimaryKeyConstraint("id", name="pk_reviews"),
        sa.UniqueConstraint("cursor", name="uq_reviews_cursor"),
        sa.ForeignKeyConstraint(["instruction_id"], ["instructions.id"], name="fk_reviews_instruction_id_instructions"),
    )
    op.create_index("ix_reviews_instruction_id", "reviews", ["instruction_id"])
    op.create_table(
        "orders",
        _text("id"),
        _text("instruction_id"),
        _text("review_id"),
        sa.Column("position", sa.Integer(), nullable=False),
        _text("agency"),
        _text("action"),
        _text("item"),
        sa.Column("count", sa.Integer(), nullable=True),
        _text("unit"),
        _text("place"),
        _text("state"),
        _moment("reported_at"),
        *_erasable(),
        sa.PrimaryKeyConstraint("id", name="pk_orders"),
        sa.ForeignKeyConstraint(["instruction_id"], ["instructions.id"], name="fk_orders_instruction_id_instructions"),
        sa.ForeignKeyConstraint(["review_id"], ["reviews.id"], name="fk_orders_review_id_reviews"),
    )
    op.create_index("ix_orders_instruction_id", "orders", ["instruction_id"])
    op.create_index("ix_orders_review_id", "orders", ["review_id"])


def _create_other_tables() -> None:
    op.create_table(
        "principals", _text("name"), _moment("created_at"), sa.PrimaryKeyConstraint("name", name="pk_principals")
    )
    op.create_table(
        "tokens",
        _text("id"),
        _text("principal"),
        _text("digest"),
        sa.Column("scopes", sa.JSON(), nullable=False),
        _moment("created_at"),
        _moment("expires_at", nullable=True),
        _moment("revoked_at", nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_tokens"),
        sa.UniqueConstraint("digest", name="uq_tokens_digest"),
        sa.ForeignKeyConstraint(["principal"], ["principals.name"], name="fk_tokens_principal_principals"),
    )
    op.create_index("ix_tokens_principal", "tokens", ["principal"])
    op.create_table(
        "legal_holds",
        _text("id"),
        _text("instruction_id"),
        _text("reason"),
        _text("placed_by"),
        _moment("placed_at"),
        _moment("lifted_at", nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_legal_holds"),
        sa.ForeignKeyConstraint(
            ["instruction_id"], ["instructions.id"], name="fk_legal_holds_instruction_id_instructions"
        ),
    )
    op.create_index("ix_legal_holds_instruction_id", "legal_holds", ["instruction_id"])
    op.create_table(
        "audit_events",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        _moment("at"),
        _text("actor"),
        _text("action"),
        _text("subject"),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("digests", sa.JSON(), nullable=False),
        _text("previous"),
        _text("hash"),
        sa.PrimaryKeyConstraint("seq", name="pk_audit_events"),
    )
    op.create_index("ix_audit_events_subject", "audit_events", ["subject"])


def _refuse_changes_of_events() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for event in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER audit_events_no_{event.lower()} BEFORE {event} ON audit_events "
                "BEGIN SELECT RAISE(ABORT, 'audit_events is append-only'); END"
            )
        # INSERT OR REPLACE deletes without the trigger above.
        op.execute(
            "CREATE TRIGGER audit_events_no_replace BEFORE INSERT ON audit_events "
            "WHEN NEW.seq <> (SELECT coalesce(max(seq), 0) + 1 FROM audit_events) "
            "BEGIN SELECT RAISE(ABORT, 'audit_events is append-only'); END"
        )
        return
    op.execute(
        "CREATE FUNCTION audit_events_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'audit_events is append-only'; END $$"
    )
    for name, event, each in (("change", "UPDATE OR DELETE", "ROW"), ("truncate", "TRUNCATE", "STATEMENT")):
        op.execute(
            f"CREATE TRIGGER audit_events_no_{name} BEFORE {event} ON audit_events "
            f"FOR EACH {each} EXECUTE FUNCTION audit_events_append_only()"
        )


def _cover_old_rows() -> None:
    connection = op.get_bind()
    tables = sa.MetaData()
    events = sa.Table("audit_events", tables, autoload_with=connection)
    previous = GENESIS
    sequence = count(1)
    for name in _OLD_TABLES:
        table = sa.Table(name, tables, autoload_with=connection)
        digests = list(_with_commitments(connection, table))
        for start in range(0, len(digests), _ROWS_AN_EVENT):
            event: dict[str, Any] = {
                "seq": next(sequence),
                "at": datetime.now(UTC),
                "actor": "",
                "action": "store.upgraded",
                "subject": name,
                "details": {},
                "digests": dict(digests[start : start + _ROWS_AN_EVENT]),
                "previous": previous,
            }
            event["hash"] = previous = event_hash(event)
            moment = event["at"].replace(tzinfo=None) if connection.dialect.name == "sqlite" else event["at"]
            connection.execute(events.insert().values({**event, "at": moment}))


def _with_commitments(connection: sa.Connection, table: sa.Table) -> Iterator[tuple[str, str]]:
    """Complete each row of a table; yield its name in the chain and its digest."""
    (key,) = table.primary_key.columns
    for identity in connection.scalars(sa.select(key).order_by(key)).all():
        row = dict(connection.execute(sa.select(table).where(key == identity)).one()._mapping)
        if changes := _changes(table.name, row):
            connection.execute(table.update().where(key == identity).values(changes))
        yield f"{table.name}/{identity}", row_digest(table.name, {**row, **changes})


def _changes(table: str, row: Mapping[str, Any]) -> dict[str, Any]:
    if table not in PERSONAL:
        return {}
    changes: dict[str, Any] = {"salt": new_salt()}
    if table == "instructions" and row["priority"] in _PRIORITIES:
        changes["urgency"] = _PRIORITIES.index(row["priority"])
    changes["commitment"] = commitment(table, {**row, **changes})
    return changes
