"""`dispatch synthesize`: training pairs made from scenarios."""

import os
from pathlib import Path
from typing import Annotated

import typer

from dispatch.cli.output import harmless, print_table


def _named_folder(text: str) -> Path:
    """Refuses "", which is more likely an empty variable of a script than the current folder."""
    if not text:
        raise typer.BadParameter("name a folder; the current one is `.`")
    return Path(text)


def synthesize(
    out: Annotated[Path, typer.Option(metavar="DIR", parser=_named_folder, help="Folder for the files of pairs.")],
    pairs: Annotated[int, typer.Option(min=1, help="Training pairs to make.")] = 200_000,
    seed: Annotated[int, typer.Option(help="The same seed and number make the same pairs.")] = 1,
    held_pairs: Annotated[int, typer.Option(min=1, help="Pairs of each of the other files.")] = 1000,
    force: Annotated[bool, typer.Option("--force", help="Replace the files of pairs that are in DIR.")] = False,
) -> None:
    """Make training pairs, and test splits that each hold what training never sees.

    Each file stands in `NAME.jsonl.partial` until all are whole.

    Example: `dispatch synthesize --out pairs --pairs 200000 --seed 1`
    """
    from training.synthesis import splits_in, write_splits

    if not force and (standing := splits_in(out)):
        raise FileExistsError(f"{standing[0]} exists; --force replaces it, and all files of pairs there")

    from rich.console import Console
    from rich.progress import Progress
    from rich.table import Table
    from rich.text import Text

    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task("pairs", total=None)
        report = write_splits(
            out, pairs, seed, held_pairs=held_pairs, on_progress=lambda done: progress.update(task, completed=done)
        )
    # Not markup, and printable: a folder may be called [/] or have a name that is not UTF-8.
    title = Text(harmless(os.fsencode(out).decode("utf-8", "backslashreplace")), style="table.title")
    table = Table("file", "pairs", "by hazard or kind", title=title)
    for split, counts in report.files.items():
        most_first = sorted(counts.items(), key=lambda item: -item[1])
        table.add_row(f"{split}.jsonl", f"{report.total(split):,}", ", ".join(f"{key} {n:,}" for key, n in most_first))
    print_table(table)
