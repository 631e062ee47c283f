"""The schema's revisions: which one a database has, and how it gets to the newest."""

import threading

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, inspect, text

from dispatch.store.connection import connect, describe, parse_url, store_errors, writing
from dispatch.store.errors import StoreError

SCRIPTS = "dispatch.store:migrations"
_ALEMBIC = threading.Lock()  # Alembic keeps the connection it works on in its own module, one for all threads
_SCHEMA_LOCK = 0x64697370  # any number, the same in every Dispatch: PostgreSQL's name for the lock on migrations


def upgrade(url: str) -> None:
    """Bring a database to the newest schema, in one transaction; an empty one gets all tables.

    Raises StoreError where the database is another program's or a newer Dispatch's, or fails; ValueError for a bad URL.
    """
    parsed = parse_url(url)
    engine = connect(parsed)
    try:
        with store_errors("upgrade the database", parsed), writing(engine).begin() as connection:
            lock_schema(connection)
            if not is_empty(connection):
                _refuse_foreign(connection, parsed)
            run(connection, "head")
    finally:
        engine.dispose()


def prepare(connection: Connection, url: URL) -> None:
    """Make the tables of an empty database; raise StoreError where its schema is not the newest."""
    lock_schema(connection)
    if is_empty(connection):
        run(connection, "head")
        return
    require_current(connection, url)
    # Changes nothing, but fails at once where the first instruction could not be written.
    connection.execute(text("UPDATE alembic_version SET version_num = version_num"))


def require_current(connection: Connection, url: URL) -> None:
    """Raise StoreError where the database is not one of ours, or its schema not the newest."""
    _refuse_foreign(connection, url)
    if _revision(connection) != _scripts().get_current_head():
        raise StoreError(
            f"the database {describe(url)} was made by an older Dispatch; back it up, then run: "
            f"dispatch db upgrade --database-url {describe(url)}"
        )


def require_empty(connection: Connection, url: URL) -> None:
    """Raise StoreError where the database holds any table."""
    if not is_empty(connection):
        raise StoreError(f"the database {describe(url)} is not empty; --force replaces what it holds")


def clear(connection: Connection, url: URL) -> None:
    """Drop all tables of ours; raise StoreError where they are another program's or a newer Dispatch's."""
    if not is_empty(connection):
        _refuse_foreign(connection, url)
        run(connection, "base")


def run(connection: Connection, target: str) -> None:
    """Migrate up or down to a revision, `head` or `base`, inside the connection's open transaction."""
    if connection.dialect.name == "postgresql":  # to index a large table takes as long as it takes
        connection.execute(text("SET LOCAL statement_timeout = 0"))
    config = _config()
    config.attributes["connection"] = connection
    present = _revision(connection)
    down = target == "base" or (present is not None and target != "head" and target < present)
    with _ALEMBIC:
        (command.downgrade if down else command.upgrade)(config, target)


def lock_schema(connection: Connection) -> None:
    """Hold others off until the transaction ends, so that two that start at once do not both make the tables."""
    if connection.dialect.name == "postgresql":  # SQLite's BEGIN IMMEDIATE already does
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _SCHEMA_LOCK})


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", SCRIPTS)
    return config


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def is_empty(connection: Connection) -> bool:
    """Whether the database holds no table."""
    return not set(inspect(connection).get_table_names()) - {"alembic_version"}


def _refuse_foreign(connection: Connection, url: URL) -> None:
    revision = _revision(connection)
    if revision is None:
        raise StoreError(f"the database {describe(url)} holds another program's tables; name an empty one")
    if revision not in {script.revision for script in _scripts().walk_revisions()}:
        raise StoreError(f"the database {describe(url)} was made by a newer Dispatch; use that one or a newer one")
