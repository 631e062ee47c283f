"""The CTranslate2 engine: quick on a processor, and it answers as the torch engine does.

Greedy search drafts with CTranslate2 and verifies with torch, as speculative decoding does (Leviathan et al. 2023):
torch reads what int8 was not sure of, all of a row at once, and where it would have gone on otherwise CTranslate2 goes
on behind its token. In a place that nobody has said the best token that somebody has takes the place of what was
written. What CTranslate2 cannot do is decoded by torch: a beam with a refused place or a cut or repeating hypothesis,
a beam behind a typed beginning, sampling, and what is asked of the instruction's text.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from math import exp, log1p
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from dispatch.decoding import DecodingConfig, Ending, Hypothesis, SpanConstraint, is_runaway
from dispatch.engine.bundle_engine import BundleEngine
from dispatch.engine.processors import available_processors
from dispatch.engine.torch_engine import TorchSearch
from dispatch.model import Bundle

if TYPE_CHECKING:
    from ctranslate2 import GenerationStepResult

ComputeType = Literal["int8", "float32"]

SURE = 0.4
"""How much more log-probability than the next a token needs to be the best in float32 too: rounding to int8 moves the
difference by some 0.1. `benchmarks/parity.py --sure` measures what other values would do."""

_ROWS = 16
"""Rows that are decoded together: of about equal length, since the shorter ones are padded."""
_ROUNDS = 12
"""How often a row is taken up before it is left to torch."""


@dataclass
class _Row:
    """One sequence that is being decoded; ``index`` is its place among the rows of the call.

    ``tokens`` begin with the forced ones, whose scores come with the first step that feeds them.
    """

    index: int
    source: Sequence[int]
    forced: Sequence[int]
    limit: int
    """The most tokens that it may have."""
    places: SpanConstraint | None
    tokens: list[int] = field(init=False)
    scores: list[float] = field(default_factory=list)
    ending: Ending | None = None
    doubt: int = 0
    """Of so many of its first tokens the last is not sure; 0 where all are."""
    rounds: int = 0
    stopped: bool = False

    def __post_init__(self) -> None:
        self.tokens = list(self.forced)

    @property
    def goes_on(self) -> bool:
        """Whether it has no end yet, and somebody waits for it."""
        return self.ending is None and not self.stopped

    def add(self, token: int, score: float, stop_id: int) -> None:
        """Writes a token, and ends where the reference would."""
        self.tokens.append(token)
        self.scores.append(score)
        if token == stop_id:
            self.ending = "stop"
        elif len(self.tokens) == self.limit:
            self.ending = "limit"
        elif is_runaway(self.tokens, len(self.forced)):
            self.ending = "repetition"

    def hypothesis(self, decoding: DecodingConfig) -> Hypothesis:
        assert self.ending is not None
        own = self.scores[len(self.forced) :]
        score = sum(own) / len(own) ** decoding.length_penalty
        return Hypothesis(tuple(self.tokens), tuple(self.scores), score, self.ending)


class _Listener:
    """Takes down the tokens of a batch as CTranslate2 chooses them, and ends each row where the reference would.

    It ends a row too that is stopped, or whose token must be another: what would follow is of no use then.
    """

    def __init__(self, batch: Sequence[_Row], sure: float, stop_id: int, should_stop: Callable[[int], bool]) -> None:
        self._batch = batch
        self._given = [len(row.tokens) for row in batch]
        self._sure = sure
        self._certain = -log1p(exp(-sure))  # a log-probability with which no other token can come as near
        self._stop_id = stop_id
        self._should_stop = should_stop
        self._first: GenerationStepResult | None = None
        self._calls = 0

    def __call__(self, result: "GenerationStepResult") -> bool:
        """Whether the row of this token is to be ended."""
        if self._first is None or result.step != self._first.step:
            self._first, self._calls = result, 0
        self._calls += 1
        row = self._batch[result.batch_id]
        row.stopped = self._should_stop(row.index)
        if row.stopped:
            return True
        if result.step >= self._given[result.batch_id]:
            return not self._write(row, result)
        if result.step >= len(row.scores):
            row.scores.append(_log_probability(self._logits(), row.tokens[result.step]))
        return False

    def release(self) -> None:
        """Forgets what it was given.

        CTranslate2's own thread lets go of its listener at some time after the call. Were that the last that holds an
        engine (should_stop may), the thread would have to end itself, which ends the process.
        """
        self._batch, self._should_stop, self._first = (), bool, None  # bool, because it is no closure

    def _write(self, row: _Row, result: "GenerationStepResult") -> bool:
        """Writes a row's next token; whether it goes on behind it."""
        token, score = result.token_id, result.log_prob
        allowed = row.places.allowed(row.tokens) if row.places else None
        refused = bool(allowed) and token not in (allowed or ())
        if refused or (self._sure and score < self._certain):
            logits_V = self._logits()
            token, lead = _best(logits_V, allowed)
            score += float(logits_V[token] - logits_V[result.token_id])
            if lead < self._sure:
                row.doubt = len(row.tokens) + 1
        row.add(token, score, self._stop_id)
        return row.ending is None and not refused

    def _logits(self) -> NDArray[np.float32]:
        """Of the row that was called for last: a step's first call brings those of all rows, in the calls' order."""
        assert self._first is not None
        logits_V: NDArray[np.float32] = np.asarray(self._first.logits)[self._calls - 1]
        return logits_V


class CTranslate2Search:
    """Runs a bundle's export with CTranslate2, and ``reference`` where that cannot answer."""

    def __init__(
        self, bundle: Bundle, folder: Path, compute_type: ComputeType, threads: int, reference: TorchSearch, sure: float
    ) -> None:
        """``sure`` is by how much a token of int8 must lead; float32 needs no verification."""
        from ctranslate2 import Translator

        self._translator: Translator = Translator(str(folder), compute_type=compute_type, intra_threads=threads)
        self._sure = sure if compute_type == "int8" else 0.0
        self._reference = reference
        self._pieces = bundle.tokenizer.pieces()
        self._bos_id = bundle.tokenizer.bos_id
        self._ids = {piece: token for token, piece in enumerate(self._pieces)}
        self._max_length = bundle.config.model.max_length

    def __call__(
        self,
        sources: Sequence[Sequence[int]],
        prefixes: Sequence[Sequence[int]],
        decoding: DecodingConfig,
        stop_id: int,
        should_stop: Callable[[int], bool],
    ) -> list[list[Hypothesis]]:
        """See :class:`dispatch.engine.bundle_engine.Search`."""
        decoding.validate()
        rows = [
            self._row(index, source, prefix[1:], decoding)
            for index, (source, prefix) in enumerate(zip(sources, prefixes, strict=True))
        ]
        found: dict[int, list[Hypothesis]] = {}
        if decoding.strategy == "greedy" and not decoding.constrains_instruction:
            found = self._greedy(rows, decoding, stop_id, should_stop)
        elif decoding.strategy == "beam" and not decoding.constrains_instruction:
            found = self._beam([row for row in rows if len(row.forced) <= 1], decoding, stop_id, should_stop)
        left = [row.index for row in rows if row.index not in found]
        if left:
            again = self._reference(
                [sources[i] for i in left],
                [prefixes[i] for i in left],
                decoding,
                stop_id,
                lambda row: should_stop(left[row]),
            )
            found |= zip(left, again, strict=True)
        return [found[row.index] for row in rows]

    def _row(self, index: int, source: Sequence[int], forced: Sequence[int], decoding: DecodingConfig) -> _Row:
        limit = min(len(forced) + decoding.max_tokens, self._max_length)
        return _Row(index, source, forced, limit, self._reference.places(source))

    def _greedy(
        self, rows: Sequence[_Row], decoding: DecodingConfig, stop_id: int, should_stop: Callable[[int], bool]
    ) -> dict[int, list[Hypothesis]]:
        """The answers, none for a row that was stopped; a row that was taken up too often is not there."""
        queue = _by_length(rows)
        while queue:
            batch, queue = queue[:_ROWS], queue[_ROWS:]
            self._write(batch, stop_id, should_stop)
            self._verify([row for row in batch if row.doubt and row.ending and not row.stopped], stop_id)
            queue = [*(row for row in batch if row.goes_on and row.rounds < _ROUNDS), *queue]
        return {row.index: [] if row.stopped else [row.hypothesis(decoding)] for row in rows if not row.goes_on}

    def _write(self, batch: Sequence[_Row], stop_id: int, should_stop: Callable[[int], bool]) -> None:
        """Has each row go on to its end, or to a token that was refused."""
        for row in batch:
            row.rounds += 1
            row.stopped = should_stop(row.index)
        awaited = [row for row in batch if not row.stopped]
        if not awaited:
            return
        listener = _Listener(awaited, self._sure, stop_id, should_stop)
        self._translator.translate_batch(
            [self._spelled(row.source) for row in awaited],
            [self._spelled(row.tokens) for row in awaited],
            beam_size=1,
            max_input_length=0,
            max_decoding_length=max(row.limit for row in awaited),
            min_decoding_length=0,
            end_token=[stop_id],
            return_scores=True,
            return_logits_vocab=True,
            callback=listener,
        )
        listener.release()

    def _verify(self, rows: Sequence[_Row], stop_id: int) -> None:
        """Has the reference read what is doubtful; a row goes on behind the first token that is not the reference's."""
        if not rows:
            return
        drafts = [[self._bos_id, *row.tokens[: row.doubt]] for row in rows]
        read = self._reference.verify([row.source for row in rows], drafts, [len(row.forced) for row in rows])
        for row, (tokens, scores) in zip(rows, read, strict=True):
            as_drafted = tokens == row.tokens[: row.doubt]
            row.doubt = 0
            if as_drafted:
                row.scores[: len(scores)] = scores
            else:
                row.tokens, row.scores, row.ending = tokens[:-1], scores[:-1], None
                row.add(tokens[-1], scores[-1], stop_id)

    def _beam(
        self, rows: Sequence[_Row], decoding: DecodingConfig, stop_id: int, should_stop: Callable[[int], bool]
    ) -> dict[int, list[Hypothesis]]:
        """The n-best lists that stand: a beam does not say of which token it was unsure.

        A row that is stopped while its batch is decoded has none.
        """
        found: dict[int, list[Hypothesis]] = {row.index: [] for row in rows if should_stop(row.index)}
        awaited = _by_length([row for row in rows if row.index not in found])
        for first in range(0, len(awaited), _ROWS):
            batch = awaited[first : first + _ROWS]
            results = self._translator.translate_batch(
                [self._spelled(row.source) for row in batch],
                [self._spelled(row.forced) for row in batch],
                beam_size=decoding.beam_size,
                num_hypotheses=decoding.beam_size,
                length_penalty=decoding.length_penalty,
                max_input_length=0,
                max_decoding_length=max(row.limit for row in batch),
                min_decoding_length=0,
                end_token=[stop_id],
                return_end_token=True,
                return_scores=True,
            )
            best: dict[int, list[tuple[tuple[int, ...], float]]] = {}
            for row, result in zip(batch, results, strict=True):
                if should_stop(row.index):
                    found[row.index] = []
                    continue
                written = [tuple(self._ids[piece] for piece in pieces) for pieces in result.hypotheses]
                ranked = _rank(written, result.scores, len(row.forced), decoding)
                if self._stands(row, ranked, stop_id):
                    best[row.index] = ranked
            sources = [row.source for row in batch for _ in best.get(row.index, ())]
            scored = iter(self._token_scores(sources, [tokens for ranked in best.values() for tokens, _ in ranked]))
            for index, ranked in best.items():
                found[index] = [Hypothesis(tokens, next(scored), score, "stop") for tokens, score in ranked]
        return found

    def _stands(self, row: _Row, ranked: Iterable[tuple[tuple[int, ...], float]], stop_id: int) -> bool:
        """Whether the reference would have written these: none was cut, runs away, or has a place from nowhere."""
        start = len(row.forced)
        return all(
            tokens[-1] == stop_id
            and not any(is_runaway(tokens[:end], start) for end in range(start + 1, len(tokens)))
            and (row.places is None or row.places.first_violation(tokens, start) is None)
            for tokens, _ in ranked
        )

    def _token_scores(
        self, sources: Sequence[Sequence[int]], sequences: Sequence[Sequence[int]]
    ) -> list[tuple[float, ...]]:
        """The log-probability of each token of the sequences."""
        if not sequences:
            return []
        results = self._translator.score_batch(
            [self._spelled(source) for source in sources],
            [self._spelled(tokens) for tokens in sequences],
            max_input_length=0,
        )
        return [tuple(result.log_probs[: len(tokens)]) for result, tokens in zip(results, sequences, strict=True)]

    def _spelled(self, tokens: Sequence[int]) -> list[str]:
        return [self._pieces[token] for token in tokens]


class CTranslate2Engine(BundleEngine):
    """Answers by a :class:`CTranslate2Search`, on the processor."""

    name = "ctranslate2"

    def __init__(
        self,
        bundle: Bundle,
        compute_type: ComputeType = "int8",
        threads: int = 0,
        *,
        guard_places: bool = True,
        sure: float = SURE,
    ) -> None:
        """Raises ValueError for a bundle without an export, ModuleNotFoundError where the library is not installed.

        ``threads`` are as many as there are available processors where 0; ``guard_places`` is as in the torch engine.
        ``sure`` is by how much a token must lead that int8 writes, else torch reads it as well.
        """
        if bundle.ctranslate2 is None:
            raise ValueError(f"{bundle.path} holds no export for CTranslate2: `dispatch export {bundle.path}` makes it")
        reference = TorchSearch(bundle, torch.device("cpu"), guard_places=guard_places)
        threads = threads or available_processors()
        search = CTranslate2Search(bundle, bundle.ctranslate2, compute_type, threads, reference, sure)
        self.compute_type = compute_type
        super().__init__(bundle, search)


def _by_length(rows: Iterable[_Row]) -> list[_Row]:
    return sorted(rows, key=lambda row: len(row.source))


def _best(logits_V: NDArray[np.float32], allowed: Collection[int] | None) -> tuple[int, float]:
    """The best of the tokens (of all where none is named), and by how much it leads; of equals the lower id."""
    ids = np.array(sorted(allowed)) if allowed else np.arange(len(logits_V))
    logits_C = logits_V[ids]
    best = int(logits_C.argmax())
    others_C = np.delete(logits_C, best)
    return int(ids[best]), float(logits_C[best] - others_C.max(initial=-np.inf))


def _log_probability(logits_V: NDArray[np.float32], token: int) -> float:
    highest = logits_V.max()
    return float(logits_V[token] - highest - np.log(np.exp(logits_V - highest).sum()))


def _rank(
    written: Iterable[tuple[int, ...]], scores: Iterable[float], forced: int, decoding: DecodingConfig
) -> list[tuple[tuple[int, ...], float]]:
    """The best sequences with their scores: as CTranslate2 ranks them, but the forced tokens do not count as length."""
    penalty = decoding.length_penalty
    ranked = [
        (tokens, score * (len(tokens) / (len(tokens) - forced)) ** penalty)
        for tokens, score in zip(written, scores, strict=True)
    ]
    return sorted(ranked, key=lambda entry: -entry[1])[: decoding.num_candidates]
