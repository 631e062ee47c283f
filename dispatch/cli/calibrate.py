"""`dispatch calibrate`: makes a bundle's confidence the probability that what it answers is right."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dispatch.cli.options import JsonOption
from dispatch.cli.output import note, print_json, print_result, print_table
from dispatch.cli.progress import progress_of

if TYPE_CHECKING:
    from rich.table import Table

    from dispatch.engine import Engine, Generation
    from training.judging import Example
    from training.reliability import Bin

_SURE = 30.0  # an intercept with which every answer is certain


def calibrate(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="Model bundle (a folder), which is changed.")],
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="Held pairs that the bundle never learned.")],
    as_json: JsonOption = False,
) -> None:
    """Fit a bundle's confidence to how often its answers are right, and write it into the bundle's config.json.

    Answers the pairs as the service does, and prints how far the new confidence is from the share of right answers, by
    bins: each answer by a fit that has not seen it. Also fits how sure the model must be before nobody is sent, and
    below which confidence an answer asks to look twice, or is called an error. The digest of the bundle changes.

    Example: `dispatch calibrate run/bundle pairs/valid.jsonl pairs/valid_unseen.jsonl`
    """
    from dispatch.cli.answering import open_engine
    from dispatch.model import update_calibration, verify_bundle
    from training.bootstrap import estimate
    from training.calibration import cross_fitted, fit_calibration, fit_error, fit_warning
    from training.evaluate import read_files
    from training.reliability import calibration_error, reliability

    verify_bundle(bundle)
    read = read_files(files)
    answers = _answers(open_engine(bundle), [row for file in read for row in file.examples])
    after = cross_fitted(answers.features, answers.right)
    ends = list(accumulate(len(file.examples) for file in read))
    warn_below, error_below = fit_warning(after, answers.silent, ends), fit_error(after, answers.right)
    calibration = fit_calibration(answers.features, answers.right, answers.kind_threshold, warn_below, error_below)
    update_calibration(bundle, calibration)
    errors = estimate(
        {
            "before": calibration_error(answers.confidences, answers.right),
            "after": calibration_error(after, answers.right),
        }
    )
    bins = reliability(after, answers.right)
    warned = sum(confidence < warn_below for confidence in after)
    doubted = sum(confidence < error_below for confidence in after)
    if as_json:
        figures = {
            "answers": len(after),
            "right": sum(answers.right),
            "warned": warned,
            "errors": doubted,
            "calibration_error": {name: found.to_dict() for name, found in errors.items()},
            "reliability": [entry.to_dict() for entry in bins],
            "calibration": vars(calibration),
        }
        print_json(figures)
    else:
        print_table(_table(bins, f"{len(after):,} answers, {sum(answers.right):,} of them right"))
        for name, found in errors.items():
            print_result(f"calibration error {name}: {found.value:.4f} (95% {found.low:.4f} to {found.high:.4f})")
        print_result(f"nobody is sent where the model is sure of it by {calibration.kind_threshold:.4f}")
        print_result(f"a warning below {warn_below:.4f}: {warned:,} answers")
        print_result(f"an error below {error_below:.4f}: {doubted:,} answers")
    note(f"{bundle}: config.json written")


@dataclass(frozen=True)
class _Answers:
    """Of what the service would send, with the kind threshold that was fitted: the features of each answer, whether it
    is right, whether it is wrong in a critical slot and nothing says so, and the bundle's confidence until now."""

    kind_threshold: float
    features: list[Mapping[str, float]]
    right: list[bool]
    silent: list[bool]
    confidences: list[float]


def _answers(engine: "Engine", examples: "Sequence[Example]") -> _Answers:
    from dispatch.domain import default_doctrine
    from dispatch.engine import generate_all
    from dispatch.model import Calibration
    from dispatch.workflow import rank
    from training.evaluate import request_of, respond_to_all
    from training.judging import Answer, as_of_then, judge

    with progress_of("calibrate", len(examples)) as show:
        generations = respond_to_all(lambda rows: generate_all(engine, list(map(request_of, rows))), examples, show)
    doctrine, known = default_doctrine(), engine.calibration
    kind_threshold = _kind_threshold(examples, generations)
    silencing = Calibration(_SURE, {}, kind_threshold)  # it never warns: the other checks alone do
    answers = _Answers(kind_threshold, [], [], [], [])
    for example, generation in zip(examples, generations, strict=True):
        sent = rank(request_of(example), generation, doctrine, silencing)[0]
        judgement = judge(example, as_of_then(example, Answer(sent.candidate, sent.worst), generation.conventions))
        answers.features.append(sent.features)
        answers.right.append(judgement.right)
        answers.silent.append(judgement.scores["silent_errors"].part > 0)
        answers.confidences.append(known.probability(sent.features) if known else sent.candidate.confidence)
    return answers


def _kind_threshold(examples: "Sequence[Example]", generations: "Sequence[Generation]") -> float:
    from dispatch.workflow.guard import is_dismissal
    from training.calibration import fit_kind_threshold

    dismissed = [
        (generation.candidates[0].kind_confidence, example.situations[0].kind != "request")
        for example, generation in zip(examples, generations, strict=True)
        if example.situations and is_dismissal(generation.candidates[0].situations)
    ]
    return fit_kind_threshold([sure for sure, _ in dismissed], [right for _, right in dismissed])


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
