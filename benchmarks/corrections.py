"""The loop, from reviews to a promoted model and back: does a model learn what reviewers keep adding, and nothing else?

Example:
    python benchmarks/corrections.py --out runs/corrections

Doctrine leaves open how flood orders end. Here a reviewer ends them with 到场后回报水位: reports of floods are drafted
and stored, claimed, and revised so, through the store as in service, with no change to checks or doctrine. The pairs
are exported, the bundle is fine-tuned on them, compared slice by slice with the one before, promoted, and rolled back.
Half an hour or more on two idle processors, most of it the comparison. Prints figures, writes figures.json into the
folder, and fails where a bar is missed: 95% of the held reports exact whose draft lacked nothing but the clause, under
10% before, no guarded slice down by more than 0.5 points, and after the rollback the same bytes as before.
"""

import argparse
import json
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any

from dispatch.cli.answering import open_engine
from dispatch.cli.progress import progress_of
from dispatch.cli.succession import contender
from dispatch.domain import Situation, default_doctrine, make_plans, render_instruction
from dispatch.domain.conventions import with_endings
from dispatch.model import promote, rollback
from dispatch.offline.answers import result_object
from dispatch.settings import SHIPPED_BUNDLE
from dispatch.store import Decision, Reviews, Store
from dispatch.workflow import Intake, IntakeRequest
from dispatch.workflow.corrections import export_pairs, read_held_out
from training.bootstrap import Estimate
from training.comparison import Contender, compare
from training.corpus import Pair
from training.evaluate import EvaluationFile, read_files, respond_to_all
from training.finetune import FINE_TUNING, Replay, fine_tune
from training.run import BundleNotes
from training.synthesis import RECIPES, Lexicon, PairGenerator, Recipe, write_splits

CLAUSE, HAZARD = "到场后回报水位", "flood"
BEFORE_MOST, AFTER_LEAST = 0.10, 0.95
LEASE = timedelta(minutes=5)
UNTRIED = ("train", "valid", "valid_unseen")
ANSWERED_TWICE = 50
BATCH = 32


def revised(pair: Pair) -> Pair:
    """The pair as this reviewer wants it."""
    doctrine = default_doctrine()
    plans = make_plans(pair.situations, pair.context, doctrine)
    ends = [[CLAUSE] if is_changed(situation) else [] for situation in pair.situations]
    return replace(pair, instruction=render_instruction(with_endings(plans, ends, doctrine)))


def is_changed(situation: Situation) -> bool:
    return situation.kind == "request" and HAZARD in situation.hazards


def floods(seed: str) -> Iterator[Pair]:
    """Pairs of the training mix of which an incident is a flood."""
    generator = PairGenerator(Lexicon.load(), seed, Recipe())
    return (pair for pair in generator.pairs() if any(map(is_changed, pair.situations)))


def write_pairs(path: Path, pairs: Sequence[Pair]) -> Path:
    path.write_text("".join(json.dumps(pair.to_dict(), ensure_ascii=False) + "\n" for pair in pairs), encoding="utf-8")
    return path


def review(bundle: Path, database: str, pairs: Sequence[Pair]) -> int:
    """Has reports drafted, and each draft revised by a person; returns how many drafts had lacked the clause alone."""
    lacking = 0
    with closing(Store.open(database)) as store:
        intake, reviews = Intake(open_engine(bundle), store), Reviews(store.database)
        for start in range(0, len(pairs), BATCH):
            batch = pairs[start : start + BATCH]
            drafts = intake.submit_all([IntakeRequest(pair.report, pair.context) for pair in batch])
            for pair, draft in zip(batch, drafts, strict=True):
                lacking += draft.instruction == pair.instruction
                claimed = reviews.claim(draft.name, "reviewer", LEASE)
                text = revised(pair).instruction
                reviews.decide(
                    Decision(name=draft.name, action="revised", reviewer="reviewer", etag=claimed.etag, text=text)
                )
    return lacking


def answers(bundle: Path, pairs: Sequence[Pair]) -> bytes:
    """What a bundle answers, but for how long that took."""
    intake = Intake(open_engine(bundle))
    made = intake.submit_all([IntakeRequest(pair.report, pair.context) for pair in pairs])
    objects = ({**result_object(each), "timings": {}} for each in made)
    return "\n".join(json.dumps(each, ensure_ascii=False) for each in objects).encode()


def lacking_the_clause(before: Contender, pairs: Sequence[Pair]) -> list[Pair]:
    """Of held pairs those that are drafted right but for the clause, as they should be."""
    made = respond_to_all(before.respond, pairs, None)
    right = [
        before.choose(pair, each).candidate.text == pair.instruction for pair, each in zip(pairs, made, strict=True)
    ]
    return [revised(pair) for pair, is_right in zip(pairs, right, strict=True) if is_right]


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """The whole loop, in a folder."""
    out, seed = options.out, options.seed
    out.mkdir(parents=True, exist_ok=True)
    splits, served, database = out / "pairs", out / "current", f"sqlite:///{out / 'reviews.db'}"
    for stale in (served, out / "current.previous", out / "run"):
        shutil.rmtree(stale, ignore_errors=True)
    for stale in out.glob("reviews.db*"):
        stale.unlink()
    shutil.copytree(options.bundle, served)
    write_splits(splits, options.replay, seed, held_pairs=options.rows)
    guarded = [splits / f"{name}.jsonl" for name in RECIPES if name not in UNTRIED]

    lacking = review(served, database, list(islice(floods(f"{seed}:reviews"), options.reviews)))
    with closing(Store.open(database)) as store:
        export = export_pairs(store, default_doctrine(), read_held_out(guarded))
    corrected = out / "corrected.jsonl"
    corrected.write_text("".join(json.dumps(pair.to_dict(), ensure_ascii=False) + "\n" for pair in export.pairs))

    started = time.monotonic()
    config = replace(FINE_TUNING, seed=seed, max_steps=options.steps, cooldown_steps=options.steps // 3)
    if options.peak_lr:
        config = replace(config, peak_lr=options.peak_lr)
    notes = BundleNotes("corrected", "python benchmarks/corrections.py")
    mix = [Replay(splits / "train.jsonl", options.share)]
    tuned = fine_tune(served, [corrected], mix, None, out / "run", config, notes)
    minutes = (time.monotonic() - started) / 60

    before, after = contender(served), contender(tuned)
    held = list(islice(floods(f"{seed}:held"), options.changed_rows))
    asked = {
        "changed": lacking_the_clause(before, held),  # as a reviewer sees it who agrees with the rest
        "changed, also misread": [revised(pair) for pair in held],
    }
    changed = [EvaluationFile(name, False, tuple(pairs), ()) for name, pairs in asked.items()]
    of_changed = {
        each.slice.removeprefix("split:"): each
        for each in compare(before, after, changed)
        if each.slice.startswith("split:") and each.measure == "instruction"
    }
    files = read_files(guarded)
    with progress_of("compare", 2 * sum(len(file.examples) for file in files)) as show:
        differences = compare(before, after, files, show)

    few = held[:ANSWERED_TWICE]
    first = answers(served, few)
    promote(tuned, served)
    promoted = answers(served, few)
    rollback(served)
    return {
        "bundle": str(options.bundle),
        "reviews": options.reviews,
        "drafts_lacking_the_clause_alone": lacking,
        "pairs": len(export.pairs),
        "pairs_with_situations": sum(bool(pair.situations) for pair in export.pairs),
        "steps": options.steps,
        "fine_tuning_minutes": round(minutes, 2),
        "conventions": [each.to_dict() for each in after.conventions],
        "changed": {name: each.to_dict() for name, each in of_changed.items()},
        "slices": [each.to_dict() for each in differences],
        "promotion_changes_answers": promoted != first,
        "rollback_restores_bytes": answers(served, few) == first,
    }


def failures(figures: dict[str, Any]) -> list[str]:
    """What is not as it must be."""
    changed = figures["changed"].get("changed")
    learnt = (
        [
            (changed["before"]["value"] < BEFORE_MOST, "the changed slice was right before"),
            (changed["after"]["value"] >= AFTER_LEAST, "the changed slice was not learnt"),
        ]
        if changed
        else [(False, "no draft lacked the clause alone")]
    )
    bars = [
        *learnt,
        (figures["promotion_changes_answers"], "the promotion changed no answer"),
        (figures["rollback_restores_bytes"], "the rollback did not restore the old answers"),
    ]
    falls = [f"{each['slice']} falls in {each['measure']}" for each in figures["slices"] if each["falls"]]
    return [text for holds, text in bars if not holds] + falls


def table(figures: dict[str, Any]) -> str:
    """The figures as lines of text, in percent."""
    lines = [
        f"{figures['reviews']} reviews, {figures['pairs_with_situations']} pairs, a new bundle in "
        f"{figures['fine_tuning_minutes']:.1f} minutes"
    ]
    shown = [*figures["changed"].values(), *(each for each in figures["slices"] if each["measure"] == "instruction")]
    for each in shown:
        before, after, gain = (Estimate(**each[name]) for name in ("before", "after", "gain"))
        low, high = (100 * (bound or 0) for bound in (gain.low, gain.high))
        shares = f"{100 * (before.value or 0):6.2f} {100 * (after.value or 0):6.2f}"
        lines.append(f"{each['slice']:40} {each['rows']:6,} {shares} {low:+.2f} to {high:+.2f}")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for the store, the pairs and the bundles")
    parser.add_argument("--bundle", type=Path, default=SHIPPED_BUNDLE, help="to correct (default: the shipped one)")
    parser.add_argument("--reviews", type=int, default=300, help="reports to revise (default: 300)")
    parser.add_argument("--replay", type=int, default=6000, help="generated pairs to replay (default: 6000)")
    parser.add_argument("--share", type=float, default=0.8, help="of what is seen that is replayed (default: 0.8)")
    parser.add_argument("--steps", type=int, default=FINE_TUNING.max_steps, help="updates, where weights are changed")
    parser.add_argument("--peak-lr", type=float, help="highest learning rate of the fine-tuning")
    parser.add_argument("--rows", type=int, default=500, help="of each guarded file (default: 500)")
    parser.add_argument("--changed-rows", type=int, default=400, help="held reports of floods (default: 400)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    figures = measure(options)
    (options.out / "figures.json").write_text(
        json.dumps(figures, ensure_ascii=False, indent=1) + "\n", encoding="utf-8"
    )
    print(table(figures))
    found = failures(figures)
    for text in found:
        print(f"missed: {text}")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
