"""How far attention can be believed: where a rule finds a fact in the report, whether attention finds the same place.

Example:
    python benchmarks/alignment.py --reports 500 --out alignment.json

Reports are generated (the training mix, with a seed that trains nothing), and the bundle is made to write the expected
answer. Of every fact that a rule finds: "touched" is the share of which attention alone finds a character of the same
words, "inside" the share of the characters it finds that lie within them, "scattered" the share of which it finds
nothing.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from dispatch.domain import make_plans
from dispatch.engine import limit_threads
from dispatch.model import Bundle, load_bundle
from dispatch.settings import SHIPPED_BUNDLE
from dispatch.store import Instruction
from dispatch.workflow.alignment import Looking
from dispatch.workflow.explain import explain_stored
from training.corpus import Pair
from training.synthesis import Lexicon, PairGenerator, Recipe

FIELDS = ("location", "people", "needs", "not_needed", "requested", "measures", "facts")


def expected(pair: Pair) -> Instruction:
    """The pair as if it had been answered so."""
    plans = make_plans(pair.situations, pair.context)
    return Instruction(
        report=pair.report,
        context=pair.context.to_dict(),
        decoding={},
        instruction=pair.instruction,
        candidates=[],
        situations=[situation.to_dict() for situation in pair.situations],
        plan=[order.to_dict() for plan in plans for order in plan.orders],
        checks=[],
        confidence=1.0,
        model={"name": "expected", "digest": "expected"},
        doctrine="",
        timings={},
    )


def compare(bundle: Bundle, pair: Pair) -> Iterator[tuple[str, int, int]]:
    """Of each fact that a rule finds: its field, the characters that attention finds, and those of them within."""
    explanation = explain_stored(bundle, expected(pair))
    looking = Looking(explanation.attention, pair.report)
    for alignment in explanation.alignments:
        if alignment.target == "fact" and alignment.evidence == "rule":
            spans, _ = looking.at(looking.rows_of(alignment.path))
            found = {at for span in spans for at in range(*span)}
            stated = {at for span in alignment.spans for at in range(*span)}
            field = alignment.path.split(".")[1].split("[")[0]
            yield field, len(found), len(found & stated)


def measure(bundle: Bundle, pairs: Sequence[Pair]) -> list[dict[str, Any]]:
    """The figures by field, and of all together."""
    facts = [fact for pair in pairs for fact in compare(bundle, pair)]
    rows = []
    for name in (*FIELDS, "all"):
        of_field = [(found, within) for field, found, within in facts if name in (field, "all")]
        if not of_field:
            continue
        characters = sum(found for found, _ in of_field)
        rows.append({
            "field": name,
            "facts": len(of_field),
            "touched": sum(within > 0 for _, within in of_field) / len(of_field),
            "inside": sum(within for _, within in of_field) / characters if characters else 0.0,
            "scattered": sum(not found for found, _ in of_field) / len(of_field),
        })  # fmt: skip
    return rows


def print_table(rows: Sequence[dict[str, Any]]) -> None:
    print("| field | facts | touched | inside | scattered |\n|---|---|---|---|---|")
    for row in rows:
        shares = " | ".join(f"{100 * row[name]:.1f}%" for name in ("touched", "inside", "scattered"))
        print(f"| {row['field']} | {row['facts']} | {shares} |")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, default=SHIPPED_BUNDLE, help="model bundle (a folder)")
    parser.add_argument("--reports", type=int, default=500)
    parser.add_argument("--seed", type=int, default=99)
    parser.add_argument("--threads", type=int, default=0, help="0 takes what may be used")
    parser.add_argument("--out", type=Path, help="write the figures here as JSON")
    options = parser.parse_args(arguments)
    limit_threads(options.threads)
    generator = PairGenerator(Lexicon.load(), f"{options.seed}:train", Recipe())
    rows = measure(load_bundle(options.bundle), list(islice(generator.pairs(), options.reports)))
    print_table(rows)
    if options.out:
        options.out.write_text(json.dumps({"reports": options.reports, "fields": rows}, indent=2), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
