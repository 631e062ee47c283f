"""What is told of each call: counts, spans, and lines that carry its ids."""

import asyncio
import itertools
import json
import logging
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from google.rpc.status_pb2 import Status
from opentelemetry.instrumentation.grpc import aio_client_interceptors
from opentelemetry.sdk.trace import TracerProvider

from dispatch.engine import Overloaded
from dispatch.server.errors import abort, failure_of, status_of
from dispatch.server.logs import CALL_FIELDS
from dispatch.server.spans import SpanTracing
from dispatch.server.telemetry import Telemetry, log_request_id
from dispatch.server.tracing import open_tracing
from dispatch.store import StoreUnavailable
from dispatch.v1.dispatch_service_pb2 import (
    Admitted,
    GenerateInstructionRequest,
    GenerateInstructionResponse,
    StreamInstructionRequest,
    StreamInstructionResponse,
    TranslateReportsRequest,
    TranslateReportsResponse,
)
from dispatch.v1.dispatch_service_pb2_grpc import DispatchServiceStub
from tests.server.calls import Kept, Reading, ScriptedService, connected, logged, serving, until

PATIENCE_S = 20.0
GENERATE = "dispatch.v1.DispatchService/GenerateInstruction"
STREAM = "dispatch.v1.DispatchService/StreamInstruction"
TRANSLATE = "dispatch.v1.DispatchService/TranslateReports"
REPORT = "B村塌方,3人被埋"
REQUEST = GenerateInstructionRequest(report=REPORT, request_id="call-17")
TRACE_ID, PARENT_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACED = (("traceparent", f"00-{TRACE_ID}-{PARENT_ID}-01"),)


def answer(kind: str = "request") -> GenerateInstructionResponse:
    reply = GenerateInstructionResponse(name="instructions/1", review_state="pending")
    reply.situations.add(kind=kind)
    reply.checks.add(code="UNREAD_NUMBER", severity="warning")
    return reply


async def reply_with_answer(request: Any, context: Any) -> Any:
    return answer()


async def overloaded(request: Any, context: Any) -> Any:
    await abort(context, failure_of(Overloaded(1.0)))


@pytest.fixture
def telemetry() -> Telemetry:
    return Telemetry()


# Metrics.


async def test_an_answer_is_counted_with_its_kind_and_its_checks(telemetry: Telemetry) -> None:
    async with serving(ScriptedService(generate=reply_with_answer), telemetry) as stub:
        await stub.GenerateInstruction(REQUEST)
    reading = Reading.of(telemetry)
    assert reading("dispatch_calls_total", method=GENERATE, code="OK") == 1
    assert reading("dispatch_call_seconds_count", method=GENERATE) == 1
    assert reading("dispatch_answers_total", kind="request", review_state="pending") == 1
    assert reading("dispatch_checks_total", code="UNREAD_NUMBER", severity="warning") == 1


@pytest.mark.parametrize(
    ("reply", "kind"), [(GenerateInstructionResponse(), "none"), (answer("made up by a model"), "unknown")]
)
async def test_kinds_that_are_none_do_not_multiply_the_series(
    telemetry: Telemetry, reply: GenerateInstructionResponse, kind: str
) -> None:
    telemetry.metrics.count_answer(reply)
    assert Reading.of(telemetry)("dispatch_answers_total", kind=kind, review_state=reply.review_state) == 1


async def test_a_refusal_is_counted_by_its_reason(telemetry: Telemetry) -> None:
    async with serving(ScriptedService(generate=overloaded), telemetry) as stub:
        with pytest.raises(grpc.aio.AioRpcError):
            await stub.GenerateInstruction(REQUEST)
    reading = Reading.of(telemetry)
    assert reading("dispatch_calls_total", method=GENERATE, code="RESOURCE_EXHAUSTED") == 1
    assert reading("dispatch_failures_total", method=GENERATE, reason="OVERLOADED") == 1


async def test_bytes_that_are_no_message_are_counted_though_no_handler_sees_them(telemetry: Telemetry) -> None:
    service = ScriptedService(generate=reply_with_answer)
    async with connected(service, telemetry) as channel:
        call: Any = channel.unary_unary(f"/{GENERATE}")
        with pytest.raises(grpc.aio.AioRpcError):
            await call(b"\x1a\x01\xff")
    assert Reading.of(telemetry)("dispatch_failures_total", method=GENERATE, reason="MALFORMED_MESSAGE") == 1


async def test_a_deadline_that_passes_and_a_call_that_is_cancelled_are_told_apart(telemetry: Telemetry) -> None:
    entered = asyncio.Event()

    async def wait(request: Any, context: Any) -> Any:
        entered.set()
        await asyncio.Event().wait()

    async with serving(ScriptedService(generate=wait), telemetry) as stub:
        with pytest.raises(grpc.aio.AioRpcError):
            await stub.GenerateInstruction(REQUEST, timeout=0.2)
        entered.clear()
        call = stub.GenerateInstruction(REQUEST)
        await entered.wait()
        assert Reading.of(telemetry)("dispatch_calls_in_progress", method=GENERATE) == 1
        call.cancel()
        await until(lambda: Reading.of(telemetry)("dispatch_calls_in_progress", method=GENERATE) == 0)
    reading = Reading.of(telemetry)
    assert reading("dispatch_calls_total", method=GENERATE, code="DEADLINE_EXCEEDED") == 1
    assert reading("dispatch_calls_total", method=GENERATE, code="CANCELLED") == 1


async def test_what_fails_because_the_deadline_has_passed_is_no_defect(telemetry: Telemetry) -> None:
    async def write_too_late(request: Any, context: Any) -> Any:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise RuntimeError("the call has ended") from None

    async with serving(ScriptedService(generate=write_too_late), telemetry) as stub:
        with pytest.raises(grpc.aio.AioRpcError):
            await stub.GenerateInstruction(REQUEST, timeout=0.2)
        await until(lambda: Reading.of(telemetry)("dispatch_calls_in_progress", method=GENERATE) == 0)
    assert Reading.of(telemetry)("dispatch_calls_total", method=GENERATE, code="DEADLINE_EXCEEDED") == 1


async def test_methods_that_callers_make_up_share_one_series(telemetry: Telemetry) -> None:
    async with connected(ScriptedService(), telemetry) as channel:
        for name in ("/made.up/One", "/made.up/Two"):
            call: Any = channel.unary_unary(name)
            with pytest.raises(grpc.aio.AioRpcError):
                await call(b"")
    reading = Reading.of(telemetry)
    assert reading("dispatch_calls_total", method="unknown", code="UNIMPLEMENTED") == 2


async def test_the_last_stage_of_a_stream_counts_as_the_answer(telemetry: Telemetry) -> None:
    async def stages(request: Any, context: Any) -> AsyncIterator[Any]:
        yield StreamInstructionResponse(admitted=Admitted(ahead=1))
        yield StreamInstructionResponse(instruction=answer())

    async with serving(ScriptedService(stream=stages), telemetry) as stub:
        replies = [reply async for reply in stub.StreamInstruction(StreamInstructionRequest(request=REQUEST))]
    assert len(replies) == 2
    reading = Reading.of(telemetry)
    assert reading("dispatch_answers_total", kind="request", review_state="pending") == 1
    assert reading("dispatch_calls_total", method=STREAM, code="OK") == 1


async def test_items_of_a_bulk_call_fail_and_answer_each_for_itself(telemetry: Telemetry) -> None:
    async def items(requests: Any, context: Any) -> AsyncIterator[Any]:
        async for request in requests:
            if request.item_id == "bad":
                yield TranslateReportsResponse(status=status_of(failure_of(Overloaded(1.0))))
            elif request.item_id == "bare":
                yield TranslateReportsResponse(status=Status(code=grpc.StatusCode.INTERNAL.value[0]))
            else:
                yield TranslateReportsResponse(instruction=answer())

    async with serving(ScriptedService(translate=items), telemetry) as stub:
        sent = [TranslateReportsRequest(item_id=name) for name in ("bad", "good", "bare", "good")]
        assert len([reply async for reply in stub.TranslateReports(iter(sent))]) == 4
    reading = Reading.of(telemetry)
    assert reading("dispatch_failures_total", method=TRANSLATE, reason="OVERLOADED") == 1
    assert reading("dispatch_failures_total", method=TRANSLATE, reason="INTERNAL") == 1
    assert reading("dispatch_answers_total", kind="request", review_state="pending") == 2
    assert reading("dispatch_calls_total", method=TRANSLATE, code="OK") == 1


# Logs.


async def test_every_line_inside_a_call_carries_its_ids(telemetry: Telemetry) -> None:
    async def say(request: Any, context: Any) -> Any:
        logging.getLogger("some.library").warning("said %s", "something")
        return answer()

    with logged() as lines:
        async with serving(ScriptedService(generate=say), telemetry) as stub:
            await stub.GenerateInstruction(REQUEST, metadata=TRACED)
        inside = [line for line in lines() if line.get("method") == GENERATE]
    assert [line["event"] for line in inside] == ["said something", "call ended"]
    assert all(set(CALL_FIELDS) <= set(line) for line in inside)
    assert {(line["request_id"], line["trace_id"], line["span_id"]) for line in inside} == {
        ("call-17", TRACE_ID, PARENT_ID)
    }
    assert len({line["call_id"] for line in inside}) == 1
    assert inside[-1]["code"] == "OK"


async def test_calls_at_the_same_time_do_not_lend_each_other_their_ids(telemetry: Telemetry) -> None:
    entered = asyncio.Barrier(3)

    async def meet(request: Any, context: Any) -> Any:
        await entered.wait()
        logging.getLogger("meeting").info(request.request_id)
        return answer()

    with logged() as lines:
        async with serving(ScriptedService(generate=meet), telemetry) as stub:
            requests = [GenerateInstructionRequest(request_id=str(number)) for number in range(3)]
            await asyncio.gather(*(stub.GenerateInstruction(request) for request in requests))
        met = [line for line in lines() if line["logger"] == "meeting"]
    assert sorted(line["event"] for line in met) == ["0", "1", "2"]
    assert all(line["event"] == line["request_id"] for line in met)
    assert len({line["call_id"] for line in met}) == 3


async def test_what_is_no_request_id_is_not_logged(telemetry: Telemetry) -> None:
    with logged() as lines:
        async with serving(ScriptedService(generate=reply_with_answer), telemetry) as stub:
            await stub.GenerateInstruction(GenerateInstructionRequest(request_id=REPORT))
        assert REPORT not in json.dumps(lines(), ensure_ascii=False)


async def test_an_exception_that_quotes_a_report_is_logged_without_it(telemetry: Telemetry) -> None:
    async def fail(request: Any, context: Any) -> Any:
        raise ValueError(f"cannot read {request.report}")

    with logged() as lines:
        async with serving(ScriptedService(generate=fail), telemetry) as stub:
            with pytest.raises(grpc.aio.AioRpcError):
                await stub.GenerateInstruction(REQUEST)
        found = lines()
    assert REPORT not in json.dumps(found, ensure_ascii=False)
    assert any("builtins.ValueError" in line.get("exception", "") for line in found)
    assert [line["level"] for line in found if line["event"] == "call ended"] == ["warning"]
    assert Reading.of(telemetry)("dispatch_failures_total", method=GENERATE, reason="UNKNOWN") == 1


async def test_items_of_a_bulk_call_log_their_own_request_ids() -> None:
    async def item(request_id: str) -> None:
        log_request_id(request_id)
        await asyncio.sleep(0)
        logging.getLogger("item").info(request_id)

    with logged() as lines:
        await asyncio.gather(*(asyncio.create_task(item(name)) for name in ("a", "b")))
        assert [(line["event"], line["request_id"]) for line in lines()] == [("a", "a"), ("b", "b")]


# Traces.


async def test_a_trace_goes_from_the_client_to_the_commit() -> None:
    kept = Kept()
    telemetry = Telemetry(tracing=SpanTracing(kept))

    async def commit(request: Any, context: Any) -> Any:
        telemetry.observe_commit(0.0625, {"wait": 0.25, "decode": 0.5, "check": 0.125})
        return answer()

    with logged() as lines:
        async with serving(ScriptedService(generate=commit), telemetry) as stub:
            await stub.GenerateInstruction(REQUEST, metadata=TRACED)
        (ended,) = [line for line in lines() if line["event"] == "call ended"]
    call = kept.named(GENERATE)
    stages = [kept.named(name) for name in ("queue", "decode", "check", "commit")]
    assert f"{call.context.trace_id:032x}" == TRACE_ID == ended["trace_id"]
    assert f"{call.parent.span_id:016x}" == PARENT_ID
    assert f"{call.context.span_id:016x}" == ended["span_id"]
    assert all(span.parent.span_id == call.context.span_id for span in stages)
    assert [(span.end_time - span.start_time) / 1e9 for span in stages] == [0.25, 0.5, 0.125, 0.0625]
    assert all(one.end_time == other.start_time for one, other in itertools.pairwise(stages))
    assert stages[-1].end_time <= call.end_time
    assert Reading.of(telemetry)("dispatch_commit_seconds_count") == 1
    await telemetry.stop()


async def test_the_span_of_a_client_that_opentelemetry_instruments_is_the_parent() -> None:
    clients, servers = Kept(), Kept()
    of_client = TracerProvider(shutdown_on_exit=False)
    of_client.add_span_processor(clients)
    telemetry = Telemetry(tracing=SpanTracing(servers))
    service = ScriptedService(generate=reply_with_answer)
    instrumented: Any = aio_client_interceptors(of_client)  # type: ignore[no-untyped-call]
    async with connected(service, telemetry, instrumented) as channel:
        stub: Any = DispatchServiceStub(channel)
        await stub.GenerateInstruction(REQUEST)
    (sent,) = clients.spans
    handled = servers.named(GENERATE)
    assert handled.parent.span_id == sent.context.span_id
    assert handled.context.trace_id == sent.context.trace_id
    await telemetry.stop()


async def test_a_failure_of_the_servers_own_is_an_error_in_its_span() -> None:
    kept = Kept()
    telemetry = Telemetry(tracing=SpanTracing(kept))

    async def fail(request: Any, context: Any) -> Any:
        await abort(context, failure_of(StoreUnavailable("cannot save")))

    async with serving(ScriptedService(generate=fail), telemetry) as stub:
        with pytest.raises(grpc.aio.AioRpcError):
            await stub.GenerateInstruction(REQUEST)
    assert not kept.named(GENERATE).status.is_ok
    assert kept.named(GENERATE).attributes["dispatch.reason"] == "STORE_UNAVAILABLE"
    await telemetry.stop()


async def test_a_refusal_is_no_error_of_the_servers_span() -> None:
    kept = Kept()
    telemetry = Telemetry(tracing=SpanTracing(kept))
    async with serving(ScriptedService(generate=overloaded), telemetry) as stub:
        with pytest.raises(grpc.aio.AioRpcError):
            await stub.GenerateInstruction(REQUEST)
    assert kept.named(GENERATE).status.is_unset
    assert kept.named(GENERATE).attributes["rpc.grpc.status_code"] == "RESOURCE_EXHAUSTED"
    await telemetry.stop()


async def test_spans_reach_a_collector_by_otlp() -> None:
    received: list[bytes] = []

    class Collector(grpc.GenericRpcHandler):
        def service(self, details: grpc.HandlerCallDetails) -> Any:
            async def export(data: bytes, context: Any) -> bytes:
                assert details.method == "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
                received.append(data)
                return b""

            return grpc.unary_unary_rpc_method_handler(export)

    collector = grpc.aio.server()
    collector.add_generic_rpc_handlers((Collector(),))
    port = collector.add_insecure_port("127.0.0.1:0")
    await collector.start()
    tracing = open_tracing(f"http://127.0.0.1:{port}")
    tracing.start(GENERATE, dict(TRACED)).end("OK", "", False)
    await asyncio.to_thread(tracing.close)
    await collector.stop(None)
    assert bytes.fromhex(TRACE_ID) in received[0]
    assert GENERATE.encode() in received[0]


def test_without_an_endpoint_nothing_of_opentelemetry_is_imported() -> None:
    look = (
        "import sys; from dispatch.server.telemetry import Telemetry as T; T(); print('opentelemetry' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"
