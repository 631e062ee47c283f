"""`dispatch evaluate`: how well a bundle answers files of pairs or of labelled reports."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from dispatch.cli.output import note, print_table, to_json
from dispatch.settings import load_settings

if TYPE_CHECKING:
    from dispatch.engine import Engine, Generation
    from training.evaluate import Choose, FileReport, Respond
    from training.judging import Answer, Example

RESULTS = "## Results\n"  # the last section of the card

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

    A file whose objects have a field `gold` holds labelled reports, any other pairs.

    Example: `dispatch evaluate run/bundle pairs/unseen.jsonl --html figures.html`
    """
    from training.page import render_page
    from training.tables import tables

    bundle, files = _bundle_and_files(paths, answers)
    if write_metrics and bundle is None:
        raise typer.BadParameter("--write-metrics keeps a model's figures: it goes with --answers model alone")
    engine = _open_engine(bundle) if bundle is not None else None
    reports = _evaluate(_respond(engine, answers), _choices(answers), files)
    figures = {
        "answers": answers,
        "model": engine.identity.to_dict() if engine is not None else None,
        "files": [report.to_dict() for report in reports],
    }
    if out is not None:
        out.write_text(to_json(figures, indent=2) + "\n", encoding="utf-8")
    if html is not None:
        answered_by = f"{engine.identity.name} ({engine.identity.digest[:12]})" if engine else f"answers: {answers}"
        html.write_text(render_page(reports, answered_by), encoding="utf-8")
    if write_metrics and bundle is not None:
        _write_metrics(bundle, reports)
    for table in tables(reports):
        print_table(table)


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


def _open_engine(bundle: Path) -> "Engine":
    from dispatch.cli.processors import limit_threads
    from dispatch.engine import TorchEngine
    from dispatch.model import load_bundle

    limit_threads(load_settings().threads)
    return TorchEngine(load_bundle(bundle))


def _respond(engine: "Engine | None", answers: Answers) -> "Respond":
    from dispatch.engine import GenerationRequest
    from training.baselines import BASELINES

    if engine is None:
        baseline = BASELINES[answers]
        return lambda examples: [baseline(example) for example in examples]
    return lambda examples: engine.generate([GenerationRequest(row.report, row.context) for row in examples])


def _evaluate(respond: "Respond", choose: "Choose", files: Sequence[Path]) -> "list[FileReport]":
    from rich.console import Console
    from rich.progress import Progress, TaskID

    from training.evaluate import evaluate as evaluate_files

    with Progress(console=Console(stderr=True)) as progress:
        tasks: dict[str, TaskID] = {}

        def show(name: str, done: int, total: int) -> None:
            if name not in tasks:
                tasks[name] = progress.add_task(name, total=total)
            progress.update(tasks[name], completed=done)

        return evaluate_files(respond, choose, files, show)


def _choices(answers: Answers) -> "Choose":
    """What the network ranks first, or the baseline by its own name, and what the service does by its checks."""
    from dispatch.domain import default_doctrine
    from dispatch.engine import GenerationRequest
    from dispatch.workflow import rank
    from training.judging import Answer

    doctrine = default_doctrine()
    answerer = "network" if answers == "model" else answers

    def choose(example: "Example", generation: "Generation") -> "Mapping[str, Answer]":
        ranked = rank(GenerationRequest(example.report, example.context), generation, doctrine)
        first = next(entry for entry in ranked if entry.candidate is generation.candidates[0])
        return {
            answerer: Answer(first.candidate, first.errors > 0),
            "service": Answer(ranked[0].candidate, ranked[0].errors > 0),
        }

    return choose


def _write_metrics(bundle: Path, reports: "Sequence[FileReport]") -> None:
    """Keeps what else the bundle's metrics and card say; of the figures the main ones, by file."""
    from dispatch.model import read_metrics, update_document
    from training.tables import compact, results_table, summary_tables

    figures: list[dict[str, Any]] = [compact(report.to_dict()) for report in reports]
    metrics = {**read_metrics(bundle), "evaluation": figures}
    update_document(bundle, "metrics.json", to_json(metrics, indent=2) + "\n")
    card, _, _ = (bundle / "MODEL_CARD.md").read_text("utf-8").partition(RESULTS)
    explained = (
        "In percent, by greedy search: as the network ranks its candidates, and as the service does, which adds "
        "doctrine's text for the situation that the network has read. ↓ marks measures of which less is better; "
        "`docs/cli.md` says what each is. The 95% intervals are in metrics.json."
    )
    exact = results_table(figures)
    exactly = f"\n\nThe share of pairs in which each of these is exactly right:\n\n{exact}" if exact else ""
    text = f"{card.rstrip()}\n\n{RESULTS}\n{explained}\n\n{summary_tables(figures)}{exactly}\n"
    update_document(bundle, "MODEL_CARD.md", text)
    note(f"{bundle}: metrics.json and MODEL_CARD.md written")
