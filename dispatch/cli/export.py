"""`dispatch export …`: what leaves Dispatch: a network for another engine, and reviewed pairs for training."""

from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from dispatch.cli.options import DatabaseOption, JsonOption
from dispatch.cli.output import note, print_json, print_result, to_json
from dispatch.cli.whole_files import write_whole
from dispatch.settings import load_settings

_BUNDLE_COMMAND = "ctranslate2"


class _BundleOrCommand(TyperGroup):
    """`dispatch export BUNDLE` is short for `dispatch export ctranslate2 BUNDLE`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and not {"-h", "--help"}.intersection(args[:1]) and args[0] not in self.commands:
            args = [_BUNDLE_COMMAND, *args]
        return list(super().parse_args(ctx, args))


app = typer.Typer(
    cls=_BundleOrCommand,
    help="A bundle's network for CTranslate2 (`dispatch export BUNDLE`), and reviewed pairs.",
    no_args_is_help=True,
)


@app.command()
def ctranslate2(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="Model bundle (a folder), which is changed.")],
    as_json: JsonOption = False,
) -> None:
    """Write a bundle's network for CTranslate2 into the bundle, which is what decodes fastest on a processor.

    `dispatch train` does it by itself where CTranslate2 is installed. The digest of the bundle changes. `dispatch
    export BUNDLE` is the same.

    Example: `dispatch export ctranslate2 run/bundle`
    """
    from dispatch.model import add_ctranslate2, ctranslate2_installed, verify_bundle

    if not ctranslate2_installed():
        raise ValueError("CTranslate2 is not installed: `pip install ctranslate2`")
    add_ctranslate2(bundle)
    digest = verify_bundle(bundle)
    if as_json:
        print_json({"path": str(bundle), "digest": digest})
    else:
        print_result(f"{bundle}: ctranslate2 written, digest {digest}")


@app.command()
def pairs(
    out: Annotated[Path, typer.Argument(metavar="FILE", help="The pairs, as JSONL; replaced where it is there.")],
    evaluation: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="PATH",
            help="Evaluation files, or folders of them, none of whose reports may be a pair, as those of the setting "
            "`evaluation_sets`.",
        ),
    ] = None,
    actor: Annotated[str, typer.Option("--by", metavar="WHO", help="Who you are, for the audit trail.")] = "",
    database_url: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write what reviewers have released, by approving or revising it, as training pairs.

    Each has its provenance and the number of its reviewers; the same report stands once, and personal data are masked.
    Says how many were left out and why. That they were taken is an event of the audit trail.

    Example: `dispatch export pairs corrected.jsonl --evaluation pairs/unseen.jsonl`
    """
    from dispatch.domain import default_doctrine
    from dispatch.store import Audit, Store
    from dispatch.workflow.corrections import EXPORTED, export_pairs, read_held_out

    settings = load_settings()
    paths = [*(evaluation or []), *([settings.evaluation_sets] if settings.evaluation_sets else [])]
    if not paths:
        raise typer.BadParameter("name the evaluation files by --evaluation or the setting evaluation_sets")
    held_out = read_held_out(paths)
    with closing(Store.open(database_url or settings.database_url)) as store:
        Audit(store.database).record(EXPORTED, actor, "pairs")
        export = export_pairs(store, default_doctrine(), held_out)
    write_whole(out, "".join(f"{to_json(pair.to_dict())}\n" for pair in export.pairs))
    if as_json:
        print_json({"path": str(out), "pairs": len(export.pairs), "left_out": dict(export.left_out)})
        return
    print_result(f"{out}: {len(export.pairs):,} pairs")
    for why, number in export.left_out.items():
        note(f"left out, {why}: {number:,}")
