"""What the service adds to its engine: for one caller in milliseconds, for many in reports a second."""

import asyncio
import time
from dataclasses import dataclass
from statistics import median
from typing import Any

from benchmarks.serving.engine_alone import EngineAlone, Pace, engine_alone
from benchmarks.serving.generator import STRATEGIES, Generator, answered_per_s, messages, percentiles_ms, reports
from benchmarks.serving.server import ServerOptions, ServerProcess, running

MOST_P50_MS = 3.0
LEAST_SHARE = {"greedy": 0.75, "beam": 0.85}
_ENGINE_STAGES = ("tokenize", "decode")
_FILLING_S = 1.0
"""Until as many calls are in flight as there are callers, and batches are full."""


@dataclass(frozen=True)
class OverheadOptions:
    """How much is measured."""

    calls: int
    """By the one caller, for each strategy."""
    callers: int
    seconds: float
    """Of a round at saturation."""
    rounds: int
    batch_size: int
    """Of the engine alone."""
    reports: int
    seed: int


async def measure(server_options: ServerOptions, options: OverheadOptions) -> dict[str, Any]:
    """All figures, by strategy."""
    texts = reports(options.reports, options.seed)
    with (
        engine_alone(server_options, options.reports, options.seed, options.batch_size) as engine,
        running(server_options) as server,
    ):
        generator = Generator(server.address)
        try:
            return {
                strategy: {
                    "one_caller": await _one_caller(generator, messages(texts, strategy), options.calls),
                    "saturated": await _saturated(
                        server, engine, generator, messages(texts, strategy), options, strategy
                    ),
                }
                for strategy in STRATEGIES
            }
        finally:
            await generator.close()


async def _one_caller(generator: Generator, requests: list[bytes], calls: int) -> dict[str, Any]:
    """What one caller waits beyond the engine's own time, and for which stages."""
    beyond, stages = [], []
    await generator.answer(requests[0])
    for index in range(calls):
        began = time.perf_counter()
        answer = await generator.answer(requests[index % len(requests)])
        seconds = time.perf_counter() - began
        beyond.append(seconds - sum(answer.timings[stage] for stage in _ENGINE_STAGES))
        stages.append(dict(answer.timings))
    found = {name: round(1000 * median(each[name] for each in stages), 3) for name in stages[0]}
    return {"overhead": percentiles_ms(beyond), "stages_p50_ms": found}


async def _saturated(
    server: ServerProcess,
    engine: EngineAlone,
    generator: Generator,
    requests: list[bytes],
    options: OverheadOptions,
    strategy: str,
) -> dict[str, Any]:
    """Service and engine in turns, so that both meet the same machine; the shares are the medians of the rounds."""
    rounds = []
    for _ in range(options.rounds):
        alone = await asyncio.to_thread(engine.measure, strategy, options.seconds)
        served = await _serve(server, generator, requests, options)
        rounds.append((alone, served))
    return {
        "engine_per_s": round(median(alone.per_s for alone, _ in rounds), 2),
        "service_per_s": round(median(served.per_s for _, served in rounds), 2),
        "share": round(median(served.per_s / alone.per_s for alone, served in rounds), 3),
        "engine_cpu_ms": round(1000 / median(alone.per_cpu_s for alone, _ in rounds), 2),
        "service_cpu_ms": round(1000 / median(served.per_cpu_s for _, served in rounds), 2),
        "cpu_share": round(median(served.per_cpu_s / alone.per_cpu_s for alone, served in rounds), 3),
    }


async def _serve(server: ServerProcess, generator: Generator, requests: list[bytes], options: OverheadOptions) -> Pace:
    """The service's pace while all callers wait."""
    begun = time.monotonic()
    running = asyncio.create_task(generator.saturate(requests, options.callers, _FILLING_S + options.seconds))
    await asyncio.sleep(_FILLING_S)
    cpu_begun, measured = server.cpu_s(), time.monotonic()
    await asyncio.sleep(begun + _FILLING_S + options.seconds - measured)
    cpu_s, ended = server.cpu_s() - cpu_begun, time.monotonic()
    outcomes = await running
    if failed := [outcome for outcome in outcomes if outcome.code != "OK"]:
        raise RuntimeError(f"a call failed with {failed[0].code} {failed[0].reason}")
    per_s = answered_per_s(outcomes, measured, ended)
    return Pace(per_s, per_s * (ended - measured) / cpu_s)


def faults(figures: dict[str, Any]) -> list[str]:
    """What does not keep to the bars."""
    found = []
    for strategy, least in LEAST_SHARE.items():
        p50 = figures[strategy]["one_caller"]["overhead"]["p50_ms"]
        share = figures[strategy]["saturated"]["share"]
        if strategy == "greedy" and p50 > MOST_P50_MS:
            found.append(f"{strategy}: one caller waits {p50:.1f} ms beyond the engine, not {MOST_P50_MS:g}")
        if share < least:
            found.append(f"{strategy}: {share:.0%} of the engine alone, not {least:.0%}")
    return found


def table(figures: dict[str, Any]) -> str:
    """The figures in Markdown."""
    lines = [
        "| strategy | p50 ms | p95 ms | p99 ms | engine/s | service/s | share | engine CPU ms | service's | share |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for strategy in STRATEGIES:
        one, many = figures[strategy]["one_caller"]["overhead"], figures[strategy]["saturated"]
        cells = [strategy, *(f"{one[name]:.1f}" for name in ("p50_ms", "p95_ms", "p99_ms"))]
        cells += [f"{many['engine_per_s']:.1f}", f"{many['service_per_s']:.1f}", f"{many['share']:.2f}"]
        cells += [f"{many['engine_cpu_ms']:.1f}", f"{many['service_cpu_ms']:.1f}", f"{many['cpu_share']:.2f}"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
