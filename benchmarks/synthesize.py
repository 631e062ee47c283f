"""How fast pairs are made, how long reports are by style, and how varied they are.

Example:
    python benchmarks/synthesize.py --pairs 20000 --seed 1 --out synthesize.json

Prints pairs a second on one core (what `dispatch synthesize` does with a pair, but for looking whether it was made
before and writing it to disk), the 10th, 50th and 90th percentile of lengths in characters by style beside those of
real posts, and the number of distinct 4-grams of characters.
"""

import argparse
import json
import sys
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import islice
from math import ceil
from pathlib import Path
from typing import Any

from training.synthesis import Lexicon, PairGenerator, Recipe

# Measured on about 550 public posts during the floods of 2021.
REAL_POSTS = (63, 135, 255)
PERCENTILES = (10, 50, 90)
_GRAM = 4


def percentiles(lengths: Sequence[int]) -> tuple[int, ...]:
    """The 10th, 50th and 90th percentile (nearest rank)."""
    ordered = sorted(lengths)
    return tuple(ordered[ceil(len(ordered) * percent / 100) - 1] for percent in PERCENTILES)


def measure(pairs: int, seed: int) -> dict[str, Any]:
    """Makes pairs of the training mix and measures them. Loading the lexicon does not count as making pairs."""
    generator = PairGenerator(Lexicon.load(), f"{seed}:train", Recipe())
    start = time.process_time()
    written = [
        (sample.style or "no request", sample.pair.report, json.dumps(sample.pair.to_dict(), ensure_ascii=False))
        for sample in islice(generator.samples(), pairs)
    ]
    seconds = time.process_time() - start
    lengths: dict[str, list[int]] = defaultdict(list)
    grams: set[str] = set()
    characters = 0
    for style, report, _ in written:
        lengths[style].append(len(report))
        characters += len(report)
        grams.update(report[first : first + _GRAM] for first in range(len(report) - _GRAM + 1))
    return {
        "pairs": pairs,
        "seed": seed,
        "seconds": round(seconds, 3),
        "pairs_per_second": round(pairs / seconds, 1),
        "lengths": {style: dict(zip(PERCENTILES, percentiles(of), strict=True)) for style, of in lengths.items()},
        "real_posts": dict(zip(PERCENTILES, REAL_POSTS, strict=True)),
        "distinct_reports": len({report for _, report, _ in written}),
        "characters": characters,
        "distinct_4_grams": len(grams),
    }


def table(figures: Mapping[str, Any]) -> str:
    """The figures as lines of text."""
    rows = [("style", *(f"{percent}th" for percent in PERCENTILES))]
    rows += [(style, *map(str, of.values())) for style, of in sorted(figures["lengths"].items())]
    rows.append(("real posts", *map(str, figures["real_posts"].values())))
    lines = [f"{figures['pairs']:,} pairs, {figures['pairs_per_second']:,.0f} a second", ""]
    lines += [f"{row[0]:<12}" + "".join(f"{cell:>7}" for cell in row[1:]) for row in rows]
    grams, characters = figures["distinct_4_grams"], figures["characters"]
    return "\n".join([*lines, "", f"{grams:,} distinct 4-grams in {characters:,} characters"])


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=20_000, help="pairs to make (default: 20000)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="JSON file for the figures")
    options = parser.parse_args(arguments)
    if options.pairs < 1:
        parser.error("--pairs must be at least 1")
    figures = measure(options.pairs, options.seed)
    print(table(figures))
    if options.out:
        options.out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
