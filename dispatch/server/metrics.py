"""What Prometheus reads of a server: counts and seconds as they happen, and its present state when it asks.

docs/operations.md has the table of all metrics; a test holds it to this module.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, start_http_server
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from dispatch.domain.labels import KINDS
from dispatch.engine.batcher import LANES, BatchDone, Load
from dispatch.engine.registry import Registry
from dispatch.settings import OFF, is_loopback, split_address
from dispatch.v1.dispatch_service_pb2 import GenerateInstructionResponse
from dispatch.workflow.clock import Tick
from dispatch.workflow.serving import MODES

UNKNOWN_METHOD = "unknown"
"""The method label of calls of a method that there is not: callers could make up any number of names."""

# Seconds. Around the 1 s and 10 s of a caller who waits, and the milliseconds of a commit.
_CALL_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_STAGE_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128)
_TOKENS = (16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192)


@dataclass(frozen=True)
class MetricsConfig:
    """Where Prometheus may read. Raises ValueError off loopback unless that is permitted."""

    listen: str = OFF
    """HOST:PORT, or off; port 0 takes a free one."""
    public: bool = False
    """Permits an address off loopback. Whoever can reach it can read, in the clear and without being asked who they
    are, how much is going on; never a report, an instruction or a caller's name."""

    def __post_init__(self) -> None:
        if self.listen == OFF:
            return
        host, _ = split_address(self.listen)
        if not self.public and not is_loopback(host):
            raise ValueError(
                f"metrics_listen: {self.listen} can be reached from other machines, and whoever reaches it may read; "
                "listen on 127.0.0.1, or permit it with metrics_public"
            )


@dataclass(frozen=True)
class ServedModel:
    """A model under one of its labels, as the metrics name it."""

    name: str
    digest: str
    label: str
    engine: str
    share: float


@dataclass(frozen=True)
class StateSources:
    """Whom to ask for the present state. All are asked in the thread that answers Prometheus, and must not wait."""

    load: Callable[[], Sequence[Load]] = lambda: ()
    """Of each loaded model's batcher."""
    models: Callable[[], Sequence[ServedModel]] = lambda: ()
    serving_mode: Callable[[], str] = lambda: MODES[0]
    store_state: Callable[[], str] = lambda: "store"
    """Where new instructions go: store or spool."""
    health: Callable[[], Mapping[str, bool]] = dict
    """By part: live, model, store, service."""
    tasks: Callable[[], int] = lambda: 0
    """How many tasks the event loop has."""


def state_of(
    registry: Registry, serving_mode: Callable[[], str], store_state: Callable[[], str] = lambda: "store"
) -> StateSources:
    """The state of a server that answers by the models of a registry."""

    def models() -> list[ServedModel]:
        return [
            ServedModel(model.identity.name, model.identity.digest, label, model.engine, model.share)
            for model in registry.models()
            for label in model.labels or ("",)
        ]

    return StateSources(
        load=lambda: [model.batcher.load() for model in registry.models()],
        models=models,
        serving_mode=serving_mode,
        store_state=store_state,
    )


class Metrics:
    """The metrics of one server, in a registry of their own. Threads may share one."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._make_of_calls()
        self._make_of_stages()
        self._make_of_clock()

    def _make_of_calls(self) -> None:
        registry = self.registry
        self.calls = Counter(
            "dispatch_calls", "Calls that have ended, by method and status code.", ["method", "code"], registry=registry
        )
        self.call_seconds = Histogram(
            "dispatch_call_seconds",
            "Seconds from a call's arrival to its end.",
            ["method"],
            buckets=_CALL_SECONDS,
            registry=registry,
        )
        self.calls_in_progress = Gauge(
            "dispatch_calls_in_progress", "Calls being handled now.", ["method"], registry=registry
        )
        self.failures = Counter(
            "dispatch_failures",
            "Calls, and items of bulk calls, that failed, by reason as docs/api.md lists them; "
            "the status code where gRPC itself ended the call.",
            ["method", "reason"],
            registry=registry,
        )
        self.answers = Counter(
            "dispatch_answers",
            "Instructions answered, by kind of the first situation and review state.",
            ["kind", "review_state"],
            registry=registry,
        )
        self.checks = Counter(
            "dispatch_checks",
            "Findings of the checks about answered instructions.",
            ["code", "severity"],
            registry=registry,
        )

    def _make_of_stages(self) -> None:
        registry = self.registry
        self.batched = Counter(
            "dispatch_batched_requests", "Requests that were decoded, by lane.", ["lane"], registry=registry
        )
        self.decoded = Counter(
            "dispatch_decoded_requests",
            "Requests that were decoded, by what came of it: answered, failed, or stopped because nobody waited.",
            ["outcome"],
            registry=registry,
        )
        self.batch_rows = Histogram(
            "dispatch_batch_rows", "Requests decoded in one batch.", buckets=_ROWS, registry=registry
        )
        self.batch_tokens = Histogram(
            "dispatch_batch_tokens", "Source tokens of one batch.", buckets=_TOKENS, registry=registry
        )
        self.queue_wait_seconds = Histogram(
            "dispatch_queue_wait_seconds",
            "Seconds from a request's admission to its batch.",
            buckets=_STAGE_SECONDS,
            registry=registry,
        )
        self.decode_seconds = Histogram(
            "dispatch_decode_seconds", "Seconds of decoding one batch.", buckets=_STAGE_SECONDS, registry=registry
        )
        self.commit_seconds = Histogram(
            "dispatch_commit_seconds",
            "Seconds from handing an instruction to the store until it is on disk.",
            buckets=_STAGE_SECONDS,
            registry=registry,
        )

    def _make_of_clock(self) -> None:
        registry = self.registry
        self.overdue = Gauge(
            "dispatch_overdue_instructions",
            "Unclaimed instructions of 特急 past their due_at, at the clock's last look.",
            registry=registry,
        )
        self.alarms = Counter(
            "dispatch_overdue_alarms",
            "Instructions of which this server was the first to tell that they are overdue.",
            registry=registry,
        )
        self.escalations = Counter(
            "dispatch_escalations",
            "Reports that this server has given out as they came because nobody took their drafts.",
            registry=registry,
        )
        self.clock_looked_at = Gauge(
            "dispatch_clock_look_timestamp_seconds",
            "When the clock last looked at the queue, in seconds since 1970; 0 where it has not.",
            registry=registry,
        )

    def watch_state(self, sources: StateSources) -> None:
        """Ask these for the state whenever Prometheus reads; once for each Metrics."""
        self.registry.register(_State(sources))

    def count_call(self, method: str, code: str, reason: str, seconds: float) -> None:
        """A call has ended; ``reason`` is empty for one that did not fail."""
        self.calls.labels(method, code).inc()
        self.call_seconds.labels(method).observe(seconds)
        if code != "OK":
            self.count_failure(method, reason or code)

    def count_failure(self, method: str, reason: str) -> None:
        """A call or an item of a bulk call has failed."""
        self.failures.labels(method, reason).inc()

    def count_answer(self, answer: GenerateInstructionResponse) -> None:
        """An instruction is about to leave."""
        self.answers.labels(_kind(answer), answer.review_state).inc()
        for check in answer.checks:
            self.checks.labels(check.code, check.severity).inc()

    def observe_batch(self, batch: BatchDone) -> None:
        """A batch has been decoded; for `Batcher(observe=…)`."""
        self.batch_rows.observe(batch.rows)
        self.batch_tokens.observe(batch.tokens)
        self.decode_seconds.observe(batch.decode_s)
        for waited_s in batch.waited_s:
            self.queue_wait_seconds.observe(waited_s)
        for lane, count in batch.lanes.items():
            self.batched.labels(lane).inc(count)
        answered = batch.rows - batch.failed - batch.stopped
        for outcome, count in (("answered", answered), ("failed", batch.failed), ("stopped", batch.stopped)):
            self.decoded.labels(outcome).inc(count)

    def observe_clock(self, tick: Tick) -> None:
        """The clock has looked at the queue; for `Clock(observe=…)`."""
        self.overdue.set(tick.overdue)
        self.alarms.inc(len(tick.alarmed))
        self.escalations.inc(len(tick.escalated))
        self.clock_looked_at.set_to_current_time()


class MetricsEndpoint:
    """Answers Prometheus by HTTP in threads of its own."""

    def __init__(self, config: MetricsConfig, metrics: Metrics) -> None:
        self._config = config
        self._metrics = metrics
        self._running: tuple[WSGIServer, threading.Thread] | None = None

    def start(self) -> str:
        """Returns the address HOST:PORT that answers now, "" where it is off. OSError where it cannot be had."""
        if self._config.listen == OFF:
            return ""
        host, port = split_address(self._config.listen)
        try:
            self._running = start_http_server(port, host, self._metrics.registry)
        except OSError as error:
            message = f"metrics_listen: cannot listen on {self._config.listen}: {error.strerror or error}"
            raise OSError(message) from error
        return f"{self._config.listen.rpartition(':')[0]}:{self._running[0].server_port}"

    def stop(self) -> None:
        """Returns when nobody is answered any more. Waits up to half a second: call it in a thread."""
        if self._running is None:
            return
        server, thread = self._running
        self._running = None
        server.shutdown()
        server.server_close()
        thread.join()


class _State(Collector):
    """Reads the state at the moment of being asked, so that a server that does nothing costs nothing."""

    def __init__(self, sources: StateSources) -> None:
        self._sources = sources

    def collect(self) -> Iterator[GaugeMetricFamily]:
        yield from self._queue()
        yield from self._models()
        sources = self._sources
        modes = [([mode], mode == sources.serving_mode()) for mode in MODES]
        yield _gauge("dispatch_serving_mode", "1 for the mode that is on.", ["mode"], modes)
        what = "1 while instructions go to the spool, not the store."
        yield _gauge("dispatch_store_spooling", what, [], [([], sources.store_state() == "spool")])
        what = "Tasks of the event loop: some for each open call, and a few that are always there."
        yield _gauge("dispatch_tasks", what, [], [([], sources.tasks())])
        what = "1 for a part that is well, as the health service says."
        yield _gauge("dispatch_healthy", what, ["part"], [([part], well) for part, well in sources.health().items()])

    def _queue(self) -> Iterator[GaugeMetricFamily]:
        loads = self._sources.load()
        requests = [([lane], sum(load.waiting[lane] for load in loads)) for lane in LANES]
        tokens = [([lane], sum(load.waiting_tokens[lane] for load in loads)) for lane in LANES]
        decoding = sum(load.decoding for load in loads)
        yield _gauge("dispatch_queue_requests", "Requests that wait to be decoded, by lane.", ["lane"], requests)
        yield _gauge("dispatch_queue_tokens", "Source tokens that wait to be decoded, by lane.", ["lane"], tokens)
        yield _gauge("dispatch_decoding_rows", "Requests being decoded now.", [], [([], decoding)])

    def _models(self) -> Iterator[GaugeMetricFamily]:
        models = self._sources.models()
        info = [([model.name, model.digest, model.label, model.engine], 1) for model in models]
        shares = [([model.name, model.label], model.share) for model in models]
        labels = ["name", "digest", "label", "engine"]
        yield _gauge("dispatch_model_info", "1 for each loaded model under each of its labels.", labels, info)
        what = "Part of the calls that a labelled model answers or reads along, 0 to 1."
        yield _gauge("dispatch_model_share", what, ["name", "label"], shares)


def _gauge(
    name: str, what: str, labels: Sequence[str], values: Iterable[tuple[Sequence[str], float]]
) -> GaugeMetricFamily:
    """A family with a value for each combination of its labels."""
    family = GaugeMetricFamily(name, what, labels=labels)
    for of_labels, value in values:
        family.add_metric(of_labels, float(value))
    return family


def _kind(answer: GenerateInstructionResponse) -> str:
    """Of the first situation; none where no model read the report."""
    if not answer.situations:
        return "none"
    kind = answer.situations[0].kind
    return kind if kind in KINDS else "unknown"
