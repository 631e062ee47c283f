"""How many instructions a second the store commits, and how long a caller waits, by the number of callers.

python benchmarks/store.py --out runs/store.json
python benchmarks/store.py --database-url postgresql://duty@localhost/empty
"""

import argparse
import json
import statistics
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from dispatch.store import Instruction, Store, describe, parse_url

REPORT = "山区公路积雪3米,断电,50人被困,急需发电机和医疗队" * 3
CALLERS = (1, 8, 32)


@dataclass(frozen=True)
class Row:
    """What so many callers get."""

    callers: int
    commits_per_s: float
    """Instructions answered a second."""
    p50_ms: float
    p99_ms: float


def draft() -> Instruction:
    """Of the size that a real one has: four candidates with the scores of 40 tokens each."""
    candidate = {"text": "派3台除雪车至A7公路,医疗队随行", "score": -0.25, "token_scores": [-0.125] * 40}
    return Instruction(
        report=REPORT,
        context={"location": "A7公路"},
        decoding={"strategy": "beam", "beam_size": 4},
        instruction="派3台除雪车至A7公路,医疗队随行",
        candidates=[candidate] * 4,
        situations=[{"kind": "request", "location": "A7公路", "hazards": ["snow_road"]}],
        plan=[{"agency": "交通", "action": "派", "item": "除雪车", "count": 3, "unit": "台", "place": "A7公路"}] * 3,
        checks=[],
        confidence=0.9,
        model={"name": "default", "digest": "d"},
        doctrine="d",
        timings={"decode": 0.01},
    )


def measure(store: Store, callers: int, seconds: float) -> Row:
    """Let callers save one instruction after another for a while."""
    waits: list[float] = []
    end = time.perf_counter() + seconds
    lock = threading.Lock()

    def call() -> None:
        mine: list[float] = []
        while not mine or time.perf_counter() < end:
            begun = time.perf_counter()
            store.save(draft())
            mine.append(time.perf_counter() - begun)
        with lock:
            waits.extend(mine)

    with ThreadPoolExecutor(callers) as pool:
        for future in [pool.submit(call) for _ in range(callers)]:
            future.result()
    cuts = statistics.quantiles(waits, n=100)
    return Row(callers, len(waits) / seconds, cuts[49] * 1000, cuts[98] * 1000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database-url", help="an empty database; by default a SQLite file in a temporary folder")
    parser.add_argument("--seconds", type=float, default=5.0, help="for each number of callers")
    parser.add_argument("--out", type=Path, help="write the figures as JSON too")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = options.database_url or f"sqlite:///{folder}/store.db"
        store = Store.open(url)
        store.save(draft())
        rows = [measure(store, callers, options.seconds) for callers in CALLERS]
        store.close()
    print(f"{parse_url(url).get_backend_name()}: {'callers':>8} {'per second':>11} {'p50 ms':>8} {'p99 ms':>8}")
    for row in rows:
        print(f"{'':>8}{row.callers:>10} {row.commits_per_s:>11.0f} {row.p50_ms:>8.1f} {row.p99_ms:>8.1f}")
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        figures = {"database": describe(parse_url(url)), "rows": [asdict(row) for row in rows]}
        options.out.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
