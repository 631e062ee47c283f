"""Duplicates: another call for the same emergency is told, and other emergencies are not."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatch.store import Instruction, Store
from dispatch.workflow.duplicates import WINDOW, RecentReports, _alike, _Known
from dispatch.workflow.traits import traits_of

FIRST = Instruction(
    request_id="r1",
    report="蒙阴县石桥村发大水,三个老人在二楼下不来,电话13812345678",
    context={},
    decoding={},
    prefix="",
    instruction="派2艘冲锋舟至蒙阴县石桥村",
    candidates=[],
    situations=[{"kind": "request", "location": "蒙阴县石桥村", "hazards": ["flood"]}],
    plan=[],
    checks=[],
    confidence=1.0,
    model={"name": "scripted", "digest": "0"},
    doctrine="d",
    timings={},
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(f"sqlite:///{tmp_path / 'dispatch.db'}")
    yield store
    store.close()


def other(report: str, location: str = "", hazard: str = "typhoon", request_id: str = "r2") -> Instruction:
    situations = [{"kind": "request", "location": location, "hazards": [hazard]}]
    return replace(FIRST, request_id=request_id, report=report, situations=situations)


def mark(draft: Instruction, store: Store) -> Instruction:
    recent = RecentReports(store)
    recent.refresh()
    return recent.mark(draft)


def marked(draft: Instruction, store: Store) -> list[str]:
    checks = mark(draft, store).checks
    assert all((check["code"], check["severity"]) == ("POSSIBLE_DUPLICATE", "info") for check in checks)
    return [draft.report[check["start"] : check["end"]] for check in checks]


@pytest.mark.parametrize(
    ("draft", "span"),
    [
        (other("水进屋了,138-1234-5678"), "138-1234-5678"),
        (other("蒙阴县石桥村淹了", "蒙阴县石桥村", "flood"), "蒙阴县石桥村"),
        (other("【转】" + FIRST.report.replace("13812345678", "")), ""),
    ],
)
def test_a_phone_a_place_with_its_hazard_or_the_words_tell_a_duplicate(
    draft: Instruction, span: str, store: Store
) -> None:
    name = store.save(FIRST).name
    assert marked(draft, store) == [span]
    assert name in mark(draft, store).checks[0]["message"]


@pytest.mark.parametrize(
    "draft",
    [
        other("水进屋了,13912345678"),
        other("蒙阴县石桥村着火了", "蒙阴县石桥村", "building_fire"),
        other("蒙阴县李家村发大水", "蒙阴县李家村", "flood"),
        other("救命", "村口", "flood"),
        replace(FIRST, request_id="r1"),
        replace(FIRST, request_id="r3", created_at=FIRST.created_at + WINDOW + timedelta(seconds=1)),
    ],
)
def test_other_emergencies_repeats_and_old_ones_are_none(draft: Instruction, store: Store) -> None:
    store.save(FIRST)
    assert marked(draft, store) == []


def test_reports_of_one_incident_are_known_to_belong_together(store: Store) -> None:
    store.save(replace(FIRST, incident_id="i1"))
    assert marked(replace(FIRST, request_id="r2", incident_id="i1"), store) == []
    assert len(marked(replace(FIRST, request_id="r2", incident_id="i2"), store)) == 1


def test_what_was_just_stored_here_is_known_without_reading_it(store: Store) -> None:
    recent = RecentReports(store)
    recent.refresh()
    assert recent.is_fresh
    recent.add(store.save(FIRST))
    assert len(recent.mark(other(FIRST.report)).checks) == 1


def test_what_others_store_is_read_when_it_is_time(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    recent = RecentReports(store)
    recent.refresh()
    store.save(replace(FIRST, created_at=datetime.now(UTC)))
    recent.refresh()
    assert recent.mark(other(FIRST.report)).checks == []
    monkeypatch.setattr("dispatch.workflow.duplicates.monotonic", lambda: float("inf"))
    recent.refresh()
    assert len(recent.mark(other(FIRST.report)).checks) == 1


def test_after_the_clock_was_put_back_what_others_store_is_still_read(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Ahead(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) + timedelta(hours=1)

    recent = RecentReports(store)
    with monkeypatch.context() as patch:
        patch.setattr("dispatch.workflow.duplicates.datetime", Ahead)
        recent.refresh()
    store.save(replace(FIRST, created_at=datetime.now(UTC)))
    monkeypatch.setattr("dispatch.workflow.duplicates.monotonic", lambda: float("inf"))
    recent.refresh()
    assert len(recent.mark(other(FIRST.report)).checks) == 1


def test_what_a_draft_takes_the_place_of_is_no_duplicate_of_it(store: Store) -> None:
    name = store.save(FIRST).name
    recent = RecentReports(store)
    recent.refresh()
    assert recent.mark(other(FIRST.report), name).checks == []
    assert len(recent.mark(other(FIRST.report)).checks) == 1


def test_of_several_the_newest_is_named(store: Store) -> None:
    store.save(FIRST)
    newest = store.save(replace(FIRST, request_id="r9", created_at=FIRST.created_at + timedelta(seconds=1)))
    assert newest.name in mark(other(FIRST.report), store).checks[0]["message"]


letters = st.text(alphabet="水淹村人急", min_size=8, max_size=24)


@given(st.lists(letters, min_size=1, max_size=8), letters)
def test_whatever_shares_nearly_all_words_is_among_those_that_are_compared(texts: list[str], text: str) -> None:
    known = _Known()
    requests = [traits_of(replace(other(each), name=f"instructions/{n:032x}")) for n, each in enumerate(texts)]
    for each in requests:
        known.add(each)
    own = traits_of(other(text))
    compared = [each.name for each in known.alike(own)]
    assert {each.name for each in requests if _alike(own.shingles, each.shingles)} <= set(compared)
    assert compared == sorted(compared, reverse=True)
