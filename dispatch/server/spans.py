"""The spans that OpenTelemetry gets. Imported only where traces are on."""

import time
from collections.abc import Mapping

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

import dispatch
from dispatch.server.tracing import SERVICE_NAME, STAGES, TraceIds


class SpanTracing:
    """Makes a span of each call, and hands ended ones to a processor."""

    def __init__(self, processor: SpanProcessor) -> None:
        resource = Resource.create({"service.name": SERVICE_NAME, "service.version": dispatch.__version__})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("dispatch", dispatch.__version__)
        self._propagator = TraceContextTextMapPropagator()

    def start(self, method: str, metadata: Mapping[str, str]) -> "RecordedSpan":
        service, _, name = method.rpartition("/")
        span = self._tracer.start_span(
            method,
            self._propagator.extract(dict(metadata)),
            SpanKind.SERVER,
            {"rpc.system": "grpc", "rpc.service": service, "rpc.method": name},
        )
        return RecordedSpan(self._tracer, span)

    def close(self) -> None:
        self._provider.shutdown()


class RecordedSpan:
    """The span of a call, and maker of those below it."""

    def __init__(self, tracer: Tracer, span: Span) -> None:
        self._tracer = tracer
        self._span = span
        context = span.get_span_context()
        self.ids = TraceIds(trace.format_trace_id(context.trace_id), trace.format_span_id(context.span_id))

    def annotate(self, name: str, value: str) -> None:
        self._span.set_attribute(name, value)

    def stages(self, timings: Mapping[str, float]) -> None:
        if not self._span.get_span_context().trace_flags.sampled:
            return
        context = trace.set_span_in_context(self._span)
        taken = {span: round(timings[stage] * 1e9) for stage, span in STAGES.items() if stage in timings}
        moment = time.time_ns() - sum(taken.values())
        for name, nanoseconds in taken.items():
            span = self._tracer.start_span(name, context, start_time=moment)
            moment += nanoseconds
            span.end(moment)

    def end(self, code: str, reason: str, is_fault: bool) -> None:
        self._span.set_attribute("rpc.grpc.status_code", code)
        if reason:
            self._span.set_attribute("dispatch.reason", reason)
        if is_fault:
            self._span.set_status(Status(StatusCode.ERROR, reason or code))
        self._span.end()
