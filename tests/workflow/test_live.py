"""Live intake: one answer for one request_id whatever races, the incident's instructions, the kill switch."""

import asyncio
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

from dispatch.domain import Context
from dispatch.engine import BatcherConfig, DeadlineUnreachable, Overloaded, Registry, UnknownModel
from dispatch.model import BundleIdentity
from dispatch.store import Audit, Decision, EarlierRequest, Instruction, RequestIdConflict, Reviews, Store
from dispatch.workflow import Admitted, IntakeRequest, LiveIntake, Reading, ServingMode, ShadowReading
from dispatch.workflow.intake import make_draft
from tests.server.conftest import GENERATION, TEXT, ScriptedEngine

REQUEST = IntakeRequest("山区公路积雪3米,断电,50人被困", Context("A7公路"), request_id="r1")
PATIENCE_S = 20.0


class Gate:
    """Holds the decoding thread until it is opened, or nobody waits for the batch any more."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.open = threading.Event()

    def __call__(self, should_stop: Callable[[], bool]) -> None:
        self.entered.set()
        while not self.open.wait(0.001):
            if should_stop():
                return

    async def wait(self) -> None:
        assert await asyncio.to_thread(self.entered.wait, PATIENCE_S)
        self.entered.clear()


@pytest.fixture
def engine() -> ScriptedEngine:
    return ScriptedEngine()


@pytest.fixture
def database(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'dispatch.db'}"


@pytest.fixture
def store(database: str) -> Iterator[Store]:
    store = Store.open(database)
    yield store
    store.close()


@pytest.fixture
def registry(engine: ScriptedEngine) -> Iterator[Registry]:
    registry = Registry(lambda path: engine, BatcherConfig(max_batch_rows=1, max_waiting=1))
    registry.add(engine)
    engine.requests.clear()  # of the warm-up
    yield registry
    registry.close(0)


@pytest.fixture
def seen() -> SimpleQueue[ShadowReading]:
    """What the shadow has come to."""
    return SimpleQueue()


@pytest.fixture
def intake(registry: Registry, store: Store, seen: SimpleQueue[ShadowReading]) -> Iterator[LiveIntake]:
    serving = ServingMode(Audit(store.database))
    intake = LiveIntake(registry, store, serving, observe_shadow=seen.put)
    yield intake
    registry.close(0)
    intake.close()


async def test_the_stages_end_with_the_row_that_is_committed(intake: LiveIntake, store: Store) -> None:
    admitted, reading, answer = [stage async for stage in intake.stages(REQUEST)]
    assert admitted == Admitted(0)
    assert isinstance(reading, Reading)
    assert isinstance(answer, Instruction)
    assert (reading.situations, reading.confidence) == (answer.situations, answer.confidence)
    assert store.get(answer.name) == answer
    assert {"wait", "decode", "check"} <= answer.timings.keys()


async def test_a_repeat_has_the_same_last_stage_and_is_not_decoded(intake: LiveIntake, engine: ScriptedEngine) -> None:
    first = [stage async for stage in intake.stages(REQUEST)]
    assert [stage async for stage in intake.stages(REQUEST)] == first
    assert len(engine.requests) == 1


async def test_of_two_equal_ids_at_once_one_is_decoded_and_both_get_its_row(
    intake: LiveIntake, engine: ScriptedEngine, store: Store
) -> None:
    engine.before = gate = Gate()
    calls = [asyncio.create_task(intake.submit(REQUEST)) for _ in range(3)]
    await gate.wait()
    gate.open.set()
    first, *others = await asyncio.gather(*calls)
    assert others == [first, first]
    assert len(engine.requests) == len(store.list_recent(9)) == 1


async def test_an_id_at_work_cannot_be_used_for_something_else(intake: LiveIntake, engine: ScriptedEngine) -> None:
    engine.before = gate = Gate()
    first = asyncio.create_task(intake.submit(REQUEST))
    await gate.wait()
    second = asyncio.create_task(intake.submit(replace(REQUEST, report="另一份报告")))
    gate.open.set()
    with pytest.raises(RequestIdConflict):
        await second
    assert (await first).report == REQUEST.report


async def test_who_waits_for_an_equal_call_takes_over_when_that_leaves(
    intake: LiveIntake, engine: ScriptedEngine, store: Store
) -> None:
    engine.before = gate = Gate()
    first = asyncio.create_task(intake.submit(REQUEST))
    await gate.wait()
    second = asyncio.create_task(intake.submit(REQUEST))
    first.cancel()
    await gate.wait()
    gate.open.set()
    answer = await second
    assert first.cancelled()
    assert store.list_recent(9) == [answer]


async def test_a_repeat_after_a_restart_gets_the_stored_answer(
    intake: LiveIntake, registry: Registry, engine: ScriptedEngine, database: str, store: Store
) -> None:
    answer = await intake.submit(REQUEST, principal="cad")
    store.close()
    opened = Store.open(database)
    later = LiveIntake(registry, opened, ServingMode(Audit(opened.database)))
    assert await later.submit(REQUEST, principal="cad") == answer
    later.close()
    opened.close()
    assert len(engine.requests) == 1


async def test_principals_have_ids_of_their_own(intake: LiveIntake) -> None:
    one = await intake.submit(REQUEST, principal="one")
    other = await intake.submit(replace(REQUEST, report="另一份报告"), principal="other")
    assert one.name != other.name


async def test_what_stands_for_the_incident_is_put_before_what_the_caller_sent(
    intake: LiveIntake, engine: ScriptedEngine, store: Store
) -> None:
    first = await intake.submit(replace(REQUEST, incident_id="i"))
    second = replace(REQUEST, request_id="r2", incident_id="i", context=Context("A7公路", ("派1台除雪车",)))
    answer = await intake.submit(second)
    assert engine.requests[-1].context.issued == (TEXT, "派1台除雪车")
    assert answer.context["issued"] == [first.instruction, "派1台除雪车"]
    assert await intake.submit(second) == answer  # the digest is of what was sent
    reviews = Reviews(store.database)
    for name in (first.name, answer.name):
        held = reviews.claim(name, "reviewer", timedelta(minutes=5))
        reviews.decide(Decision(name=name, action="rejected", reviewer="reviewer", etag=held.etag, reason="r"))
    await intake.submit(replace(REQUEST, request_id="r3", incident_id="i"))
    assert not engine.requests[-1].context.issued


async def test_of_two_reports_of_one_incident_at_once_the_later_knows_the_earlier(
    intake: LiveIntake, engine: ScriptedEngine
) -> None:
    calls = [intake.submit(replace(REQUEST, request_id=name, incident_id="i")) for name in ("r1", "r2")]
    await asyncio.gather(*calls, return_exceptions=True)  # the queue has room for one
    assert [request.context.issued for request in engine.requests] == [(), (TEXT,)]


async def test_who_takes_the_stages_slowly_holds_up_nobody_of_the_incident(intake: LiveIntake, store: Store) -> None:
    stages = intake.stages(replace(REQUEST, incident_id="i"))
    assert isinstance(await anext(stages), Admitted)
    while not store.list_incident("i"):
        await asyncio.sleep(0.005)
    answer = await asyncio.wait_for(intake.submit(replace(REQUEST, request_id="r2", incident_id="i")), PATIENCE_S)
    assert answer.context["issued"] == [TEXT]
    _, first = [stage async for stage in stages]
    assert store.list_incident("i") == [first, answer]


async def test_the_kill_switch_stores_the_report_as_it_is(
    intake: LiveIntake, engine: ScriptedEngine, store: Store
) -> None:
    intake.serving.set("pass-through", "drill", "operator")
    answer = await intake.submit(replace(REQUEST, incident_id="i"))
    assert (answer.instruction, answer.model) == (REQUEST.report, {"name": "no model", "digest": ""})
    assert (answer.situations, answer.plan, answer.review_state, answer.priority) == ([], [], "pending", "紧急")
    assert [(check["code"], check["severity"]) for check in answer.checks] == [("NO_MODEL", "warning")]
    assert store.get(answer.name) == answer
    assert await intake.submit(replace(REQUEST, incident_id="i")) == answer
    assert engine.requests == []
    intake.serving.set("assist", "over", "operator")
    await intake.submit(replace(REQUEST, request_id="r2", incident_id="i"))
    assert engine.requests[0].context.issued == ()  # a report is no instruction


async def test_what_finds_no_room_is_refused_before_the_store_is_asked(
    intake: LiveIntake, engine: ScriptedEngine, store: Store
) -> None:
    engine.before = gate = Gate()
    first = asyncio.create_task(intake.submit(REQUEST))
    await gate.wait()
    waiting = intake.stages(replace(REQUEST, request_id="r2"))
    assert isinstance(await anext(waiting), Admitted)
    with pytest.raises(Overloaded):
        await intake.submit(replace(REQUEST, request_id="r3"))
    with pytest.raises(DeadlineUnreachable):
        await intake.submit(replace(REQUEST, request_id="r4"), lane="bulk", deadline=0.0)
    gate.open.set()
    await waiting.aclose()
    await first
    assert len(store.list_recent(9)) == 1


async def test_for_calls_that_come_together_the_store_is_asked_once_what_others_have_stored(
    intake: LiveIntake, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[datetime] = []
    together = threading.Event()
    list_since = store.list_since

    def count(moment: datetime, limit: int) -> list[EarlierRequest]:
        asked.append(moment)
        together.wait(PATIENCE_S)
        return list_since(moment, limit)

    monkeypatch.setattr(store, "list_since", count)
    calls = [asyncio.create_task(intake.submit(replace(REQUEST, request_id=""))) for _ in range(2)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    together.set()
    await asyncio.gather(*calls, return_exceptions=True)  # the queue has room for one
    assert len(asked) == 1


async def test_what_takes_time_behind_the_decoding_is_left_for_it_before_the_deadline(
    intake: LiveIntake, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit = store.submit

    def submit_late(draft: Instruction, principal: str = "") -> "Future[Instruction]":
        time.sleep(0.2)
        return submit(draft, principal)

    monkeypatch.setattr(store, "submit", submit_late)
    await intake.submit(replace(REQUEST, request_id="r1"))
    with pytest.raises(DeadlineUnreachable):
        await intake.submit(replace(REQUEST, request_id="r2"), deadline=time.monotonic() + 0.04)


async def test_a_commit_that_comes_too_late_for_its_caller_is_reckoned_with_too(
    intake: LiveIntake, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    handed_in = threading.Event()
    committed: Future[Instruction] = Future()
    drafts: list[Instruction] = []

    def submit_never(draft: Instruction, principal: str = "") -> "Future[Instruction]":
        drafts.append(draft)
        handed_in.set()
        return committed

    monkeypatch.setattr(store, "submit", submit_never)
    call = asyncio.create_task(intake.submit(replace(REQUEST, request_id="r1")))
    assert await asyncio.to_thread(handed_in.wait, PATIENCE_S)
    await asyncio.sleep(0.3)
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    committed.set_result(drafts[0])
    with pytest.raises(DeadlineUnreachable):
        await intake.submit(replace(REQUEST, request_id="r2"), deadline=time.monotonic() + 0.04)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a thread has no priority of its own")
async def test_what_was_decoded_is_checked_before_more_is_decoded(
    intake: LiveIntake, engine: ScriptedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    priorities: dict[str, int] = {}

    def note(name: str) -> None:
        priorities[name] = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    def checked(*arguments: Any) -> Instruction:
        note("check")
        return make_draft(*arguments)

    engine.before = lambda should_stop: note("decode")
    monkeypatch.setattr("dispatch.workflow.live.make_draft", checked)
    await intake.submit(REQUEST)
    assert priorities["check"] < priorities["decode"]


async def test_a_model_that_is_not_loaded_is_named_as_such_but_a_repeat_is_answered(intake: LiveIntake) -> None:
    asked = replace(REQUEST, model="default")
    answer = await intake.submit(asked)
    with pytest.raises(UnknownModel):
        await intake.submit(replace(asked, request_id="r2", model="gone"))
    assert await intake.submit(asked) == answer


@pytest.mark.parametrize("agrees", [True, False])
async def test_the_shadow_reads_along_and_is_compared(
    intake: LiveIntake, registry: Registry, seen: SimpleQueue[ShadowReading], agrees: bool
) -> None:
    identity = BundleIdentity("shadow", "cd34")
    illegible = replace(GENERATION.candidates[1], situations=())
    generation = GENERATION if agrees else replace(GENERATION, candidates=(illegible,))
    registry.add(ScriptedEngine(identity=identity, generation=generation), "shadow", share=1.0)
    answer = await intake.submit(REQUEST)
    assert await asyncio.to_thread(seen.get, timeout=PATIENCE_S) == ShadowReading(answer.name, identity, agrees)
