"""What the service does with ten times the calls that it can answer."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.serving.generator import (
    Generator,
    Outcome,
    answered_per_s,
    ask_for_health,
    by_status,
    messages,
    percentiles_ms,
    reports,
)
from benchmarks.serving.server import ServerOptions, ServerProcess, running

LEAST_GOODPUT = 0.8
MOST_HEALTH_S = 1.0
MOST_REFUSAL_P99_MS = 50.0
LEAST_IN_TIME = 0.99
MOST_GROWTH = 0.25
"""Of the memory, beyond what the server held at its peak."""

_NEAR_THE_PEAK = (0.9, 1.1, 1.3)
"""Parts of what callers who wait for their answers get out of the server, tried as rates of a flood."""
_CALLERS = 96
_REFUSED = {"OVERLOADED", "RATE_LIMITED", "DEADLINE_UNREACHABLE"}
_SAMPLE_S = 5.0
"""Between two times that memory is read and metrics are asked for; Prometheus asks less often."""
_LATE_S = 0.05
"""A call that ended so near to its deadline was not refused but given up."""


@dataclass(frozen=True)
class OverloadOptions:
    """How much is offered, and for how long."""

    seconds: float
    peak_seconds: float
    """Of each measurement of the peak."""
    deadline_s: float
    factor: float
    strategy: str
    reports: int
    seed: int


async def measure(server_options: ServerOptions, options: OverloadOptions) -> dict[str, Any]:
    """All figures."""
    requests = messages(reports(options.reports, options.seed), options.strategy)
    with running(server_options) as server:
        generator = Generator(server.address)
        try:
            peak = await _peak(generator, requests, options)
            rate = options.factor * peak
            before, begun = server.memory_mb(), time.monotonic()
            flood = asyncio.create_task(generator.flood(requests, rate, options.seconds, options.deadline_s))
            health = asyncio.create_task(ask_for_health(server.address, options.seconds))
            memory = await _watch_memory(server, flood)
            outcomes = await flood
            figures = _figures(outcomes, await health, begun, options)
        finally:
            await generator.close()
    return {
        "peak_per_s": round(peak, 2),
        "offered_per_s": round(rate, 2),
        "share_of_peak": round(figures["goodput_per_s"] / peak, 3),
        **figures,
        "memory_mb": {"before": round(before, 1), "most": round(max(memory), 1)},
    }


async def _peak(generator: Generator, requests: Sequence[bytes], options: OverloadOptions) -> float:
    """The most answers a second that the generator gets, whether its callers wait or not."""
    found = []
    begun = time.monotonic()
    outcomes = await generator.saturate(requests, _CALLERS, options.peak_seconds)
    found.append(answered_per_s(outcomes, begun + 0.2 * options.peak_seconds, begun + options.peak_seconds))
    if not found[0]:
        raise RuntimeError(f"the server answered nothing in {options.peak_seconds:g} s; more --peak-seconds may help")
    for part in _NEAR_THE_PEAK:
        begun = time.monotonic()
        outcomes = await generator.flood(requests, part * found[0], options.peak_seconds, options.deadline_s)
        found.append(_goodput(outcomes, begun, options.peak_seconds))
    return max(found)


async def _watch_memory(server: ServerProcess, flood: "asyncio.Task[Any]") -> list[float]:
    """Megabytes, again and again; the server is asked for its metrics meanwhile, as Prometheus would."""
    found = []
    while not flood.done():
        found.append(server.memory_mb())
        await asyncio.to_thread(server.metrics_text)  # not read here: that would hold up those who measure
        await asyncio.wait([flood], timeout=_SAMPLE_S)
    return [*found, server.memory_mb()]


def _goodput(outcomes: Sequence[Outcome], begun: float, seconds: float) -> float:
    """Answers a second, behind the first moments in which nothing can have been answered."""
    return answered_per_s(outcomes, begun + 0.2 * seconds, begun + seconds)


def _figures(
    outcomes: Sequence[Outcome], health: Sequence[Outcome], begun: float, options: OverloadOptions
) -> dict[str, Any]:
    """What became of the calls of a flood."""
    answered = [each.seconds for each in outcomes if each.code == "OK"]
    late = [each for each in outcomes if each.code == "DEADLINE_EXCEEDED" and _ran_out(each, options.deadline_s)]
    refused = [each.seconds for each in outcomes if each.reason in _REFUSED and each not in late]
    others = [each for each in outcomes if each.code != "OK" and each.reason not in _REFUSED and each not in late]
    return {
        "goodput_per_s": round(_goodput(outcomes, begun, options.seconds), 2),
        "calls": len(outcomes),
        "answer": percentiles_ms(answered),
        "refusal": percentiles_ms(refused),
        "health": percentiles_ms([each.seconds for each in health]),
        "health_statuses": by_status(health),
        "in_time": round(len(answered) / max(1, len(answered) + len(late)), 4),
        "neither_answered_nor_refused": len(others),
        "statuses": by_status(outcomes),
    }


def _ran_out(outcome: Outcome, deadline_s: float) -> bool:
    return outcome.seconds >= deadline_s - _LATE_S


def faults(figures: dict[str, Any]) -> list[str]:
    """What does not keep to the bars."""
    memory, refusal, health = figures["memory_mb"], figures["refusal"]["p99_ms"], figures["health"]["max_ms"]
    found = []
    if figures["share_of_peak"] < LEAST_GOODPUT:
        found.append(f"goodput is {figures['share_of_peak']:.0%} of the peak, not {LEAST_GOODPUT:.0%}")
    if health is None or health > 1000 * MOST_HEALTH_S or set(figures["health_statuses"]) != {"SERVING"}:
        found.append(f"health was told after {health} ms at most, as {figures['health_statuses']}")
    if refusal is not None and refusal > MOST_REFUSAL_P99_MS:
        found.append(f"refusals take {refusal:.0f} ms at p99, not {MOST_REFUSAL_P99_MS:g}")
    if figures["in_time"] < LEAST_IN_TIME:
        found.append(f"only {figures['in_time']:.1%} of the admitted were answered within their deadline")
    if memory["most"] > (1 + MOST_GROWTH) * memory["before"]:
        found.append(f"memory grew from {memory['before']:.0f} to {memory['most']:.0f} MB")
    if figures["neither_answered_nor_refused"]:
        found.append(f"{figures['neither_answered_nor_refused']} calls ended otherwise: {figures['statuses']}")
    return found


def table(figures: dict[str, Any]) -> str:
    """The figures in Markdown."""
    lines = ["| what | figure |", "|---|---|"]
    rows = {
        "peak, answers/s": f"{figures['peak_per_s']:.1f}",
        "offered, calls/s": f"{figures['offered_per_s']:.1f}",
        "goodput, answers/s": f"{figures['goodput_per_s']:.1f} ({figures['share_of_peak']:.0%} of the peak)",
        "admitted that were answered in time": f"{figures['in_time']:.2%}",
        "answers, p50 / p99 ms": _two(figures["answer"]),
        "refusals, p50 / p99 ms": _two(figures["refusal"]),
        "health, p50 / p99 / most ms": f"{_two(figures['health'])} / {figures['health']['max_ms']}",
        "memory before / most, MB": f"{figures['memory_mb']['before']:.0f} / {figures['memory_mb']['most']:.0f}",
    }
    lines += [f"| {what} | {figure} |" for what, figure in rows.items()]
    lines += [f"| {status} | {count} |" for status, count in figures["statuses"].items()]
    return "\n".join(lines)


def _two(figures: dict[str, float | None]) -> str:
    return f"{figures['p50_ms']} / {figures['p99_ms']}"
