"""The Engine protocol: reports in, candidates out. What runs the network is behind it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from dispatch.decoding import DecodingConfig, Ending
from dispatch.domain import Context, Convention, Situation
from dispatch.model import BundleIdentity, Calibration

CUT_SHORT: Mapping[Ending, str] = {
    "limit": "cut at the length limit",
    "repetition": "ended because it only repeated itself",
}
"""The faults of an instruction that is legible as far as it goes."""


class UnusableRequest(ValueError):
    """A request that this model cannot answer; the message names the field and says what to do."""


@dataclass(frozen=True)
class GenerationRequest:
    """One report to be answered; ``prefix`` is the beginning of the instruction that an operator has typed."""

    report: str
    context: Context = Context()
    decoding: DecodingConfig = DecodingConfig()
    prefix: str = ""


@dataclass(frozen=True)
class Candidate:
    """One decoded hypothesis, its situations the most urgent first.

    ``token_scores`` are the log-probabilities of the instruction's tokens, ``confidence`` is the probability of the
    least certain token of the whole sequence, situation included, and ``kind_confidence`` that of the first situation's
    kind (1 where no kind was written), both as the network gave them; ``situation_scores`` are the log-probabilities of
    the tokens before the instruction. ``fault`` says why the sequence could not be read ("" if it could): the text is
    then what could be saved of it.
    """

    text: str
    score: float
    token_scores: tuple[float, ...] = ()
    situations: tuple[Situation, ...] = ()
    confidence: float = 0.0
    fault: str = ""
    kind_confidence: float = 1.0
    situation_scores: tuple[float, ...] = ()


@dataclass(frozen=True)
class Generation:
    """The answer to one request, best candidate first.

    ``timings`` are seconds by stage; ``conventions`` is what reviews have taught the model to say beside doctrine;
    ``unseen_share`` is the part of the report's runs of characters that training has not shown the model (0 where its
    bundle does not tell).
    """

    candidates: tuple[Candidate, ...]
    source_truncated: bool = False
    timings: Mapping[str, float] = field(default_factory=dict)
    conventions: tuple[Convention, ...] = ()
    unseen_share: float = 0.0


class Engine(Protocol):
    """Answers requests with one bundle."""

    @property
    def identity(self) -> BundleIdentity: ...

    @property
    def calibration(self) -> Calibration | None:
        """The bundle's; None where it was never calibrated."""
        ...

    def generate(
        self, requests: Sequence[GenerationRequest], should_stop: Callable[[int], bool] = lambda index: False
    ) -> list[Generation | None]:
        """Answers each request, in order; an answer does not depend on the others of the call.

        ``should_stop(index)`` is asked about each request at each step: where it is true, the request is decoded no
        further, and None stands in its place.
        Raises UnusableRequest for a prefix that is too long for the model or holds a banned phrase, ValueError for a
        bad decoding option.
        """
        ...

    def token_count(self, request: GenerationRequest) -> int:
        """The tokens of what the network reads for a request: the measure of what it costs."""
        ...


def generate_all(engine: Engine, requests: Sequence[GenerationRequest]) -> list[Generation]:
    """The answers where nobody stops the engine."""
    return [generation for generation in engine.generate(requests) if generation is not None]
