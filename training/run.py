"""A whole training run: pairs in, a bundle out. Running it again after a stop goes on where it was."""

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console

from dispatch.domain import Convention, default_doctrine
from dispatch.domain.linear import SYMBOLS, Symbol, source_pieces
from dispatch.model import (
    Bundle,
    BundleConfig,
    NgramCounter,
    SeenNgrams,
    Tokenizer,
    TokenizerConfig,
    Transformer,
    TransformerConfig,
    load_bundle,
    read_metrics,
    save_bundle,
    train_tokenizer,
)
from training.batching import Rows, TokenBatches
from training.checkpoint import load_checkpoint
from training.corpus import Pair, PairError, TokenizedCorpus, pair_target_pieces, read_pairs
from training.log import TrainingLog, duration, read_curves
from training.memory import keep_freed_memory
from training.presets import preset_config
from training.trainer import BEST, LAST, BatchLoss, TrainConfig, Trainer, checked_resume, resume_facts

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
    make_batches: Callable[[TokenizedCorpus, Rows, int, int, int], TokenBatches] = TokenBatches,
    initial: Path | None = None,
) -> Path:
    """Trains on pairs files and returns the path of the bundle, out/bundle, made of the best averaged weights.

    The tokenizer is trained on the pairs and kept as out/tokenizer.model. Without valid, a seeded 2% of the pairs is
    held out for validation. make_batches decides in which order what is trained on comes. With initial, a bundle, the
    network starts as that bundle's, whose tokenizer and conventions it keeps; else from nothing, as the config's preset
    has it. If out holds the checkpoint of a run with the same config and data, that run goes on with its tokenizer, and
    its parameters become what they would have been without the stop.

    Raises:
        ValueError: if there are no usable pairs, or out holds a run with another config or other data.
        BundleError: if initial cannot be read.
        PairError: on the first bad line, if strict.
        TrainingInterrupted: after SIGINT or SIGTERM, with everything saved.
        TrainingDiverged: if the loss is no longer a number.
    """
    console = console or Console(stderr=True)
    out.mkdir(parents=True, exist_ok=True)
    keep_freed_memory()
    if config.threads > 0:
        torch.set_num_threads(config.threads)
    files = tuple(path.name for path in pairs)
    torch.manual_seed(config.seed)
    if initial is None:
        tokenizer = _tokenizer(out / "tokenizer.model", pairs, tokenizer_config, strict, console)
        start = _Start(Transformer(_preset(config, tokenizer)), tokenizer, Origin(f"preset {config.preset}", files))
    else:
        start = _from_bundle(load_bundle(initial), config.dropout, files)
    tokenizer, longest = start.tokenizer, start.network.config.max_length
    ngrams = NgramCounter()
    corpus = tokenized(pairs, tokenizer, longest, strict, console, ngrams)
    if valid is None:
        train_rows, valid_rows = hold_out(len(corpus), config.seed)
        valid_corpus = corpus
    else:
        valid_corpus = tokenized([valid], tokenizer, longest, strict, console)
        train_rows, valid_rows = np.arange(len(corpus)), np.arange(len(valid_corpus))
    batches = make_batches(corpus, train_rows, config.batch_tokens, config.seed, tokenizer.pad_id)
    valid_batches = TokenBatches(valid_corpus, valid_rows, config.batch_tokens, config.seed, tokenizer.pad_id)
    model = start.network.to(training_device())
    facts = {"tokenizer": hashlib.sha256(tokenizer.model_proto).hexdigest(), **start.facts}
    trainer = fit(model, config, batches, valid_batches, out, facts, start.origin.network, console)
    situations = corpus.has_situations
    doctrine = default_doctrine().digest if situations else ""
    written = BundleConfig(notes.name, model.config, situations, notes.command, doctrine, conventions=start.conventions)
    seen = ngrams.seen() | start.seen_ngrams if start.seen_ngrams else ngrams.seen()
    return write_bundle(trainer, model, tokenizer, written, start.origin, notes.card, seen)


@dataclass(frozen=True)
class Origin:
    """What a bundle was made of: a preset or a bundle, in words; files of pairs; how that bundle was trained."""

    network: str
    files: tuple[str, ...]
    earlier: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class _Start:
    """What a run starts from, and what its bundle keeps of that."""

    network: Transformer
    tokenizer: Tokenizer
    origin: Origin
    facts: Mapping[str, str] = field(default_factory=dict)  # what a run that goes on must share
    conventions: tuple[Convention, ...] = ()
    seen_ngrams: SeenNgrams | None = None


def _from_bundle(bundle: Bundle, dropout: float, files: tuple[str, ...]) -> _Start:
    return _Start(
        initial_network(bundle, dropout),
        bundle.tokenizer,
        origin_from(bundle, files),
        {"from": bundle.identity.digest},
        bundle.config.conventions,
        bundle.seen_ngrams,
    )


def _preset(config: TrainConfig, tokenizer: Tokenizer) -> TransformerConfig:
    return preset_config(
        config.preset, tokenizer.vocab_size, config.dropout, config.encoder_layers, config.decoder_layers
    )


def initial_network(bundle: Bundle, dropout: float) -> Transformer:
    """A network to train that starts as a bundle's."""
    network = Transformer(replace(bundle.config.model, dropout=dropout))
    network.load_state_dict(bundle.model.state_dict())
    return network


def origin_from(bundle: Bundle, files: tuple[str, ...]) -> Origin:
    """What is said of a network that starts as a bundle's."""
    name = f"from {bundle.identity.name} ({bundle.identity.digest[:12]})"
    return Origin(name, files, read_metrics(bundle.path).get("training", {}))


def training_device() -> torch.device:
    """A GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def fit(
    model: Transformer,
    config: TrainConfig,
    batches: TokenBatches,
    valid_batches: TokenBatches,
    out: Path,
    facts: Mapping[str, object],
    what: str,
    console: Console,
    loss: BatchLoss | None = None,
) -> Trainer:
    """Trains a model, going on from the checkpoint in out where there is one; it then has the best averaged weights.

    facts are what a run that goes on must share, beside config and data; what names the network for the log.

    Raises:
        ValueError: if out holds a run with another config, other facts or other data.
        TrainingInterrupted: after SIGINT or SIGTERM, with everything saved.
        TrainingDiverged: if the loss is no longer a number.
    """
    facts = {
        **resume_facts(config),
        **facts,
        "training data": batches.corpus.digest(),
        "validation data": valid_batches.corpus.digest(),
    }
    state = checked_resume(out / LAST, facts) if (out / LAST).exists() else None
    log = TrainingLog(out, state["progress"]["step"] if state else 0, config.max_steps, console)
    try:
        trainer = Trainer(model, config, batches, valid_batches, out, log, loss)
        if state:
            trainer.restore(state)
        log.say(_opening(trainer, model, what))
        reason = trainer.fit(facts)
        took = duration(trainer.progress.seconds)
        log.say(f"stopped by {reason} after {took}; best at step {trainer.progress.best_step}")
    finally:
        log.close()
    model.load_state_dict(load_checkpoint(out / BEST)["model"])
    return trainer


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
        for _ in usable_pairs(pairs, strict):
            pass  # so that errors show first: SentencePiece hides those raised while it reads
        tokenizer = train_tokenizer(_texts(pairs, strict), config, SYMBOLS)
    temporary = path.with_suffix(".tmp")
    temporary.write_bytes(tokenizer.model_proto)
    os.replace(temporary, path)
    return tokenizer


def _texts(paths: Sequence[Path], strict: bool) -> Iterator[str]:
    """Every free text of the pairs: what the tokenizer learns its vocabulary from."""
    for pair in usable_pairs(paths, strict):
        pieces = source_pieces(pair.report, pair.context) + pair_target_pieces(pair)
        yield from (piece for piece in pieces if not isinstance(piece, Symbol))


def usable_pairs(
    paths: Sequence[Path], strict: bool, on_error: Callable[[PairError], None] | None = None
) -> Iterator[Pair]:
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


def tokenized(
    paths: Sequence[Path],
    tokenizer: Tokenizer,
    longest: int,
    strict: bool,
    console: Console,
    ngrams: NgramCounter | None = None,
) -> TokenizedCorpus:
    """The pairs of files as token ids; says on the console how many there are, and what was skipped.

    Those of more than ``longest`` tokens are. ngrams counts what the reports of all are made of.

    Raises:
        ValueError: if there are no usable pairs.
        PairError: on the first bad line, if strict.
    """
    bad_lines = 0

    def note(error: PairError) -> None:
        nonlocal bad_lines
        bad_lines += 1
        if bad_lines <= ERRORS_SHOWN:
            console.print(f"skipped: {error}", highlight=False, markup=False, soft_wrap=True)

    names = ", ".join(path.name for path in paths)
    pairs = usable_pairs(paths, strict, note)
    if ngrams is not None:
        pairs = _counted(pairs, ngrams)
    with console.status(f"reading {names}") as status:
        corpus = TokenizedCorpus.build(
            pairs, tokenizer, longest, lambda done: status.update(f"reading {names}: {done:,} pairs")
        )
    console.print(
        f"{names}: {len(corpus):,} pairs; skipped {bad_lines} bad lines and {corpus.too_long} pairs of more than "
        f"{longest} tokens",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
    if len(corpus) == 0:
        raise ValueError(f"no usable pairs in {names}: all have more than {longest} tokens")
    return corpus


def _counted(pairs: Iterator[Pair], ngrams: NgramCounter) -> Iterator[Pair]:
    for pair in pairs:
        ngrams.add(pair.report)
        yield pair


def _opening(trainer: Trainer, model: Transformer, what: str) -> str:
    start = f"going on after step {trainer.progress.step}" if trainer.progress.step else "starting"
    train_pairs, valid_pairs = len(trainer.batches.rows), len(trainer.valid_batches.rows)
    return (
        f"{start}: {what}, {model.num_parameters():,} parameters, {train_pairs:,} pairs, "
        f"{valid_pairs:,} for validation, on {trainer.device.type} in {trainer.precision}"
    )


def write_bundle(
    trainer: Trainer,
    model: Transformer,
    tokenizer: Tokenizer,
    config: BundleConfig,
    origin: Origin,
    card: str,
    seen_ngrams: SeenNgrams | None,
) -> Path:
    """Makes the bundle out/bundle of a model that :func:`fit` has trained; card is text of the user's for its card."""
    progress = trainer.progress
    measured = {
        "files": list(origin.files),
        "pairs": len(trainer.batches.rows),
        "steps": progress.step,
        "tokens": progress.tokens,
        "minutes": round(progress.seconds / 60, 1),
        "best_step": progress.best_step,
        "validation_pairs": len(trainer.valid_batches.rows),
        "validation_loss": progress.best_loss,
        "validation_token_accuracy": progress.best_accuracy,
        "network": origin.network,
        "config": asdict(trainer.config),
        "curves": read_curves(trainer.out),
        **({"earlier": dict(origin.earlier)} if origin.earlier else {}),
    }
    taught = taught_rows(config)
    before = "".join(
        f"| trained before | {each['steps']:,} updates, {each['tokens']:,} tokens on {', '.join(each['files'])} |\n"
        for each in trainings(origin.earlier)
    )
    text = f"""# {config.name}

Drafts rescue instructions from distress reports, for a person to decide on. Not to be used without review.

| | |
|---|---|
| network | Transformer, {origin.network}, {model.num_parameters():,} parameters |
| vocabulary | {tokenizer.vocab_size:,} tokens |
| writes situations | {"yes" if config.situations else "no: the pairs had none"} |
{taught}{before}| trained on | {", ".join(origin.files)}: {len(trainer.batches.rows):,} pairs |
| training | {progress.step:,} updates, {progress.tokens:,} tokens, {duration(progress.seconds)} |
| weights | moving average at update {progress.best_step:,}, the best in validation |
| validation | {len(trainer.valid_batches.rows):,} pairs |
| validation loss | {progress.best_loss:.4f} nats per token |
| validation token accuracy | {progress.best_accuracy:.2%} |
| made by | `{config.created_by}` |

{card}"""
    path = trainer.out / "bundle"
    save_bundle(path, config, model, tokenizer, {"training": measured}, text, seen_ngrams)
    return path


def taught_rows(config: BundleConfig) -> str:
    """What reviews have taught, as rows of the card's table."""
    return "".join(
        f"| taught by reviews | {each.clause} ({', '.join(each.hazards) or 'all hazards'}) |\n"
        for each in config.conventions
    )


def trainings(training: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The records of a network's trainings, the first one first, from the record of the last (see `write_bundle`)."""
    return [*trainings(training["earlier"]), training] if "earlier" in training else [training] if training else []
