"""TranslateReports: answers in order, each item failing alone, and no more read than is answered."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import ErrorInfo

from dispatch.engine import Overloaded
from dispatch.server import DispatchServer, ServerConfig, dispatch_service
from dispatch.server.bulk import Window
from dispatch.server.errors import SHUTTING_DOWN, MalformedMessage
from dispatch.store import Instruction
from dispatch.v1.dispatch_service_pb2 import (
    GenerateInstructionRequest,
    TranslateReportsRequest,
    TranslateReportsResponse,
)
from dispatch.v1.dispatch_service_pb2_grpc import DispatchServiceStub
from dispatch.workflow import LiveIntake

PATIENCE_S = 60.0


def item(item_id: str, report: str = "3人被困", **fields: Any) -> TranslateReportsRequest:
    return TranslateReportsRequest(item_id=item_id, request=GenerateInstructionRequest(report=report, **fields))


def reason(answer: TranslateReportsResponse) -> str:
    info = ErrorInfo()
    return info.reason if any(detail.Unpack(info) for detail in answer.status.details) else ""


async def test_each_item_fails_alone_and_answers_keep_their_order(
    stub: Any, stored_names: Callable[[], list[str]]
) -> None:
    items = [
        item("a", request_id="r1"),
        item("b", report=""),
        item("c" * 129),
        item("d", request_id="r1", report="另一份报告"),
        item("e", model="gone"),
        item("a", request_id="r1"),
    ]
    answers = [answer async for answer in stub.TranslateReports(iter(items))]
    assert [answer.item_id for answer in answers] == ["a", "b", "", "d", "e", "a"]
    failed = ["", "INVALID_FIELDS", "INVALID_FIELDS", "REQUEST_ID_REUSED", "UNKNOWN_MODEL", ""]
    assert [reason(answer) for answer in answers] == failed
    assert [answer.HasField("instruction") for answer in answers] == [not name for name in failed]
    assert all((answer.status.code == 0) == answer.HasField("instruction") for answer in answers)
    assert stored_names() == [answers[0].instruction.name]
    assert answers[5].instruction == answers[0].instruction


async def test_an_item_that_cannot_be_read_fails_alone(channel: grpc.aio.Channel) -> None:
    method: Any = channel.stream_stream("/dispatch.v1.DispatchService/TranslateReports")
    sent = [b"\xff\xff\xff", item("b").SerializeToString()]
    answers = [TranslateReportsResponse.FromString(data) async for data in method(iter(sent))]
    assert [reason(answer) for answer in answers] == ["MALFORMED_MESSAGE", ""]


async def test_a_defect_ends_the_call_and_is_told_without_its_text(stub: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(item_id: str) -> list[Any]:
        raise RuntimeError("3人被困")

    monkeypatch.setattr(dispatch_service, "find_item_violations", fail)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        [answer async for answer in stub.TranslateReports(iter([item("a")]))]
    assert caught.value.code() == grpc.StatusCode.INTERNAL
    details = caught.value.details()
    assert details is not None
    assert details.startswith("internal error")
    assert "3人被困" not in details


async def test_what_is_overloaded_waits(stub: Any, intake: LiveIntake, monkeypatch: pytest.MonkeyPatch) -> None:
    refused: list[str] = []
    submit = intake.submit

    async def refuse_first(request: Any, **options: Any) -> Instruction:
        assert options["lane"] == "bulk"
        if request.report not in refused:
            refused.append(request.report)
            raise Overloaded(0.001)
        return await submit(request, **options)

    monkeypatch.setattr(intake, "submit", refuse_first)
    reports = ["1人被困", "2人被困"]
    answers = [answer async for answer in stub.TranslateReports(item(report, report) for report in reports)]
    assert [(answer.item_id, answer.status.code) for answer in answers] == [(report, 0) for report in reports]
    assert sorted(refused) == reports


async def test_a_server_that_stops_answers_what_it_has_read(intake: LiveIntake) -> None:
    server = DispatchServer(ServerConfig("127.0.0.1:0", grace_s=3600), intake)
    async with grpc.aio.insecure_channel(await server.start()) as channel:
        stub: Any = DispatchServiceStub(channel)
        call = stub.TranslateReports()
        await call.write(item("a"))
        assert (await call.read()).status.code == 0
        stopping = asyncio.create_task(server.stop())
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await asyncio.wait_for(call.read(), PATIENCE_S)
        assert (caught.value.code(), caught.value.details()) == (SHUTTING_DOWN.code, SHUTTING_DOWN.message)
        await asyncio.wait_for(stopping, PATIENCE_S)


async def test_a_caller_who_leaves_a_bulk_call_leaves_nothing_behind(
    intake: LiveIntake, engine: Any, stored_names: Callable[[], list[str]]
) -> None:
    entered = threading.Event()

    def until_stopped(should_stop: Callable[[], bool]) -> None:
        entered.set()
        while not should_stop():
            threading.Event().wait(0.001)

    engine.before = until_stopped
    server = DispatchServer(ServerConfig("127.0.0.1:0", grace_s=3600), intake)
    async with grpc.aio.insecure_channel(await server.start()) as channel:
        stub: Any = DispatchServiceStub(channel)
        call = stub.TranslateReports(item(str(number), incident_id=str(number)) for number in range(5))
        assert await asyncio.to_thread(entered.wait, PATIENCE_S)
        call.cancel()
        await asyncio.wait_for(server.stop(), PATIENCE_S)  # nothing is left that it would have to wait for
    (model,) = intake.registry.models()
    model.batcher.close(PATIENCE_S)
    assert set(model.batcher.load().waiting.values()) == {0}
    assert stored_names() == []


class Items:
    """A stream that says how much of it was read; bad items raise."""

    def __init__(self, *items: int | MalformedMessage) -> None:
        self.items = items
        self.read = 0
        self.wait_at_end = asyncio.Event()
        self.wait_at_end.set()

    async def __anext__(self) -> int:
        if self.read == len(self.items):
            await self.wait_at_end.wait()
            raise StopAsyncIteration
        self.read += 1
        found = self.items[self.read - 1]
        if isinstance(found, MalformedMessage):
            raise found
        return found


class Work:
    """Answers items when it is told to."""

    def __init__(self) -> None:
        self.done: dict[int, asyncio.Event] = {}
        self.cancelled: list[int] = []

    async def __call__(self, found: int | MalformedMessage) -> str:
        if isinstance(found, MalformedMessage):
            return "malformed"
        try:
            await self.done.setdefault(found, asyncio.Event()).wait()
        except asyncio.CancelledError:
            self.cancelled.append(found)
            raise
        return str(found)

    def finish(self, *items: int) -> None:
        for found in items:
            self.done.setdefault(found, asyncio.Event()).set()


def window(items: Any, work: Work, size: int, closing: asyncio.Event | None = None) -> Window[int, str]:
    return Window(items, work, size, closing or asyncio.Event())


async def settle() -> None:
    """Lets everything run that can."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_no_more_is_read_than_the_window_holds() -> None:
    items, work = Items(*range(9)), Work()
    work.finish(*range(9))
    answers = window(items, work, 3).answers()
    assert await anext(answers) == "0"
    await settle()
    assert items.read == 3  # nobody has asked for the next answer
    assert await anext(answers) == "1"
    await settle()
    assert items.read == 4
    assert [answer async for answer in answers] == [str(number) for number in range(2, 9)]


async def test_a_later_item_that_is_ready_waits_for_the_earlier() -> None:
    items, work = Items(0, 1), Work()
    answers = window(items, work, 2).answers()
    first = asyncio.ensure_future(anext(answers))
    await settle()
    work.finish(1)
    await settle()
    assert not first.done()
    work.finish(0)
    assert [await first, await anext(answers)] == ["0", "1"]


async def test_the_stream_goes_on_behind_an_item_that_cannot_be_read() -> None:
    items, work = Items(0, MalformedMessage([]), 2), Work()
    work.finish(0, 2)
    assert [answer async for answer in window(items, work, 2).answers()] == ["0", "malformed", "2"]


async def test_closing_ends_the_reading_and_not_the_work() -> None:
    items, work, closing = Items(0, 1), Work(), asyncio.Event()
    items.wait_at_end.clear()
    held = window(items, work, 9, closing)
    answers = held.answers()
    first = asyncio.ensure_future(anext(answers))
    await settle()
    closing.set()
    await settle()
    work.finish(0, 1)
    assert [await first, *[answer async for answer in answers]] == ["0", "1"]
    assert held.was_cut_short


async def test_who_leaves_takes_the_work_along() -> None:
    items, work = Items(0, 1, 2), Work()
    work.finish(0)
    answers = window(items, work, 3).answers()
    assert await anext(answers) == "0"
    await settle()
    await answers.aclose()
    assert sorted(work.cancelled) == [1, 2]


async def test_a_stream_that_breaks_is_told() -> None:
    class Broken(Items):
        async def __anext__(self) -> int:
            raise ConnectionError

    with pytest.raises(ConnectionError):
        await anext(window(Broken(), Work(), 3).answers())
