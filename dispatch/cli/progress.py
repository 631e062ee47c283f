"""Progress of long work, for whoever waits at the terminal."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from dispatch.cli.output import note


@contextmanager
def progress_of(name: str, rows: int) -> Iterator[Callable[[int], None]]:
    """Gives a function that is told how many rows are done: a bar on a terminal, elsewhere a line at the end."""
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import Progress

    console = Console(stderr=True)
    started = time.monotonic()
    with Progress(console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task(escape(name), total=rows)
        yield lambda done: progress.update(task, completed=done)
    if not console.is_terminal:
        note(f"{name}: {rows:,} rows in {time.monotonic() - started:.1f} s")
