"""Calls to a server: as fast as answers come, or as a flood that waits for none, and what became of each."""

import asyncio
import gc
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from statistics import quantiles
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from dispatch.client.errors import error_of_call
from dispatch.v1.dispatch_service_pb2 import GenerateInstructionRequest, GenerateInstructionResponse
from dispatch.v1.types_pb2 import Decoding, DecodingStrategy
from training.synthesis import Lexicon, PairGenerator, Recipe

GENERATE = "/dispatch.v1.DispatchService/GenerateInstruction"
STRATEGIES = {
    "greedy": Decoding(strategy=DecodingStrategy.DECODING_STRATEGY_GREEDY),
    "beam": Decoding(strategy=DecodingStrategy.DECODING_STRATEGY_BEAM, beam_size=5),
}
_CHANNELS = 4
_SEPARATE = (("grpc.use_local_subchannel_pool", 1),)  # else all channels share one connection

Send = Callable[[bytes, float | None], Awaitable[bytes]]


@dataclass(frozen=True)
class Outcome:
    """What became of one call."""

    began: float
    """A moment of time.monotonic(): for a flood the one at which it was due."""
    seconds: float
    code: str
    reason: str = ""

    @property
    def ended(self) -> float:
        return self.began + self.seconds


def reports(count: int, seed: int) -> list[str]:
    """Generated reports, all different."""
    pairs = PairGenerator(Lexicon.load(), f"{seed}:train", Recipe()).pairs()
    found: dict[str, None] = {}
    while len(found) < count:
        found[next(pairs).report] = None
    return list(found)


def messages(texts: Iterable[str], strategy: str) -> list[bytes]:
    """Requests for the reports, ready to be sent: what the generator's processor does counts for nobody."""
    return [
        GenerateInstructionRequest(report=text, decoding=STRATEGIES[strategy]).SerializeToString() for text in texts
    ]


def channel_to(address: str) -> grpc.aio.Channel:
    """A connection of its own."""
    return grpc.aio.insecure_channel(address, options=_SEPARATE)


class Generator:
    """Sends calls over a few connections. To be closed."""

    def __init__(self, address: str) -> None:
        gc.collect()
        gc.freeze()  # to look through all that is loaded takes a quarter of a second, in which no reply would be seen
        self._channels = [channel_to(address) for _ in range(_CHANNELS)]
        self._sends: Iterator[Any] = cycle([channel.unary_unary(GENERATE) for channel in self._channels])

    async def close(self) -> None:
        for channel in self._channels:
            await channel.close()

    async def answer(self, message: bytes) -> GenerateInstructionResponse:
        """One call; raises what the stub raises."""
        return GenerateInstructionResponse.FromString(await next(self._sends)(message))

    async def call(self, message: bytes, deadline_s: float | None = None, due: float | None = None) -> Outcome:
        """One call and what became of it; never raises for its failure."""
        began = time.monotonic() if due is None else due
        try:
            await next(self._sends)(message, timeout=deadline_s)
        except grpc.aio.AioRpcError as error:
            ours = error_of_call(error)
            return Outcome(began, time.monotonic() - began, ours.code, ours.reason)
        return Outcome(began, time.monotonic() - began, "OK")

    async def saturate(self, requests: Sequence[bytes], callers: int, seconds: float) -> list[Outcome]:
        """So many callers, each of which calls again as soon as it is answered; returns when all have ended."""
        waiting = cycle(requests)
        end = time.monotonic() + seconds
        outcomes: list[Outcome] = []

        async def caller() -> None:
            while time.monotonic() < end:
                outcomes.append(await self.call(next(waiting)))

        await asyncio.gather(*(caller() for _ in range(callers)))
        return outcomes

    async def flood(
        self, requests: Sequence[bytes], rate: float, seconds: float, deadline_s: float, seed: int = 1
    ) -> list[Outcome]:
        """Calls that come at random moments, so many a second on average, whether or not any was answered.

        Returns when all have ended. A call that the generator sends late has begun when it was due.
        """
        chance = random.Random(seed)
        waiting = cycle(requests)
        due = begun = time.monotonic()
        calls: list[asyncio.Task[Outcome]] = []
        while (due := due + chance.expovariate(rate)) < begun + seconds:
            if (left := due - time.monotonic()) > 0:
                await asyncio.sleep(left)
            calls.append(asyncio.create_task(self.call(next(waiting), deadline_s, due)))
            if len(calls) % 16 == 0:  # late or not, answers have to be read
                await asyncio.sleep(0)
        return [await call for call in calls]


async def ask_for_health(address: str, seconds: float, every_s: float = 0.25) -> list[Outcome]:
    """Health of the whole service again and again, over a connection of its own."""
    outcomes = []
    end = time.monotonic() + seconds
    async with channel_to(address) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        while time.monotonic() < end:
            began = time.monotonic()
            try:
                reply = await stub.Check(health_pb2.HealthCheckRequest(service="dispatch.v1.DispatchService"))
                code = health_pb2.HealthCheckResponse.ServingStatus.Name(reply.status)
            except grpc.aio.AioRpcError as error:
                code = error.code().name
            outcomes.append(Outcome(began, time.monotonic() - began, code))
            await asyncio.sleep(every_s)
    return outcomes


def answered_per_s(outcomes: Iterable[Outcome], begun: float, ended: float) -> float:
    """Answers a second of those that came between two moments."""
    return sum(outcome.code == "OK" and begun <= outcome.ended < ended for outcome in outcomes) / (ended - begun)


def by_status(outcomes: Iterable[Outcome]) -> dict[str, int]:
    """How many calls ended how, the most frequent first."""
    return dict(Counter(" ".join(filter(None, (each.code, each.reason))) for each in outcomes).most_common())


def percentiles_ms(seconds: Sequence[float]) -> dict[str, float | None]:
    """p50, p95, p99 and the largest, in milliseconds; None where there is nothing."""
    if not seconds:
        return {"p50_ms": None, "p95_ms": None, "p99_ms": None, "max_ms": None}
    cuts = quantiles([*seconds, *seconds][:2] if len(seconds) == 1 else seconds, n=100, method="inclusive")
    found = {"p50_ms": cuts[49], "p95_ms": cuts[94], "p99_ms": cuts[98], "max_ms": max(seconds)}
    return {name: round(1000 * value, 3) for name, value in found.items()}


def take(items: Sequence[bytes], first: int, count: int) -> list[bytes]:
    """Some of the items, from the beginning again where they end."""
    return list(islice(cycle(items), first, first + count))
