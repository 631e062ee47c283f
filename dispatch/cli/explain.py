"""`dispatch explain`: where an instruction comes from, in the report and in the network."""

import re
from contextlib import closing
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dispatch.cli.options import BundleOption, DatabaseOption, JsonOption
from dispatch.cli.output import note, print_json, print_table, values_as_usage
from dispatch.settings import load_settings

if TYPE_CHECKING:
    from dispatch.domain import Context
    from dispatch.store import Instruction
    from dispatch.workflow.explain import Explanation, View

_NAME = re.compile("instructions/[0-9a-f]{32}")


def explain(
    text: Annotated[
        str, typer.Argument(metavar="TEXT|NAME", help="A report, or the name of a stored instruction: instructions/ID.")
    ],
    location: Annotated[str, typer.Option(help="The caller's place, as the phone or the cell gives it.")] = "",
    issued: Annotated[
        list[str] | None, typer.Option(help="An instruction already issued for the incident; repeatable.")
    ] = None,
    kind: Annotated[
        list[str] | None,
        typer.Option(help="Which attention: encoder, decoder or cross, the default; repeatable."),
    ] = None,
    layer: Annotated[
        list[int] | None, typer.Option(help="A layer, from 1; 0, the default, is the mean of all; repeatable.")
    ] = None,
    head: Annotated[
        list[int] | None, typer.Option(help="A head, from 1; 0, the default, is the mean of all; repeatable.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every kind, layer and head.")] = False,
    png: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw the attention into this file.")] = None,
    actor: Annotated[
        str,
        typer.Option(
            "--by", metavar="WHO", help="Who you are: reading a stored report is an event of the audit trail."
        ),
    ] = "",
    bundle: BundleOption = None,
    database_url: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say which characters of the report each fact and order come from; with `--json` also what the network looks at.

    A report is answered first, and not stored. A stored instruction is looked up by its name, and the network is made
    to write its draft once more.

    Example: `dispatch explain 山区公路积雪3米,断电,50人被困 --location A7公路 --png attention.png`
    """
    is_stored = _NAME.fullmatch(text) is not None
    if is_stored and (location or issued):
        raise typer.BadParameter("--location and --issued go with a report; a stored instruction has its own")
    if everything and (kind or layer or head):
        raise typer.BadParameter("--all already holds every kind, layer and head")
    from dispatch.domain import Context
    from dispatch.engine import KINDS

    kinds = [known for known in KINDS if known in (kind or ["cross"])]
    if unknown := sorted(set(kind or ()) - set(KINDS)):
        raise typer.BadParameter(f"--kind: {unknown[0]!r} is none of {', '.join(KINDS)}")
    if is_stored:
        explanation = _explain_stored(text, actor, bundle, database_url)
    else:
        explanation = _explain_report(text, Context(location, tuple(issued or ())), bundle)
    from dispatch.workflow.explain import View

    chosen = [View(*view) for view in product(kinds, layer or [0], head or [0])]
    views = list(explanation.views()) if everything else chosen
    with values_as_usage():
        for view in views:
            explanation.matrix(view)
    if png is not None:
        _draw(explanation, views, png)
    if as_json:
        print_json(explanation.to_dict(views))
    else:
        _print_alignments(explanation)


def _explain_stored(name: str, actor: str, bundle: Path | None, database_url: str | None) -> "Explanation":
    from dispatch.engine import limit_threads
    from dispatch.model import load_bundle
    from dispatch.workflow.explain import explain_stored

    settings = load_settings()
    instruction = _find(name, actor, database_url or settings.database_url)
    limit_threads(settings.threads)
    explanation = explain_stored(load_bundle(bundle or settings.bundle), instruction)
    if not explanation.wrote_it:
        note(f"explained by {explanation.model.name}; {instruction.model['name']}, another bundle, wrote it")
    return explanation


def _find(name: str, actor: str, database_url: str) -> "Instruction":
    """Raises NotFound."""
    from dispatch.domain import default_doctrine
    from dispatch.store import ALL_SCOPES, Store
    from dispatch.workflow import ReviewDesk, Reviewer

    with closing(Store.open(database_url)) as store:
        return ReviewDesk(store, default_doctrine()).get(Reviewer(actor, ALL_SCOPES), name)


def _explain_report(text: str, context: "Context", bundle: Path | None) -> "Explanation":
    from dispatch.cli.answering import open_engine
    from dispatch.offline.lines import parse_report, require_storable
    from dispatch.workflow import IntakeRequest
    from dispatch.workflow.explain import explain_report

    require_storable("--location", context.location)
    for instruction in context.issued:
        require_storable("--issued", instruction)
    report = parse_report(text).report
    return explain_report(open_engine(bundle), IntakeRequest(report, context))


def _draw(explanation: "Explanation", views: "list[View]", png: Path) -> None:
    from dispatch.workflow.heatmap import MAX_PANELS, NO_FONT, draw_png, find_chinese_font

    if len(views) > MAX_PANELS:
        raise typer.BadParameter(f"--png holds at most {MAX_PANELS} heatmaps, not {len(views)}: choose fewer")
    if find_chinese_font() is None:
        note(NO_FONT)
    png.write_bytes(draw_png(explanation, views))
    note(f"drawn: {png}")


def _print_alignments(explanation: "Explanation") -> None:
    from rich.table import Table
    from rich.text import Text

    from dispatch.cli.output import harmless

    report = explanation.instruction.report
    table = Table(
        "path", "what", "in the report", "by", "score", title=Text(harmless(explanation.instruction.instruction))
    )
    for alignment in explanation.alignments:
        said = " … ".join(f"{report[start:end]} ({start}-{end})" for start, end in alignment.spans)
        cells = (alignment.path, alignment.text, said, alignment.evidence, f"{alignment.score:.2f}")
        table.add_row(*(Text(harmless(cell)) for cell in cells))
    print_table(table)
