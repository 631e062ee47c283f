"""The engine by itself, in a process of its own on the server's processors: what the service is held against.

Reads tasks from standard input, a line each, and writes what came of each, both as JSON.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import IO, Any

from benchmarks.serving.generator import reports
from benchmarks.serving.server import ServerOptions
from dispatch.decoding import DecodingConfig
from dispatch.engine import GenerationRequest, choose_engine, limit_threads, open_engine
from dispatch.model import load_bundle

DECODINGS = {"greedy": DecodingConfig(), "beam": DecodingConfig("beam", beam_size=5)}


@dataclass(frozen=True)
class Pace:
    """How fast reports were answered: in a second, and in a second of processor time."""

    per_s: float
    per_cpu_s: float


@dataclass(frozen=True)
class EngineAlone:
    """Answers batches of reports when it is told to, and does nothing meanwhile."""

    process: "subprocess.Popen[str]"

    def measure(self, strategy: str, seconds: float) -> Pace:
        """Lets it answer one full batch after another for about so long."""
        return Pace(**self._ask({"strategy": strategy, "seconds": seconds}))

    def ready(self) -> None:
        """Returns when it has its bundle."""
        self._ask({"strategy": "greedy", "seconds": 0})

    def _ask(self, task: Mapping[str, Any]) -> dict[str, float]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(json.dumps(task), file=self.process.stdin, flush=True)
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("the engine has ended; its message stands above")
        found: dict[str, float] = json.loads(line)
        return found


@contextmanager
def engine_alone(options: ServerOptions, report_count: int, seed: int, batch_size: int) -> Iterator[EngineAlone]:
    """The engine that the server would take, ready to answer."""
    sizes = [str(report_count), str(seed), str(batch_size)]
    arguments = [str(options.bundle), options.engine, options.compute_type, *sizes]
    command = [sys.executable, "-m", __name__, *arguments]
    root = str(Path(__file__).parents[2])
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment) as process:
        os.sched_setaffinity(process.pid, options.cores)
        try:
            engine = EngineAlone(process)
            engine.ready()
            yield engine
        finally:
            process.kill()


def main(tasks: IO[str], bundle: str, engine_name: Any, compute_type: Any, sizes: tuple[int, int, int]) -> None:
    report_count, seed, batch_size = sizes
    loaded = load_bundle(Path(bundle))
    engine = open_engine(loaded, choose_engine(loaded, engine_name).name, compute_type, limit_threads(0))
    texts = cycle(reports(report_count, seed))
    for decoding in DECODINGS.values():
        engine.generate([GenerationRequest(next(texts), decoding=decoding)])
    for task in map(json.loads, tasks):
        count, begun, cpu_begun = 0, time.perf_counter(), time.process_time()
        while (spent := time.perf_counter() - begun) < task["seconds"]:
            decoding = DECODINGS[task["strategy"]]
            engine.generate([GenerationRequest(text, decoding=decoding) for text in islice(texts, batch_size)])
            count += batch_size
        cpu_s = time.process_time() - cpu_begun
        pace = {"per_s": count / spent, "per_cpu_s": count / cpu_s} if count else {"per_s": 0.0, "per_cpu_s": 0.0}
        print(json.dumps(pace), flush=True)


if __name__ == "__main__":
    main(sys.stdin, *sys.argv[1:4], tuple(map(int, sys.argv[4:])))  # type: ignore[arg-type,call-arg] # three of each
