"""`dispatch translate`: a file of reports in, a file of results out."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from dispatch.cli.options import BundleOption
from dispatch.cli.output import FAILED, note, values_as_usage

if TYPE_CHECKING:
    from dispatch.offline.answers import AnsweredLine


def translate(
    source: Annotated[Path, typer.Argument(metavar="IN", help="File of reports, one a line.", dir_okay=False)],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="File to write.", dir_okay=False)],
    file_format: Annotated[
        Literal["jsonl", "tsv", "text"] | None, typer.Option("--format", help="Format; by default by IN's suffix.")
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, max=4096, help="Reports decoded together.")] = 32,
    bundle: BundleOption = None,
    restart: Annotated[bool, typer.Option("--restart", help="Do not go on with an interrupted run.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace OUT.")] = False,
) -> None:
    """Translate a file: one line of results for every line, in order; blank lines stay blank, bad lines are marked.

    jsonl: `{"report", "context"}` in, the same and the fields of `generate --json` out. tsv: report and optional
    location in, the same columns and the instruction out. text: reports in, instructions out. The work stands in
    `OUT.partial` until it is whole; run the command again to go on with an interrupted one. The exit status is 1 where
    a line was bad.

    Example: `dispatch translate reports.jsonl results.jsonl`
    """
    from dispatch.offline.formats import FORMATS, format_of
    from dispatch.offline.translate import check_paths, partial_path, translate_file

    with values_as_usage():
        check_paths(source, target)
    if target.exists() and not force:
        raise FileExistsError(f"{target} exists; --force replaces it")
    with values_as_usage():
        chosen = FORMATS[file_format or format_of(source)]

    from rich.console import Console
    from rich.progress import Progress

    from dispatch.cli.answering import open_engine, open_local
    from dispatch.decoding import DecodingConfig
    from dispatch.domain import default_doctrine

    def name_bad_line(item: "AnsweredLine") -> None:
        note(f"{source}:{item.line.number}: {item.problem}")

    size = source.stat().st_size
    engine = open_engine(bundle)
    with (
        open_local(engine, None, DecodingConfig()) as answer,
        Progress(console=Console(stderr=True)) as progress,
    ):
        task = progress.add_task(source.name, total=size)
        try:
            summary = translate_file(
                source,
                target,
                chosen,
                answer,
                batch_size=batch_size,
                settings_digest=f"{engine.identity.digest} {default_doctrine().digest}",
                restart=restart,
                on_bad_line=name_bad_line,
                on_progress=lambda lines, read: progress.update(task, completed=read, description=f"{lines:,} lines"),
            )
        except KeyboardInterrupt:
            note(f"{partial_path(target)} has what was done; the same command goes on from there")
            raise
    note(f"{target}: {summary.lines} lines, {summary.bad} bad, {summary.resumed} from an interrupted run")
    if summary.bad:
        raise typer.Exit(FAILED)
