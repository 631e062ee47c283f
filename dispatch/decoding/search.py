"""The search: one loop for greedy, beam and sampling. B sequences, R rows of hypotheses, T tokens, V vocabulary."""

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal

import torch
from torch import Tensor

from dispatch.decoding.config import DecodingConfig
from dispatch.decoding.constraints import Constraint
from dispatch.decoding.policies import propose, restrict
from dispatch.decoding.repetition import is_runaway
from dispatch.decoding.step import StepFunction

Ending = Literal["stop", "limit", "repetition"]


class DecodingCancelled(Exception):
    """The caller's stop flag was up."""


@dataclass(frozen=True)
class Hypothesis:
    """One decoded sequence.

    `tokens` begin with the forced prefix, without bos. `ending` says why they end: with a stop token, at the limit of
    their length, or because they repeated themselves. `token_scores` are the network's own log-probabilities of
    `tokens`, one each, whatever a constraint left to choose from. `score` ranks: the sum over the tokens after the
    prefix, divided by their number to the power of `length_penalty`.
    """

    tokens: tuple[int, ...]
    token_scores: tuple[float, ...]
    score: float
    ending: Ending

    @property
    def finished(self) -> bool:
        """Whether the tokens end with a stop token."""
        return self.ending == "stop"


@dataclass(frozen=True, slots=True)
class _Partial:
    """A hypothesis that still grows; `total` is the log-probability of its tokens after the prefix."""

    tokens: tuple[int, ...]
    token_scores: tuple[float, ...]
    total: float
    generator: Random


class _Beam:
    """The hypotheses of one sequence. All live ones have the same length, so their totals compare.

    It starts after the first tokens of the forced prefix, whose log-probabilities are `scores`.
    """

    def __init__(
        self,
        prefix: Sequence[int],
        scores: Sequence[float],
        max_length: int,
        config: DecodingConfig,
        constraint: Constraint | None,
    ) -> None:
        self.forced = tuple(prefix[1:])
        self.constraint = constraint
        self.limit = min(len(self.forced) + config.max_tokens, max_length)
        self.config = config
        # Sampling starts all of its hypotheses at once. Their draws depend on the request alone, not on the batch.
        copies = config.num_candidates if config.strategy == "sample" else 1
        generators = [Random(f"{config.seed} {copy} {self.forced}") for copy in range(copies)]
        self.live = [_Partial(self.forced[: len(scores)], tuple(scores), 0.0, generator) for generator in generators]
        self.done: list[Hypothesis] = []

    def next_forced(self) -> int | None:
        """The token that the prefix dictates next, or None where the choice is free."""
        length = len(self.live[0].tokens)
        return self.forced[length] if length < len(self.forced) else None

    def allowed(self) -> list[Collection[int] | None]:
        """The tokens that may follow each live hypothesis; None for any."""
        if self.constraint is None:
            return [None] * len(self.live)
        return [self.constraint.allowed(partial.tokens) for partial in self.live]

    def advance(self, proposals: Sequence[Sequence[tuple[int, float]]], stop_ids: frozenset[int]) -> list[int]:
        """Extend by the best of each live hypothesis's (token, log-probability); returns the new ones' parents.

        A hypothesis that finishes leaves its place in the beam to the next best that does not, so that the beam stays
        wide (as in CTranslate2). The search is over once as many have finished as the beam is wide.
        """
        free = self.next_forced() is None
        extensions = [
            (parent.total + logprob if free else 0.0, index, token, logprob)
            for index, parent in enumerate(self.live)
            for token, logprob in proposals[index]
        ]
        extensions.sort(key=lambda extension: -extension[0])  # stable: of equals, the better parent, the lower id
        width = self.config.width
        live: list[_Partial] = []
        parents: list[int] = []
        for rank, (total, index, token, logprob) in enumerate(extensions[: self.config.pool]):
            parent = self.live[index]
            tokens, scores = (*parent.tokens, token), (*parent.token_scores, logprob)
            ending = self._ending(tokens, stop_ids)
            if ending and rank < width:
                self.done.append(Hypothesis(tokens, scores, self._score(total, len(tokens)), ending))
            elif not ending and len(live) < width:
                live.append(_Partial(tokens, scores, total, parent.generator))
                parents.append(index)
        self.live = live
        if live and (len(self.done) >= width or self._settled()):
            self.live, parents = [], []
        return parents

    def best(self) -> list[Hypothesis]:
        """The n-best list: finished hypotheses before those that were cut, then by score, then as they came."""
        return sorted(self.done, key=lambda h: (not h.finished, -h.score))[: self.config.num_candidates]

    def _ending(self, tokens: Sequence[int], stop_ids: frozenset[int]) -> Ending | None:
        """Why a hypothesis ends with these tokens; forced ones neither stop it nor count as its repetitions."""
        if len(tokens) > len(self.forced) and tokens[-1] in stop_ids:
            return "stop"
        if len(tokens) == self.limit:
            return "limit"
        return "repetition" if is_runaway(tokens, len(self.forced)) else None

    def _settled(self) -> bool:
        """No live hypothesis can still enter the n-best list: it is full, and what lives could not outrank the last.

        A hypothesis that was cut is outranked by any that finishes. Totals only fall as tokens are added, so none can
        end above its present total at the greatest length.
        """
        highest = max(partial.total for partial in self.live)
        best = self.best()
        full = len(best) == self.config.num_candidates and best[-1].finished
        return full and self._score(highest, self.limit) <= best[-1].score

    def _score(self, total: float, length: int) -> float:
        return total / math.pow(length - len(self.forced), self.config.length_penalty)


@torch.inference_mode()
def search(
    step: StepFunction,
    prefixes: Sequence[Sequence[int]],
    config: DecodingConfig,
    stop_ids: frozenset[int],
    should_stop: Callable[[], bool] = lambda: False,
    constraints: Sequence[Constraint | None] = (),
) -> list[list[Hypothesis]]:
    """Decode one sequence for each prefix; a result does not depend on the other sequences.

    Returns the n-best list of each: `num_candidates` hypotheses, best first (fewer only where no more exist).
    A prefix begins with bos; its other tokens are forced, and a stop token among them does not stop. Prefixes may
    differ in length: what they share in length is fed at once, the rest token by token beside the free ones.
    `constraints` restrict the tokens after each prefix: one for each, or none at all.
    Raises ValueError for a bad config, prefix or number of constraints, DecodingCancelled as soon as `should_stop()`
    is true.
    """
    config.validate()
    _check(prefixes, constraints, step.max_length)
    if not prefixes:
        return []
    shared = min(len(prefix) for prefix in prefixes)
    shared_BT = torch.tensor([list(prefix[:shared]) for prefix in prefixes])
    logprobs_BTV = _log_probabilities(step, shared_BT, should_stop)
    scores_BT = logprobs_BTV[:, :-1].gather(-1, shared_BT[:, 1:, None].to(logprobs_BTV.device)).squeeze(-1)
    beams = [
        _Beam(prefix, scores, step.max_length, config, constraint)
        for prefix, scores, constraint in zip(
            prefixes, scores_BT.tolist(), constraints or [None] * len(prefixes), strict=True
        )
    ]
    rows = [index for index, beam in enumerate(beams) for _ in beam.live]
    if len(rows) > len(beams):
        step.select(torch.tensor(rows))
    logprobs_RV = logprobs_BTV[rows, -1]
    active = beams
    while True:
        proposals = _propose(logprobs_RV, active, config)
        rows = []
        first = 0
        for beam in active:
            count = len(beam.live)
            rows += [first + parent for parent in beam.advance(proposals[first : first + count], stop_ids)]
            first += count
        active = [beam for beam in active if beam.live]
        if not active:
            return [beam.best() for beam in beams]
        if rows != list(range(first)):
            step.select(torch.tensor(rows))
        last_R1 = torch.tensor([partial.tokens[-1:] for beam in active for partial in beam.live])
        logprobs_RV = _log_probabilities(step, last_R1, should_stop)[:, -1]


def _check(prefixes: Sequence[Sequence[int]], constraints: Sequence[Constraint | None], max_length: int) -> None:
    for index, prefix in enumerate(prefixes):
        if not 1 <= len(prefix) <= max_length:
            raise ValueError(f"prefix {index} has {len(prefix)} tokens, bos included: give 1 to {max_length}")
    if constraints and len(constraints) != len(prefixes):
        raise ValueError(f"{len(constraints)} constraints for {len(prefixes)} prefixes: give one for each, or none")


def _propose(logprobs_RV: Tensor, active: Sequence[_Beam], config: DecodingConfig) -> list[list[tuple[int, float]]]:
    """For each row the (token, log-probability) pairs that may come next: the forced one, or the strategy's."""
    forced = [beam.next_forced() for beam in active for _ in beam.live]
    generators = [partial.generator for beam in active for partial in beam.live]
    proposals = [[] if token is None else [(token, float(logprobs_RV[row, token]))] for row, token in enumerate(forced)]
    free = [row for row, token in enumerate(forced) if token is None]
    if free:
        allowed = [tokens for beam in active if beam.next_forced() is None for tokens in beam.allowed()]
        free_RV = logprobs_RV[free]
        restricted_RV = restrict(free_RV, allowed)
        tokens_RK = propose(restricted_RV, [generators[row] for row in free], config)
        possible_RK = restricted_RV.gather(-1, tokens_RK) > -torch.inf
        scores_RK = free_RV.gather(-1, tokens_RK)
        for row, *found in zip(free, tokens_RK.tolist(), scores_RK.tolist(), possible_RK.tolist(), strict=True):
            proposals[row] = [(token, score) for token, score, possible in zip(*found, strict=True) if possible]
    return proposals


def _log_probabilities(step: StepFunction, tokens_RT: Tensor, should_stop: Callable[[], bool]) -> Tensor:
    """Feed the tokens, unless the caller has given up; returns logprobs_RTV in float32."""
    if should_stop():
        raise DecodingCancelled
    return torch.log_softmax(step.step(tokens_RT).float(), dim=-1)
