"""What one client may ask for, and that nobody else notices."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from dispatch.server import DispatchServer, ServerConfig
from dispatch.server.authentication import Authentication, AuthenticationConfig
from dispatch.server.limits import Limits, LimitsConfig
from dispatch.server.messages import MessageGuard
from dispatch.store import Store, Tokens
from dispatch.workflow import LiveIntake
from tests.server.every_method import GUARDED, HEALTH, METHODS, PATIENCE_S, EveryMethod, call, details, outcome, serving

GENERATE = "/dispatch.v1.DispatchService/GenerateInstruction"
TRANSLATE = "/dispatch.v1.DispatchService/TranslateReports"
SLOW = LimitsConfig(rate_per_s=0.001, rate_burst=1)


@pytest.fixture
def handler() -> EveryMethod:
    return EveryMethod()


@asynccontextmanager
async def connected(handler: EveryMethod, *interceptors: Any) -> AsyncIterator[grpc.aio.Channel]:
    async with serving(handler, interceptors) as address, grpc.aio.insecure_channel(address) as channel:
        yield channel


async def test_who_calls_too_often_is_refused_on_every_method_and_told_when_to_come_back(handler: EveryMethod) -> None:
    async with connected(handler, Limits(SLOW), MessageGuard()) as channel:
        assert await outcome(channel, GENERATE) == "OK"
        outcomes = {method: await outcome(channel, method) for method in GUARDED}
        assert outcomes == dict.fromkeys(GUARDED, "RESOURCE_EXHAUSTED RATE_LIMITED")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(channel, GENERATE, data=b"again")
        assert details(caught.value)[1].retry_delay.ToTimedelta() > timedelta(minutes=10)
    assert [method for method, _ in handler.reached] == [GENERATE]
    assert b"again" not in handler.parsed


async def test_each_principal_has_a_rate_of_its_own(handler: EveryMethod, store: Store) -> None:
    tokens = Tokens(store.database)
    first, second, third = (tokens.create(name, ["generate"])[0] for name in ("cad", "hotline", "cad"))
    authentication = Authentication(tokens.find, AuthenticationConfig(required=True))
    async with connected(handler, authentication, Limits(SLOW)) as channel:
        assert await outcome(channel, GENERATE, first) == "OK"
        assert await outcome(channel, GENERATE, third) == "RESOURCE_EXHAUSTED RATE_LIMITED"
        assert await outcome(channel, GENERATE, second) == "OK"
    authentication.close()


async def test_health_has_no_rate(handler: EveryMethod) -> None:
    async with connected(handler, Limits(SLOW)) as channel:
        assert {await outcome(channel, method) for method in [GENERATE, *HEALTH, *HEALTH]} == {"OK"}


async def test_a_rate_of_0_is_no_limit(handler: EveryMethod) -> None:
    async with connected(handler, Limits(LimitsConfig(rate_per_s=0, rate_burst=1))) as channel:
        assert {await outcome(channel, GENERATE) for _ in range(9)} == {"OK"}


async def test_a_stream_is_read_no_faster_than_its_client_may_ask(
    handler: EveryMethod, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []

    class Buckets:
        """Empty every other time."""

        def __init__(self, rate: float, burst: int) -> None:
            self.taken = 0

        def take(self, client: str) -> float:
            self.taken += 1
            return 0.0 if self.taken % 2 else 0.5

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr("dispatch.server.limits.TokenBuckets", Buckets)
    limits = Limits(LimitsConfig())
    monkeypatch.setattr("dispatch.server.limits.asyncio.sleep", sleep)
    async with connected(handler, limits) as channel:
        assert await call(channel, TRANSLATE, times=4) == [b""]
    assert slept == [0.5] * 4


@pytest.mark.parametrize("method", [GENERATE, TRANSLATE, "/grpc.health.v1.Health/Watch"])
async def test_a_client_has_so_many_calls_open_and_gets_the_place_of_one_that_ends(
    handler: EveryMethod, method: str
) -> None:
    go_on, waiting = asyncio.Event(), asyncio.Semaphore(0)

    async def hold() -> None:
        waiting.release()
        await go_on.wait()

    handler.before = hold
    async with connected(handler, Limits(LimitsConfig(max_open_calls=2))) as channel:
        under_way = [asyncio.create_task(outcome(channel, method)) for _ in range(2)]
        for _ in range(2):
            await asyncio.wait_for(waiting.acquire(), PATIENCE_S)
        assert await outcome(channel, method) == "RESOURCE_EXHAUSTED RATE_LIMITED"
        go_on.set()
        assert await asyncio.gather(*under_way) == ["OK"] * 2
        assert await outcome(channel, method) == "OK"
    assert len(handler.reached) == 3


async def test_calls_of_every_kind_go_through_all_interceptors(handler: EveryMethod) -> None:
    async with connected(handler, Limits(LimitsConfig())) as channel:
        assert {method: await outcome(channel, method) for method in METHODS} == dict.fromkeys(METHODS, "OK")


async def test_the_server_applies_its_limits(intake: LiveIntake, stored_names: Callable[[], list[str]]) -> None:
    config = ServerConfig(
        "127.0.0.1:0", grace_s=0.05, limits=LimitsConfig(rate_per_s=0.001, rate_burst=1, max_message_bytes=1024)
    )
    server = DispatchServer(config, intake)
    async with grpc.aio.insecure_channel(await server.start()) as channel:
        assert await outcome(channel, GENERATE) == "INVALID_ARGUMENT INVALID_FIELDS"
        assert await outcome(channel, GENERATE) == "RESOURCE_EXHAUSTED RATE_LIMITED"
        health: Any = health_pb2_grpc.HealthStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await health.Check(health_pb2.HealthCheckRequest(service="x" * 2000))
    await server.stop()
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert stored_names() == []


@pytest.mark.parametrize("field", ["rate_per_s", "rate_burst", "max_open_calls", "max_message_bytes"])
def test_a_limit_that_makes_no_sense_is_named(field: str) -> None:
    with pytest.raises(ValueError, match=f"^{field}: "):
        LimitsConfig(**{field: -1})


async def test_health_has_a_few_open_calls_of_each_address_alone(handler: EveryMethod) -> None:
    go_on = asyncio.Event()
    handler.before = go_on.wait
    async with connected(handler, Limits(LimitsConfig(max_open_calls=1000))) as channel:
        method = "/grpc.health.v1.Health/Check"
        calls = [asyncio.create_task(outcome(channel, method)) for _ in range(110)]
        refused, _ = await asyncio.wait(calls, timeout=PATIENCE_S, return_when=asyncio.FIRST_COMPLETED)
        assert {task.result() for task in refused} == {"RESOURCE_EXHAUSTED RATE_LIMITED"}
        go_on.set()
        outcomes = Counter(await asyncio.gather(*calls))
    assert outcomes == {"OK": 100, "RESOURCE_EXHAUSTED RATE_LIMITED": 10}


async def test_a_message_that_grows_beyond_the_limit_when_it_is_unpacked_is_refused(intake: LiveIntake) -> None:
    server = DispatchServer(ServerConfig("127.0.0.1:0"), intake)
    options = [("grpc.max_send_message_length", -1)]
    async with grpc.aio.insecure_channel(await server.start(), options) as channel:
        bomb: Any = channel.unary_unary("/grpc.health.v1.Health/Check")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await bomb(bytes(8 << 20), compression=grpc.Compression.Gzip)
    await server.stop()
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
