"""`dispatch train`: pairs in, a bundle out."""

import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from dispatch.cli.output import INTERRUPTED, note, print_result, values_as_usage

if TYPE_CHECKING:
    from training.finetune import Replay

_OF_A_NEW_NETWORK = ("preset", "encoder_layers", "decoder_layers", "tokenizer_type", "vocab_size")


def train(
    context: typer.Context,
    pairs: Annotated[list[Path], typer.Option(metavar="FILE", help="Pairs to train on; give it again for more files.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the run; the bundle is DIR/bundle.")],
    valid: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Pairs to validate on; 2% of the others are held out by default."),
    ] = None,
    base: Annotated[
        Path | None,
        typer.Option(
            "--from", metavar="BUNDLE", help="Fine-tune this bundle on the pairs, which people have corrected."
        ),
    ] = None,
    initial: Annotated[
        Path | None,
        typer.Option(
            "--init", metavar="BUNDLE", help="Start as this bundle's network, with its tokenizer, not from nothing."
        ),
    ] = None,
    mix: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE[:SHARE]",
            help="With --from: pairs that keep what it knew, and their part of all pairs seen (0.8); repeatable.",
        ),
    ] = None,
    name: Annotated[str, typer.Option(help="Name of the bundle; with --from that bundle's.")] = "dispatch",
    card: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Markdown for the model card: purpose, data, limits.")
    ] = None,
    preset: Annotated[
        Literal["nano", "small", "base", "default"], typer.Option(help="Size; see `dispatch models presets`.")
    ] = "default",
    encoder_layers: Annotated[int | None, typer.Option(help="Layers of the encoder, if not the preset's.")] = None,
    decoder_layers: Annotated[int | None, typer.Option(help="Layers of the decoder, if not the preset's.")] = None,
    max_steps: Annotated[int | None, typer.Option(help="Stop after so many updates.")] = None,
    max_minutes: Annotated[
        float | None, typer.Option(help="Stop after so many minutes, all sittings together.")
    ] = None,
    patience: Annotated[int, typer.Option(help="Stop after so many validations without a better one; 0: never.")] = 0,
    batch_tokens: Annotated[int, typer.Option(help="Source and target tokens of a batch, with padding.")] = 8192,
    accumulate: Annotated[int, typer.Option(help="Batches per update.")] = 1,
    optimizer: Annotated[
        Literal["muon", "adamw"], typer.Option(help="What updates the weight matrices; the rest is AdamW's.")
    ] = "muon",
    peak_lr: Annotated[float, typer.Option(help="Highest learning rate.")] = 1e-3,
    warmup_steps: Annotated[int, typer.Option(help="Updates until the highest learning rate.")] = 400,
    cooldown_steps: Annotated[int, typer.Option(help="Last updates, over which the rate falls to 0; 0: none.")] = 0,
    dropout: Annotated[float, typer.Option(help="Dropout.")] = 0.1,
    label_smoothing: Annotated[float, typer.Option(help="Label smoothing.")] = 0.1,
    precision: Annotated[
        Literal["auto", "bf16", "fp32"], typer.Option(help="Arithmetic; auto: bf16 where the hardware has it.")
    ] = "auto",
    validate_every: Annotated[int, typer.Option(help="Updates between validations.")] = 500,
    save_every: Annotated[int, typer.Option(help="Updates between checkpoints.")] = 500,
    seed: Annotated[int, typer.Option(help="Seed of weights, dropout and the order of pairs.")] = 1,
    threads: Annotated[int, typer.Option(help="Processor threads; 0: torch's choice.")] = 0,
    tokenizer_type: Annotated[Literal["char", "bpe", "unigram"], typer.Option(help="Kind of vocabulary.")] = "char",
    vocab_size: Annotated[int, typer.Option(help="Largest vocabulary.")] = 8000,
    strict: Annotated[
        bool, typer.Option("--strict", help="Stop at the first bad line instead of skipping it.")
    ] = False,
) -> None:
    """Train a model on your own pairs and write a bundle; run it again to go on with a stopped run.

    Pairs: `.jsonl` with `report` and `instruction` (and `context`, `situation`), or `.tsv`, `.csv`, `.parquet`.
    The path of the bundle is printed. With `--from`, what is not said is chosen for a short fine-tuning: 300 updates by
    adamw with a small learning rate; and the weights stay where fewer than twenty pairs need others.

    Example: `dispatch train --pairs pairs.jsonl --out run --preset nano --max-steps 2000`
    """
    from dispatch.model import TokenizerConfig, read_config
    from training.finetune import fine_tune
    from training.run import BundleNotes
    from training.run import train as run_training
    from training.trainer import TrainConfig, TrainingInterrupted

    with values_as_usage():
        replays = _replays(base, mix or [])
        _refuse_contradictions(context, base, initial)
        options: dict[str, Any] = {
            "preset": preset,
            "encoder_layers": encoder_layers,
            "decoder_layers": decoder_layers,
            "batch_tokens": batch_tokens,
            "accumulate": accumulate,
            "max_steps": max_steps,
            "max_minutes": max_minutes,
            "optimizer": optimizer,
            "peak_lr": peak_lr,
            "warmup_steps": warmup_steps,
            "cooldown_steps": cooldown_steps,
            "label_smoothing": label_smoothing,
            "dropout": dropout,
            "precision": precision,
            "validate_every": validate_every,
            "save_every": save_every,
            "patience": patience,
            "seed": seed,
            "threads": threads,
        }
        config = TrainConfig(**(options if base is None else _for_fine_tuning(context, options)))
        tokenizer_config = TokenizerConfig(model_type=tokenizer_type, vocab_size=vocab_size)
    try:
        notes = BundleNotes(name, shlex.join(["dispatch", *sys.argv[1:]]), card.read_text("utf-8") if card else "")
        if base is None:
            bundle = run_training(pairs, valid, out, config, tokenizer_config, notes, strict, initial=initial)
        else:
            notes = replace(notes, name=name if _is_given(context, "name") else read_config(base).name)
            bundle = fine_tune(base, pairs, replays, valid, out, config, notes, strict)
    except TrainingInterrupted as stopped:
        note(str(stopped))
        raise typer.Exit(INTERRUPTED) from stopped
    print_result(str(bundle))


def _refuse_contradictions(context: typer.Context, base: Path | None, initial: Path | None) -> None:
    if base is not None and initial is not None:
        raise ValueError("--from fine-tunes on corrections and --init trains as from nothing; name one of the two")
    for option, bundle in (("--from", base), ("--init", initial)):
        if bundle is not None and (given := [name for name in _OF_A_NEW_NETWORK if _is_given(context, name)]):
            of_a_new_one = f"--{given[0].replace('_', '-')}"
            raise ValueError(f"{of_a_new_one} makes a new network; with {option} the bundle's own is trained on")


def _replays(base: Path | None, mix: Sequence[str]) -> "list[Replay]":
    from training.finetune import Replay

    if base is None and mix:
        raise ValueError("--mix goes with --from: name the bundle to fine-tune, or give the file by --pairs")
    return [Replay.parse(text) for text in mix]


def _for_fine_tuning(context: typer.Context, options: dict[str, Any]) -> dict[str, Any]:
    """The options, those that were not said as they suit a fine-tuning."""
    from training.finetune import FINE_TUNING

    chosen = {
        name: value if _is_given(context, name) else getattr(FINE_TUNING, name) for name, value in options.items()
    }
    if not _is_given(context, "cooldown_steps"):
        chosen["cooldown_steps"] = min(chosen["cooldown_steps"], chosen["max_steps"] // 3)
    return chosen


def _is_given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"
