"""What each choice of the shipped model is worth: the same short training with one thing changed at a time.

Example:
    python benchmarks/ablations.py --out runs/ablations --tokens 10000000

Every variant sees the same number of tokens (of 4 million next to nothing is learnt) and is measured on the same
generated pairs, by the network alone with greedy search. The base is measured once more without the constraint that
copies places. A variant that is already in the folder is not trained again; the table is printed and written as
ablations.json.
"""

import argparse
import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from dispatch.engine import TorchEngine, generate_all
from dispatch.model import TokenizerConfig, load_bundle, read_metrics
from training.batching import Rows, TokenBatches
from training.corpus import TokenizedCorpus
from training.evaluate import EvaluationFile, evaluate, read_files, request_of
from training.judging import Answer
from training.run import train
from training.synthesis import Lexicon, PairGenerator, Recipe
from training.synthesis.noise import NoiseConfig
from training.trainer import TrainConfig

TESTS = ("unseen", "unseen_phrasings", "noisy")
MEASURES = ("place", "slot_errors", "instruction")
BATCH_TOKENS = 8192
FILL = 0.95  # of a batch's tokens that are not padding, about
RECIPES = {
    "as-shipped": Recipe(),
    "without-noise": Recipe(noise=NoiseConfig(share=0.0)),
    "without-invented-names": Recipe(invented=0.0),
}
BASE, FREE_PLACES = "base", "base, places not held to spans of the source"


@dataclass(frozen=True)
class Variant:
    """One training: what differs from the base stands in it."""

    train: TrainConfig
    tokenizer: TokenizerConfig = field(default_factory=TokenizerConfig)
    pairs: str = "as-shipped"  # a name in RECIPES
    short_first: bool = False  # a curriculum: the batches that the others see, from the shortest to the longest


class ShortFirst(TokenBatches):
    """The batches of the first updates, from the shortest to the longest (Kocmi and Bojar 2017)."""

    def __init__(
        self, updates: int, corpus: TokenizedCorpus, rows: Rows, batch_tokens: int, seed: int, pad_id: int
    ) -> None:
        super().__init__(corpus, rows, batch_tokens, seed, pad_id)
        self._updates = updates

    def epoch(self, number: int) -> list[Rows]:
        """See :class:`TokenBatches`."""
        lengths = self.corpus.source_lengths
        return sorted(super().epoch(number)[: self._updates], key=lambda rows: int(lengths[rows].max()))


def variants(tokens: int) -> Mapping[str, Variant]:
    """The base, which the shipped model is trained like, and what each change to it gives."""
    steps = max(10, round(tokens / (BATCH_TOKENS * FILL)))
    config = TrainConfig(
        max_steps=steps,
        batch_tokens=BATCH_TOKENS,
        peak_lr=4e-3,
        warmup_steps=min(200, steps // 5),
        cooldown_steps=steps // 3,
        dropout=0.0,
        label_smoothing=0.05,
        validate_every=steps,
        save_every=steps,
    )
    base = Variant(config)
    return {
        BASE: base,
        "AdamW instead of Muon": replace(base, train=replace(config, optimizer="adamw")),
        "peak rate 1e-3": replace(base, train=replace(config, peak_lr=1e-3)),
        "peak rate 2e-3": replace(base, train=replace(config, peak_lr=2e-3)),
        "peak rate 8e-3": replace(base, train=replace(config, peak_lr=8e-3)),
        "batches of 4,096 tokens": replace(
            base,
            train=replace(
                config,
                batch_tokens=BATCH_TOKENS // 2,
                max_steps=2 * steps,
                cooldown_steps=2 * (steps // 3),
                validate_every=2 * steps,
            ),
        ),
        "6 encoder layers": replace(base, train=replace(config, encoder_layers=6)),
        "3 decoder layers": replace(base, train=replace(config, decoder_layers=3)),
        "no label smoothing": replace(base, train=replace(config, label_smoothing=0.0)),
        "dropout 0.1": replace(base, train=replace(config, dropout=0.1)),
        "every character in the vocabulary": replace(base, tokenizer=TokenizerConfig(character_coverage=1.0)),
        "unigram vocabulary of 4,000": replace(base, tokenizer=TokenizerConfig("unigram", 4000)),
        "no noise": replace(base, pairs="without-noise"),
        "real names of towns alone": replace(base, pairs="without-invented-names"),
        "short reports first": replace(base, short_first=True),
    }


def make_pairs(path: Path, recipe: Recipe, count: int) -> None:
    """Pairs of a recipe; the side of the lexicon and of the places that training may see."""
    generator = PairGenerator(Lexicon.load(), "1:train", recipe)
    half_made = path.with_suffix(".part")
    with half_made.open("w", encoding="utf-8") as file:
        for pair in islice(generator.pairs(), count):
            file.write(json.dumps(pair.to_dict(), ensure_ascii=False) + "\n")
    half_made.rename(path)


def run(
    name: str, variant: Variant, folder: Path, pairs: Path, valid: Path, tests: Sequence[EvaluationFile]
) -> dict[str, dict[str, Any]]:
    """Trains a variant in its folder and measures what it has learnt, the base also where it may write any place."""
    updates = variant.train.max_steps
    assert updates is not None
    make_batches = partial(ShortFirst, updates) if variant.short_first else TokenBatches
    path = train([pairs], valid, folder, variant.train, variant.tokenizer, make_batches=make_batches)
    bundle = load_bundle(path)
    trained = read_metrics(path)["training"]
    facts = {
        "parameters": bundle.model.num_parameters(),
        "tokens": trained["tokens"],
        "minutes": trained["minutes"],
        "validation_token_accuracy": trained["validation_token_accuracy"],
    }
    found = {name: facts | {"tests": measure(TorchEngine(bundle), tests)}}
    if name == BASE:
        found[FREE_PLACES] = facts | {"tests": measure(TorchEngine(bundle, guard_places=False), tests)}
    return found


def measure(engine: TorchEngine, tests: Sequence[EvaluationFile]) -> dict[str, dict[str, float | None]]:
    """The figures of what an engine's network writes, by file."""
    return {
        report.file.removesuffix(".jsonl"): {name: report.measures[name].value for name in MEASURES}
        for test in tests
        for report in evaluate(
            lambda rows: generate_all(engine, [request_of(row) for row in rows]),
            lambda _, generation: {"network": Answer(generation.candidates[0])},
            test,
        )
    }


def table(figures: Mapping[str, Mapping[str, Any]]) -> str:
    """The figures in Markdown, in percent."""
    heads = ["variant", "parameters", "validation tokens"]
    heads += [f"{test}: {name.replace('_', ' ')}" for test in TESTS for name in MEASURES]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for name, of in figures.items():
        shares = [of["validation_token_accuracy"], *(of["tests"][test][key] for test in TESTS for key in MEASURES)]
        cells = [name, f"{of['parameters']:,}", *(f"{100 * share:.1f}" for share in shares)]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for the runs and ablations.json")
    parser.add_argument("--splits", type=Path, default=Path("runs/pairs"), help="folder that dispatch synthesize wrote")
    parser.add_argument("--tokens", type=int, default=10_000_000, help="to train each variant on (default: 10 million)")
    parser.add_argument("--pairs", type=int, default=60_000, help="to make for each variant (default: 60000)")
    parser.add_argument("--rows", type=int, default=300, help="of each test file (default: 300)")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="variants to train (default: all)")
    options = parser.parse_args(arguments)
    chosen = variants(options.tokens)
    if unknown := set(options.only or ()) - set(chosen):
        parser.error(f"no variant {', '.join(sorted(unknown))}; there are {', '.join(chosen)}")
    tests = [
        replace(test, examples=test.examples[: options.rows])
        for test in read_files([options.splits / f"{name}.jsonl" for name in TESTS])
    ]
    figures: dict[str, Any] = {}
    for name, variant in chosen.items():
        folder = options.out / name.replace(" ", "-")
        result = folder / "result.json"
        if not result.exists() and (options.only is None or name in options.only):
            folder.mkdir(parents=True, exist_ok=True)
            pairs = options.out / f"{variant.pairs}.jsonl"
            if not pairs.exists():
                make_pairs(pairs, RECIPES[variant.pairs], options.pairs)
            found = run(name, variant, folder, pairs, options.splits / "valid.jsonl", tests)
            result.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
            shutil.rmtree(folder / "bundle")
        if result.exists():
            figures |= json.loads(result.read_text(encoding="utf-8"))
    (options.out / "ablations.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    print(table(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
