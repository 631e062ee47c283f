"""Migrations: they make the schema that the code has, and nothing is migrated by accident."""

import shutil
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Timer

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

from dispatch.store import Audit, Instruction, Reviews, Store, StoreError, migrate, upgrade
from dispatch.store.connection import connect, parse_url, writing
from dispatch.store.schema import Base
from tests.store.postgres import Server

NEXT_REVISION = """
import sqlalchemy as sa
from alembic import op
revision = "0003"
down_revision = "0002"

def upgrade():
    op.create_table("later", sa.Column("id", sa.Text(), primary_key=True))
"""

OLD_ROWS = (
    "INSERT INTO incidents VALUES ('i-1', '2026-01-01 08:00:00.000000')",
    "INSERT INTO models VALUES ('ab12', 'default', '2026-01-01 08:00:00.000000')",
    "INSERT INTO requests VALUES ('cd', 'cad', 'r-1', 'digest', 'i-1', '水位上涨', '{}', '{}', '', "
    "'2026-01-01 08:00:00.000000')",
    f"INSERT INTO instructions VALUES ('{'ab' * 16}', 'cd', '派出2艘', '[]', '[]', '[{{\"agency\": \"消防\"}}]', "
    "'[]', 0.5, 'ab12', '', '{}', '特急', 'pending', '2026-01-01 08:00:00.000000')",
)


def tables(url: str) -> set[str]:
    engine = connect(parse_url(url))
    with engine.connect() as connection:
        names = set(inspect(connection).get_table_names())
    engine.dispose()
    return names


@pytest.fixture
def next_revision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Makes this Dispatch one that has a revision more, with the source given."""

    def install(source: str) -> None:
        scripts = tmp_path / "migrations"
        shutil.copytree(Path(migrate.__file__).parent / "migrations", scripts)
        (scripts / "versions" / "r0003_later.py").write_text(source)
        monkeypatch.setattr(migrate, "SCRIPTS", str(scripts))

    return install


def test_the_migrations_make_the_schema_of_the_code(store: Store, url: str) -> None:
    engine = connect(parse_url(url))
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
    engine.dispose()
    assert tables(url) == set(Base.metadata.tables) | {"alembic_version"}


def test_down_and_up_again(store: Store, url: str) -> None:
    engine = connect(parse_url(url))
    with writing(engine).begin() as connection:
        migrate.run(connection, "base")
    engine.dispose()
    assert tables(url) == {"alembic_version"}
    upgrade(url)
    assert tables(url) == set(Base.metadata.tables) | {"alembic_version"}


def test_upgrading_what_is_current_changes_nothing(store: Store, url: str, draft: Callable[..., Instruction]) -> None:
    saved = store.save(draft())
    upgrade(url)
    assert store.get(saved.name) == saved


def test_an_older_database_waits_for_its_upgrade(
    store: Store, url: str, draft: Callable[..., Instruction], next_revision: Callable[[str], None]
) -> None:
    saved = store.save(draft())
    next_revision(NEXT_REVISION)
    with pytest.raises(StoreError, match=r"older Dispatch.*dispatch db upgrade --database-url"):
        Store.open(url)
    assert "later" not in tables(url)
    upgrade(url)
    assert "later" in tables(url)
    again = Store.open(url)
    assert again.get(saved.name) == saved
    again.close()


def test_a_newer_database_is_refused(store: Store, url: str, execute: Callable[[str], object]) -> None:
    execute("UPDATE alembic_version SET version_num = '9999'")
    for attempt in (Store.open, upgrade):
        with pytest.raises(StoreError, match="newer Dispatch"):
            attempt(url)


def test_a_migration_that_fails_leaves_the_database_as_it_was(url: str, next_revision: Callable[[str], None]) -> None:
    next_revision(NEXT_REVISION + "    op.execute('no SQL')\n")
    with pytest.raises(StoreError, match="syntax error"):
        upgrade(url)
    assert tables(url) - {"alembic_version"} == set()


def test_a_migration_takes_as_long_as_it_takes(postgres: Server) -> None:
    url = postgres.new_database()
    engine = connect(parse_url(url))
    with engine.begin() as connection:
        migrate.run(connection, "head")
        assert connection.scalar(text("SHOW statement_timeout")) == "0"
    with engine.connect() as connection:
        assert connection.scalar(text("SHOW statement_timeout")) == "1min"
    engine.dispose()
    postgres.drop(url)


def test_stores_opened_at_once_make_the_tables_once(url: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        stores = list(pool.map(lambda _: Store.open(url), range(4)))
    for store in stores:
        store.ping()
        store.close()


def test_a_new_file_that_another_process_is_setting_up_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "dispatch.db"
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    release = Timer(0.3, other.rollback)
    release.start()
    store = Store.open(f"sqlite:///{path}")
    store.ping()
    store.close()
    release.join()
    other.close()


def make_old_database(url: str) -> None:
    """A database of the first revision, with a row in every table."""
    engine = connect(parse_url(url))
    with writing(engine).begin() as connection:
        migrate.run(connection, "0001")
        for statement in OLD_ROWS:
            connection.exec_driver_sql(statement)
    engine.dispose()


def test_rows_of_the_first_revision_are_kept_and_covered_by_the_chain(url: str) -> None:
    make_old_database(url)
    upgrade(url)
    store = Store.open(url)
    found = store.find_request("r-1", "cad")
    assert found is not None
    assert (found.name, found.report, found.plan) == ("instructions/" + "ab" * 16, "水位上涨", [{"agency": "消防"}])
    assert (found.review_state, found.version, found.due_at) == ("pending", 1, None)
    assert Reviews(store.database).queue(limit=9).instructions == [found]
    report = Audit(store.database).verify()
    assert (report.head.seq, report.faults) == (4, ())  # an event a table
    store.close()


def test_down_to_the_first_revision_keeps_its_rows(url: str) -> None:
    make_old_database(url)
    upgrade(url)
    engine = connect(parse_url(url))
    with writing(engine).begin() as connection:
        migrate.run(connection, "0001")
        assert connection.scalar(text("SELECT report FROM requests")) == "水位上涨"
        assert "audit_events" not in inspect(connection).get_table_names()
    engine.dispose()
    upgrade(url)
    store = Store.open(url)
    assert Audit(store.database).verify().faults == ()
    store.close()
