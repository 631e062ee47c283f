"""What a server answers with: opened from settings, closed in order, with a spool where the operator chose one."""

from contextlib import ExitStack, closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from dispatch.cli.backend import BackendConfig, exporter, open_backend, with_spool
from dispatch.domain import default_doctrine
from dispatch.store import Decision, Instruction, Reviews, SpoolingStore, Store
from dispatch.workflow import IntakeRequest
from tests.server.conftest import ScriptedEngine


def test_a_spool_is_for_postgresql(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="when_store_lost: spool is for PostgreSQL"):
        BackendConfig(f"sqlite:///{tmp_path}/dispatch.db", spool=tmp_path / "spool.db")
    assert BackendConfig("postgresql://user@host/dispatch", spool=tmp_path / "spool.db").spool


def test_wrong_use_of_a_spool_is_said_before_anything_is_opened(dispatch: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPATCH_WHEN_STORE_LOST", "spool")
    result = dispatch("serve")
    assert result.exit_code == 2
    assert "when_store_lost" in result.stderr


async def test_a_backend_answers_and_leaves_its_rows_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dispatch.cli.answering.open_engine", lambda bundle: ScriptedEngine())
    url = f"sqlite:///{tmp_path}/dispatch.db"
    with open_backend(BackendConfig(url)) as backend:
        assert [model.labels for model in backend.intake.registry.models()] == [("stable",)]
        assert backend.find_token("nobody's") is None
        answer: Instruction = await backend.intake.submit(IntakeRequest("3人被困"))
    store = Store.open(url)
    assert store.list_recent(9) == [answer]
    store.close()


def draft() -> Instruction:
    fields: dict[str, Any] = {"context": {}, "decoding": {}, "candidates": [], "situations": [], "plan": []}
    model = {"name": "default", "digest": "ab12"}
    return Instruction(
        report="3人被困", instruction="派", checks=[], confidence=1.0, model=model, doctrine="d", timings={}, **fields
    )


def test_pairs_leave_by_the_service_where_it_knows_what_models_are_measured_on(tmp_path: Path) -> None:
    measured = tmp_path / "measured.jsonl"
    measured.write_text('{"report": "5人被困"}\n', encoding="utf-8")
    with closing(Store.open(f"sqlite:///{tmp_path}/dispatch.db")) as store:
        reviews, saved = Reviews(store.database), store.save(draft())
        claimed = reviews.claim(saved.name, "li", timedelta(minutes=1))
        reviews.decide(Decision(name=saved.name, action="approved", reviewer="li", etag=claimed.etag))
        assert exporter(store, default_doctrine(), None) is None
        export = exporter(store, default_doctrine(), measured)
        assert export is not None
        assert [pair["report"] for pair in export()] == ["3人被困"]
        measured.write_text('{"report": "3人,被困"}\n', encoding="utf-8")  # while the server runs
        assert not export()


def test_what_was_left_in_the_spool_is_replayed_when_the_server_starts_again(tmp_path: Path) -> None:
    file = tmp_path / "spool.db"
    store, spool = (Store.open(f"sqlite:///{path}") for path in (tmp_path / "dispatch.db", file))
    left = spool.save(draft())
    spool.close()
    with ExitStack() as stack:
        stack.callback(store.close)
        spooling = with_spool(store, file, stack)
        assert isinstance(spooling, SpoolingStore)
        assert spooling.state == "spool"
        assert spooling.replay() == 1
        assert (spooling.state, store.list_recent(9)) == ("store", [left])
        assert with_spool(store, None, stack) is store
