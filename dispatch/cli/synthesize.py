"""`dispatch synthesize`: training pairs made from scenarios."""

from pathlib import Path
from typing import Annotated

import typer

from dispatch.cli.output import print_table


def synthesize(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the files of pairs.")],
    pairs: Annotated[int, typer.Option(min=1, help="Training pairs to make.")] = 200_000,
    seed: Annotated[int, typer.Option(help="The same seed and number make the same pairs.")] = 1,
    held_pairs: Annotated[int, typer.Option(min=1, help="Pairs of each of the other files.")] = 1000,
) -> None:
    """Make training pairs, and test splits that each hold what training never sees.

    Example: `dispatch synthesize --out pairs --pairs 200000 --seed 1`
    """
    from rich.console import Console
    from rich.progress import Progress
    from rich.table import Table

    from training.synthesis import write_splits

    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task("pairs", total=None)
        report = write_splits(
            out, pairs, seed, held_pairs=held_pairs, on_progress=lambda done: progress.update(task, completed=done)
        )
    table = Table("file", "pairs", "by hazard or kind", title=str(out))
    for split, counts in report.files.items():
        most_first = sorted(counts.items(), key=lambda item: -item[1])
        table.add_row(f"{split}.jsonl", f"{report.total(split):,}", ", ".join(f"{key} {n:,}" for key, n in most_first))
    print_table(table)
