"""Whether the CTranslate2 engine writes what torch writes, token for token, alone and in any batch.

Examples:
    python benchmarks/parity.py --bundle runs/exported --reports 2000 --out parity.json
    python benchmarks/parity.py --bundle runs/exported --sure 0 0.1 0.2 0.3 0.4 0.6

Reports are generated (the training mix, with a seed that trains nothing). "Same" is the share of reports whose tokens
are those of the torch engine in float32; "alone" the share of the first --alone reports that get the same tokens by
themselves as in their batch. Exit status 1 where float32 is not the same everywhere, int8 in less than 99.5%, or a
report alone gets another answer. Beam search is measured on --beam-reports of them, and judged by nobody.

--sure measures int8 with other leads than the one with which a token is not verified: what parity costs. 0 verifies
nothing.
"""

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import torch

from dispatch.decoding import DecodingConfig
from dispatch.engine import CTranslate2Engine, GenerationRequest, TorchEngine
from dispatch.engine.bundle_engine import BundleEngine
from dispatch.model import load_bundle
from training.synthesis import Lexicon, PairGenerator, Recipe

LEAST_SAME = {"float32": 1.0, "int8": 0.995}
GREEDY, BEAM = DecodingConfig(), DecodingConfig("beam", beam_size=5)

Tokens = tuple[int, ...]


def requests(count: int, seed: int) -> list[GenerationRequest]:
    """Generated reports with their context."""
    generator = PairGenerator(Lexicon.load(), f"{seed}:train", Recipe())
    return [GenerationRequest(pair.report, pair.context) for pair in islice(generator.pairs(), count)]


def best_tokens(
    engine: BundleEngine, rows: Sequence[GenerationRequest], decoding: DecodingConfig, batch_size: int
) -> tuple[list[Tokens], float]:
    """What the engine writes, and the seconds that it took."""
    found: list[Tokens] = []
    started = time.perf_counter()
    for first in range(0, len(rows), batch_size):
        found += [best.tokens for best, *_ in engine.decode(rows[first : first + batch_size], decoding)]
    return found, time.perf_counter() - started


def share(left: Sequence[Tokens], right: Sequence[Tokens]) -> float:
    """The share of rows that are the same in both."""
    return sum(one == other for one, other in zip(left, right, strict=True)) / len(left)


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """All figures: seconds and shares, by strategy and engine."""
    bundle = load_bundle(options.bundle)
    rows = requests(options.reports, options.seed)
    reference = TorchEngine(bundle)
    engines = {name: CTranslate2Engine(bundle, name, options.threads) for name in LEAST_SAME}  # type: ignore[arg-type]
    leads = {
        f"int8, sure {sure:g}": CTranslate2Engine(bundle, "int8", options.threads, sure=sure) for sure in options.sure
    }
    figures: dict[str, Any] = {"model": bundle.identity.to_dict(), "seed": options.seed, "runs": []}
    for decoding, count in ((GREEDY, len(rows)), (BEAM, options.beam_reports)):
        asked = rows[:count]
        if not asked:
            continue
        expected, seconds = best_tokens(reference, asked, decoding, options.batch_size)
        figures["runs"].append(entry(decoding, "torch float32", count, seconds))
        for name, engine in (engines | leads if decoding == GREEDY else engines).items():
            found, seconds = best_tokens(engine, asked, decoding, options.batch_size)
            few = min(count, options.alone) if name in engines else 0
            alone, _ = best_tokens(engine, asked[:few], decoding, 1) if few else ([], 0.0)
            figures["runs"].append(
                entry(decoding, f"ctranslate2 {name}", count, seconds)
                | {"same": share(found, expected), "alone": share(alone, found[:few]) if few else None}
            )
    return figures


def entry(decoding: DecodingConfig, engine: str, reports: int, seconds: float) -> dict[str, Any]:
    return {
        "strategy": decoding.strategy,
        "engine": engine,
        "reports": reports,
        "ms_per_report": round(1000 * seconds / reports, 2),
    }


def failures(figures: Mapping[str, Any]) -> list[str]:
    """What falls short, in words."""
    found = []
    for run in figures["runs"]:
        least = LEAST_SAME.get(run["engine"].partition(" ")[2]) if "same" in run else None
        if least is None or run["strategy"] != GREEDY.strategy:
            continue
        if run["same"] < least:
            found.append(f"{run['engine']}: {run['same']:.2%} the same, at least {least:.1%} are needed")
        if run["alone"] is not None and run["alone"] < 1:
            found.append(f"{run['engine']}: {1 - run['alone']:.2%} answered otherwise alone")
    return found


def table(figures: Mapping[str, Any]) -> str:
    """The figures in Markdown."""
    lines = ["| strategy | engine | reports | ms/report | same | alone |", "|---|---|---|---|---|---|"]
    for run in figures["runs"]:
        shares = ("" if run.get(name) is None else f"{run[name]:.2%}" for name in ("same", "alone"))
        cells = (run["strategy"], run["engine"], f"{run['reports']:,}", f"{run['ms_per_report']:.1f}", *shares)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, required=True, help="with an export for CTranslate2")
    parser.add_argument("--reports", type=int, default=2000)
    parser.add_argument("--beam-reports", type=int, default=200)
    parser.add_argument("--alone", type=int, default=200, help="reports that are also answered one by one")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--sure", type=float, nargs="+", default=[], help="leads to be measured beside the default")
    parser.add_argument("--seed", type=int, default=77)
    parser.add_argument("--out", type=Path, help="JSON file for the figures")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    figures = measure(options)
    print(table(figures))
    if options.out:
        options.out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    for failure in failures(figures):
        print(failure, file=sys.stderr)
    return 1 if failures(figures) else 0


if __name__ == "__main__":
    sys.exit(main())
