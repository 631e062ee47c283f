"""Opening a store: its address, its settings, and whatever else may lie at that address."""

import sqlite3
import stat
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from dispatch.store import Instruction, Store, StoreError, upgrade, upkeep
from dispatch.store.connection import connect, describe, parse_url, writing


@pytest.mark.parametrize("name", ["new/deeper/dispatch.db", "空 格%s.db"])
def test_a_missing_file_is_made_with_its_folder(tmp_path: Path, draft: Callable[..., Instruction], name: str) -> None:
    store = Store.open(f"sqlite:///{tmp_path / name}")
    saved = store.save(draft())
    store.close()
    again = Store.open(f"sqlite:///{tmp_path / name}")
    assert again.list_recent(1) == [saved]
    again.close()
    assert (tmp_path / name).is_file()


@pytest.mark.parametrize(
    ("pragma", "value"), [("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1), ("busy_timeout", 5000)]
)
def test_every_connection_is_durable_and_strict(database: Path, pragma: str, value: object) -> None:
    engine = connect(parse_url(f"sqlite:///{database}"))
    for _ in range(2):  # the second connection is a new one
        with engine.connect() as connection:
            assert connection.execute(text(f"PRAGMA {pragma}")).scalar() == value
        engine.dispose()


def test_the_files_of_a_store_are_their_owners_alone(database: Path, draft: Callable[..., Instruction]) -> None:
    with closing(Store.open(f"sqlite:///{database}")) as store:
        store.save(draft())
        copy = database.with_name("copy.db")
        upkeep.backup(f"sqlite:///{database}", copy)
        files = [*database.parent.glob(f"{database.name}*"), copy]
        assert len(files) > 2
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_only_writers_lock_from_the_start(database: Path) -> None:
    engine = connect(parse_url(f"sqlite:///{database}"))
    with closing(sqlite3.connect(database, timeout=0, isolation_level=None)) as other:
        with engine.begin():
            other.execute("BEGIN IMMEDIATE")
            other.execute("ROLLBACK")
        with writing(engine).begin(), pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
    engine.dispose()


def test_a_file_that_is_no_database_is_named_and_left_alone(database: Path) -> None:
    database.write_text("not a database, and longer than the header of one: " * 50)
    before = database.read_bytes()
    with pytest.raises(StoreError, match=r"cannot open the database \(.*dispatch\.db\): file is not a database"):
        Store.open(f"sqlite:///{database}")
    assert database.read_bytes() == before


def test_another_programs_database_is_left_alone(database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("CREATE TABLE songs (title)")
    for attempt in (Store.open, upgrade):
        with pytest.raises(StoreError, match="another program's tables"):
            attempt(f"sqlite:///{database}")
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("songs",)]


def test_a_database_that_cannot_be_written_is_not_opened(sqlite_store: Store, database: Path) -> None:
    sqlite_store.close()
    with pytest.raises(StoreError, match="readonly"):
        Store.open(f"sqlite:///file:{database}?mode=ro&uri=true")


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"cannot make the folder of .*file/dispatch\.db"):
        Store.open(f"sqlite:///{tmp_path}/file/dispatch.db")


def test_a_folder_is_no_database(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="unable to open database file"):
        Store.open(f"sqlite:///{tmp_path}")


def test_a_shared_memory_database_is_refused() -> None:
    with pytest.raises(StoreError, match="no write-ahead log"):
        Store.open("sqlite:///file:shared?mode=memory&uri=true")


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///", "sqlite:///:memory:"])
def test_a_store_in_memory_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="needs a file"):
        Store.open(url)


@pytest.mark.parametrize(
    "url", ["", "dispatch.db", "postgres://u:secret@h/d", "mysql://u:secret@h/d", "postgresql://u:secret@h:port/d"]
)
def test_other_addresses_are_refused_without_showing_them(url: str) -> None:
    with pytest.raises(ValueError, match="must be sqlite:///FILE or postgresql://") as caught:
        Store.open(url)
    assert "secret" not in str(caught.value)


def test_an_address_is_described_without_its_secrets() -> None:
    url = parse_url("postgresql+psycopg://duty:secret@db.example:5433/rescue?sslpassword=secret")
    assert describe(url) == "postgresql+psycopg://duty@db.example:5433/rescue"
    assert describe(parse_url("sqlite:///歙县/dispatch.db?timeout=1")) == "sqlite:///歙县/dispatch.db"


def test_postgresql_without_its_driver_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(StoreError, match=r"dispatch-rescue\[postgres\]"):
        Store.open("postgresql://duty:secret@localhost/rescue")


def test_a_question_mark_in_the_path_is_not_taken_for_an_option() -> None:
    with pytest.raises(ValueError, match=r"unknown options, \?b\.db"):
        Store.open("sqlite:///a?b.db")
