"""What is told of each call: metrics, a span with its stages, and the ids that its lines in the log carry.

Two interceptors, because a call is seen whole only from outside (also one that is refused before its message is
read), and its messages only from inside: `CallTelemetry` comes first of all, `MessageTelemetry` last.
"""

import asyncio
import logging
import re
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import grpc
import structlog
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status

from dispatch.server.authentication import current_caller
from dispatch.server.errors import Context
from dispatch.server.interception import Continuation, Handler, surround, tap
from dispatch.server.logs import CALL_FIELDS
from dispatch.server.metrics import UNKNOWN_METHOD, Metrics, MetricsConfig, MetricsEndpoint, StateSources
from dispatch.server.tracing import CallSpan, Tracing, open_tracing
from dispatch.settings import OFF
from dispatch.v1.dispatch_service_pb2 import (
    GenerateInstructionRequest,
    GenerateInstructionResponse,
    StreamInstructionRequest,
    StreamInstructionResponse,
    TranslateReportsResponse,
)

FAULTS = frozenset({"UNKNOWN", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"})
"""Status codes that say something about the server rather than about the call."""

_STATUS_DETAILS = "grpc-status-details-bin"
_CODES = {code.value[0]: code.name for code in grpc.StatusCode}
_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_BACKGROUND = ("grpc.health.", "grpc.reflection.")
"""Services that are asked all the time: their calls are counted, and logged only at debug."""

_span: ContextVar[CallSpan | None] = ContextVar("span", default=None)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """How a call ended. The reason is that of its ErrorInfo, "" where there is none."""

    code: str
    reason: str = ""


@dataclass(frozen=True)
class TelemetryConfig:
    """What is told, and to whom; nothing to anybody by default."""

    metrics: MetricsConfig = field(default_factory=MetricsConfig)
    otlp_endpoint: str = OFF
    """Of the collector that gets the traces: http://HOST:PORT, https://… or off."""


class Telemetry:
    """All the telemetry of one server: made before its parts, started and stopped with it."""

    def __init__(self, config: TelemetryConfig = TelemetryConfig(), tracing: Tracing | None = None) -> None:
        """``tracing`` takes the place of what the config asks for."""
        self.metrics = Metrics()
        self._tracing = tracing or open_tracing(config.otlp_endpoint)
        self._endpoint = MetricsEndpoint(config.metrics, self.metrics)
        self.first = CallTelemetry(self.metrics, self._tracing)
        """The interceptor that comes before all others."""
        self.last = MessageTelemetry(self.metrics)
        """The interceptor that comes behind all others."""

    def observe_commit(self, seconds: float, timings: Mapping[str, float]) -> None:
        """An instruction has just been committed for the call of this context; for `LiveIntake(observe_commit=…)`."""
        self.metrics.commit_seconds.observe(seconds)
        span = _span.get()
        if span is not None:
            span.stages({**timings, "commit": seconds})

    def start(self, sources: StateSources) -> str:
        """Returns the address at which Prometheus may read, or "". Raises OSError where it cannot be had."""
        self.metrics.watch_state(sources)
        return self._endpoint.start()

    async def stop(self) -> None:
        """Sends what is left of the traces, for at most a few seconds."""
        await asyncio.to_thread(self._endpoint.stop)
        await asyncio.to_thread(self._tracing.close)


class CallTelemetry(grpc.aio.ServerInterceptor):
    """Counts, times, traces and logs every call. The first interceptor."""

    def __init__(self, metrics: Metrics, tracing: Tracing) -> None:
        self._metrics = metrics
        self._tracing = tracing

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Handler | None:
        handler = await continuation(handler_call_details)
        if handler is None:
            self._metrics.count_call(UNKNOWN_METHOD, grpc.StatusCode.UNIMPLEMENTED.name, "", 0.0)
            return None
        method = handler_call_details.method.lstrip("/")
        return surround(handler, partial(self._around, method, _metadata(handler_call_details)))

    @asynccontextmanager
    async def _around(self, method: str, metadata: Mapping[str, str], context: Context) -> AsyncIterator[None]:
        span = self._tracing.start(method, metadata)
        _span.set(span)  # each call has a task of its own, and with it a context of its own
        structlog.contextvars.bind_contextvars(
            **{**dict.fromkeys(CALL_FIELDS, ""), "call_id": uuid.uuid4().hex, "method": method, **_ids(span)}
        )
        in_progress = self._metrics.calls_in_progress.labels(method)
        in_progress.inc()
        began = time.perf_counter()
        outcome = Outcome(grpc.StatusCode.UNKNOWN.name)
        try:
            yield
            outcome = outcome_of(context)
        except asyncio.CancelledError:
            late = context.time_remaining() == 0
            outcome = Outcome((grpc.StatusCode.DEADLINE_EXCEEDED if late else grpc.StatusCode.CANCELLED).name)
            raise
        except grpc.aio.AbortError:
            outcome = outcome_of(context)
            raise
        except Exception:
            if context.time_remaining() == 0:  # what was written to a caller who had left
                outcome = Outcome(grpc.StatusCode.DEADLINE_EXCEEDED.name)
            raise
        finally:
            in_progress.dec()
            seconds = time.perf_counter() - began
            # The reply leaves first: nobody waits for what is told of the call.
            asyncio.get_running_loop().call_soon(self._tell, method, outcome, seconds, span)

    def _tell(self, method: str, outcome: Outcome, seconds: float, span: CallSpan) -> None:
        """In the context of the call."""
        self._metrics.count_call(method, outcome.code, outcome.reason, seconds)
        span.end(outcome.code, outcome.reason, outcome.code in FAULTS)
        _log_end(method, outcome, seconds)


class MessageTelemetry(grpc.aio.ServerInterceptor):
    """Takes the ids of a call from its request, and counts its answers. The last interceptor, next to the handler."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Handler | None:
        handler = await continuation(handler_call_details)
        method = handler_call_details.method.lstrip("/")
        if handler is None or method.startswith(_BACKGROUND):
            return handler
        return tap(handler, _note_request, partial(self._count, method))

    def _count(self, method: str, reply: Any) -> None:
        if isinstance(reply, GenerateInstructionResponse):
            self._metrics.count_answer(reply)
        elif isinstance(reply, StreamInstructionResponse) and reply.HasField("instruction"):
            self._metrics.count_answer(reply.instruction)
        elif isinstance(reply, TranslateReportsResponse):
            if reply.status.code:
                reason = _reason(reply.status) or _CODES.get(reply.status.code, "UNKNOWN")
                self._metrics.count_failure(method, reason)
            else:
                self._metrics.count_answer(reply.instruction)


def log_request_id(request_id: str) -> None:
    """Have the lines of this task carry a request_id, for the items of a bulk call; one that is no id is left out."""
    known = request_id if _ID.fullmatch(request_id) else ""  # nothing has been validated yet
    structlog.contextvars.bind_contextvars(request_id=known)


def outcome_of(context: Context) -> Outcome:
    """How the call ended whose handler has returned or aborted it."""
    code: Any = context.code()
    number = code.value[0] if isinstance(code, grpc.StatusCode) else code
    if not number:
        return Outcome(grpc.StatusCode.OK.name)
    details = dict(context.trailing_metadata() or ()).get(_STATUS_DETAILS)
    return Outcome(_CODES.get(number, "UNKNOWN"), _reason(Status.FromString(details)) if details else "")


def _note_request(request: Any) -> None:
    """Where the request is one message, and has an id."""
    caller = current_caller().name
    structlog.contextvars.bind_contextvars(caller=caller)
    if isinstance(request, StreamInstructionRequest):
        request = request.request
    if isinstance(request, GenerateInstructionRequest):
        log_request_id(request.request_id)
    span = _span.get()
    if span is not None:
        span.annotate("dispatch.caller", caller)


def _log_end(method: str, outcome: Outcome, seconds: float) -> None:
    if method.startswith(_BACKGROUND):
        level = logging.DEBUG
    else:
        level = logging.WARNING if outcome.code in FAULTS else logging.INFO
    if logger.isEnabledFor(level):
        facts = {"code": outcome.code, "reason": outcome.reason, "seconds": round(seconds, 6)}
        logger.log(level, "call ended", extra=facts)


def _ids(span: CallSpan) -> dict[str, str]:
    return {"trace_id": span.ids.trace_id, "span_id": span.ids.span_id}


def _metadata(details: grpc.HandlerCallDetails) -> dict[str, str]:
    pairs: Any = details.invocation_metadata or ()
    return {key: value for key, value in pairs if isinstance(value, str)}


def _reason(status: Status) -> str:
    for detail in status.details:
        info = ErrorInfo()
        if detail.Unpack(info):
            return str(info.reason)
    return ""
