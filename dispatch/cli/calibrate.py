"""`dispatch calibrate`: makes a bundle's confidence the probability that what it answers is right."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dispatch.cli.options import JsonOption
from dispatch.cli.output import note, print_json, print_result, print_table, values_as_usage
from dispatch.cli.progress import progress_of

if TYPE_CHECKING:
    from rich.table import Table

    from dispatch.engine import Engine
    from training.evaluate import EvaluationFile
    from training.reliability import Bin

KIND_THRESHOLD = 0.9  # the model's own default, which is slow to import; a test compares them


def calibrate(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="Model bundle (a folder), which is changed.")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Held pairs that the bundle was not trained on.")],
    kind_threshold: Annotated[
        float,
        typer.Option(help="How sure the model must be that a report asks for no help before nobody is sent for it."),
    ] = KIND_THRESHOLD,
    as_json: JsonOption = False,
) -> None:
    """Fit a bundle's confidence to how often its answers are right, and write it into the bundle's config.json.

    Answers the pairs as the service does, and prints how far the new confidence is from the share of right answers, by
    bins: each answer by a fit that has not seen it. The digest of the bundle changes.

    Example: `dispatch calibrate run/bundle pairs/valid.jsonl`
    """
    from dispatch.cli.answering import open_engine
    from dispatch.model import Calibration, update_calibration, verify_bundle
    from training.bootstrap import estimate
    from training.calibration import cross_fitted, fit_calibration
    from training.evaluate import read_files
    from training.reliability import calibration_error, reliability

    with values_as_usage():
        Calibration(0.0, {}, kind_threshold)
    verify_bundle(bundle)
    (held,) = read_files([file])
    features, right, before = _answers(open_engine(bundle), held, kind_threshold)
    after = cross_fitted(features, right)
    calibration = fit_calibration(features, right, kind_threshold)
    update_calibration(bundle, calibration)
    errors = estimate({"before": calibration_error(before, right), "after": calibration_error(after, right)})
    bins = reliability(after, right)
    if as_json:
        figures = {
            "answers": len(right),
            "right": sum(right),
            "calibration_error": {name: found.to_dict() for name, found in errors.items()},
            "reliability": [entry.to_dict() for entry in bins],
            "calibration": vars(calibration),
        }
        print_json(figures)
    else:
        print_table(_table(bins, f"{held.name}: {len(right):,} answers, {sum(right):,} of them right"))
        for name, found in errors.items():
            print_result(f"calibration error {name}: {found.value:.4f} (95% {found.low:.4f} to {found.high:.4f})")
    note(f"{bundle}: config.json written")


def _answers(
    engine: "Engine", held: "EvaluationFile", kind_threshold: float
) -> tuple[list[Mapping[str, float]], list[bool], list[float]]:
    """Of what the service would send: its features, whether it is right, and the bundle's confidence until now."""
    from dispatch.domain import default_doctrine
    from dispatch.engine import generate_all
    from dispatch.model import Calibration
    from dispatch.workflow import rank
    from training.evaluate import request_of, respond_to_all
    from training.judging import Answer, judge

    with progress_of(held.name, len(held.examples)) as show:
        generations = respond_to_all(
            lambda rows: generate_all(engine, list(map(request_of, rows))), held.examples, show
        )
    doctrine, unweighted, known = default_doctrine(), Calibration(0.0, {}, kind_threshold), engine.calibration
    features, right, before = [], [], []
    for example, generation in zip(held.examples, generations, strict=True):
        sent = rank(request_of(example), generation, doctrine, unweighted)[0]
        features.append(sent.features)
        right.append(judge(example, Answer(sent.candidate)).right)
        before.append(known.probability(sent.features) if known else sent.candidate.confidence)
    return features, right, before


def _table(bins: "Sequence[Bin]", title: str) -> "Table":
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(title))
    table.add_column("confidence")
    for head in ("answers", "mean confidence", "right"):
        table.add_column(head, justify="right")
    for entry in bins:
        means = ("-" if mean is None else f"{mean:.3f}" for mean in (entry.confidence, entry.accuracy))
        table.add_row(f"{entry.low:.1f} to {entry.high:.1f}", f"{entry.n:,}", *means)
    return table
