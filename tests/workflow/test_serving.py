"""The serving mode, on both kinds of database."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from dispatch.store import Audit, Store, StoreError
from dispatch.workflow.serving import MAX_REASON, ServingMode
from tests.store.postgres import Server, running_server


@pytest.fixture(scope="module")
def postgres() -> Iterator[Server]:
    with running_server() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'dispatch.db'}"
        return
    server = request.getfixturevalue("postgres")
    address = server.new_database()
    yield address
    server.drop(address)


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    store = Store.open(url)
    yield store
    store.close()


@pytest.fixture
def sqlite_store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(f"sqlite:///{tmp_path / 'alone.db'}")
    yield store
    store.close()


class FailingAudit(Audit):
    """Cannot record for as long as it is told to."""

    failing = True

    def record(self, *args: object, **details: object) -> None:
        if self.failing:
            raise StoreError("cannot record the event: the disk is full")
        super().record(*args, **details)  # type: ignore[arg-type]


def mode_after_restart(store: Store) -> str:
    return ServingMode(Audit(store.database)).mode


def test_the_model_drafts_until_somebody_says_otherwise(store: Store) -> None:
    assert ServingMode(Audit(store.database)).mode == "assist"


def test_the_mode_holds_across_restarts(store: Store) -> None:
    serving = ServingMode(Audit(store.database))
    serving.set("pass-through", "invents places", "operator")
    assert (serving.mode, mode_after_restart(store)) == ("pass-through", "pass-through")
    serving.set("assist", "mended", "operator")
    assert (serving.mode, mode_after_restart(store)) == ("assist", "assist")


def test_each_change_is_an_event_that_says_who_and_why(store: Store) -> None:
    audit = Audit(store.database)
    ServingMode(audit).set("pass-through", "invents places", "operator")
    (event,) = audit.events(limit=9)
    assert (event.actor, event.action, event.subject) == ("operator", "serving-mode.set", "serving-mode")
    assert event.details == {"mode": "pass-through", "reason": "invents places"}
    assert audit.verify().faults == ()


def test_events_about_other_things_do_not_matter(store: Store) -> None:
    audit = Audit(store.database)
    ServingMode(audit).set("pass-through", "", "operator")
    audit.record("token.created", "operator", "principals/cad", {"mode": "assist"})
    assert mode_after_restart(store) == "pass-through"


def test_a_server_takes_over_what_another_one_recorded(store: Store) -> None:
    one, other = ServingMode(Audit(store.database)), ServingMode(Audit(store.database))
    one.set("pass-through", "", "operator")
    other.refresh()
    assert other.mode == "pass-through"


def test_the_model_stops_even_where_that_cannot_be_recorded(sqlite_store: Store) -> None:
    audit = FailingAudit(sqlite_store.database)
    serving = ServingMode(audit)
    with pytest.raises(StoreError):
        serving.set("pass-through", "", "operator")
    serving.refresh()
    assert serving.mode == "pass-through"
    audit.failing = False
    serving.set("pass-through", "", "operator")
    assert mode_after_restart(sqlite_store) == "pass-through"


def test_the_model_does_not_begin_again_where_that_cannot_be_recorded(sqlite_store: Store) -> None:
    audit = FailingAudit(sqlite_store.database)
    serving = ServingMode(audit)
    audit.failing = False
    serving.set("pass-through", "", "operator")
    audit.failing = True
    with pytest.raises(StoreError):
        serving.set("assist", "", "operator")
    assert serving.mode == "pass-through"


@pytest.mark.parametrize(
    ("mode", "reason", "named"),
    [("off", "", "mode"), ("assist", "x" * (MAX_REASON + 1), "reason"), ("assist", "\0", "reason")],
)
def test_what_cannot_be_recorded_is_refused(sqlite_store: Store, mode: str, reason: str, named: str) -> None:
    serving = ServingMode(Audit(sqlite_store.database))
    with pytest.raises(ValueError, match=named):
        serving.set(mode, reason, "operator")  # type: ignore[arg-type]
    assert Audit(sqlite_store.database).events(limit=9) == []
