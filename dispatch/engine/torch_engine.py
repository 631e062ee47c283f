"""The torch engine: the reference, on CPU or GPU."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from dispatch.decoding import DecodingConfig, Hypothesis, TransformerStep, search
from dispatch.domain.linear import INSTRUCTION, parse_target, source_pieces
from dispatch.engine.engine import CUT, Candidate, Generation, GenerationRequest, UnusableRequest
from dispatch.model import Bundle, BundleIdentity, Calibration


class TorchEngine:
    """Runs a bundle's network with torch."""

    def __init__(self, bundle: Bundle, device: torch.device | None = None) -> None:
        self._model = bundle.model.to(device or torch.device("cpu")).eval()
        self._device = device or torch.device("cpu")
        self._tokenizer = bundle.tokenizer
        self._writes_situations = bundle.config.situations
        self._instruction_id = bundle.tokenizer.symbol_id(INSTRUCTION)
        self._max_length = bundle.model.config.max_length
        self.identity: BundleIdentity = bundle.identity
        self.calibration: Calibration | None = bundle.config.calibration

    def generate(
        self, requests: Sequence[GenerationRequest], should_stop: Callable[[], bool] = lambda: False
    ) -> list[Generation]:
        """See :class:`dispatch.engine.Engine`. Requests with equal decoding options are decoded as one batch."""
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
        sources = [self._encode_source(request) for request in requests]
        source_BS = self._pad([source[: self._max_length] for source in sources])
        tokenized = time.perf_counter()
        prefixes = self._prefixes(requests, source_BS, decoding, should_stop)
        hypotheses = self._search(source_BS, prefixes, decoding, self._tokenizer.eos_id, should_stop)
        timings = {"tokenize": tokenized - started, "decode": time.perf_counter() - tokenized}
        return [
            Generation(tuple(self._candidate(h) for h in best), len(source) > self._max_length, timings)
            for source, best in zip(sources, hypotheses, strict=True)
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
        source_BS: Tensor,
        prefixes: Sequence[Sequence[int]],
        decoding: DecodingConfig,
        stop_id: int,
        should_stop: Callable[[], bool],
    ) -> list[list[Hypothesis]]:
        return search(TransformerStep(self._model, source_BS), prefixes, decoding, frozenset({stop_id}), should_stop)

    def _prefixes(
        self,
        requests: Sequence[GenerationRequest],
        source_BS: Tensor,
        decoding: DecodingConfig,
        should_stop: Callable[[], bool],
    ) -> list[list[int]]:
        """The forced beginnings. A typed instruction stands behind the situation, which is decoded first for it."""
        bos = self._tokenizer.bos_id
        prefixes = [[bos] if self._writes_situations else [bos, self._instruction_id] for _ in requests]
        typed = [index for index, request in enumerate(requests) if request.prefix]
        if typed and self._writes_situations:
            greedy = DecodingConfig(max_tokens=decoding.max_tokens)
            starts = [[bos]] * len(typed)
            read = self._search(source_BS[typed], starts, greedy, self._instruction_id, should_stop)
            for index, (situation, *_) in zip(typed, read, strict=True):
                tokens = list(situation.tokens)
                prefixes[index] = [bos, *tokens, *([] if situation.finished else [self._instruction_id])]
        for index in typed:
            prefixes[index] += self._tokenizer.encode(requests[index].prefix)
            if len(prefixes[index]) >= self._max_length:
                raise UnusableRequest("prefix: leaves the model no room to go on; shorten it")
        return prefixes

    def _candidate(self, hypothesis: Hypothesis) -> Candidate:
        tokens, scores = hypothesis.tokens, hypothesis.token_scores
        if hypothesis.finished:
            tokens, scores = tokens[:-1], scores[:-1]
        pieces = self._tokenizer.decode_pieces(tokens)
        confidence = math.exp(min(hypothesis.token_scores, default=-math.inf))
        start = tokens.index(self._instruction_id) + 1 if self._instruction_id in tokens else 0
        text = self._tokenizer.decode(tokens[start:])
        candidate = Candidate(
            text, hypothesis.score, tuple(scores[start:]), (), confidence, situation_scores=tuple(scores[:start])
        )
        try:
            parsed = parse_target(pieces)
        except ValueError as error:
            return replace(candidate, fault=str(error))
        fault = "" if hypothesis.finished else CUT
        return replace(candidate, situations=parsed.situations, fault=fault)
