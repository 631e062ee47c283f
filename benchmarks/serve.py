"""What the service costs beside its engine, what it does with ten times its load, and whether it leaks.

Examples:
    python benchmarks/serve.py overhead --bundle runs/bundle --out runs/overhead.json
    python benchmarks/serve.py overload --bundle runs/bundle --seconds 60
    python benchmarks/serve.py soak --bundle runs/bundle --minutes 30 --database-url postgresql://duty@localhost/empty

A server of its own process is started for it, on other processors than the calls come from: --server-cores, all but
the last by default. Exit status 1 where a bar is not met. --help behind a name tells what is measured.
"""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.serving import overhead, overload, soak
from benchmarks.serving.server import ServerOptions
from dispatch.settings import SHIPPED_BUNDLE

Figures = dict[str, Any]


def run_overhead(options: argparse.Namespace) -> tuple[Figures, str, list[str]]:
    """The figures, their table, and what does not keep to the bars."""
    sizes = overhead.OverheadOptions(
        options.calls,
        options.callers,
        options.seconds,
        options.rounds,
        options.batch_size,
        options.reports,
        options.seed,
    )
    figures = asyncio.run(overhead.measure(_server_options(options), sizes))
    return figures, overhead.table(figures), overhead.faults(figures)


def run_overload(options: argparse.Namespace) -> tuple[Figures, str, list[str]]:
    """The same."""
    sizes = overload.OverloadOptions(
        options.seconds,
        options.peak_seconds,
        options.deadline,
        options.factor,
        options.strategy,
        options.reports,
        options.seed,
    )
    figures = asyncio.run(overload.measure(_server_options(options), sizes))
    return figures, overload.table(figures), overload.faults(figures)


def run_soak(options: argparse.Namespace) -> tuple[Figures, str, list[str]]:
    """The same."""
    sizes = soak.SoakOptions(options.minutes, options.callers, options.reports, options.seed)
    figures = asyncio.run(soak.measure(_server_options(options), sizes))
    return figures, soak.table(figures), soak.faults(figures)


def _server_options(options: argparse.Namespace) -> ServerOptions:
    return ServerOptions(
        options.bundle, _server_cores(options), options.engine, options.compute_type, options.database_url
    )


def _server_cores(options: argparse.Namespace) -> set[int]:
    cores = sorted(os.sched_getaffinity(0))
    return set(options.server_cores) or set(cores[:-1] or cores)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = parser.add_subparsers(required=True, metavar="NAME")
    _add_overhead(names)
    _add_overload(names)
    _add_soak(names)
    return parser


def _add(names: Any, name: str, what: Callable[..., Any], description: str) -> argparse.ArgumentParser:
    """A subcommand with the options that all have."""
    parser: argparse.ArgumentParser = names.add_parser(
        name,
        help=description.partition("\n")[0],
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=what)
    parser.add_argument("--bundle", type=Path, default=SHIPPED_BUNDLE, help="a copy with an export, for CTranslate2")
    parser.add_argument("--engine", choices=("auto", "torch", "ctranslate2"), default="auto")
    parser.add_argument("--compute-type", choices=("int8", "float32"), default="int8", help="of CTranslate2")
    parser.add_argument("--database-url", default="", help="an empty database; by default a SQLite file")
    parser.add_argument("--server-cores", type=int, nargs="+", default=[], help="processors of the server")
    parser.add_argument("--reports", type=int, default=512, help="different reports, again and again")
    parser.add_argument("--seed", type=int, default=77)
    parser.add_argument("--out", type=Path, help="JSON file for the figures")
    return parser


_OVERHEAD = """What the service adds to its engine.

One caller: what it waits for an answer, stored, less the engine's own time as the answer's timings tell it. Many:
answers a second, stored, and those of the engine alone in full batches on the same processors in the same minutes; the
share of the one in the other, by the clock and by processor time, which other programs on the machine disturb less.
The bars: a median of 3 ms with greedy search; 75% with greedy search and 85% with beam 5.
"""


def _add_overhead(names: Any) -> None:
    parser = _add(names, "overhead", run_overhead, _OVERHEAD)
    parser.add_argument("--calls", type=int, default=300, help="by the one caller, for each strategy")
    parser.add_argument("--callers", type=int, default=96, help="at saturation")
    parser.add_argument("--seconds", type=float, default=15.0, help="of each round at saturation")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch-size", type=int, default=32, help="of the engine alone")


_OVERLOAD = """Ten times the calls that the server can answer.

First the most answers a second, of callers who wait and of floods near that. Then ten times as many calls, which come
at random moments whether or not any was answered, each with a deadline. Goodput is answers a second within it. A call
was admitted where it was answered, or neither answered nor refused when its deadline came. The bars: goodput at least
80% of the peak, health told within 1 s, refusals within 50 ms at p99, 99% of the admitted answered in time, memory at
most a quarter above what it was at the peak.
"""


def _add_overload(names: Any) -> None:
    parser = _add(names, "overload", run_overload, _OVERLOAD)
    parser.add_argument("--seconds", type=float, default=60.0, help="of the flood")
    parser.add_argument("--peak-seconds", type=float, default=15.0, help="of each of four measurements of the peak")
    parser.add_argument("--deadline", type=float, default=5.0, help="seconds of each call")
    parser.add_argument("--factor", type=float, default=10.0, help="of the peak that is offered")
    parser.add_argument("--strategy", choices=("greedy", "beam"), default="greedy")


_SOAK = """Mixed calls for a long time, and what the server holds meanwhile and at the end.

Single calls, repeats, streams, bulk, calls that are cancelled, left with their connection, late, wrong, too long and
too large. The bars: memory, threads and open files grow by less than 5% after the first quarter; no connection, call
or task is left; nothing ends as INTERNAL, UNKNOWN or UNAVAILABLE.
"""


def _add_soak(names: Any) -> None:
    parser = _add(names, "soak", run_soak, _SOAK)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--callers", type=int, default=8, help="at the same time")


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    cores = os.sched_getaffinity(0)
    try:
        # What generates the load keeps off the server's processors; where there is but one, they share it.
        os.sched_setaffinity(0, (cores - _server_cores(options)) or cores)
        figures, table, faults = options.run(options)
    finally:
        os.sched_setaffinity(0, cores)
    print(table)
    for fault in faults:
        print(fault, file=sys.stderr)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        machine = {
            "processors": os.cpu_count(),
            "load": os.getloadavg(),
            "server_cores": sorted(_server_cores(options)),
        }
        found = {"machine": machine, "figures": figures, "faults": faults}
        options.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
