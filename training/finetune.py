"""Fine-tuning: what reviewers have corrected, learnt by a bundle that keeps what it knew.

What can be told as a rule needs no weights: a clause that nearly all orders for a hazard were released with is a
convention that always holds. Weights change where the bundle would not have written at least LEAST_PAIRS of the pairs.

Two things keep it then. Replay: generated pairs stand between the corrected ones, and on them the network is held to
what the bundle said before (its whole distribution over each token, not the pair's text alone: Li and Hoiem 2016,
"Learning without Forgetting"), so that nothing pulls at it but what reviewers wrote. And pairs whose text is doctrine's
with the conventions, and replayed ones that doctrine would answer without them, end before their instruction's text:
they teach the reading, and do not contradict the reviewers.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import count, islice
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from torch import Tensor

from dispatch.domain import Convention, default_doctrine
from dispatch.domain.linear import INSTRUCTION, SITUATION, WORKING
from dispatch.model import (
    Bundle,
    BundleConfig,
    NgramCounter,
    SeenNgrams,
    label_smoothed_cross_entropy,
    load_bundle,
    save_bundle,
)
from training.batching import Batch, Rows, TokenBatches
from training.conventions import LEAST_PAIRS, find_conventions, follows, is_changed
from training.corpus import Pair, PairError, TokenizedCorpus
from training.memory import keep_freed_memory
from training.run import (
    ERRORS_SHOWN,
    BundleNotes,
    Origin,
    fit,
    hold_out,
    initial_network,
    origin_from,
    taught_rows,
    training_device,
    usable_pairs,
    write_bundle,
)
from training.trainer import TrainConfig

MOST_REPLAYED = 50_000  # pairs of a file: more than a fine-tuning gets through
DEFAULT_SHARE = 0.8
LEAST_SHARE = 0.01  # of what is seen; less would have the others repeated without end
_HELD_OUT_SHARE = 0.05  # of the corrected pairs, where no file is named to validate on

FINE_TUNING = TrainConfig(
    max_steps=300,
    optimizer="adamw",
    peak_lr=3e-4,
    warmup_steps=20,
    cooldown_steps=100,
    label_smoothing=0.05,
    dropout=0.0,
    validate_every=100,
    save_every=100,
)
"""How a bundle is fine-tuned unless it is said otherwise: minutes on two processors."""


@dataclass(frozen=True)
class Replay:
    """A file of pairs to replay, and which part of all pairs seen are to be its own."""

    path: Path
    share: float = DEFAULT_SHARE

    @classmethod
    def parse(cls, text: str) -> "Replay":
        """Reads `FILE` or `FILE:SHARE`. Raises ValueError for a share that is not between LEAST_SHARE and 1."""
        name, colon, number = text.rpartition(":")
        try:
            share = float(number) if colon else DEFAULT_SHARE
        except ValueError:
            name, share = text, DEFAULT_SHARE
        if not LEAST_SHARE <= share < 1:
            raise ValueError(f"{text}: the share must be at least {LEAST_SHARE} and below 1")
        return cls(Path(name if colon and name else text), share)


def fine_tune(
    base: Path,
    pairs: Sequence[Path],
    mix: Sequence[Replay],
    valid: Path | None,
    out: Path,
    config: TrainConfig,
    notes: BundleNotes,
    strict: bool = False,
    console: Console | None = None,
) -> Path:
    """Trains the network of a bundle on corrected pairs mixed with replayed ones; returns the new bundle, out/bundle.

    Tokenizer and network are the bundle's; so is the calibration, until `dispatch calibrate` fits it anew. So are the
    weights where it would have written all but a few of the pairs itself. If out holds the checkpoint of a run with the
    same base, config and data, that run goes on.

    Raises:
        ValueError: if there are no usable pairs, the shares leave the corrected pairs none, or out holds another run.
        BundleError: if the base cannot be read.
        PairError: on the first bad line, if strict.
        TrainingInterrupted, TrainingDiverged: as :func:`training.run.train` does.
    """
    console = console or Console(stderr=True)
    own_share = 1 - sum(replay.share for replay in mix)
    if own_share < LEAST_SHARE:
        raise ValueError("the shares of the files to mix in leave the pairs too little; make them smaller")
    bundle = load_bundle(base)
    origin = origin_from(bundle, tuple(path.name for path in (*pairs, *(replay.path for replay in mix))))
    out.mkdir(parents=True, exist_ok=True)
    keep_freed_memory()
    if config.threads > 0:
        torch.set_num_threads(config.threads)
    skipped = _skipped(console)
    ngrams = NgramCounter()
    own, taught = _corrected(pairs, bundle, strict, skipped, ngrams, console)
    tokenizer = bundle.tokenizer
    seen = bundle.seen_ngrams | ngrams.seen() if bundle.seen_ngrams else None
    told = _config(bundle, notes, taught)
    if bundle.config.situations and (new := _written_otherwise(bundle, own, config)) < LEAST_PAIRS:
        _say(console, f"{new:,} of {len(own):,} corrected pairs are not what the bundle would write: its weights stay")
        unchanged = replace(origin, files=tuple(path.name for path in pairs))
        return _write_unchanged(bundle, told, unchanged, out, notes.card, seen)
    replayed = [_replayed(replay, bundle, taught, strict, skipped) for replay in mix]
    for replay, part in zip(mix, replayed, strict=True):
        _say(console, f"{replay.path.name}: {len(part):,} pairs to replay, {replay.share:.0%} of what is seen")
    shares = [own_share, *(replay.share for replay in mix)]
    batches, valid_batches = _mixed([own, *replayed], shares, config, tokenizer.pad_id)
    if valid is not None:
        corpus = TokenizedCorpus.build(
            usable_pairs([valid], strict, skipped), tokenizer, bundle.config.model.max_length
        )
        valid_batches = TokenBatches(corpus, np.arange(len(corpus)), config.batch_tokens, config.seed, tokenizer.pad_id)
    torch.manual_seed(config.seed)
    model = initial_network(bundle, config.dropout).to(training_device())
    teacher, instruction_id = bundle.model.to(training_device()), tokenizer.symbol_id(INSTRUCTION)
    loss = AnchoredLoss(teacher, len(own), config.label_smoothing, tokenizer.pad_id, instruction_id)
    what = f"fine-tuning {bundle.identity.name}"
    facts = {"from": bundle.identity.digest, "shares": str(shares)}
    trainer = fit(model, config, batches, valid_batches, out, facts, what, console, loss)
    return write_bundle(trainer, model, tokenizer, told, origin, notes.card, seen)


class AnchoredLoss:
    """Cross-entropy on what corrected pairs change; everywhere else the divergence (Kullback-Leibler) from the bundle.

    Rows of the corpus from ``first_replayed`` on are replayed: all of their tokens are held to what the bundle said. Of
    a corrected pair the text behind ``instruction_id`` is learnt. Of its reading, which a person has confirmed or
    written, that is learnt which the bundle would have written otherwise; the rest is held too. Each of the two is a
    mean over its own tokens, in nats, so that a few corrections weigh as much as all that is to be kept.
    """

    def __init__(
        self, teacher: torch.nn.Module, first_replayed: int, smoothing: float, pad_id: int, instruction_id: int
    ) -> None:
        """teacher(source_BS, decoder_input_BT) must return logits_BTV."""
        self._teacher = teacher.eval().requires_grad_(False)
        self._first_replayed = first_replayed
        self._smoothing = smoothing
        self._pad_id = pad_id
        self._instruction_id = instruction_id

    def __call__(self, logits_BTV: Tensor, batch: Batch) -> Tensor:
        gold_BT = batch.decoder_output_BT
        with torch.no_grad():
            before_BTV = self._teacher(batch.source_BS, batch.decoder_input_BT)
        counts_BT = gold_BT != self._pad_id
        corrected_B = torch.from_numpy(batch.rows_B < self._first_replayed).to(logits_BTV.device)
        is_text_BT = _latest(batch.decoder_input_BT, self._instruction_id) >= 0
        learnt_BT = counts_BT & corrected_B[:, None] & (is_text_BT | (before_BTV.argmax(dim=-1) != gold_BT))
        held_BT = counts_BT & ~learnt_BT
        loss = logits_BTV.new_zeros(())
        if bool(learnt_BT.any()):
            said_NV, gold_N = logits_BTV[learnt_BT], gold_BT[learnt_BT]
            loss = loss + label_smoothed_cross_entropy(said_NV, gold_N, self._smoothing, self._pad_id)
        if bool(held_BT.any()):
            before_NV = before_BTV[held_BT].float().log_softmax(dim=-1)
            now_NV = logits_BTV[held_BT].float().log_softmax(dim=-1)
            loss = loss + torch.nn.functional.kl_div(now_NV, before_NV, reduction="batchmean", log_target=True)
        return loss


def _corrected(
    files: Sequence[Path],
    bundle: Bundle,
    strict: bool,
    skipped: Callable[[PairError], None],
    ngrams: NgramCounter,
    console: Console,
) -> tuple[TokenizedCorpus, tuple[Convention, ...]]:
    """The corrected pairs, and what reviews have taught by now; ngrams counts what the pairs' reports are made of."""
    pairs = _teaching(usable_pairs(files, strict, skipped), bundle, console)
    for pair in pairs:
        ngrams.add(pair.report)
    before = bundle.config.conventions if bundle.config.situations else ()
    taught = find_conventions(pairs, before)
    for convention in (each for each in taught if each not in before):
        _say(console, f"taught by the pairs: {convention.clause} ({', '.join(convention.hazards) or 'all hazards'})")
    longest = bundle.config.model.max_length
    corpus = TokenizedCorpus.build(pairs, bundle.tokenizer, longest, is_reading=lambda pair: follows(pair, taught))
    if len(corpus) < 2:
        raise ValueError(f"{len(corpus)} pairs of at most {longest} tokens are too few to fine-tune on")
    return corpus, taught


def _written_otherwise(bundle: Bundle, corpus: TokenizedCorpus, config: TrainConfig) -> int:
    """In how many rows the bundle would go on with another token somewhere; but workings, which doctrine does anew."""
    tokenizer, device = bundle.tokenizer, training_device()
    batches = TokenBatches(corpus, np.arange(len(corpus)), config.batch_tokens, config.seed, tokenizer.pad_id)
    begins, works, ends = (tokenizer.symbol_id(symbol) for symbol in (SITUATION, WORKING, INSTRUCTION))
    model = bundle.model.to(device)
    found = 0
    with torch.inference_mode():
        for rows in batches.in_order():
            batch = batches.collate(rows).to(device)
            input_BT, gold_BT = batch.decoder_input_BT, batch.decoder_output_BT
            begun_BT = torch.maximum(_latest(input_BT, begins), _latest(input_BT, ends))
            counts_BT = (gold_BT != tokenizer.pad_id) & (begun_BT >= _latest(input_BT, works))
            best_BT = model(batch.source_BS, input_BT).argmax(dim=-1)
            found += int((counts_BT & (best_BT != gold_BT)).any(dim=1).sum())
    return found


def _latest(input_BT: Tensor, symbol_id: int) -> Tensor:
    """For each place where the symbol was read last, up to there; -1 where it was not."""
    places_T = torch.arange(input_BT.shape[1], device=input_BT.device)
    return torch.where(input_BT == symbol_id, places_T, -1).cummax(dim=1).values


def _write_unchanged(
    bundle: Bundle, config: BundleConfig, origin: Origin, out: Path, card: str, seen: SeenNgrams | None
) -> Path:
    """The bundle out/bundle of the same weights, which says what it was taught."""
    text = f"""# {config.name}

Drafts rescue instructions from distress reports, for a person to decide on. Not to be used without review.

| | |
|---|---|
| weights | those {origin.network}: too few of the pairs needed others |
{taught_rows(config)}| taught by | {", ".join(origin.files)} |
| made by | `{config.created_by}` |

{card}"""
    path = out / "bundle"
    save_bundle(path, config, bundle.model.cpu(), bundle.tokenizer, {"training": dict(origin.earlier)}, text, seen)
    return path


def _teaching(pairs: Iterable[Pair], bundle: Bundle, console: Console) -> list[Pair]:
    """The pairs as the bundle writes them: one that writes situations learns nothing of a text without any."""
    found = list(pairs)
    if not bundle.config.situations:
        return [replace(pair, situations=()) for pair in found]
    teaching = [pair for pair in found if pair.situations]
    if len(teaching) < len(found):
        _say(console, f"left out: {len(found) - len(teaching):,} pairs without a situation that a person has confirmed")
    if not teaching:
        raise ValueError("no pair has a situation, and this bundle writes situations: there is nothing to learn from")
    return teaching


def _replayed(
    replay: Replay, bundle: Bundle, taught: Sequence[Convention], strict: bool, skipped: Callable[[PairError], None]
) -> TokenizedCorpus:
    pairs = list(islice(usable_pairs([replay.path], strict, skipped), MOST_REPLAYED))
    if bundle.config.situations:
        pairs = [pair for pair in pairs if pair.situations]
    else:
        pairs = [replace(pair, situations=()) for pair in pairs]
    corpus = TokenizedCorpus.build(
        pairs,
        bundle.tokenizer,
        bundle.config.model.max_length,
        is_reading=lambda pair: is_changed(pair, taught),
    )
    if len(corpus) < 2:
        raise ValueError(f"{replay.path}: no two pairs that this bundle could have learnt")
    return corpus


def _mixed(
    parts: Sequence[TokenizedCorpus], shares: Sequence[float], config: TrainConfig, pad_id: int
) -> tuple[TokenBatches, TokenBatches]:
    """To train on, each part repeated until it has its share; and to validate on, what is held out of every part."""
    first = 0
    kept: list[Rows] = []
    held: list[Rows] = []
    for part in parts:
        train_rows, valid_rows = hold_out(len(part), config.seed)
        if first == 0:  # the corrected pairs are few: a fiftieth of them would tell little
            shuffled = np.random.default_rng(config.seed).permutation(len(part))
            valid_rows = shuffled[: max(1, round(_HELD_OUT_SHARE * len(part)))]
            train_rows = np.setdiff1d(shuffled, valid_rows)
        kept.append(train_rows + first)
        held.append(valid_rows + first)
        first += len(part)
    most = max(len(rows) / share for rows, share in zip(kept, shares, strict=True))
    repeated = [np.resize(rows, round(most * share)) for rows, share in zip(kept, shares, strict=True)]
    corpus = TokenizedCorpus.join(parts)
    return (
        TokenBatches(corpus, np.concatenate(repeated), config.batch_tokens, config.seed, pad_id),
        TokenBatches(corpus, np.concatenate(held), config.batch_tokens, config.seed, pad_id),
    )


def _config(bundle: Bundle, notes: BundleNotes, taught: tuple[Convention, ...]) -> BundleConfig:
    return replace(
        bundle.config,
        name=notes.name,
        created_by=notes.command,
        doctrine=default_doctrine().digest if bundle.config.situations else "",
        conventions=taught,
    )


def _skipped(console: Console) -> Callable[[PairError], None]:
    """Names the first bad lines."""
    numbers = count(1)

    def note(error: PairError) -> None:
        if next(numbers) <= ERRORS_SHOWN:
            _say(console, f"skipped: {error}")

    return note


def _say(console: Console, text: str) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)
