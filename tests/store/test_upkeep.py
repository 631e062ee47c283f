"""Checks, backups and restores, on and between both databases."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from dispatch.domain import Order
from dispatch.store import Audit, Decision, Instruction, Reviews, Store, StoreError, Tokens, file_url, upkeep
from dispatch.store.transaction import ChainHead

Make = Callable[..., Instruction]
Execute = Callable[[str], list[tuple[Any, ...]]]


@pytest.fixture
def filled(store: Store, draft: Make) -> list[Instruction]:
    """The rows of a store with something in every table."""
    saved = [store.save(draft(request_id=f"r-{number}", incident_id="i-1"), "cad") for number in range(3)]
    reviews = Reviews(store.database)
    claimed = reviews.claim(saved[0].name, "li", timedelta(minutes=1))
    order = Order("消防", "派", "冲锋舟", 2, "艘", "歙县")
    reviews.decide(Decision(name=claimed.name, action="approved", reviewer="li", etag=claimed.etag, orders=[order]))
    Tokens(store.database).create("cad", ["generate"])
    return store.list_recent(9)


def problems(url: str) -> dict[str, tuple[str, ...]]:
    return {finding.subject: finding.problems for finding in upkeep.check(url) if finding.problems}


def test_a_sound_store_has_no_problems(url: str, filled: list[Instruction]) -> None:
    subjects = [finding.subject for finding in upkeep.check(url)]
    assert subjects == ["schema", "file", "references", "triggers", "chain"]
    assert problems(url) == {}


def test_what_is_not_there_is_not_made_by_looking(database: Path) -> None:
    with pytest.raises(StoreError, match="unable to open"):
        upkeep.check(f"sqlite:///{database}")
    assert not database.exists()


def test_another_schema_is_a_problem(url: str, filled: list[Instruction], execute: Execute) -> None:
    execute("UPDATE alembic_version SET version_num = '0001'")
    assert "older Dispatch" in problems(url)["schema"][0]
    with pytest.raises(StoreError, match="older Dispatch"):
        upkeep.verify_audit(url)


def test_tampering_is_a_problem_of_the_chain(url: str, filled: list[Instruction], execute: Execute) -> None:
    execute("UPDATE instructions SET confidence = 0.5 WHERE review_state = 'approved'")
    (problem,) = problems(url)["chain"]
    assert problem == f"{filled[-1].name} is not as audit event 5 left it"
    assert upkeep.verify_audit(url).faults[0].seq == 5


def test_references_and_triggers_that_are_gone_are_problems(sqlite_store: Store, draft: Make, database: Path) -> None:
    saved = sqlite_store.save(draft())
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("DELETE FROM models")  # another program does not look at references
        connection.execute("DROP TRIGGER audit_events_no_update")
    found = problems(f"sqlite:///{database}")
    assert found["references"] == (f"{saved.name} refers to a row of models that is not there",)
    assert found["triggers"] == ("the trigger audit_events_no_update is gone: events can be changed",)
    assert "models/ab12 is missing" in found["chain"][0]


def test_a_damaged_file_is_a_problem(sqlite_store: Store, draft: Make, database: Path) -> None:
    sqlite_store.save_all([draft(report="救命" * 3000) for _ in range(20)])
    sqlite_store.close()
    content = bytearray(database.read_bytes())
    content[-40_000:-30_000] = b"\xff" * 10_000
    database.write_bytes(bytes(content))
    try:
        found = problems(f"sqlite:///{database}")
    except StoreError as error:
        found = {"file": (str(error),)}
    assert found


def test_a_backup_is_the_whole_store_and_restores_to_either_kind(
    url: str, store: Store, filled: list[Instruction], tmp_path: Path
) -> None:
    copy, restored = tmp_path / "copy.db", f"sqlite:///{tmp_path}/restored.db"
    report = upkeep.backup(url, copy)
    assert report.head == Audit(store.database).head()
    store.save(replace(filled[0], name="", request_id="later"))
    assert upkeep.restore(copy, restored).head == report.head
    assert problems(restored) == {}
    with pytest.raises(StoreError, match="not empty; --force"):
        upkeep.restore(copy, url)
    assert upkeep.restore_over(copy, url).head == report.head
    for address in (restored, url):
        with closing(Store.open(address)) as again:
            assert again.list_recent(9) == filled
            assert again.save(filled[0]) == filled[0]
            assert Audit(again.database).head() == report.head
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_backup_is_made_while_others_write(url: str, store: Store, filled: list[Instruction], tmp_path: Path) -> None:
    written = [store.submit(replace(filled[0], name="", request_id="")) for _ in range(30)]
    report = upkeep.backup(url, tmp_path / "copy.db")
    assert [future.result().name for future in written]
    assert report.faults == ()
    assert upkeep.verify_audit(url, report.head).faults == ()


def test_a_backup_replaces_no_file(url: str, filled: list[Instruction], tmp_path: Path) -> None:
    (tmp_path / "copy.db").write_text("mine")
    with pytest.raises(FileExistsError):
        upkeep.backup(url, tmp_path / "copy.db")
    assert (tmp_path / "copy.db").read_text() == "mine"


@pytest.mark.parametrize("name", ["a%20b.db", "what?.db", "copy[1].db", "第一份#1.db"])
def test_a_copy_may_have_any_name(url: str, filled: list[Instruction], tmp_path: Path, name: str) -> None:
    report = upkeep.backup(url, tmp_path / name)
    assert list(tmp_path.glob(".*")) == []
    restored = file_url(tmp_path / f"restored {name}")
    assert upkeep.restore(tmp_path / name, restored).head == report.head
    assert upkeep.verify_audit(restored, report.head).faults == ()


def test_a_tampered_store_is_not_backed_up(
    url: str, filled: list[Instruction], execute: Execute, tmp_path: Path
) -> None:
    execute("UPDATE requests SET report = '别的'")
    with pytest.raises(StoreError, match="does not verify"):
        upkeep.backup(url, tmp_path / "copy.db")
    assert not (tmp_path / "copy.db").exists()


def test_a_backup_that_is_not_whole_restores_nothing(
    sqlite_store: Store, draft: Make, tmp_path: Path, database: Path
) -> None:
    saved = sqlite_store.save(draft())
    copy = tmp_path / "copy.db"
    upkeep.backup(f"sqlite:///{database}", copy)
    with closing(sqlite3.connect(copy)) as connection, connection:
        connection.execute("UPDATE instructions SET instruction = '派出9辆'")
    with pytest.raises(StoreError, match=r"copy\.db is not whole, so nothing was restored"):
        upkeep.restore_over(copy, f"sqlite:///{database}")
    assert sqlite_store.get(saved.name) == saved


def test_the_noted_end_of_the_chain_is_compared(url: str, store: Store, filled: list[Instruction]) -> None:
    head = Audit(store.database).head()
    assert upkeep.verify_audit(url, head).faults == ()
    assert upkeep.verify_audit(url, ChainHead(head.seq, "0" * 64)).faults
