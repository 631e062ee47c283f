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

_SPARE = 6
"""Tokens that are kept free beside a completion: a character may have begun, and it must be whole before."""


class DecodingCancelled(Exception):
    """A decoding was stopped, and whoever asked for it has no other answer."""


@dataclass(frozen=True)
class Hypothesis:
    """One decoded sequence.

    `tokens` begin with the forced prefix, without bos. `ending` says why they end: with a stop token, at the limit of
    their length, or because they repeated themselves. `token_scores` are the network's own log-probabilities of
    `tokens`, one each, whatever a constraint left to choose from. `score` ranks: the sum over the tokens after the
    prefix, divided by their number to the power of `length_penalty`; what a constraint had completed counts as one
    token, the stop token in whose place it stands.
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
    """A hypothesis that still grows; `total` is the log-probability of its `counted` tokens.

    `queue` must come next. Up to `start` its tokens were not its own: the prefix, or a constraint's completion.
    """

    tokens: tuple[int, ...]
    token_scores: tuple[float, ...]
    total: float
    counted: int
    start: int
    queue: tuple[int, ...]
    generator: Random


@dataclass(frozen=True, slots=True)
class _Proposal:
    """A token that may come next, the network's log-probability of it, and what it adds to the total.

    `cost` is None where it does not count. `queue` must come behind it; `own` is whether the network chose it.
    """

    token: int
    score: float
    cost: float | None
    queue: tuple[int, ...] = ()
    own: bool = True


class _Beam:
    """The hypotheses of one sequence. All live ones have the same length, so their totals compare.

    It starts after the first tokens of the forced prefix, whose log-probabilities are `scores`.
    """

    def __init__(
        self,
        index: int,
        prefix: Sequence[int],
        scores: Sequence[float],
        max_length: int,
        config: DecodingConfig,
        constraint: Constraint | None,
    ) -> None:
        self.index = index
        self.constraint = constraint
        self.config = config
        forced = tuple(prefix[1:])
        self.forced_length = len(forced)
        self.limit = min(len(forced) + config.max_tokens, max_length)
        # Sampling starts all of its hypotheses at once. Their draws depend on the request alone, not on the batch.
        copies = config.num_candidates if config.strategy == "sample" else 1
        generators = [Random(f"{config.seed} {copy} {forced}") for copy in range(copies)]
        fed, left = forced[: len(scores)], forced[len(scores) :]
        self.live = [_Partial(fed, tuple(scores), 0.0, 0, len(forced), left, generator) for generator in generators]
        self.done: list[Hypothesis] = []

    def queue(self, partial: _Partial) -> tuple[int, ...]:
        """What must come next: the rest of the prefix or of a completion, or a completion for which room runs out."""
        if partial.queue or self.constraint is None:
            return partial.queue
        completion = tuple(self.constraint.completion(partial.tokens))
        room = self.limit - len(partial.tokens) - _SPARE
        return completion if len(completion) >= room else ()

    def allowed(self, partial: _Partial) -> Collection[int] | None:
        """The tokens that may follow; None for any."""
        return None if self.constraint is None else self.constraint.allowed(partial.tokens)

    def completion(self, partial: _Partial) -> tuple[int, ...]:
        """What must come before the hypothesis may stop."""
        return () if self.constraint is None else tuple(self.constraint.completion(partial.tokens))

    def advance(self, proposals: Sequence[Sequence[_Proposal]], stop_ids: frozenset[int]) -> list[int]:
        """Extend by the best proposals for each live hypothesis; returns the new ones' parents.

        A hypothesis that finishes leaves its place in the beam to the next best that does not, so that the beam stays
        wide (as in CTranslate2). The search is over once as many have finished as the beam is wide.
        """
        extensions = [
            (parent.total + (proposal.cost or 0.0), index, proposal)
            for index, parent in enumerate(self.live)
            for proposal in proposals[index]
        ]
        extensions.sort(key=lambda extension: -extension[0])  # stable: of equals, the better parent, the lower id
        width = self.config.width
        live: list[_Partial] = []
        parents: list[int] = []
        for rank, (total, index, proposal) in enumerate(extensions[: self.config.pool]):
            grown = _grown(self.live[index], proposal, total)
            ending = self._ending(grown, stop_ids)
            if ending and rank < width:
                self._finish(grown, ending)
            elif not ending and len(live) < width and not self._holds(live, grown):
                live.append(grown)
                parents.append(index)
        self.live = live
        if live and (len(self.done) >= width or self._settled()):
            self.live, parents = [], []
        return parents

    def stop(self) -> None:
        """Nobody waits for this sequence any more."""
        self.live, self.done = [], []

    def best(self) -> list[Hypothesis]:
        """The n-best list: finished hypotheses before those that were cut, then by score, then as they came."""
        return sorted(self.done, key=lambda h: (not h.finished, -h.score))[: self.config.num_candidates]

    def _finish(self, partial: _Partial, ending: Ending) -> None:
        if not self._merges or all(hypothesis.tokens != partial.tokens for hypothesis in self.done):
            score = self._score(partial.total, partial.counted)
            self.done.append(Hypothesis(partial.tokens, partial.token_scores, score, ending))

    def _holds(self, live: Sequence[_Partial], grown: _Partial) -> bool:
        return self._merges and any((one.tokens, one.queue) == (grown.tokens, grown.queue) for one in live)

    @property
    def _merges(self) -> bool:
        """Whether two hypotheses of a beam can be the same: one wrote what another was made to write."""
        return self.constraint is not None and self.config.strategy == "beam"

    def _ending(self, partial: _Partial, stop_ids: frozenset[int]) -> Ending | None:
        """Why a hypothesis ends with these tokens; a stop in the prefix does not, nor do repetitions not its own."""
        tokens = partial.tokens
        if len(tokens) > self.forced_length and tokens[-1] in stop_ids:
            return "stop"
        if len(tokens) == self.limit:
            return "limit"
        return "repetition" if is_runaway(tokens, partial.start) else None

    def _settled(self) -> bool:
        """No live hypothesis can still enter the n-best list: it is full, and what lives could not outrank the last.

        A hypothesis that was cut is outranked by any that finishes. Totals only fall as tokens are added, so none can
        end above its present total at the greatest length.
        """
        best = self.best()
        if len(best) < self.config.num_candidates or not best[-1].finished:
            return False
        highest = max(self._score(one.total, one.counted + self.limit - len(one.tokens)) for one in self.live)
        return highest <= best[-1].score

    def _score(self, total: float, counted: int) -> float:
        return total / math.pow(counted, self.config.length_penalty) if counted else total


@torch.inference_mode()
def search(
    step: StepFunction,
    prefixes: Sequence[Sequence[int]],
    config: DecodingConfig,
    stop_ids: frozenset[int],
    should_stop: Callable[[int], bool] = lambda index: False,
    constraints: Sequence[Constraint | None] = (),
) -> list[list[Hypothesis]]:
    """Decode one sequence for each prefix; a result does not depend on the other sequences.

    Returns the n-best list of each: `num_candidates` hypotheses, best first (fewer only where no more exist).
    A prefix begins with bos; its other tokens are forced, and a stop token among them does not stop. Prefixes may
    differ in length: what they share in length is fed at once, the rest token by token beside the free ones.
    `constraints` restrict the tokens after each prefix: one for each, or none at all. A sequence whose
    `should_stop(index)` is true before a step leaves the batch, and its n-best list is empty.
    Raises ValueError for a bad config, prefix or number of constraints.
    """
    config.validate()
    _check(prefixes, constraints, step.max_length)
    awaited = [index for index in range(len(prefixes)) if not should_stop(index)]
    best: list[list[Hypothesis]] = [[] for _ in prefixes]
    if not awaited:
        return best
    if len(awaited) < len(prefixes):
        step.select(torch.tensor(awaited))
    shared = min(len(prefixes[index]) for index in awaited)
    shared_BT = torch.tensor([list(prefixes[index][:shared]) for index in awaited])
    logprobs_BTV = log_probabilities(step, shared_BT)
    scores_BT = logprobs_BTV[:, :-1].gather(-1, shared_BT[:, 1:, None].to(logprobs_BTV.device)).squeeze(-1)
    beams = [
        _Beam(index, prefixes[index], scores, step.max_length, config, constraints[index] if constraints else None)
        for index, scores in zip(awaited, scores_BT.tolist(), strict=True)
    ]
    rows = [row for row, beam in enumerate(beams) for _ in beam.live]
    if len(rows) > len(beams):
        step.select(torch.tensor(rows))
    logprobs_RV = logprobs_BTV[rows, -1]
    active = beams
    while True:
        proposals = _propose(logprobs_RV, active, config, stop_ids)
        rows = []
        first = 0
        for beam in active:
            count = len(beam.live)
            parents = beam.advance(proposals[first : first + count], stop_ids)
            if should_stop(beam.index):
                beam.stop()
            rows += [first + parent for parent in parents if beam.live]
            first += count
        active = [beam for beam in active if beam.live]
        if not active:
            break
        if rows != list(range(first)):
            step.select(torch.tensor(rows))
        last_R1 = torch.tensor([partial.tokens[-1:] for beam in active for partial in beam.live])
        logprobs_RV = log_probabilities(step, last_R1)[:, -1]
    for beam in beams:
        best[beam.index] = beam.best()
    return best


def _check(prefixes: Sequence[Sequence[int]], constraints: Sequence[Constraint | None], max_length: int) -> None:
    for index, prefix in enumerate(prefixes):
        if not 1 <= len(prefix) <= max_length:
            raise ValueError(f"prefix {index} has {len(prefix)} tokens, bos included: give 1 to {max_length}")
    if constraints and len(constraints) != len(prefixes):
        raise ValueError(f"{len(constraints)} constraints for {len(prefixes)} prefixes: give one for each, or none")


def _grown(parent: _Partial, proposal: _Proposal, total: float) -> _Partial:
    tokens = (*parent.tokens, proposal.token)
    return _Partial(
        tokens,
        (*parent.token_scores, proposal.score),
        total,
        parent.counted + (proposal.cost is not None),
        parent.start if proposal.own else max(parent.start, len(tokens) + len(proposal.queue)),
        proposal.queue,
        parent.generator,
    )


def _propose(
    logprobs_RV: Tensor, active: Sequence[_Beam], config: DecodingConfig, stop_ids: frozenset[int]
) -> list[list[_Proposal]]:
    """What may come next for each row: the forced token, or the strategy's."""
    rows = [(beam, partial) for beam in active for partial in beam.live]
    queues = [beam.queue(partial) for beam, partial in rows]
    proposals = [
        [_Proposal(queue[0], float(logprobs_RV[row, queue[0]]), None, queue[1:], own=False)] if queue else []
        for row, queue in enumerate(queues)
    ]
    free = [row for row, queue in enumerate(queues) if not queue]
    if free:
        free_RV = logprobs_RV[free]
        restricted_RV = restrict(free_RV, [beam.allowed(partial) for beam, partial in (rows[row] for row in free)])
        tokens_RK = propose(restricted_RV, [rows[row][1].generator for row in free], config)
        possible_RK = restricted_RV.gather(-1, tokens_RK) > -torch.inf
        scores_RK = free_RV.gather(-1, tokens_RK)
        for row, *found in zip(free, tokens_RK.tolist(), scores_RK.tolist(), possible_RK.tolist(), strict=True):
            chosen = [_Proposal(token, score, score) for token, score, possible in zip(*found, strict=True) if possible]
            completion = () if stop_ids.isdisjoint(found[0]) else rows[row][0].completion(rows[row][1])
            if completion:  # stands in the place of the stop
                score = float(logprobs_RV[row, completion[0]])
                chosen = [
                    _Proposal(completion[0], score, one.cost, completion[1:], own=False)
                    if one.token in stop_ids
                    else one
                    for one in chosen
                ]
            proposals[row] = chosen
    return proposals


def log_probabilities(step: StepFunction, tokens_RT: Tensor) -> Tensor:
    """Feed the tokens; returns logprobs_RTV in float32."""
    return torch.log_softmax(step.step(tokens_RT).float(), dim=-1)
