"""Merging: likely reports are proposed, a person merges, and the report is never out of the queue meanwhile."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from dispatch.domain import Context, default_doctrine
from dispatch.engine import BatcherConfig, Overloaded, Registry
from dispatch.store import (
    Audit,
    Decision,
    EtagMismatch,
    Instruction,
    LeaseHeld,
    NotFound,
    Reviews,
    StateConflict,
    Store,
)
from dispatch.workflow import (
    IntakeRequest,
    LiveIntake,
    Merging,
    NotAllowed,
    ReviewDesk,
    Reviewer,
    ServingMode,
    propose_merges,
)
from tests.server.conftest import ScriptedEngine

LI = Reviewer("li", frozenset({"review", "read"}))
WANG = Reviewer("wang", frozenset({"review", "read"}))
CHIEF = Reviewer("chief", frozenset({"review", "read", "supervise"}))
CAD = Reviewer("cad", frozenset({"generate", "read", "watch"}))
REPORT = "A7公路积雪3米,50人被困,电话13812345678"
MINUTE = timedelta(minutes=1)

STORED = Instruction(
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
    priority="特急",
)


def other(
    report: str, location: str = "", hazard: str = "flood", minutes: int = 10, incident_id: str = ""
) -> Instruction:
    situations = [{"kind": "request", "location": location, "hazards": [hazard]}]
    created_at = STORED.created_at - minutes * MINUTE
    return replace(STORED, report=report, situations=situations, created_at=created_at, incident_id=incident_id)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(f"sqlite:///{tmp_path / 'dispatch.db'}")
    yield store
    store.close()


@pytest.fixture
def engine() -> ScriptedEngine:
    return ScriptedEngine()


@pytest.fixture
def intake(engine: ScriptedEngine, store: Store) -> Iterator[LiveIntake]:
    registry = Registry(lambda path: engine, BatcherConfig(max_batch_rows=1))
    registry.add(engine)
    engine.requests.clear()  # of the warm-up
    intake = LiveIntake(registry, store, ServingMode(Audit(store.database)))
    yield intake
    registry.close(0)
    intake.close()


@pytest.fixture
def merging(store: Store, intake: LiveIntake) -> Merging:
    return Merging(store, ReviewDesk(store, default_doctrine()), intake)


def found(store: Store, name: str) -> Instruction:
    instruction = store.get(name)
    assert instruction is not None
    return instruction


async def refuse(request: IntakeRequest) -> Instruction:
    raise Overloaded(1.0)


@pytest.mark.parametrize(
    ("stored", "reasons"),
    [
        (other("水进屋了,138-1234-5678"), ("contact",)),
        (other("石桥村淹了", "石桥村"), ("place",)),
        (other("蒙阴县石桥村倒了一栋楼", "蒙阴县石桥村", "collapse"), ("place",)),
        (other("【转】" + STORED.report, "蒙阴县石桥村"), ("contact", "place", "text")),
        (other("13812345678,另外李家村也淹了", "李家村"), ("contact",)),
    ],
)
def test_contact_place_and_words_propose_a_merge(stored: Instruction, reasons: tuple[str, ...], store: Store) -> None:
    earlier, saved = store.save(stored), store.save(STORED)
    (proposal,) = propose_merges(store, saved.name)
    assert (proposal.name, proposal.incident_id, proposal.into) == (earlier.name, "", earlier.name)
    assert (proposal.reasons, proposal.apart) == (reasons, 10 * MINUTE)
    assert 0 < proposal.score <= 1
    assert [each.name for each in propose_merges(store, earlier.name)] == [saved.name]  # from the other side as well


@pytest.mark.parametrize(
    "stored",
    [
        other("水进屋了,13912345678"),
        other("蒙阴县李家村发大水", "蒙阴县李家村"),
        other("救命", "村口"),
        other(STORED.report, "蒙阴县石桥村", minutes=361),
        other("蒙阴县石桥村倒了一栋楼", "蒙阴县石桥村", "collapse", minutes=359),
        other(STORED.report, "蒙阴县石桥村", incident_id="i-1"),
    ],
)
def test_other_emergencies_old_reports_and_those_of_its_incident_are_not_proposed(
    stored: Instruction, store: Store
) -> None:
    store.save(stored)
    saved = store.save(replace(STORED, incident_id="i-1"))
    assert propose_merges(store, saved.name) == []


def test_the_likeliest_come_first_and_of_an_incident_the_likeliest_alone(store: Store) -> None:
    likeliest = store.save(other("【转】" + STORED.report, "蒙阴县石桥村", minutes=5))
    older = store.save(other("【转】" + STORED.report, "蒙阴县石桥村", minutes=200, incident_id="i-2"))
    store.save(other("石桥村淹了", "石桥村", minutes=200, incident_id="i-2"))
    elsewhere = store.save(other("13812345678,另外李家村也淹了", "李家村"))
    saved = store.save(STORED)
    assert [each.name for each in propose_merges(store, saved.name)] == [likeliest.name, older.name, elsewhere.name]
    assert [each.name for each in propose_merges(store, saved.name, limit=1)] == [likeliest.name]
    with pytest.raises(NotFound):
        propose_merges(store, "instructions/0")


async def test_a_second_draft_knows_what_the_incident_has_and_takes_the_place_of_the_first(
    merging: Merging, intake: LiveIntake, engine: ScriptedEngine, store: Store
) -> None:
    earlier = await intake.submit(IntakeRequest("A7公路大雪", incident_id="i-1"))
    request = IntakeRequest(REPORT, Context("A7公路", ("派1辆救护车",)), prefix="派3台", priority="特急")
    first = await intake.submit(request)
    second = await merging.merge(LI, first.name, "i-1", etag=first.etag)
    asked = engine.requests[-1]
    assert (asked.report, asked.context.location, asked.prefix) == (REPORT, "A7公路", "")
    assert asked.context.issued == (earlier.instruction, "派1辆救护车")
    assert (second.incident_id, second.review_state, second.priority) == ("i-1", "pending", "特急")
    assert [check for check in second.checks if check["code"] == "POSSIBLE_DUPLICATE"] == []
    assert found(store, first.name).review_state == "superseded"
    assert [row.name for row in store.list_incident("i-1")] == [earlier.name, first.name, second.name]
    (decision,) = Reviews(store.database).history(first.name)
    assert (decision.action, decision.reviewer, decision.text) == ("superseded", "li", second.name)
    steps = [(step.actor, step.action) for step in Audit(store.database).events(subject=first.name, limit=9)]
    assert steps == [
        ("", "instruction.stored"), ("li", "instruction.claimed"), ("li", "instruction.merged"),
        ("li", "instruction.superseded"),
    ]  # fmt: skip
    assert propose_merges(store, second.name) == []
    assert Audit(store.database).verify().faults == ()


async def test_where_the_other_has_no_incident_both_get_one(
    merging: Merging, intake: LiveIntake, engine: ScriptedEngine, store: Store
) -> None:
    earlier = await intake.submit(IntakeRequest("A7公路大雪,电话13812345678"))
    first = await intake.submit(IntakeRequest(REPORT))
    (proposal,) = propose_merges(store, first.name)
    second = await merging.merge(LI, first.name, proposal.into, etag=first.etag)
    assert second.incident_id == found(store, earlier.name).incident_id != ""
    assert engine.requests[-1].context.issued == (earlier.instruction,)
    assert found(store, earlier.name).review_state == "pending"


async def test_what_was_filled_in_for_the_incident_before_does_not_come_along(
    merging: Merging, intake: LiveIntake, engine: ScriptedEngine, store: Store
) -> None:
    before = await intake.submit(IntakeRequest("A7公路大雪", incident_id="wrong"))
    first = await intake.submit(IntakeRequest(REPORT, Context("", ("派1辆救护车",)), incident_id="wrong"))
    assert first.context["issued"] == [before.instruction, "派1辆救护车"]
    target = store.save(replace(STORED, incident_id="right", report="别的"))
    await merging.merge(LI, first.name, "right", etag=first.etag)
    assert engine.requests[-1].context.issued == (target.instruction, "派1辆救护车")


async def test_nor_does_it_after_a_merge_that_ended_early(
    merging: Merging, intake: LiveIntake, engine: ScriptedEngine, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await intake.submit(IntakeRequest("A7公路大雪", incident_id="wrong"))
    first = await intake.submit(IntakeRequest(REPORT, incident_id="wrong"))
    target = store.save(replace(STORED, incident_id="right", report="别的"))
    with monkeypatch.context() as patch:
        patch.setattr(intake, "submit", refuse)
        with pytest.raises(Overloaded):
            await merging.merge(LI, first.name, "right", etag=first.etag)
    await merging.merge(LI, first.name, "right", etag=found(store, first.name).etag)
    assert engine.requests[-1].context.issued == (target.instruction,)


async def test_into_its_own_incident_the_draft_is_only_made_anew(
    merging: Merging, intake: LiveIntake, engine: ScriptedEngine
) -> None:
    first = await intake.submit(IntakeRequest(REPORT, incident_id="i"))
    later = await intake.submit(IntakeRequest("A7公路又有车被困", incident_id="i"))
    second = await merging.merge(LI, first.name, "i", etag=first.etag)
    assert engine.requests[-1].context.issued == (later.instruction,)
    third = await merging.merge(LI, second.name, "i", etag=second.etag)
    assert third.name not in (first.name, second.name)


async def test_what_is_in_other_hands_or_has_changed_is_left_alone(
    merging: Merging, intake: LiveIntake, engine: ScriptedEngine, store: Store
) -> None:
    target = store.save(replace(STORED, incident_id="i"))
    first = await intake.submit(IntakeRequest(REPORT))
    decoded = len(engine.requests)
    with pytest.raises(NotAllowed):
        await merging.merge(CAD, first.name, "i", etag=first.etag)
    with pytest.raises(EtagMismatch):
        await merging.merge(LI, first.name, "i", etag="9")
    with pytest.raises(NotFound):
        await merging.merge(LI, "instructions/0", "i", etag="1")
    held = Reviews(store.database).claim(first.name, "wang", MINUTE)
    with pytest.raises(LeaseHeld):
        await merging.merge(LI, first.name, "i", etag=held.etag)
    rejected = Reviews(store.database).decide(
        Decision(name=first.name, action="rejected", reviewer="wang", etag=held.etag, reason="r")
    )
    with pytest.raises(StateConflict, match="is rejected"):
        await merging.merge(WANG, first.name, "i", etag=rejected.etag)
    assert len(engine.requests) == decoded
    assert store.list_incident("i") == [target]


async def test_a_merge_that_ends_early_leaves_the_report_in_the_queue_and_goes_on_when_it_is_repeated(
    merging: Merging, intake: LiveIntake, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.save(replace(STORED, incident_id="i"))
    first = await intake.submit(IntakeRequest(REPORT))
    with monkeypatch.context() as patch:
        patch.setattr(intake, "submit", refuse)
        with pytest.raises(Overloaded):
            await merging.merge(LI, first.name, "i", etag=first.etag)
    held = found(store, first.name)
    assert (held.review_state, held.claimed_by, held.incident_id) == ("claimed", "li", "i")

    def fail(self: Reviews, decision: Decision) -> Instruction:
        raise OSError("the machine is gone")

    with monkeypatch.context() as patch:
        patch.setattr(Reviews, "decide", fail)
        with pytest.raises(OSError, match="gone"):
            await merging.merge(LI, first.name, "i", etag=held.etag)
    assert found(store, first.name).review_state == "claimed"
    second = await merging.merge(LI, first.name, "i", etag=found(store, first.name).etag)
    assert [row.review_state for row in store.list_incident("i")] == ["pending", "superseded", "pending"]
    assert store.list_incident("i")[-1] == second


async def test_a_second_draft_that_was_rejected_meanwhile_takes_nothing_out_of_the_queue(
    merging: Merging, intake: LiveIntake, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.save(replace(STORED, incident_id="i"))
    first = await intake.submit(IntakeRequest(REPORT))
    reviews = Reviews(store.database)

    def fail(self: Reviews, decision: Decision) -> Instruction:
        raise OSError("the machine is gone")

    with monkeypatch.context() as patch:
        patch.setattr(Reviews, "decide", fail)
        with pytest.raises(OSError, match="gone"):
            await merging.merge(LI, first.name, "i", etag=first.etag)
    early = store.list_incident("i")[-1]
    held = reviews.claim(early.name, "wang", MINUTE)
    reviews.decide(Decision(name=early.name, action="rejected", reviewer="wang", etag=held.etag, reason="r"))
    second = await merging.merge(LI, first.name, "i", etag=found(store, first.name).etag)
    assert second.name != early.name
    assert second.review_state == "pending"


async def test_what_is_released_is_merged_by_a_supervisor_and_withdrawn(
    merging: Merging, intake: LiveIntake, store: Store
) -> None:
    store.save(replace(STORED, incident_id="i"))
    first = await intake.submit(IntakeRequest(REPORT))
    reviews = Reviews(store.database)
    held = reviews.claim(first.name, "li", MINUTE)
    approved = reviews.decide(Decision(name=first.name, action="approved", reviewer="li", etag=held.etag))
    with pytest.raises(NotAllowed):
        await merging.merge(LI, first.name, "i", etag=approved.etag)
    second = await merging.merge(CHIEF, first.name, "i", etag=approved.etag)
    assert second.context["issued"] == [STORED.instruction]  # not what is withdrawn
    assert found(store, first.name).review_state == "superseded"
