"""Many callers at the same time, over all three methods, who write down what they were answered."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass, field, replace
from threading import Event, Thread
from typing import Any

import grpc
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

from dispatch.v1.dispatch_service_pb2 import (
    GenerateInstructionRequest,
    GenerateInstructionResponse,
    StreamInstructionRequest,
    TranslateReportsRequest,
)
from dispatch.v1.dispatch_service_pb2_grpc import DispatchServiceStub
from dispatch.v1.types_pb2 import Decoding
from tests.integration.service import PATIENCE_S, wait_until

_BULK = 8  # items of one bulk call
_PAUSE_S = 0.05  # after a call that failed


@dataclass(frozen=True)
class Answer:
    """What was answered to a request_id."""

    name: str
    text: str


@dataclass(frozen=True)
class Failed:
    """Why a call, or an item of a bulk call, was not answered."""

    code: str
    reason: str
    """Of ErrorInfo; empty where gRPC itself ended the call."""
    may_retry: bool
    """Whether RetryInfo says when to try again."""
    admitted: bool = field(default=False, compare=False)
    """Whether the caller was told before that the call had been admitted."""


Outcome = Answer | Failed
Method = Callable[[Sequence[str]], Iterator[tuple[str, Outcome]]]
"""Asks for the answers to some request_ids, and gives each id with what became of it."""


class Load:
    """Callers who call until they are stopped; one who is not answered repeats the request under the same id."""

    def __init__(self, address: str, name: str, callers: int = 16, timeout_s: float = PATIENCE_S) -> None:
        """``name`` begins the request_ids; ``timeout_s`` is the deadline of each call."""
        self.answered: dict[str, Answer] = {}
        self.failed: list[Failed] = []
        self._stopping = Event()
        self._channel = grpc.insecure_channel(address)
        asking = Asking(self._channel, timeout_s)
        methods = [asking.generate, asking.stream, asking.generate, asking.translate]
        self._patience_s = timeout_s + PATIENCE_S
        self._calls = [
            self._in_background(f"{name}-{caller}", methods[caller % len(methods)]) for caller in range(callers)
        ]

    def stop(self) -> None:
        """Returns when every call has ended; raises what no caller expected. AssertionError where one does not end."""
        self._stopping.set()
        _, unended = wait(self._calls, self._patience_s)
        assert not unended, f"{len(unended)} callers had no end of their calls, long past their deadline"
        self._channel.close()
        for call in self._calls:
            call.result()

    def wait_for_answers(self, count: int = 1) -> None:
        """Returns when so many more calls have been answered. AssertionError where it does not come to that."""
        enough = len(self.answered) + count
        wait_until(lambda: len(self.answered) >= enough or any(call.done() for call in self._calls), "an answer")

    def wait_for_failures(self, count: int = 1) -> None:
        """As `wait_for_answers`, of calls that fail."""
        enough = len(self.failed) + count
        wait_until(lambda: len(self.failed) >= enough or any(call.done() for call in self._calls), "a failure")

    def __enter__(self) -> "Load":
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def _in_background(self, name: str, method: Method) -> "Future[None]":
        """In a thread that nobody joins: gRPC has been seen to keep one for ever after the end of its last call."""
        ended: Future[None] = Future()

        def call() -> None:
            try:
                self._call(name, method)
            except BaseException as error:
                ended.set_exception(error)
            else:
                ended.set_result(None)

        Thread(target=call, name=name, daemon=True).start()
        return ended

    def _call(self, name: str, method: Method) -> None:
        numbers = itertools.count()
        waiting: list[str] = []
        while not self._stopping.is_set():
            waiting += (f"{name}-{next(numbers)}" for _ in range(_BULK - len(waiting)))
            for request_id, outcome in method(waiting):
                if isinstance(outcome, Failed):
                    self.failed.append(outcome)
                    self._stopping.wait(_PAUSE_S)
                else:
                    self.answered[request_id] = outcome
                    waiting.remove(request_id)
                if self._stopping.is_set():
                    return


class Asking:
    """Asks for the answers to some request_ids, by each method; every id has one request, always the same."""

    def __init__(self, channel: grpc.Channel, timeout_s: float) -> None:
        self._stub: Any = DispatchServiceStub(channel)
        self._timeout_s = timeout_s

    def generate(self, request_ids: Sequence[str]) -> Iterator[tuple[str, Outcome]]:
        for request_id in tuple(request_ids):
            try:
                answer = self._stub.GenerateInstruction(_request(request_id), timeout=self._timeout_s)
            except grpc.RpcError as error:
                yield request_id, _failed(error)
            else:
                yield request_id, _answer(answer)

    def stream(self, request_ids: Sequence[str]) -> Iterator[tuple[str, Outcome]]:
        for request_id in tuple(request_ids):
            request = StreamInstructionRequest(request=_request(request_id))
            admitted = False
            try:
                for stage in self._stub.StreamInstruction(request, timeout=self._timeout_s):
                    admitted = True
                    if stage.HasField("instruction"):  # answered, whatever becomes of the call
                        yield request_id, _answer(stage.instruction)
            except grpc.RpcError as error:
                yield request_id, replace(_failed(error), admitted=admitted)

    def translate(self, request_ids: Sequence[str]) -> Iterator[tuple[str, Outcome]]:
        items = tuple(TranslateReportsRequest(item_id=name, request=_request(name)) for name in request_ids)
        try:
            for told in self._stub.TranslateReports(iter(items), timeout=self._timeout_s):
                outcome = _outcome(told.status) if told.status.code else _answer(told.instruction)
                yield told.item_id, outcome
        except grpc.RpcError as error:
            yield "", _failed(error)


def _request(request_id: str) -> GenerateInstructionRequest:
    """The prefix makes its answer differ from any other caller's next one."""
    number = int(request_id.rpartition("-")[2])
    return GenerateInstructionRequest(
        request_id=request_id,
        report=f"{request_id}号山区公路积雪3米,{number}人被困",
        decoding=Decoding(max_tokens=6, prefix=f"派{number + 1}台除雪车"),
    )


def _answer(told: GenerateInstructionResponse) -> Answer:
    return Answer(told.name, told.instruction)


def _failed(error: Any) -> Failed:
    status = rpc_status.from_call(error)
    return Failed(error.code().name, "", False) if status is None else _outcome(status)


def _outcome(status: Status) -> Failed:
    reason, may_retry = ErrorInfo(), False
    for detail in status.details:
        detail.Unpack(reason)
        may_retry = may_retry or detail.Is(RetryInfo.DESCRIPTOR)
    code = next(code.name for code in grpc.StatusCode if code.value[0] == status.code)
    return Failed(code, reason.reason, may_retry)
