"""What every engine does around its search: requests to sources and beginnings, hypotheses to candidates."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from dispatch.decoding import DecodingConfig, Hypothesis
from dispatch.domain import Context, by_urgency
from dispatch.domain.hazard_checks import unread_hazards
from dispatch.domain.labels import KINDS
from dispatch.domain.linear import CONTEXT_ISSUED, INSTRUCTION, Symbol, parse_target, source_pieces
from dispatch.engine.engine import CUT_SHORT, Candidate, Generation, GenerationRequest, UnusableRequest
from dispatch.model import Bundle, BundleIdentity, Calibration, Tokenizer, normalize


class Search(Protocol):
    """Writes what a bundle's network answers to sources."""

    def __call__(
        self,
        sources: Sequence[Sequence[int]],
        prefixes: Sequence[Sequence[int]],
        decoding: DecodingConfig,
        stop_id: int,
        should_stop: Callable[[int], bool],
    ) -> list[list[Hypothesis]]:
        """The n-best list of each source, behind its forced prefix (which begins with bos), up to ``stop_id``.

        What a row gets does not depend on the others. Where ``should_stop(row)`` turns true, the list is empty.
        """
        ...


@dataclass(frozen=True)
class _Beginning:
    """The forced tokens of a row, bos first, and what is wrong with them ("" if nothing)."""

    tokens: Sequence[int]
    fault: str = ""


def kept_context(request: GenerationRequest, tokenizer: Tokenizer, max_length: int) -> Context:
    """What the network reads of the context: where it leaves the report no room, the oldest issued instructions go.

    Doctrine still takes them into account: it reads them from the context itself.
    """
    context = request.context
    if not context.issued:
        return context
    room = max_length - len(tokenizer.encode_pieces(source_pieces(request.report, replace(context, issued=()))))
    first = len(context.issued)
    for text in reversed(context.issued):
        room -= len(tokenizer.encode_pieces([CONTEXT_ISSUED, text]))
        if room < 0:
            break
        first -= 1
    return replace(context, issued=context.issued[first:])


class BundleEngine:
    """Answers requests with one bundle, whose network a search runs. Engines derive from it."""

    name: str
    """What runs the network, as the setting `engine` calls it."""

    def __init__(self, bundle: Bundle, search: Search) -> None:
        self.bundle = bundle
        self._search = search
        self._tokenizer = bundle.tokenizer
        self._writes_situations = bundle.config.situations
        self._instruction_id = bundle.tokenizer.symbol_id(INSTRUCTION)
        kinds = KINDS if bundle.config.situations else ()
        self._kind_ids = {bundle.tokenizer.symbol_id(Symbol(f"<kind:{kind}>")) for kind in kinds}
        self._max_length = bundle.config.model.max_length
        self._conventions = bundle.config.conventions
        self.identity: BundleIdentity = bundle.identity
        self.calibration: Calibration | None = bundle.config.calibration

    def generate(
        self, requests: Sequence[GenerationRequest], should_stop: Callable[[int], bool] = lambda index: False
    ) -> list[Generation | None]:
        """See :class:`dispatch.engine.Engine`. Requests with equal decoding options are decoded as one batch.

        Where greedy search has written what cannot be read, or has left out a hazard that the report names, the
        hypotheses of a beam join it: a place that the guard bent aside is found so, and an incident told in few words.
        """
        groups: dict[DecodingConfig, list[int]] = {}
        for index, request in enumerate(requests):
            groups.setdefault(request.decoding, []).append(index)
        answers: dict[int, Generation | None] = {}
        for decoding, indexes in groups.items():
            batch = [requests[index] for index in indexes]
            answers |= zip(indexes, self._generate_batch(batch, decoding, _of(indexes, should_stop)), strict=True)
        return [answers[index] for index in range(len(requests))]

    def token_count(self, request: GenerationRequest) -> int:
        """See :class:`dispatch.engine.Engine`."""
        return min(len(self.encode_source(request)), self._max_length)

    def _generate_batch(
        self, requests: Sequence[GenerationRequest], decoding: DecodingConfig, should_stop: Callable[[int], bool]
    ) -> list[Generation | None]:
        started = time.perf_counter()
        whole = [self.encode_source(request) for request in requests]
        sources = [source[: self._max_length] for source in whole]
        tokenized = time.perf_counter()
        beginnings = self._beginnings(requests, sources, decoding, should_stop)
        hypotheses = self._search_on(sources, beginnings, decoding, should_stop)
        candidates = {
            row: [self._candidate(one, beginnings[row].fault) for one in hypotheses[row]] for row in hypotheses
        }
        doubtful = [row for row, (first, *_) in candidates.items() if _is_doubtful(first, requests[row])]
        if doubtful and decoding.strategy == "greedy" and self._writes_situations:
            beam = replace(decoding, strategy="beam", num_candidates=decoding.beam_size)
            found = self._search_on(sources, {row: beginnings[row] for row in doubtful}, beam, should_stop)
            for row in doubtful:
                if row in found:
                    candidates[row] += (self._candidate(one, beginnings[row].fault) for one in found[row])
                else:
                    del candidates[row]
        timings = {"tokenize": tokenized - started, "decode": time.perf_counter() - tokenized}
        return [
            Generation(
                tuple(candidates[row]),
                len(source) > self._max_length,
                timings,
                self._conventions,
                self._unseen_share(requests[row].report),
            )
            if row in candidates
            else None
            for row, source in enumerate(whole)
        ]

    def _unseen_share(self, report: str) -> float:
        seen = self.bundle.seen_ngrams
        return seen.unseen_share(report) if seen else 0.0

    def decode(self, requests: Sequence[GenerationRequest], decoding: DecodingConfig) -> list[list[Hypothesis]]:
        """The n-best list of each request as the search gives it: to compare engines token by token."""
        sources = [self.encode_source(request)[: self._max_length] for request in requests]
        beginnings = self._beginnings(requests, sources, decoding, _never)
        return list(self._search_on(sources, beginnings, decoding, _never).values())

    def encode_source(self, request: GenerationRequest) -> list[int]:
        """The source's ids, all of them (see :func:`kept_context`)."""
        context = kept_context(request, self._tokenizer, self._max_length)
        return self._tokenizer.encode_pieces(source_pieces(request.report, context))

    def _search_on(
        self,
        sources: Sequence[Sequence[int]],
        beginnings: Mapping[int, _Beginning],
        decoding: DecodingConfig,
        should_stop: Callable[[int], bool],
    ) -> dict[int, list[Hypothesis]]:
        """The n-best lists by row, of those rows that have a beginning and were not stopped."""
        if not beginnings:
            return {}
        rows = list(beginnings)
        found = self._search(
            [sources[row] for row in rows],
            [beginnings[row].tokens for row in rows],
            decoding,
            self._tokenizer.eos_id,
            _of(rows, should_stop),
        )
        return {row: best for row, best in zip(rows, found, strict=True) if best}

    def _beginnings(
        self,
        requests: Sequence[GenerationRequest],
        sources: Sequence[Sequence[int]],
        decoding: DecodingConfig,
        should_stop: Callable[[int], bool],
    ) -> dict[int, _Beginning]:
        """How each row must begin, of those that were not stopped.

        A typed instruction stands behind the situation, which is decoded first for it.
        """
        bos = self._tokenizer.bos_id
        start = [bos] if self._writes_situations else [bos, self._instruction_id]
        beginnings = {row: _Beginning(start) for row in range(len(requests))}
        typed = [row for row, request in enumerate(requests) if request.prefix]
        if typed and self._writes_situations:
            greedy = DecodingConfig(max_tokens=decoding.max_tokens)
            read = self._search(
                [sources[row] for row in typed],
                [start] * len(typed),
                greedy,
                self._instruction_id,
                _of(typed, should_stop),
            )
            for row, best in zip(typed, read, strict=True):
                if best:
                    beginnings[row] = self._behind(best[0])
                else:
                    del beginnings[row]
        for row in typed:
            if row in beginnings:
                beginnings[row] = self._typed(beginnings[row], requests[row])
        return beginnings

    def _behind(self, situation: Hypothesis) -> _Beginning:
        """The beginning of an instruction behind its situation."""
        tokens = [self._tokenizer.bos_id, *situation.tokens]
        if situation.finished:
            return _Beginning(tokens)
        # Half a value is a wrong value: 5 of 50 people. The field that was being written is left out.
        whole = [*self._until_last_symbol(tokens), self._instruction_id]
        return _Beginning(whole, f"situation {CUT_SHORT[situation.ending]}")

    def _typed(self, beginning: _Beginning, request: GenerationRequest) -> _Beginning:
        """A beginning that goes on with what an operator has typed."""
        typed = self._tokenizer.encode(request.prefix)
        if any(phrase in self._tokenizer.decode(typed) for phrase in request.decoding.banned_texts):
            raise UnusableRequest("prefix: holds a banned phrase; change the one or the other")
        tokens = [*beginning.tokens, *typed]
        if len(tokens) >= self._max_length:
            raise UnusableRequest("prefix: leaves the model no room to go on; shorten it")
        return replace(beginning, tokens=tokens)

    def _until_last_symbol(self, tokens: Sequence[int]) -> Sequence[int]:
        places = [place for place, token in enumerate(tokens) if self._tokenizer.is_symbol(token)]
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


def _is_doubtful(candidate: Candidate, request: GenerationRequest) -> bool:
    """Whether nothing could be read in it, or a request leaves out a hazard that the report names.

    Behind a typed beginning the situation is settled, and a beam would find no other.
    """
    if not candidate.situations:
        return bool(candidate.fault)
    return not request.prefix and bool(unread_hazards(normalize(request.report).text, candidate.situations))


def _never(row: int) -> bool:
    return False


def _of(rows: Sequence[int], should_stop: Callable[[int], bool]) -> Callable[[int], bool]:
    """The question about some of the rows, who are numbered anew."""
    return lambda row: should_stop(rows[row])
