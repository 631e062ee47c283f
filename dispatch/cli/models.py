"""`dispatch models …`: bundles and the sizes of networks."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from dispatch.cli import succession
from dispatch.cli.options import JsonOption
from dispatch.cli.output import print_json, print_result, print_table, to_json
from dispatch.settings import load_settings

app = typer.Typer(help="Model bundles and presets.", no_args_is_help=True)
app.command()(succession.compare)
app.command()(succession.promote)
app.command()(succession.rollback)

PathArgument = Annotated[
    Path | None, typer.Argument(metavar="[PATH]", help="Bundle; the setting `bundle` by default.", show_default=False)
]


@app.command("list")
def list_bundles(
    folder: Annotated[
        Path | None, typer.Argument(metavar="[FOLDER]", help="Where to look; beside the bundle in use by default.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List the bundles of a folder.

    Example: `dispatch models list`
    """
    from dispatch.model import read_config

    folder = folder or load_settings().bundle.parent
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder")
    paths = sorted(path.parent for path in folder.glob("*/config.json"))
    bundles = [{"name": read_config(path).name, "path": str(path)} for path in paths]
    if as_json:
        print_json(bundles)
        return
    for bundle in bundles:
        print_result(f"{bundle['name']}\t{bundle['path']}")


@app.command()
def show(path: PathArgument = None, as_json: JsonOption = False) -> None:
    """Show a bundle's configuration, figures and card.

    Example: `dispatch models show run/bundle`
    """
    from dispatch.engine import choose_engine
    from dispatch.model import load_bundle, read_metrics

    settings = load_settings()
    path = path or settings.bundle
    bundle, metrics = load_bundle(path), read_metrics(path)
    digest, config, engine = bundle.identity.digest, bundle.config, choose_engine(bundle, settings.engine)
    card = (path / "MODEL_CARD.md").read_text(encoding="utf-8")
    if as_json:
        facts = {"path": str(path), "digest": digest, "engine": engine.name, "config": asdict(config)}
        print_json(facts | {"metrics": metrics, "card": card})
        return
    print_result(f"path         {path}\ndigest       {digest}\nengine       {engine.name}: {engine.why}")
    for name, value in asdict(config).items():
        print_result(f"{name:12} {value if isinstance(value, str) else to_json(value)}")
    print_result(f"\n{to_json(metrics, indent=2)}\n\n{card.rstrip()}")


@app.command()
def verify(path: PathArgument = None, as_json: JsonOption = False) -> None:
    """Compare a bundle's files with its SHA256SUMS; exit status 1 where one is missing or differs.

    Example: `dispatch models verify`
    """
    from dispatch.model import verify_bundle

    path = path or load_settings().bundle
    digest = verify_bundle(path)
    if as_json:
        print_json({"path": str(path), "digest": digest})
    else:
        print_result(f"{path} is whole: digest {digest}")


@app.command()
def presets(
    vocab_size: Annotated[int, typer.Option(min=1, help="Entries of the vocabulary.")] = 8000,
    as_json: JsonOption = False,
) -> None:
    """Print the sizes that `dispatch train --preset` takes, and their numbers of parameters.

    Example: `dispatch models presets`
    """
    import torch
    from rich.table import Table

    from dispatch.model import Transformer
    from training.presets import PRESETS, preset_config

    rows: dict[str, dict[str, Any]] = {}
    for name in PRESETS:
        config = preset_config(name, vocab_size)
        with torch.device("meta"):  # counts without making the weights
            parameters = Transformer(config).num_parameters()
        rows[name] = {
            "encoder_layers": config.encoder_layers,
            "decoder_layers": config.decoder_layers,
            "num_heads": config.num_heads,
            "d_model": config.d_model,
            "d_feedforward": config.d_feedforward,
            "parameters": parameters,
        }
    if as_json:
        print_json(rows)
        return
    table = Table("preset", *rows["nano"], title=f"vocabulary of {vocab_size:,}")
    for name, row in rows.items():
        table.add_row(name, *(f"{value:,}" for value in row.values()))
    print_table(table)
