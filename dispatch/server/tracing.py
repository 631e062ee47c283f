"""Traces: the spans of a call, below the caller's own where its metadata names one (W3C Trace Context).

Without an endpoint nothing of OpenTelemetry is imported, and no span is made; the caller's trace_id stands in the logs
all the same.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from dispatch.settings import OFF

SERVICE_NAME = "dispatch"
STAGES: Mapping[str, str] = {
    "wait": "queue",
    "tokenize": "tokenize",
    "decode": "decode",
    "check": "check",
    "commit": "commit",
}
"""The stages of an answer in their order: as its timings name them, and as their spans are named."""

_EXPORT_TIMEOUT_S = 5.0
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})-[0-9a-f]{2}(?:-.*)?")


@dataclass(frozen=True)
class TraceIds:
    """In hexadecimal, as W3C Trace Context and the logs write them; empty where there is no trace."""

    trace_id: str = ""
    span_id: str = ""


class CallSpan(Protocol):
    """The span of one call."""

    @property
    def ids(self) -> TraceIds: ...

    def annotate(self, name: str, value: str) -> None:
        """Adds an attribute."""
        ...

    def stages(self, timings: Mapping[str, float]) -> None:
        """Adds spans for the stages of an answer, by their seconds: one ended when the next began, the last one now."""
        ...

    def end(self, code: str, reason: str, is_fault: bool) -> None:
        """Ends it. A fault is the server's: a refusal is no error of this span."""
        ...


class Tracing(Protocol):
    """Makes the spans of calls."""

    def start(self, method: str, metadata: Mapping[str, str]) -> CallSpan:
        """The span of a call that has just come in, by its full method ``package.Service/Method``."""
        ...

    def close(self) -> None:
        """Sends what is left, for at most a few seconds: call it in a thread."""
        ...


def open_tracing(endpoint: str = OFF) -> Tracing:
    """What makes spans, and sends them by OTLP over gRPC in a thread of its own to ``endpoint``.

    Sampling and attributes of the resource are OpenTelemetry's own variables (OTEL_TRACES_SAMPLER, …).
    """
    if endpoint == OFF:
        return NoTracing()
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    from dispatch.server.spans import SpanTracing

    exporter = OTLPSpanExporter(endpoint=endpoint, timeout=_EXPORT_TIMEOUT_S)
    return SpanTracing(BatchSpanProcessor(exporter))


def parent_ids(metadata: Mapping[str, str]) -> TraceIds:
    """Of the caller's span, by the metadata of its call."""
    match = _TRACEPARENT.fullmatch(metadata.get("traceparent", ""))
    return TraceIds(match["trace"], match["span"]) if match else TraceIds()


class NoTracing:
    """Makes no spans."""

    def start(self, method: str, metadata: Mapping[str, str]) -> CallSpan:
        return _NoSpan(parent_ids(metadata))

    def close(self) -> None:
        return


@dataclass(frozen=True)
class _NoSpan:
    ids: TraceIds

    def annotate(self, name: str, value: str) -> None:
        return

    def stages(self, timings: Mapping[str, float]) -> None:
        return

    def end(self, code: str, reason: str, is_fault: bool) -> None:
        return
