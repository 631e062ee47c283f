"""The command line in this process, with an engine whose answers can be foretold."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from dispatch.cli import app
from dispatch.domain import Count, Situation
from dispatch.engine import Candidate, Generation, GenerationRequest
from dispatch.model import BundleIdentity


class EchoEngine:
    """Its instruction is the prefix and the report; `refuse` is not accepted, `interrupt` is Ctrl-C.

    It reads a situation, to which doctrine answers otherwise, where the report says `read` alone.
    """

    identity = BundleIdentity("echo", "0" * 64)
    calibration = None

    def __init__(self) -> None:
        self.requests: list[GenerationRequest] = []
        self.batch_sizes: list[int] = []

    def generate(
        self, requests: Sequence[GenerationRequest], should_stop: Callable[[int], bool] = lambda index: False
    ) -> list[Generation | None]:
        for request in requests:
            if "refuse" in request.report:
                raise ValueError("report: not accepted")
            if "interrupt" in request.report:
                raise KeyboardInterrupt
            if "defect" in request.report:
                raise ZeroDivisionError("a defect of ours")
        self.requests += requests
        self.batch_sizes.append(len(requests))
        return [self._generation(request) for request in requests]

    def token_count(self, request: GenerationRequest) -> int:
        return len(request.report)

    def _generation(self, request: GenerationRequest) -> Generation:
        situation = Situation(location="A7公路", hazards=("snow_road",), people={"trapped": Count(50, 50)})
        situations = (situation,) if "read" in request.report else ()
        candidate = Candidate(request.prefix + request.report, -0.5, (-0.25, -0.25), situations, 0.75)
        return Generation((candidate,) * request.decoding.num_candidates, timings={"decode": 0.5})


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests share the machine: as many threads as processors would only wait for one another."""
    monkeypatch.setenv("DISPATCH_THREADS", "1")


class CommandLine:
    """Runs commands and gives what they wrote."""

    def __call__(self, *arguments: str, typed: str | bytes = "") -> Result:
        return CliRunner().invoke(app, arguments, input=typed)

    def json(self, *arguments: str) -> Any:
        result = self(*arguments)
        assert result.exit_code == 0, result.stderr
        return json.loads(result.stdout)


@pytest.fixture
def dispatch() -> CommandLine:
    return CommandLine()


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> EchoEngine:
    """The engine that every command then opens."""
    echo = EchoEngine()
    monkeypatch.setattr("dispatch.cli.answering.open_engine", lambda bundle: echo)
    return echo
