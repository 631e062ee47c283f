"""Migrations: they make the schema that the code has, and nothing is migrated by accident."""

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect

from dispatch.store import Instruction, Store, StoreError, migrate, upgrade
from dispatch.store.connection import connect, parse_url, writing
from dispatch.store.schema import Base

NEXT_REVISION = """
import sqlalchemy as sa
from alembic import op
revision = "0003"
down_revision = "0002"

def upgrade():
    op.create_table("later", sa.Column("id", sa.Text(), primary_key=True))
"""


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


def test_stores_opened_at_once_make_the_tables_once(url: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        stores = list(pool.map(lambda _: Store.open(url), range(4)))
    for store in stores:
        store.ping()
        store.close()
