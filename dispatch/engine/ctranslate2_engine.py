"""The CTranslate2 engine: quick on a processor, and it answers as the torch engine does.

CTranslate2 decodes nearly every row. What it cannot do, or not surely as the reference does, is decoded again by what
can: a token of which int8 is not sure by float32; a place that nobody has said, a beam with a cut or repeating
hypothesis, a beam behind a typed beginning, sampling, and what is asked of the instruction's text by torch.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from dispatch.decoding import DecodingConfig, Ending, Hypothesis, SpanConstraint, Spelling, is_runaway
from dispatch.engine.bundle_engine import BundleEngine, Search
from dispatch.engine.processors import available_processors
from dispatch.engine.torch_engine import TorchSearch
from dispatch.model import Bundle

if TYPE_CHECKING:
    from ctranslate2 import GenerationStepResult, Translator

ComputeType = Literal["int8", "float32"]

_ROWS = 16
"""Rows that are decoded together: of about equal length, since the shorter ones are padded."""
_SURE = 0.4
"""How much more log-probability than the next a token needs to be the best in float32 too: rounding to int8 moves the
difference by some 0.1."""


@dataclass
class _Row:
    """One sequence that is being decoded; ``index`` is its place among the rows of the call."""

    index: int
    source: Sequence[int]
    forced: Sequence[int]
    tokens: list[int] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    ending: Ending | None = None
    sure: bool = True
    """Whether every token led by enough, as far as anybody looked."""
    stopped: bool = False


class _Listener:
    """Takes down the tokens of a batch as CTranslate2 chooses them, and ends each row where the reference would.

    It ends a row too that is stopped, or that must be decoded again, since one of its tokens is not sure.
    """

    def __init__(
        self, batch: Sequence[_Row], limits: Sequence[int], stop_id: int, should_stop: Callable[[int], bool]
    ) -> None:
        self.batch = batch
        self.limits = limits
        self._stop_id = stop_id
        self._should_stop = should_stop
        self._step = -1
        self._sure: Iterator[bool] = iter(())

    def __call__(self, result: "GenerationStepResult") -> bool:
        """Whether the row of this token is to be ended."""
        if result.step != self._step:
            self._step = result.step
            # The first row of a step brings the logits of all that are still alive, in the order of their calls.
            self._sure = iter(()) if result.logits is None else iter(_are_sure(np.asarray(result.logits)))
        row = self.batch[result.batch_id]
        sure = next(self._sure, True)
        if result.step >= len(row.forced):
            row.tokens.append(result.token_id)
            row.scores.append(result.log_prob)
            row.sure = sure
            row.ending = self._ending(row, self.limits[result.batch_id])
        row.stopped = self._should_stop(row.index)
        return row.stopped or not row.sure or row.ending is not None

    def release(self) -> None:
        """Forgets what it was given.

        CTranslate2's own thread lets go of its listener at some time after the call. Were that the last that holds an
        engine (should_stop may), the thread would have to end itself, which ends the process.
        """
        self.batch, self._should_stop = (), bool  # bool, because it is no closure

    def _ending(self, row: _Row, limit: int) -> Ending | None:
        if row.tokens[-1] == self._stop_id:
            return "stop"
        if len(row.forced) + len(row.tokens) == limit:
            return "limit"
        return "repetition" if is_runaway(row.tokens) else None


class CTranslate2Search:
    """Runs a bundle's export with CTranslate2, and ``reference`` where that cannot answer."""

    def __init__(
        self, bundle: Bundle, folder: Path, compute_type: ComputeType, threads: int, reference: Search, spans: bool
    ) -> None:
        """``spans``: every place must be a span of its source."""
        from ctranslate2 import Translator

        # float32 decodes again what int8 is not sure of.
        types = ("int8", "float32") if compute_type == "int8" else ("float32",)
        self._translators = [Translator(str(folder), compute_type=name, intra_threads=threads) for name in types]
        self._reference = reference
        self._pieces = bundle.tokenizer.pieces()
        self._ids = {piece: token for token, piece in enumerate(self._pieces)}
        self._spelling = Spelling(bundle.tokenizer) if spans else None
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
            _Row(index, source, prefix[1:])
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

    def _greedy(
        self, rows: Sequence[_Row], decoding: DecodingConfig, stop_id: int, should_stop: Callable[[int], bool]
    ) -> dict[int, list[Hypothesis]]:
        """The answers that stand, none for a row that was stopped; what int8 was not sure of is asked of float32."""
        found: dict[int, list[Hypothesis]] = {}
        for translator in self._translators:
            unsure = []
            for batch in _batches(rows):
                for row in batch:
                    row.stopped = should_stop(row.index)
                awaited = [row for row in batch if not row.stopped]
                if awaited:
                    self._write(translator, awaited, decoding, stop_id, should_stop)
                for row in batch:
                    if row.stopped:
                        found[row.index] = []
                    elif not row.sure:
                        unsure.append(_Row(row.index, row.source, row.forced))
                    elif self._keeps_to_spans(row.source, (*row.forced, *row.tokens), len(row.forced)):
                        found[row.index] = [self._hypothesis(translator, row, decoding)]
            rows = unsure
        return found

    def _write(
        self,
        translator: "Translator",
        batch: Sequence[_Row],
        decoding: DecodingConfig,
        stop_id: int,
        should_stop: Callable[[int], bool],
    ) -> None:
        """Fills in what greedy search writes; stops each row where the reference would."""
        listener = _Listener(batch, [self._limit(row, decoding) for row in batch], stop_id, should_stop)
        translator.translate_batch(
            [self._spelled(row.source) for row in batch],
            [self._spelled(row.forced) for row in batch],
            beam_size=1,
            max_input_length=0,
            max_decoding_length=max(listener.limits),
            min_decoding_length=0,
            end_token=[stop_id],
            return_scores=True,
            return_logits_vocab=translator is not self._translators[-1],  # float32 has nobody to ask
            callback=listener,
        )
        listener.release()

    def _limit(self, row: _Row, decoding: DecodingConfig) -> int:
        return min(len(row.forced) + decoding.max_tokens, self._max_length)

    def _hypothesis(self, translator: "Translator", row: _Row, decoding: DecodingConfig) -> Hypothesis:
        assert row.ending is not None
        scores = tuple(row.scores)
        if row.forced:
            (scores,) = self._token_scores(translator, [row.source], [(*row.forced, *row.tokens)])
        score = sum(row.scores) / len(row.scores) ** decoding.length_penalty
        return Hypothesis((*row.forced, *row.tokens), scores, score, row.ending)

    def _beam(
        self, rows: Sequence[_Row], decoding: DecodingConfig, stop_id: int, should_stop: Callable[[int], bool]
    ) -> dict[int, list[Hypothesis]]:
        """The n-best lists that stand, by the quickest translator: a beam does not say of which token it was unsure.

        A row that is stopped while its batch is decoded has none.
        """
        found: dict[int, list[Hypothesis]] = {row.index: [] for row in rows if should_stop(row.index)}
        translator = self._translators[0]
        for batch in _batches([row for row in rows if row.index not in found]):
            results = translator.translate_batch(
                [self._spelled(row.source) for row in batch],
                [self._spelled(row.forced) for row in batch],
                beam_size=decoding.beam_size,
                num_hypotheses=decoding.beam_size,
                length_penalty=decoding.length_penalty,
                max_input_length=0,
                max_decoding_length=max(self._limit(row, decoding) for row in batch),
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
            scored = iter(self._token_scores(translator, sources, [h for ranked in best.values() for h, _ in ranked]))
            for index, ranked in best.items():
                found[index] = [Hypothesis(tokens, next(scored), score, "stop") for tokens, score in ranked]
        return found

    def _stands(self, row: _Row, ranked: Iterable[tuple[tuple[int, ...], float]], stop_id: int) -> bool:
        """Whether the reference would have written these: none was cut, runs away, or has a place from nowhere."""
        start = len(row.forced)
        return all(
            tokens[-1] == stop_id
            and not any(is_runaway(tokens[:end], start) for end in range(start + 1, len(tokens)))
            and self._keeps_to_spans(row.source, tokens, start)
            for tokens, _ in ranked
        )

    def _keeps_to_spans(self, source: Sequence[int], tokens: Sequence[int], start: int) -> bool:
        return self._spelling is None or SpanConstraint(source, self._spelling).first_violation(tokens, start) is None

    def _token_scores(
        self, translator: "Translator", sources: Sequence[Sequence[int]], sequences: Sequence[Sequence[int]]
    ) -> list[tuple[float, ...]]:
        """The log-probability of each token of the sequences."""
        if not sequences:
            return []
        results = translator.score_batch(
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
        self, bundle: Bundle, compute_type: ComputeType = "int8", threads: int = 0, *, guard_places: bool = True
    ) -> None:
        """Raises ValueError for a bundle without an export, ModuleNotFoundError where the library is not installed.

        ``threads`` are as many as there are available processors where 0; ``guard_places`` is as in the torch engine.
        """
        if bundle.ctranslate2 is None:
            raise ValueError(f"{bundle.path} holds no export for CTranslate2: `dispatch export {bundle.path}` makes it")
        reference = TorchSearch(bundle, torch.device("cpu"), guard_places=guard_places)
        spans = guard_places and bundle.config.situations
        search = CTranslate2Search(
            bundle, bundle.ctranslate2, compute_type, threads or available_processors(), reference, spans
        )
        self.compute_type = compute_type
        super().__init__(bundle, search)


def _batches(rows: Sequence[_Row]) -> Iterator[list[_Row]]:
    """Rows of about equal length."""
    ordered = sorted(rows, key=lambda row: len(row.source))
    for first in range(0, len(ordered), _ROWS):
        yield ordered[first : first + _ROWS]


def _are_sure(logits_RV: NDArray[np.float32]) -> list[bool]:
    """Whether the best of each row leads by enough."""
    near_RV = logits_RV > logits_RV.max(axis=-1, keepdims=True) - _SURE
    sure: list[bool] = (np.count_nonzero(near_RV, axis=-1) == 1).tolist()
    return sure


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
