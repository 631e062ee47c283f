"""The shadow: a model that reads along, whose answers are compared with those that are given, and go nowhere else."""

import logging
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextlib import suppress
from dataclasses import dataclass

from dispatch.domain import Doctrine
from dispatch.engine import (
    BatcherClosed,
    DeadlineUnreachable,
    Generation,
    LoadedModel,
    Overloaded,
    Registry,
)
from dispatch.model import BundleIdentity
from dispatch.store import Instruction
from dispatch.workflow.intake import IntakeRequest
from dispatch.workflow.ranking import rank

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ShadowReading:
    """What came of one comparison."""

    name: str
    """Of the instruction that was given, `instructions/ID`."""
    model: BundleIdentity
    """Of the shadow."""
    agrees: bool
    """Whether the shadow would have given the same text."""


def log_reading(reading: ShadowReading) -> None:
    """Says it in the log."""
    verdict = "agrees with" if reading.agrees else "answers otherwise than"
    logger.info("shadow %s %s %s", reading.model.name, verdict, reading.name)


class Shadow:
    """Hands answered requests to the shadow behind everything else; one that it has no time for is left out."""

    def __init__(
        self, registry: Registry, doctrine: Doctrine, checking: Executor, observe: Callable[[ShadowReading], None]
    ) -> None:
        self._registry = registry
        self._doctrine = doctrine
        self._checking = checking
        self._observe = observe

    def read_along(self, request: IntakeRequest, key: str, answer: Instruction) -> None:
        """Have a request, whose answer is known, read by the shadow if one takes its key. Does not wait."""
        model = self._registry.shadow(key)
        if model is None or model.identity.digest == answer.model["digest"]:
            return
        with suppress(Overloaded, DeadlineUnreachable, BatcherClosed):
            ticket = model.batcher.submit(request.generation_request, lane="bulk")
            ticket.future.add_done_callback(lambda done: self._compare_later(model, request, answer, done))

    def _compare_later(
        self, model: LoadedModel, request: IntakeRequest, answer: Instruction, done: Future[Generation]
    ) -> None:
        if done.cancelled() or done.exception() is not None:
            return
        with suppress(RuntimeError):  # the server is closing
            self._checking.submit(self._compare, model, request, answer, done.result())

    def _compare(self, model: LoadedModel, request: IntakeRequest, answer: Instruction, generation: Generation) -> None:
        ranked = rank(request.generation_request, generation, self._doctrine, model.calibration)
        agrees = ranked[0].candidate.text == answer.instruction
        self._observe(ShadowReading(answer.name, model.identity, agrees))
