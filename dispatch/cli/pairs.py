"""`dispatch pairs …`: files of pairs, before anybody trains on them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dispatch.cli.options import JsonOption
from dispatch.cli.output import FAILED, harmless, print_json, print_result, print_table

if TYPE_CHECKING:
    from training.lint import LintReport

app = typer.Typer(help="Files of pairs.", no_args_is_help=True)


@app.command()
def lint(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Files of pairs, judged together.")],
    as_json: JsonOption = False,
) -> None:
    """Find what is wrong with pairs: bad and empty lines, repeats, contradictions, leaks between files, and targets
    that name numbers or places out of nowhere. Exit status 1 if there are errors; warnings are fine.

    Example: `dispatch pairs lint pairs/train.jsonl pairs/unseen.jsonl`
    """
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import Progress

    from training.lint import lint as lint_files

    with Progress(console=Console(stderr=True)) as progress:
        tasks = {str(path): progress.add_task(escape(harmless(path.name)), total=None) for path in files}
        report = lint_files(files, lambda file, done: progress.update(tasks[file], completed=done))
    if as_json:
        print_json(report.to_dict(), indent=2)
    else:
        _print(report)
    if report.count("error"):
        raise typer.Exit(FAILED)


def _print(report: "LintReport") -> None:
    from rich.table import Table

    total = sum(report.pairs.values())
    table = Table("finding", "severity", "lines", "meaning", title=f"{total:,} pairs in {len(report.pairs)} files")
    for finding in report.findings:
        table.add_row(finding.kind.code, finding.kind.severity, f"{finding.count:,}", finding.kind.meaning)
    print_table(table)
    for finding in report.findings:
        for example in finding.examples:
            print_result(f"{example.file}:{example.line}: {finding.kind.code}: {example.message}")
