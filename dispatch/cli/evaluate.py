"""`dispatch evaluate`: how often a bundle answers a file of pairs as the pairs do."""

from pathlib import Path
from typing import Annotated, Any

import typer

from dispatch.cli.output import note, print_table, to_json
from dispatch.settings import load_settings

RESULTS = "## Results\n"  # the last section of the card


def evaluate(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="Model bundle.")],
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Files of pairs.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Also write the figures and some mistakes to this file, as JSON."),
    ] = None,
    write_metrics: Annotated[
        bool, typer.Option("--write-metrics", help="Also write the figures into the bundle's metrics.json and card.")
    ] = False,
) -> None:
    """Print how often a bundle's instruction, situation, places, numbers and resources equal those of pairs.

    Example: `dispatch evaluate run/bundle pairs/unseen.jsonl --out figures.json`
    """
    from rich.console import Console
    from rich.progress import Progress

    from dispatch.cli.processors import limit_threads
    from dispatch.decoding import DecodingConfig
    from dispatch.domain import default_doctrine
    from dispatch.engine import TorchEngine
    from dispatch.model import load_bundle
    from dispatch.workflow import rank
    from training.evaluate import evaluate as evaluate_files
    from training.evaluate import network_choice, table

    limit_threads(load_settings().threads)
    engine, doctrine = TorchEngine(load_bundle(bundle)), default_doctrine()
    with Progress(console=Console(stderr=True)) as progress:
        tasks = {path.name: progress.add_task(path.name, total=None) for path in files}
        reports = evaluate_files(
            engine.generate,
            files,
            DecodingConfig(),
            {
                "network": network_choice,
                "service": lambda request, generation: rank(request, generation, doctrine)[0].candidate,
            },
            lambda name, done, total: progress.update(tasks[name], completed=done, total=total),
        )
    files_figures: list[dict[str, Any]] = [report.to_dict() for report in reports]
    figures = {"model": engine.identity.to_dict(), "files": files_figures}
    if out is not None:
        out.write_text(to_json(figures, indent=2) + "\n", encoding="utf-8")
    if write_metrics:
        _write_metrics(bundle, files_figures)
    print_table(table(reports))


def _write_metrics(bundle: Path, files: list[dict[str, Any]]) -> None:
    """Keeps what else the bundle's metrics and card say; mistakes are left out."""
    from dispatch.model import read_metrics, update_document
    from training.evaluate import results_table

    figures = [{key: value for key, value in file.items() if key != "mistakes"} for file in files]
    metrics = {**read_metrics(bundle), "evaluation": figures}
    update_document(bundle, "metrics.json", to_json(metrics, indent=2) + "\n")
    card, _, _ = (bundle / "MODEL_CARD.md").read_text("utf-8").partition(RESULTS)
    explained = (
        "The share of pairs, in percent, in which each is exactly right (greedy search): as the network ranks its "
        "candidates, and as the service does, which adds doctrine's text for the situation that the network has read."
    )
    update_document(bundle, "MODEL_CARD.md", f"{card.rstrip()}\n\n{RESULTS}\n{explained}\n\n{results_table(figures)}\n")
    note(f"{bundle}: metrics.json and MODEL_CARD.md written")
