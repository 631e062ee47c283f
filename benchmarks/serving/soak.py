"""Hours of mixed calls in small: what the server holds at their end must be what it held when it was warm."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import count
from statistics import median
from typing import Any

import grpc

from benchmarks.serving.generator import GENERATE, STRATEGIES, channel_to, reports
from benchmarks.serving.server import Sample, ServerOptions, ServerProcess, running
from dispatch.v1 import dispatch_service_pb2 as messages
from dispatch.v1.dispatch_service_pb2_grpc import DispatchServiceStub

MOST_GROWTH = 0.05
WARM_UP = 0.25
"""The part of the time after which the server is warm."""
_SAMPLES = 200
_COOLING_S = 10.0
"""After the last call: what was cancelled may still be decoded, and connections are closed by both ends."""
_BURST = 32
"""Calls at once before the others, so that the store opens all of its readers: it opens one when it first wants it."""
_BULK_ITEMS = 12
_LONGEST = 4000  # characters of a report
_TOO_LARGE = b"\0" * 5_000_000

Call = Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class SoakOptions:
    """How much is done, and for how long."""

    minutes: float
    callers: int
    reports: int
    seed: int


class Mix:
    """Callers of all kinds. Each call goes over a connection of its own or over one that is shared."""

    def __init__(self, address: str, texts: Sequence[str], seed: int) -> None:
        self.done: Counter[str] = Counter()
        """Calls by kind and how they ended."""
        self._address = address
        self._texts = texts
        self._chance = random.Random(seed)
        self._numbers = count()
        self._channel = channel_to(address)
        self._stub: Any = DispatchServiceStub(self._channel)
        self._raw: Any = self._channel.unary_unary(GENERATE)
        self._calls: Mapping[Call, int] = {
            self._ask: 8,
            self._repeat: 1,
            self._stream: 3,
            self._translate: 1,
            self._cancel: 3,
            self._disconnect: 2,
            self._leave_bulk: 1,
            self._be_late: 1,
            self._send_bad_fields: 2,
            self._send_noise: 1,
            self._send_long: 1,
            self._send_too_large: 1,
            self._list: 1,
        }

    async def close(self) -> None:
        await self._channel.close()

    async def burst(self) -> None:
        """Many calls at once, each of which has the store read; some may be refused."""
        requests = [self._request() for _ in range(_BURST)]
        for request in requests:
            request.request_id = f"burst-{next(self._numbers)}"
        await asyncio.gather(*map(self._stub.GenerateInstruction, requests), return_exceptions=True)

    async def run(self, end: float) -> None:
        """One call after another until a moment of time.monotonic()."""
        while time.monotonic() < end:
            (call,) = self._chance.choices(list(self._calls), list(self._calls.values()))
            name = getattr(call, "__name__", "").lstrip("_")
            try:
                await call()
                self.done[f"{name} OK"] += 1
            except grpc.aio.AioRpcError as error:
                self.done[f"{name} {error.code().name}"] += 1
            except asyncio.CancelledError:
                if asyncio.current_task().cancelling():  # type: ignore[union-attr] # always inside a task
                    raise
                self.done[f"{name} cancelled"] += 1

    def _request(self) -> messages.GenerateInstructionRequest:
        number = next(self._numbers)
        request = messages.GenerateInstructionRequest(report=self._chance.choice(self._texts))
        request.decoding.CopyFrom(STRATEGIES["beam" if number % 4 == 0 else "greedy"])
        if number % 3 == 0:
            request.request_id = f"soak-{number}"
        if number % 5 == 0:
            request.incident_id = f"incident-{number // 20}"
        return request

    async def _ask(self) -> None:
        await self._stub.GenerateInstruction(self._request())

    async def _repeat(self) -> None:
        request = self._request()
        request.request_id = request.request_id or f"again-{next(self._numbers)}"
        first, second = await asyncio.gather(*(self._stub.GenerateInstruction(request) for _ in range(2)))
        assert first.name == second.name

    async def _stream(self) -> None:
        async for _ in self._stub.StreamInstruction(messages.StreamInstructionRequest(request=self._request())):
            pass

    async def _translate(self) -> None:
        async for reply in self._stub.TranslateReports(self._items(_BULK_ITEMS)):
            self.done[f"item {reply.status.code}"] += 1

    async def _items(self, number: int) -> AsyncIterator[messages.TranslateReportsRequest]:
        for item in range(number):
            yield messages.TranslateReportsRequest(item_id=str(item), request=self._request())

    async def _cancel(self) -> None:
        call = self._stub.GenerateInstruction(self._request())
        await asyncio.sleep(self._chance.uniform(0, 0.3))
        call.cancel()
        await call

    async def _disconnect(self) -> None:
        """Closes the connection under an open stream."""
        async with channel_to(self._address) as channel:
            stub: Any = DispatchServiceStub(channel)
            call = stub.StreamInstruction(messages.StreamInstructionRequest(request=self._request()))
            await call.read()
            await asyncio.sleep(self._chance.uniform(0, 0.2))

    async def _leave_bulk(self) -> None:
        """Stops reading in the middle, and goes."""
        async with channel_to(self._address) as channel:
            stub: Any = DispatchServiceStub(channel)
            call = stub.TranslateReports(self._items(1000))
            for _ in range(self._chance.randrange(3)):
                await call.read()
            call.cancel()

    async def _be_late(self) -> None:
        await self._stub.GenerateInstruction(self._request(), timeout=self._chance.uniform(0.001, 0.1))

    async def _send_bad_fields(self) -> None:
        request = replace_report(self._request(), "")
        request.decoding.beam_size = 10_000
        await self._stub.GenerateInstruction(request)

    async def _send_noise(self) -> None:
        await self._raw(self._chance.randbytes(200))

    async def _send_long(self) -> None:
        text = "".join(self._chance.choices(self._texts, k=100))[:_LONGEST]
        await self._stub.GenerateInstruction(replace_report(self._request(), text))

    async def _send_too_large(self) -> None:
        await self._raw(_TOO_LARGE)

    async def _list(self) -> None:
        await self._stub.ListModels(messages.ListModelsRequest())


def replace_report(request: messages.GenerateInstructionRequest, text: str) -> messages.GenerateInstructionRequest:
    """The request with another report."""
    request.report = text
    return request


async def measure(server_options: ServerOptions, options: SoakOptions) -> dict[str, Any]:
    """Samples over the time, what grew in it, and what was left at its end."""
    texts = reports(options.reports, options.seed)
    with running(server_options) as server:
        idle = server.sample()
        mix = Mix(server.address, texts, options.seed)
        await mix.burst()
        begun = time.monotonic()
        end = begun + 60 * options.minutes
        callers = [asyncio.create_task(mix.run(end)) for _ in range(options.callers)]
        samples = await _sample(server, begun, end)
        await asyncio.gather(*callers)
        await mix.close()
        await asyncio.sleep(_COOLING_S)
        last = replace(server.sample(), at_s=time.monotonic() - begun)
    return {
        "growth": growth(samples),
        "idle": asdict(idle),
        "left": asdict(last),
        "calls": dict(sorted(mix.done.items())),
        "samples": [asdict(sample) for sample in samples],
    }


async def _sample(server: ServerProcess, begun: float, end: float) -> list[Sample]:
    samples = []
    while (left := end - time.monotonic()) > 0:
        await asyncio.sleep(min(left, (end - begun) / _SAMPLES))
        samples.append(await asyncio.to_thread(server.sample, begun))
    return samples


def growth(samples: Sequence[Sample]) -> dict[str, float]:
    """By how large a part memory, threads and files grew from when the server was warm to the end."""
    warm = samples[int(WARM_UP * len(samples)) :]
    tenth = max(1, len(warm) // 10)
    found = {}
    for name in ("memory_mb", "threads", "files"):
        first, last = (median(getattr(each, name) for each in part) for part in (warm[:tenth], warm[-tenth:]))
        found[name] = round(last / first - 1, 4)
    return found


def faults(figures: dict[str, Any]) -> list[str]:
    """What does not keep to the bars."""
    found = [
        f"{name} grew by {part:.1%} after the warm-up" for name, part in figures["growth"].items() if part > MOST_GROWTH
    ]
    idle, left = figures["idle"], figures["left"]
    found += [f"{left[name]} {name} are left" for name in ("connections", "calls") if left[name]]
    if left["tasks"] > idle["tasks"]:
        found.append(f"{left['tasks']} tasks are left, of which {idle['tasks']} are always there")
    found += [
        f"calls ended with {status}: {number}"
        for status, number in figures["calls"].items()
        if any(fault in status for fault in ("INTERNAL", "UNKNOWN", "UNAVAILABLE", "item 13", "item 2"))
    ]
    return found


def table(figures: dict[str, Any]) -> str:
    """The figures in Markdown: some moments, and what the calls came to."""
    names = ("memory_mb", "threads", "files", "connections", "tasks", "calls")
    samples = figures["samples"]
    rows = [("idle", figures["idle"])]
    rows += [(f"{each['at_s'] / 60:.1f} min", each) for each in samples[:: max(1, len(samples) // 10)]]
    rows += [("left", figures["left"])]
    lines = ["| when | memory MB | threads | files | connections | tasks | calls |", "|---|---|---|---|---|---|---|"]
    lines += [
        f"| {when} | {each['memory_mb']:.1f} | " + " | ".join(str(each[n]) for n in names[1:]) + " |"
        for when, each in rows
    ]
    grown = ", ".join(f"{name} {part:+.1%}" for name, part in figures["growth"].items())
    lines += ["", f"After the warm-up: {grown}", "", "| call | number |", "|---|---|"]
    lines += [f"| {name} | {number} |" for name, number in figures["calls"].items()]
    return "\n".join(lines)
