"""The torch engine: the reference, on CPU or GPU."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from dispatch.decoding import DecodingConfig, Hypothesis, SpanConstraint, Spelling, TransformerStep, search
from dispatch.domain import by_urgency
from dispatch.domain.labels import KINDS
from dispatch.domain.linear import INSTRUCTION, Symbol, parse_target, source_pieces
from dispatch.engine.engine import CUT_SHORT, Candidate, Generation, GenerationRequest, UnusableRequest
from dispatch.model import Bundle, BundleIdentity, Calibration


class TorchEngine:
    """Runs a bundle's network with torch."""

    def __init__(self, bundle: Bundle, device: torch.device | None = None, *, guard_places: bool = True) -> None:
        """``guard_places=False`` lets the network write places that are in no source: to measure it, never to serve.

        It belongs to the engine and not to a request's decoding options, so that no caller can ask for it.
        """
        self._model = bundle.model.to(device or torch.device("cpu")).eval()
        self._device = device or torch.device("cpu")
        self._tokenizer = bundle.tokenizer
        self._writes_situations = bundle.config.situations
        self._instruction_id = bundle.tokenizer.symbol_id(INSTRUCTION)
        kinds = KINDS if bundle.config.situations else ()
        self._kind_ids = {bundle.tokenizer.symbol_id(Symbol(f"<kind:{kind}>")) for kind in kinds}
        self._spelling = Spelling(bundle.tokenizer)
        self._guards_places = guard_places and bundle.config.situations
        self._max_length = bundle.model.config.max_length
        self.identity: BundleIdentity = bundle.identity
        self.calibration: Calibration | None = bundle.config.calibration

    def generate(
        self, requests: Sequence[GenerationRequest], should_stop: Callable[[], bool] = lambda: False
    ) -> list[Generation]:
        """See :class:`dispatch.engine.Engine`. Requests with equal decoding options are decoded as one batch.

        Where greedy search has written what cannot be read, the hypotheses of a beam join it: a place that the guard
        bent aside is found so.
        """
        groups: dict[DecodingConfig, list[int]] = {}
        for index, request in enumerate(requests):
            groups.setdefault(request.decoding, []).append(index)
        answers: dict[int, Generation] = {}
        for decoding, indexes in groups.items():
            batch = [requests[index] for index in indexes]
            answers |= zip(indexes, self._generate_batch(batch, decoding, should_stop), strict=True)
        return [answers[index] for index in range(len(requests))]

    def _generate_batch(
        self, requests: Sequence[GenerationRequest], decoding: DecodingConfig, should_stop: Callable[[], bool]
    ) -> list[Generation]:
        started = time.perf_counter()
        whole = [self._encode_source(request) for request in requests]
        sources = [source[: self._max_length] for source in whole]
        tokenized = time.perf_counter()
        prefixes, faults = self._prefixes(requests, sources, decoding, should_stop)
        hypotheses = self._search(sources, prefixes, decoding, self._tokenizer.eos_id, should_stop)
        candidates = [
            [self._candidate(hypothesis, fault) for hypothesis in best]
            for best, fault in zip(hypotheses, faults, strict=True)
        ]
        illegible = [row for row, (first, *_) in enumerate(candidates) if first.fault and not first.situations]
        if illegible and decoding.strategy == "greedy" and self._writes_situations:
            beam = replace(decoding, strategy="beam", num_candidates=decoding.beam_size)
            again = [sources[row] for row in illegible], [prefixes[row] for row in illegible]
            found = self._search(*again, beam, self._tokenizer.eos_id, should_stop)
            for row, best in zip(illegible, found, strict=True):
                candidates[row] += (self._candidate(hypothesis, faults[row]) for hypothesis in best)
        timings = {"tokenize": tokenized - started, "decode": time.perf_counter() - tokenized}
        return [
            Generation(tuple(of_source), len(source) > self._max_length, timings)
            for source, of_source in zip(whole, candidates, strict=True)
        ]

    def _encode_source(self, request: GenerationRequest) -> list[int]:
        """The source's ids. Where the context leaves the report no room, the oldest issued instructions are left out.

        Doctrine still takes them into account: it reads them from the context itself.
        """
        context = request.context
        while True:
            ids = self._tokenizer.encode_pieces(source_pieces(request.report, context))
            if len(ids) <= self._max_length or not context.issued:
                return ids
            context = replace(context, issued=context.issued[1:])

    def _pad(self, sources: Sequence[Sequence[int]]) -> Tensor:
        rows = [torch.tensor(source) for source in sources]
        return pad_sequence(rows, batch_first=True, padding_value=self._tokenizer.pad_id).to(self._device)

    def _search(
        self,
        sources: Sequence[Sequence[int]],
        prefixes: Sequence[Sequence[int]],
        decoding: DecodingConfig,
        stop_id: int,
        should_stop: Callable[[], bool],
    ) -> list[list[Hypothesis]]:
        step = TransformerStep(self._model, self._pad(sources))
        constraints = [SpanConstraint(source, self._spelling) for source in sources] if self._guards_places else ()
        return search(step, prefixes, decoding, frozenset({stop_id}), should_stop, constraints)

    def _prefixes(
        self,
        requests: Sequence[GenerationRequest],
        sources: Sequence[Sequence[int]],
        decoding: DecodingConfig,
        should_stop: Callable[[], bool],
    ) -> tuple[list[list[int]], list[str]]:
        """The forced beginnings, and what is wrong with each ("" if nothing).

        A typed instruction stands behind the situation, which is decoded first for it.
        """
        bos = self._tokenizer.bos_id
        prefixes = [[bos] if self._writes_situations else [bos, self._instruction_id] for _ in requests]
        faults = [""] * len(requests)
        typed = [index for index, request in enumerate(requests) if request.prefix]
        if typed and self._writes_situations:
            greedy = DecodingConfig(max_tokens=decoding.max_tokens)
            starts = [[bos]] * len(typed)
            read = self._search([sources[i] for i in typed], starts, greedy, self._instruction_id, should_stop)
            for index, (situation, *_) in zip(typed, read, strict=True):
                prefixes[index] += situation.tokens
                if not situation.finished:
                    # Half a value is a wrong value: 5 of 50 people. The field that was being written is left out.
                    prefixes[index] = [*self._until_last_symbol(prefixes[index]), self._instruction_id]
                    faults[index] = f"situation {CUT_SHORT[situation.ending]}"
        for index in typed:
            prefixes[index] += self._tokenizer.encode(requests[index].prefix)
            if len(prefixes[index]) >= self._max_length:
                raise UnusableRequest("prefix: leaves the model no room to go on; shorten it")
        return prefixes, faults

    def _until_last_symbol(self, tokens: Sequence[int]) -> Sequence[int]:
        places = [place for place, token in enumerate(tokens) if token in self._spelling.symbols]
        return tokens[: places[-1]] if places else tokens[:1]

    def _candidate(self, hypothesis: Hypothesis, fault: str) -> Candidate:
        tokens, scores = hypothesis.tokens, hypothesis.token_scores
        if hypothesis.finished:
            tokens, scores = tokens[:-1], scores[:-1]
        start = tokens.index(self._instruction_id) + 1 if self._instruction_id in tokens else 0
        kinds = (math.exp(score) for token, score in zip(tokens, scores, strict=True) if token in self._kind_ids)
        candidate = Candidate(
            self._tokenizer.decode(tokens[start:]),
            hypothesis.score,
            tuple(scores[start:]),
            confidence=math.exp(min(hypothesis.token_scores, default=-math.inf)),
            kind_confidence=next(kinds, 1.0),
            situation_scores=tuple(scores[:start]),
        )
        cut = CUT_SHORT.get(hypothesis.ending, "")
        try:
            parsed = parse_target(self._tokenizer.decode_pieces(tokens))
        except ValueError as error:
            return replace(candidate, fault="; ".join(filter(None, (fault, cut, str(error)))))
        return replace(candidate, situations=by_urgency(parsed.situations), fault="; ".join(filter(None, (fault, cut))))
