"""A running server, with an engine that a test can hold or let fail, and a real use case and store behind it."""

import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest

from dispatch.domain import Context, Count, Requested, Situation, make_plans, render_instruction
from dispatch.engine import BatcherConfig, Candidate, Generation, GenerationRequest, Registry
from dispatch.model import BundleIdentity, Calibration
from dispatch.server import DispatchServer, ServerConfig
from dispatch.store import Audit, Store
from dispatch.v1.dispatch_service_pb2_grpc import DispatchServiceStub
from dispatch.workflow import LiveIntake, ServingMode

# Every field is filled, also with what is easily lost on the way: zeros, open ends, flags beside numbers.
SITUATION = Situation(
    location="A7公路",
    hazards=("snow_road",),
    people={"trapped": Count(50, 60, approx=True, conflicting=True), "missing": Count(0, None)},
    vulnerable=("elderly",),
    outages=("power",),
    needs=("rescue", "snow_clearing"),
    not_needed=("food",),
    requested=(Requested("除雪车", 3.0, "台"),),
    measures={"snow_depth_m": 3.0},
    facts={"cold": True, "cars": 20.0},
)
SITUATIONS = (SITUATION, Situation("other"))
TEXT = render_instruction(make_plans(SITUATIONS, Context()))  # what doctrine answers, so that no ranking changes it
GENERATION = Generation(
    (
        Candidate(TEXT, -0.125, (-0.25, 0.0), SITUATIONS, 0.75),
        Candidate("派2台除雪车至A7公路", -0.5, situations=SITUATIONS),
    ),
    timings={"decode": 0.5},
)


@dataclass
class ScriptedEngine:
    """Gives every report the same answer. `before` runs first, in the decoding thread."""

    before: Callable[[Callable[[], bool]], None] = lambda should_stop: None
    requests: list[GenerationRequest] = field(default_factory=list)
    identity: BundleIdentity = field(default_factory=lambda: BundleIdentity("default", "ab12"))
    calibration: Calibration | None = None
    generation: Generation = GENERATION

    def generate(
        self, requests: Sequence[GenerationRequest], should_stop: Callable[[int], bool] = lambda index: False
    ) -> list[Generation | None]:
        def are_stopped() -> bool:
            return all(should_stop(index) for index in range(len(requests)))

        self.requests += requests
        self.before(are_stopped)
        return [None if should_stop(index) else self.generation for index in range(len(requests))]

    def token_count(self, request: GenerationRequest) -> int:
        return len(request.report)


@pytest.fixture
def situation() -> Situation:
    """The first that the engine reads."""
    return SITUATION


@pytest.fixture
def engine() -> ScriptedEngine:
    return ScriptedEngine()


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "dispatch.db"


@pytest.fixture
def store(database: Path) -> Iterator[Store]:
    store = Store.open(f"sqlite:///{database}")
    yield store
    store.close()


@pytest.fixture
def limits() -> BatcherConfig:
    """Of the batcher; tests that need others say so."""
    return BatcherConfig()


@pytest.fixture
def registry(engine: ScriptedEngine, limits: BatcherConfig) -> Iterator[Registry]:
    def open_engine(path: Path) -> ScriptedEngine:
        raise ValueError(f"{path}: there is nothing")

    registry = Registry(open_engine, limits)
    before, engine.before = engine.before, lambda should_stop: None
    registry.add(engine)
    engine.before = before
    engine.requests.clear()  # of the warm-up
    yield registry
    registry.close(0)


@pytest.fixture
def serving(store: Store) -> ServingMode:
    return ServingMode(Audit(store.database))


@pytest.fixture
def intake(registry: Registry, store: Store, serving: ServingMode) -> Iterator[LiveIntake]:
    intake = LiveIntake(registry, store, serving)
    yield intake
    registry.close(0)
    intake.close()


@pytest.fixture
async def address(intake: LiveIntake) -> AsyncIterator[str]:
    """Of a server that answers by `intake`."""
    server = DispatchServer(ServerConfig("127.0.0.1:0", grace_s=0.05), intake)
    yield await server.start()
    await server.stop()


@pytest.fixture
async def channel(address: str) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(address) as channel:
        yield channel


@pytest.fixture
def stub(channel: grpc.aio.Channel) -> Any:
    return DispatchServiceStub(channel)


@pytest.fixture
def stored_names(database: Path) -> Callable[[], list[str]]:
    """Lists the names of the committed rows, as another process sees them."""

    def read() -> list[str]:
        connection = sqlite3.connect(database)
        try:
            return [f"instructions/{key}" for (key,) in connection.execute("SELECT id FROM instructions")]
        finally:
            connection.close()

    return read
