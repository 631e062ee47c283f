"""Reports stand in the log where the operator has asked for them, and only there."""

import logging

import grpc
import pytest

from dispatch.server import DispatchServer, ServerConfig
from dispatch.server.report_log import ReportLog
from dispatch.v1.dispatch_service_pb2 import (
    GenerateInstructionRequest,
    StreamInstructionRequest,
    TranslateReportsRequest,
)
from dispatch.workflow import LiveIntake
from tests.server.every_method import METHODS, EveryMethod, call, outcome, serving

REPORT = "柳叶沟3人被困"
REQUEST = GenerateInstructionRequest(report=REPORT)
SERVICE = "/dispatch.v1.DispatchService"


@pytest.mark.parametrize("log_reports", [False, True])
async def test_the_server_logs_reports_where_it_is_told_to(
    intake: LiveIntake, caplog: pytest.LogCaptureFixture, log_reports: bool
) -> None:
    caplog.set_level(logging.DEBUG)
    server = DispatchServer(ServerConfig("127.0.0.1:0", grace_s=0.05, log_reports=log_reports), intake)
    async with grpc.aio.insecure_channel(await server.start()) as channel:
        await call(channel, f"{SERVICE}/GenerateInstruction", data=REQUEST.SerializeToString())
    await server.stop()
    assert (f"report: {REPORT}" in caplog.text) == log_reports


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ("StreamInstruction", StreamInstructionRequest(request=REQUEST)),
        ("TranslateReports", TranslateReportsRequest(request=REQUEST)),
    ],
)
async def test_reports_of_streams_are_logged_too(
    caplog: pytest.LogCaptureFixture, method: str, message: StreamInstructionRequest | TranslateReportsRequest
) -> None:
    caplog.set_level(logging.INFO)
    handler = EveryMethod()
    handler.parse = type(message).FromString
    async with serving(handler, [ReportLog()]) as address, grpc.aio.insecure_channel(address) as channel:
        await call(channel, f"{SERVICE}/{method}", data=message.SerializeToString())
    assert f"report: {REPORT}" in caplog.text


async def test_what_holds_no_report_goes_through(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with serving(EveryMethod(), [ReportLog()]) as address, grpc.aio.insecure_channel(address) as channel:
        assert {await outcome(channel, method) for method in METHODS} == {"OK"}
    assert "report: " not in caplog.text
