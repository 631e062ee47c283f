"""Reports in bulk: each result with its own report, in order, whatever happens to the others."""

import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import grpc
import pytest
from google.rpc.status_pb2 import Status

from dispatch.client import AsyncClient, Client, DispatchError, Report, Translated
from dispatch.v1.dispatch_service_pb2 import (
    GenerateInstructionResponse,
    TranslateReportsRequest,
    TranslateReportsResponse,
)

MakeStatus = Callable[..., Status]
REPORTS: list[str | Report] = ["一", "坏", Report("二", location="A7公路", request_id="r2"), "半\ud800"]


def echo(request: TranslateReportsRequest, failing: MakeStatus) -> TranslateReportsResponse:
    """The report as its instruction; 坏 fails."""
    if request.request.report == "坏":
        violation = ("report", "is bad")
        status = failing(grpc.StatusCode.INVALID_ARGUMENT, "no", "INVALID_FIELDS", [violation])
        return TranslateReportsResponse(item_id=request.item_id, status=status)
    instruction = GenerateInstructionResponse(instruction=request.request.report)
    return TranslateReportsResponse(item_id=request.item_id, instruction=instruction)


@pytest.fixture
def echoing(server: Any, failing: MakeStatus) -> Any:
    server.lines = [lambda context: echo(server.requests[-1], failing)]
    return server


def told(results: list[Translated]) -> list[tuple[str, str]]:
    return [
        (result.report.text, result.answer.instruction if result.answer else result.error.code if result.error else "")
        for result in results
    ]


EXPECTED = [("一", "一"), ("坏", "INVALID_ARGUMENT"), ("二", "二"), ("半\ud800", "INVALID_ARGUMENT")]


def test_every_report_has_its_answer_or_its_error_in_order(echoing: Any) -> None:
    with Client(echoing.address) as client:
        results = list(client.translate(REPORTS))
    assert told(results) == EXPECTED
    assert results[1].error is not None
    assert results[1].error.reason == "INVALID_FIELDS"
    assert results[1].error.violations[0].field == "report"
    assert results[3].error is not None
    assert "surrogate" in results[3].error.message
    assert [request.request.report for request in echoing.requests] == ["一", "坏", "二"]
    assert echoing.requests[2].request.request_id == "r2"
    assert echoing.requests[0].request.request_id


@pytest.mark.parametrize("is_async", [True, False])
async def test_the_async_client_does_the_same_with_both_kinds_of_iterables(echoing: Any, is_async: bool) -> None:
    async def one_by_one() -> AsyncIterator[str | Report]:
        for report in REPORTS:
            yield report

    async with AsyncClient(echoing.address) as client:
        source = one_by_one() if is_async else REPORTS
        assert told([result async for result in client.translate(source)]) == EXPECTED


def test_no_report_is_no_result(echoing: Any) -> None:
    with Client(echoing.address) as client:
        assert list(client.translate([])) == []
        assert told(list(client.translate(["\ud800"]))) == [("\ud800", "INVALID_ARGUMENT")]


def failing_source() -> Iterator[str]:
    yield "一"
    raise KeyError("the file ends here")


def test_what_ends_the_reports_is_raised_after_the_results_before_it(echoing: Any) -> None:
    with Client(echoing.address) as client:
        results = client.translate(failing_source())
        assert told([next(results)]) == [("一", "一")]
        with pytest.raises(KeyError, match="the file ends here"):
            next(results)


async def test_the_async_client_raises_it_too(echoing: Any) -> None:
    async with AsyncClient(echoing.address) as client:
        results = client.translate(failing_source())
        assert told([await anext(results)]) == [("一", "一")]
        with pytest.raises(KeyError, match="the file ends here"):
            await anext(results)


def test_an_answer_to_another_report_is_an_error(server: Any) -> None:
    server.lines = [TranslateReportsResponse(item_id="7")]
    with Client(server.address) as client, pytest.raises(DispatchError, match="out of turn"):
        list(client.translate(["一"]))


def test_a_call_that_breaks_off_is_an_error_after_its_results(server: Any, failing: MakeStatus) -> None:
    first = GenerateInstructionResponse(instruction="一")
    broken = failing(grpc.StatusCode.INTERNAL, "broken", "INTERNAL_ERROR")
    server.lines = [TranslateReportsResponse(item_id="1", instruction=first), broken]
    with Client(server.address) as client:
        results = client.translate(["一", "二"])
        assert told([next(results)]) == [("一", "一")]
        with pytest.raises(DispatchError) as caught:
            next(results)
    assert (caught.value.code, caught.value.reason) == ("INTERNAL", "INTERNAL_ERROR")


def test_leaving_early_ends_the_call_and_the_reading_of_an_endless_source(echoing: Any) -> None:
    closed = threading.Event()

    def endless() -> Iterator[str]:
        try:
            while True:
                yield "一"
        finally:
            closed.set()

    with Client(echoing.address) as client:
        for result in client.translate(endless()):
            assert result.answer
            break
        assert closed.wait(20)
