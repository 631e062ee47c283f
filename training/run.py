"""A whole training run: pairs in, a bundle out. Running it again after a stop goes on where it was."""

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from rich.console import Console

from dispatch.domain import default_doctrine
from dispatch.domain.linear import SYMBOLS, Symbol, source_pieces
from dispatch.model import BundleConfig, Tokenizer, TokenizerConfig, Transformer, save_bundle, train_tokenizer
from training.batching import Rows, TokenBatches
from training.checkpoint import load_checkpoint
from training.corpus import Pair, PairError, TokenizedCorpus, pair_target_pieces, read_pairs
from training.log import TrainingLog, duration, read_curves
from training.memory import keep_freed_memory
from training.presets import MAX_LENGTH, preset_config
from training.trainer import BEST, LAST, TrainConfig, Trainer, checked_resume, resume_facts

HELD_OUT_FRACTION = 0.02
HELD_OUT_MOST = 2000
ERRORS_SHOWN = 10


@dataclass(frozen=True)
class BundleNotes:
    """What a bundle says of itself beside the figures: its name, the command that made it, and text for its card."""

    name: str = "dispatch"
    command: str = ""
    card: str = ""


def train(
    pairs: Sequence[Path],
    valid: Path | None,
    out: Path,
    config: TrainConfig,
    tokenizer_config: TokenizerConfig,
    notes: BundleNotes = BundleNotes(),
    strict: bool = False,
    console: Console | None = None,
) -> Path:
    """Trains on pairs files and returns the path of the bundle, out/bundle, made of the best averaged weights.

    The tokenizer is trained on the pairs and kept as out/tokenizer.model. Without valid, a seeded 2% of the pairs is
    held out for validation. If out holds the checkpoint of a run with the same config and data, that run goes on with
    its tokenizer, and its parameters become what they would have been without the stop.

    Raises:
        ValueError: if there are no usable pairs, or out holds a run with another config or other data.
        PairError: on the first bad line, if strict.
        TrainingInterrupted: after SIGINT or SIGTERM, with everything saved.
        TrainingDiverged: if the loss is no longer a number.
    """
    console = console or Console(stderr=True)
    out.mkdir(parents=True, exist_ok=True)
    keep_freed_memory()
    if config.threads > 0:
        torch.set_num_threads(config.threads)
    tokenizer = _tokenizer(out / "tokenizer.model", pairs, tokenizer_config, strict, console)
    corpus = _tokenized(pairs, tokenizer, strict, console)
    if valid is None:
        train_rows, valid_rows = hold_out(len(corpus), config.seed)
        valid_corpus = corpus
    else:
        valid_corpus = _tokenized([valid], tokenizer, strict, console)
        train_rows, valid_rows = np.arange(len(corpus)), np.arange(len(valid_corpus))
    batches = TokenBatches(corpus, train_rows, config.batch_tokens, config.seed, tokenizer.pad_id)
    valid_batches = TokenBatches(valid_corpus, valid_rows, config.batch_tokens, config.seed, tokenizer.pad_id)

    torch.manual_seed(config.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = preset_config(
        config.preset, tokenizer.vocab_size, config.dropout, config.encoder_layers, config.decoder_layers
    )
    model = Transformer(network).to(device)
    facts = resume_facts(config) | {
        "tokenizer": hashlib.sha256(tokenizer.model_proto).hexdigest(),
        "training data": corpus.digest(),
        "validation data": valid_corpus.digest(),
    }
    state = checked_resume(out / LAST, facts) if (out / LAST).exists() else None
    log = TrainingLog(out, state["progress"]["step"] if state else 0, config.max_steps, console)
    try:
        trainer = Trainer(model, config, batches, valid_batches, out, log)
        if state:
            trainer.restore(state)
        log.say(_opening(trainer, model, len(train_rows), len(valid_rows)))
        reason = trainer.fit(facts)
        took = duration(trainer.progress.seconds)
        log.say(f"stopped by {reason} after {took}; best at step {trainer.progress.best_step}")
    finally:
        log.close()
    return _write_bundle(trainer, model, tokenizer, corpus.has_situations, notes, [path.name for path in pairs])


def hold_out(count: int, seed: int) -> tuple[Rows, Rows]:
    """Divides rows 0 … count - 1 at random into those to train on and those to validate on (1 to 2000, about 2%).

    Raises:
        ValueError: if there are fewer than two.
    """
    if count < 2:
        raise ValueError(f"{count} usable pairs are too few to train on; at least 2 are needed")
    held_out = min(HELD_OUT_MOST, max(1, round(count * HELD_OUT_FRACTION)))
    shuffled = np.random.default_rng(seed).permutation(count)
    return np.sort(shuffled[held_out:]), np.sort(shuffled[:held_out])


def _tokenizer(path: Path, pairs: Sequence[Path], config: TokenizerConfig, strict: bool, console: Console) -> Tokenizer:
    if path.exists() and (path.parent / LAST).exists():  # without a checkpoint it may be of other pairs or options
        try:
            return Tokenizer(path.read_bytes())
        except ValueError as error:
            raise ValueError(f"{path}: {error}; remove it, and the same command trains it again") from error
    with console.status("training the tokenizer"):
        for _ in _pairs(pairs, strict):
            pass  # so that errors show first: SentencePiece hides those raised while it reads
        tokenizer = train_tokenizer(_texts(pairs, strict), config, SYMBOLS)
    temporary = path.with_suffix(".tmp")
    temporary.write_bytes(tokenizer.model_proto)
    os.replace(temporary, path)
    return tokenizer


def _texts(paths: Sequence[Path], strict: bool) -> Iterator[str]:
    """Every free text of the pairs: what the tokenizer learns its vocabulary from."""
    for pair in _pairs(paths, strict):
        pieces = source_pieces(pair.report, pair.context) + pair_target_pieces(pair)
        yield from (piece for piece in pieces if not isinstance(piece, Symbol))


def _pairs(paths: Sequence[Path], strict: bool, on_error: Callable[[PairError], None] | None = None) -> Iterator[Pair]:
    """The pairs of all files. Raises ValueError, with the first error, when there are none."""
    first_error: PairError | None = None
    found = False

    def note(error: PairError) -> None:
        nonlocal first_error
        first_error = first_error or error
        if on_error is not None:
            on_error(error)

    for path in paths:
        for pair in read_pairs(path, strict, note):
            found = True
            yield pair
    if not found:
        names = ", ".join(str(path) for path in paths)
        raise ValueError(
            f"no usable pairs in {names}" + (f"; the first error is {first_error}" if first_error else ": it is empty")
        )


def _tokenized(paths: Sequence[Path], tokenizer: Tokenizer, strict: bool, console: Console) -> TokenizedCorpus:
    bad_lines = 0

    def note(error: PairError) -> None:
        nonlocal bad_lines
        bad_lines += 1
        if bad_lines <= ERRORS_SHOWN:
            console.print(f"skipped: {error}", highlight=False, markup=False, soft_wrap=True)

    names = ", ".join(path.name for path in paths)
    pairs = _pairs(paths, strict, note)
    with console.status(f"reading {names}") as status:
        corpus = TokenizedCorpus.build(
            pairs, tokenizer, MAX_LENGTH, lambda done: status.update(f"reading {names}: {done:,} pairs")
        )
    console.print(
        f"{names}: {len(corpus):,} pairs; skipped {bad_lines} bad lines and {corpus.too_long} pairs of more than "
        f"{MAX_LENGTH} tokens",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
    if len(corpus) == 0:
        raise ValueError(f"no usable pairs in {names}: all have more than {MAX_LENGTH} tokens")
    return corpus


def _opening(trainer: Trainer, model: Transformer, train_pairs: int, valid_pairs: int) -> str:
    start = f"going on after step {trainer.progress.step}" if trainer.progress.step else "starting"
    return (
        f"{start}: preset {trainer.config.preset}, {model.num_parameters():,} parameters, {train_pairs:,} pairs, "
        f"{valid_pairs:,} for validation, on {trainer.device.type} in {trainer.precision}"
    )


def _write_bundle(
    trainer: Trainer,
    model: Transformer,
    tokenizer: Tokenizer,
    situations: bool,
    notes: BundleNotes,
    files: Sequence[str],
) -> Path:
    """Makes out/bundle of the best averaged weights."""
    model.load_state_dict(load_checkpoint(trainer.out / BEST)["model"])
    progress, config = trainer.progress, trainer.config
    measured = {
        "files": list(files),
        "pairs": len(trainer.batches.rows),
        "steps": progress.step,
        "tokens": progress.tokens,
        "minutes": round(progress.seconds / 60, 1),
        "best_step": progress.best_step,
        "validation_pairs": len(trainer.valid_batches.rows),
        "validation_loss": progress.best_loss,
        "validation_token_accuracy": progress.best_accuracy,
        "config": asdict(config),
        "curves": read_curves(trainer.out),
    }
    card = f"""# {notes.name}

Drafts rescue instructions from distress reports, for a person to decide on. Not to be used without review.

| | |
|---|---|
| network | Transformer, preset {config.preset}, {model.num_parameters():,} parameters |
| vocabulary | {tokenizer.vocab_size:,} tokens |
| writes situations | {"yes" if situations else "no: the pairs had none"} |
| trained on | {", ".join(files)}: {len(trainer.batches.rows):,} pairs |
| training | {progress.step:,} updates, {progress.tokens:,} tokens, {duration(progress.seconds)} |
| weights | moving average at update {progress.best_step:,}, the best in validation |
| validation | {len(trainer.valid_batches.rows):,} pairs |
| validation loss | {progress.best_loss:.4f} nats per token |
| validation token accuracy | {progress.best_accuracy:.2%} |
| made by | `{notes.command}` |

{notes.card}"""
    path = trainer.out / "bundle"
    bundle_config = BundleConfig(
        notes.name, model.config, situations, notes.command, default_doctrine().digest if situations else ""
    )
    save_bundle(path, bundle_config, model, tokenizer, {"training": measured}, card)
    return path
