"""Health: whether the server lives, has a model, and reaches its store; told apart, and told at once.

The answers are looked up, never worked out: what asks the store is a thread of its own, and what asks for health waits
for nothing, however busy the server is.
"""

import asyncio
import logging
import threading
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

import grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse, HealthListRequest, HealthListResponse
from grpc_health.v1.health_pb2_grpc import HealthServicer

from dispatch.engine.registry import Registry
from dispatch.server.errors import Context, FieldViolation, abort, invalid_argument
from dispatch.v1 import dispatch_service_pb2

LIVE = ""
"""Of the health service: the process runs and its event loop turns."""
SERVICE = dispatch_service_pb2.DESCRIPTOR.services_by_name["DispatchService"].full_name
"""All that a call needs is there."""
MODEL = "dispatch.model"
STORE = "dispatch.store"
PARTS: Mapping[str, str] = {LIVE: "live", SERVICE: "service", MODEL: "model", STORE: "store"}
"""What metrics and logs call them."""

MAX_NAME = 200
"""Characters of a service's name."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class HealthConfig:
    """How often to look, and when to believe it. Raises ValueError for a number that is out of its range."""

    interval_s: float = 2.0
    timeout_s: float = 5.0
    """A look at the store that takes longer has failed; no second one begins before it ends."""
    failures: int = 2
    """So many in a row, and the store counts as lost."""
    successes: int = 2
    """So many in a row, and it counts as back."""

    def __post_init__(self) -> None:
        for name in ("interval_s", "timeout_s"):
            if not 0 < getattr(self, name) <= 3600:
                raise ValueError(f"{name} must be above 0 and at most 3600, not {getattr(self, name)}")
        for name in ("failures", "successes"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, not {getattr(self, name)}")


@dataclass(frozen=True)
class Probes:
    """Whom to ask."""

    check_store: Callable[[], None]
    """Raises where the store cannot be used; may take its time."""
    has_model: Callable[[], bool]
    """Whether some model answers; must not wait."""
    needs_model: Callable[[], bool] = lambda: True
    """Whether answers come from a model at all: not in pass-through. Must not wait."""


def probes_of(registry: Registry, check_store: Callable[[], None], serving_mode: Callable[[], str]) -> Probes:
    """Of a server that answers by the models of a registry."""

    def has_model() -> bool:
        return any("stable" in model.labels and model.batcher.load().alive for model in registry.models())

    return Probes(check_store, has_model, lambda: serving_mode() != "pass-through")


NOTHING_TO_PROBE = Probes(check_store=lambda: None, has_model=lambda: True)
"""For a server whose parts are looked after elsewhere."""


class Steady:
    """A state that changes only when enough reports in a row contradict it; the first report decides alone."""

    def __init__(self, failures: int, successes: int) -> None:
        self._failures = failures
        self._successes = successes
        self._contradicted = 0
        self.is_well: bool | None = None

    def report(self, well: bool) -> None:
        if self.is_well is None:
            self.is_well = well
            return
        self._contradicted = self._contradicted + 1 if well != self.is_well else 0
        if self._contradicted >= (self._successes if well else self._failures):
            self.is_well = well
            self._contradicted = 0


class Health(HealthServicer):  # type: ignore[misc] # it has no types
    """The standard service. Anybody may ask, so it takes no name that is longer than any service's.

    gRPC's own holds a lock while it writes to who watches: one who does not read would keep all from hearing anything,
    and the server from stopping.
    """

    def __init__(self) -> None:
        self._told: Mapping[str, bool] = {}
        self._changed = asyncio.Event()

    def tell(self, parts: Mapping[str, bool]) -> None:
        """Whether each part is well, from now on; who watches is told."""
        self._told = parts
        self._changed.set()
        self._changed = asyncio.Event()

    async def Check(self, request: HealthCheckRequest, context: Context) -> HealthCheckResponse:
        await _require_short(request, context)
        if request.service not in self._told:
            await context.abort(grpc.StatusCode.NOT_FOUND)
        return self._status(request.service)

    async def List(self, request: HealthListRequest, context: Context) -> HealthListResponse:
        return HealthListResponse(statuses={service: self._status(service) for service in self._told})

    async def Watch(self, request: HealthCheckRequest, context: Context) -> AsyncGenerator[HealthCheckResponse, None]:
        await _require_short(request, context)
        last = None
        while True:
            changed = self._changed
            status = self._status(request.service)
            if status != last:
                yield status
                last = status
            await changed.wait()

    def _status(self, service: str) -> HealthCheckResponse:
        if service not in self._told:
            return HealthCheckResponse(status=HealthCheckResponse.SERVICE_UNKNOWN)
        well = self._told[service]
        return HealthCheckResponse(status=HealthCheckResponse.SERVING if well else HealthCheckResponse.NOT_SERVING)


async def _require_short(request: HealthCheckRequest, context: Context) -> None:
    if len(request.service) > MAX_NAME:
        violation = FieldViolation("service", f"must have at most {MAX_NAME} characters")
        await abort(context, invalid_argument("INVALID_FIELDS", "the request is not valid: service", [violation]))


class HealthMonitor:
    """Looks at the parts again and again, and tells the standard health service. Used inside one event loop."""

    def __init__(self, probes: Probes, config: HealthConfig = HealthConfig()) -> None:
        self.servicer = Health()
        self._probes = probes
        self._config = config
        self._store = Steady(config.failures, config.successes)
        self._looking: asyncio.Future[bool] | None = None
        self._told: dict[str, bool] = {}
        self._task: asyncio.Task[None] | None = None

    @property
    def parts(self) -> Mapping[str, bool]:
        """Whether each part is well, by its name in PARTS. Any thread may ask."""
        return {PARTS[service]: well for service, well in self._told.copy().items()}

    async def start(self) -> None:
        """Returns when everything was looked at once, or the timeout is over."""
        await self._look()
        self._task = asyncio.create_task(self._watch())

    async def shut_down(self) -> None:
        """Says NOT_SERVING for all, for good, and looks no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None
        self._told = dict.fromkeys(PARTS, False)
        self.servicer.tell(self._told)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._config.interval_s)
            try:
                await self._look()
            except Exception:  # what was told last must not be told for ever
                logger.exception("a look at the health of the parts has failed")

    async def _look(self) -> None:
        self._store.report(await self._is_store_well())
        self._tell()

    async def _is_store_well(self) -> bool:
        if self._looking is None or self._looking.done():
            try:
                self._looking = _in_thread(self._probes.check_store)
            except RuntimeError:  # the system grants no more threads
                return False
        # Not wait_for: where the look ends in the same moment, it would not let the task be cancelled (before 3.12).
        ended, _ = await asyncio.wait([self._looking], timeout=self._config.timeout_s)
        return bool(ended) and self._looking.result()

    def _tell(self) -> None:
        store = bool(self._store.is_well)
        model = self._probes.has_model()
        parts = {LIVE: True, MODEL: model, STORE: store, SERVICE: store and (model or not self._probes.needs_model())}
        changed = {service: well for service, well in parts.items() if self._told.get(service) != well}
        self._told = parts
        for service, well in changed.items():
            level, state = (logging.INFO, "well") if well else (logging.WARNING, "ill")
            logger.log(level, "health of %s: %s", PARTS[service], state)
        if changed:
            self.servicer.tell(parts)


def _in_thread(check: Callable[[], None]) -> "asyncio.Future[bool]":
    """Whether a check returns without raising. Its thread is nobody else's, and nobody waits for its end: the event
    loop's own pool may be full of work, and closing it would wait for a store that hangs."""
    loop = asyncio.get_running_loop()
    result: asyncio.Future[bool] = loop.create_future()

    def tell(well: bool) -> None:
        if not result.done():
            result.set_result(well)

    def run() -> None:
        try:
            check()
            well = True
        except Exception as error:
            logger.debug("a look at the store has failed", exc_info=error)
            well = False
        with suppress(RuntimeError):  # the loop has been closed meanwhile
            loop.call_soon_threadsafe(tell, well)

    threading.Thread(target=run, name="store-health", daemon=True).start()
    return result
