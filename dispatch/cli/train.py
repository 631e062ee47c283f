"""`dispatch train`: pairs in, a bundle out."""

import shlex
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from dispatch.cli.output import INTERRUPTED, note, print_result, values_as_usage


def train(
    pairs: Annotated[list[Path], typer.Option(metavar="FILE", help="Pairs to train on; give it again for more files.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the run; the bundle is DIR/bundle.")],
    valid: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Pairs to validate on; 2% of the others are held out by default."),
    ] = None,
    name: Annotated[str, typer.Option(help="Name of the bundle.")] = "dispatch",
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
    The path of the bundle is printed.

    Example: `dispatch train --pairs pairs.jsonl --out run --preset nano --max-steps 2000`
    """
    from dispatch.model import TokenizerConfig
    from training.run import BundleNotes
    from training.run import train as run_training
    from training.trainer import TrainConfig, TrainingInterrupted

    with values_as_usage():
        config = TrainConfig(
            preset=preset,
            encoder_layers=encoder_layers,
            decoder_layers=decoder_layers,
            batch_tokens=batch_tokens,
            accumulate=accumulate,
            max_steps=max_steps,
            max_minutes=max_minutes,
            optimizer=optimizer,
            peak_lr=peak_lr,
            warmup_steps=warmup_steps,
            cooldown_steps=cooldown_steps,
            label_smoothing=label_smoothing,
            dropout=dropout,
            precision=precision,
            validate_every=validate_every,
            save_every=save_every,
            patience=patience,
            seed=seed,
            threads=threads,
        )
        tokenizer_config = TokenizerConfig(model_type=tokenizer_type, vocab_size=vocab_size)
    try:
        notes = BundleNotes(name, shlex.join(["dispatch", *sys.argv[1:]]), card.read_text("utf-8") if card else "")
        bundle = run_training(pairs, valid, out, config, tokenizer_config, notes, strict)
    except TrainingInterrupted as stopped:
        note(str(stopped))
        raise typer.Exit(INTERRUPTED) from stopped
    print_result(str(bundle))
