"""Engines and a clock that a test holds in its hand."""

import queue
from collections.abc import Callable, Sequence

from dispatch.decoding import DecodingConfig
from dispatch.engine import Candidate, Generation, GenerationRequest
from dispatch.model import BundleIdentity, Calibration

PATIENCE_S = 60.0
"""What a test that is going to fail waits."""


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class EchoEngine:
    """Answers each report with itself, at once."""

    calibration: Calibration | None = None

    def __init__(self, name: str = "echo") -> None:
        self.identity = BundleIdentity(name, f"digest-of-{name}")

    def token_count(self, request: GenerationRequest) -> int:
        return len(request.report)

    def generate(
        self, requests: Sequence[GenerationRequest], should_stop: Callable[[int], bool] = lambda index: False
    ) -> list[Generation | None]:
        return [
            None if should_stop(index) else Generation((Candidate(request.report, 0.0),))
            for index, request in enumerate(requests)
        ]


class HeldEngine(EchoEngine):
    """Decodes step by step, as the test says."""

    def __init__(self, name: str = "held") -> None:
        super().__init__(name)
        self._begun: queue.SimpleQueue[list[GenerationRequest]] = queue.SimpleQueue()
        self._steps: queue.SimpleQueue[BaseException | str] = queue.SimpleQueue()
        self._seen: queue.SimpleQueue[list[bool]] = queue.SimpleQueue()

    def generate(
        self, requests: Sequence[GenerationRequest], should_stop: Callable[[int], bool] = lambda index: False
    ) -> list[Generation | None]:
        self._begun.put(list(requests))
        while (what := self._steps.get(timeout=PATIENCE_S)) == "step":
            self._seen.put([should_stop(index) for index in range(len(requests))])
        if isinstance(what, BaseException):
            raise what
        return super().generate(requests, should_stop)

    def begun(self) -> list[str]:
        """Waits for the next batch; its reports."""
        return [request.report for request in self._begun.get(timeout=PATIENCE_S)]

    def step(self) -> list[bool]:
        """One step of the batch that is held: which of its rows the engine was told to stop."""
        self._steps.put("step")
        return self._seen.get(timeout=PATIENCE_S)

    def finish(self, error: BaseException | None = None) -> None:
        """Lets the batch that is held, or the next one, end."""
        self._steps.put(error or "finish")


def request(report: str, decoding: DecodingConfig = DecodingConfig()) -> GenerationRequest:
    return GenerationRequest(report, decoding=decoding)
