"""`dispatch evaluate`: how well a bundle answers files of pairs or of labelled reports."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from dispatch.cli.output import FAILED, note, print_table, to_json
from dispatch.cli.progress import progress_of
from dispatch.cli.whole_files import write_whole
from dispatch.offline.special_files import is_pipe_or_device
from dispatch.settings import load_settings

if TYPE_CHECKING:
    from dispatch.engine import Engine, Generation
    from dispatch.model import Bundle, Calibration
    from dispatch.workflow import Ranked
    from training.evaluate import EvaluationFile, FileReport, Respond
    from training.judging import Answer, Example

    # How an example's generation becomes its answer, by the name of who picks.
    Answerer = tuple[str, Respond, Callable[[Example, Generation], Answer]]

BAD_LINES_TOLD = 5  # of a file

Answers = Literal["model", "gold", "request", "copy"]


def evaluate(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="[BUNDLE] FILE...",
            help="Model bundle (a folder; only --answers model needs it), and files of pairs or labelled reports.",
            show_default=False,
        ),
    ],
    answers: Annotated[
        Answers,
        typer.Option(
            help="Who answers: the bundle's model; or, for comparison, gold (the expected situations with doctrine's "
            "text for them), request (always an empty request), copy (the report as instruction and place)."
        ),
    ] = "model",
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Also write all figures and the worst cases to this file, as JSON."),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", help="Also write them to this file as a page for a browser."),
    ] = None,
    write_metrics: Annotated[
        bool, typer.Option("--write-metrics", help="Also write the figures into the bundle's metrics.json and card.")
    ] = False,
) -> None:
    """Print how well the answers to pairs or labelled reports agree with what is expected, with 95% intervals.

    A file whose objects have a field `gold` holds labelled reports, any other pairs. The exit status is 1 where a line
    was bad; the others are answered all the same.

    Example: `dispatch evaluate run/bundle pairs/unseen.jsonl --html figures.html`
    """
    from training.evaluate import read_files
    from training.page import render_page
    from training.tables import tables

    bundle, named = _bundle_and_files(paths, answers)
    _check_files(named)
    _check_outputs(paths, {"--out": out, "--html": html})
    if write_metrics:
        _check_metrics_can_be_written(bundle)
    files = read_files(named)
    _tell_bad_lines(files)
    loaded = _load(bundle) if bundle is not None else None
    reports = _evaluate(_answerers(loaded, answers), files)
    figures = {
        "answers": answers,
        "model": loaded.identity.to_dict() if loaded is not None else None,
        "files": [report.to_dict() for report in reports],
    }
    try:
        for table in tables(reports):
            print_table(table)
    finally:  # also where nobody reads the tables to their end (`| head`)
        if out is not None:
            write_whole(out, to_json(figures, indent=2) + "\n")
        if html is not None:
            answered_by = f"answers: {answers}"
            if loaded is not None:
                answered_by = f"{loaded.identity.name} ({loaded.identity.digest[:12]})"
            write_whole(html, render_page(reports, answered_by))
        if write_metrics and bundle is not None:
            _write_metrics(bundle, reports)
    if any(file.bad_lines for file in files):
        raise typer.Exit(FAILED)


def _bundle_and_files(paths: Sequence[Path], answers: Answers) -> tuple[Path | None, Sequence[Path]]:
    """Only a model needs a bundle; one that is named all the same is left out."""
    if answers == "model":
        if len(paths) < 2 or paths[0].is_file():
            raise typer.BadParameter("name a bundle (a folder) first, then files; --answers gold needs no bundle")
        return paths[0], paths[1:]
    files = paths[1:] if paths[0].is_dir() else paths
    if not files:
        raise typer.BadParameter("name files of pairs or labelled reports")
    return None, files


def _check_files(files: Sequence[Path]) -> None:
    seen: set[Path] = set()
    for file in files:
        if file.resolve() in seen:
            raise typer.BadParameter(f"{file} is named twice")
        seen.add(file.resolve())


def _check_outputs(inputs: Sequence[Path], outputs: Mapping[str, Path | None]) -> None:
    """Nothing that is read may be written over, and what is written at the end must have its place from the start."""
    taken = {path.resolve() for path in inputs}
    for option, path in outputs.items():
        if path is None or is_pipe_or_device(path):
            continue
        target = path.resolve()
        if target.is_dir():
            raise typer.BadParameter(f"{option} {path} is a folder: name a file")
        if not target.parent.is_dir():
            raise typer.BadParameter(f"{option} {path}: there is no folder {target.parent}")
        if not os.access(target.parent, os.W_OK):
            raise typer.BadParameter(f"{option} {path}: the folder {target.parent} cannot be written to")
        if target in taken:
            raise typer.BadParameter(f"{option} {path} would be written over another file of this command")
        if inside := taken.intersection(target.parents):
            raise typer.BadParameter(f"{option} {path} lies inside the bundle {inside.pop()}: name another folder")
        taken.add(target)


def _check_metrics_can_be_written(bundle: Path | None) -> None:
    from dispatch.model import read_metrics, verify_bundle

    if bundle is None:
        raise typer.BadParameter("--write-metrics keeps a model's figures: it goes with --answers model alone")
    verify_bundle(bundle)
    read_metrics(bundle)
    folder = bundle.resolve().parent
    if not os.access(folder, os.W_OK):
        raise typer.BadParameter(f"--write-metrics: the folder {folder} cannot be written to")


def _tell_bad_lines(files: "Sequence[EvaluationFile]") -> None:
    for file in files:
        for line in file.bad_lines[:BAD_LINES_TOLD]:
            note(line)
        if (untold := len(file.bad_lines) - BAD_LINES_TOLD) > 0:
            note(f"{file.name}: {untold:,} more bad lines")


def _load(path: Path) -> "Bundle":
    from dispatch.engine import limit_threads
    from dispatch.model import load_bundle
    from dispatch.workflow import require_known

    limit_threads(load_settings().threads)
    bundle = load_bundle(path)
    require_known(bundle.config.calibration)
    return bundle


def _answerers(bundle: "Bundle | None", answers: Answers) -> "list[Answerer]":
    """What the network writes unguarded, or a baseline by its own name, and what the service sends."""
    from dispatch.engine import TorchEngine
    from training.baselines import BASELINES

    if bundle is not None:
        calibration = bundle.config.calibration
        both = NetworkAndService(TorchEngine(bundle, guard_places=False), TorchEngine(bundle))
        return [
            ("network", both.network, partial(_first, calibration)),
            ("service", both.service, partial(_sent, calibration)),
        ]
    baseline = BASELINES[answers]

    def respond(examples: "Sequence[Example]") -> "list[Generation]":
        return [baseline(example) for example in examples]

    return [(answers, respond, partial(_first, None)), ("service", respond, partial(_sent, None))]


class NetworkAndService:
    """What the network writes by itself, and what it writes as it is served: with its places held to what is said.

    The second is looked for only where it is not the first.
    """

    def __init__(self, alone: "Engine", guarded: "Engine") -> None:
        self._alone = alone
        self._guarded = guarded
        self._written: dict[int, Generation] = {}  # by the identity of the example

    def network(self, examples: "Sequence[Example]") -> "Sequence[Generation]":
        generations = _generate(self._alone, examples)
        self._written |= {id(example): made for example, made in zip(examples, generations, strict=True)}
        return generations

    def service(self, examples: "Sequence[Example]") -> "Sequence[Generation]":
        same = {id(example) for example in examples if self._says_only_what_is_said(example)}
        others = [example for example in examples if id(example) not in same]
        guarded = zip(map(id, others), _generate(self._guarded, others), strict=True)
        made = {number: self._written[number] for number in same} | dict(guarded)
        return [made[id(example)] for example in examples]

    def _says_only_what_is_said(self, example: "Example") -> bool:
        """Whether the network has written one answer, legible, whose every place stands in the report or context."""
        from dispatch.model import normalize

        written = self._written.get(id(example))
        if written is None or written.source_truncated or len(written.candidates) > 1 or written.candidates[0].fault:
            return False
        said = (normalize(example.report).text, normalize(example.context.location).text)
        places = [situation.location for situation in written.candidates[0].situations]
        return all(any(place in text for text in said) for place in places)


def _generate(engine: "Engine", examples: "Sequence[Example]") -> "Sequence[Generation]":
    from dispatch.engine import generate_all
    from training.evaluate import request_of

    return generate_all(engine, [request_of(example) for example in examples])


def _first(calibration: "Calibration | None", example: "Example", generation: "Generation") -> "Answer":
    """The first candidate as it was written."""
    from training.judging import Answer

    ranked = _ranked(example, generation, calibration)
    first = next(entry for entry in ranked if entry.candidate is generation.candidates[0])
    return Answer(first.candidate, first.worst)


def _sent(calibration: "Calibration | None", example: "Example", generation: "Generation") -> "Answer":
    """What the service sends by its checks, with the confidence that it states."""
    from training.judging import Answer

    best = _ranked(example, generation, calibration)[0]
    return Answer(replace(best.candidate, confidence=best.confidence), best.worst)


def _ranked(example: "Example", generation: "Generation", calibration: "Calibration | None") -> "list[Ranked]":
    from dispatch.domain import default_doctrine
    from dispatch.workflow import rank
    from training.evaluate import request_of

    return rank(request_of(example), generation, default_doctrine(), calibration)


def _evaluate(answerers: "Sequence[Answerer]", files: "Sequence[EvaluationFile]") -> "list[FileReport]":
    """Shows progress bars on a terminal; elsewhere a line for each file and answerer that is done."""
    from training.evaluate import evaluate as evaluate_file

    reports: list[FileReport] = []
    for file in files:
        for name, respond, pick in answerers:
            with progress_of(f"{file.name}, {name}", len(file.examples)) as show:
                reports += evaluate_file(respond, partial(_by_name, name, pick), file, show)
    return reports


def _by_name(
    name: str, pick: "Callable[[Example, Generation], Answer]", example: "Example", generation: "Generation"
) -> "Mapping[str, Answer]":
    return {name: pick(example, generation)}


def _write_metrics(bundle: Path, reports: "Sequence[FileReport]") -> None:
    """Keeps what else the bundle's metrics and card say; of the figures the main ones, by file."""
    from dispatch.model import read_metrics, update_document
    from training.tables import compact, replace_results, results_table, summary_tables

    figures: list[dict[str, Any]] = [compact(report.to_dict()) for report in reports]
    metrics = {**read_metrics(bundle), "evaluation": figures}
    update_document(bundle, "metrics.json", to_json(metrics, indent=2) + "\n")
    card = (bundle / "MODEL_CARD.md").read_text("utf-8")
    explained = (
        "In percent, by greedy search: as the network ranks its candidates, and as the service does, which adds "
        "doctrine's text for the situation that the network has read. ↓ marks measures of which less is better; "
        "`docs/cli.md` says what each is. The 95% intervals are in metrics.json."
    )
    exact = results_table(figures)
    exactly = f"\n\nThe share of pairs in which each of these is exactly right:\n\n{exact}" if exact else ""
    results = f"{explained}\n\n{summary_tables(figures)}{exactly}"
    update_document(bundle, "MODEL_CARD.md", replace_results(card, results))
    note(f"{bundle}: metrics.json and MODEL_CARD.md written")
