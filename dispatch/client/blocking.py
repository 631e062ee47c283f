"""The client for threads."""

import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

import grpc

from dispatch.client.connection import LOADING_S, TIMEOUT_S, Connection, TlsFiles
from dispatch.client.conversion import to_answer, to_model, to_stage
from dispatch.client.errors import error_of_call
from dispatch.client.pairing import Pairing
from dispatch.client.patience import Patience
from dispatch.client.report import Report
from dispatch.client.results import Answer, Model, ServedModels, Stage, Translated
from dispatch.v1.admin_service_pb2 import LoadModelRequest, SetModelLabelRequest, SetServingModeRequest
from dispatch.v1.admin_service_pb2_grpc import AdminServiceStub
from dispatch.v1.dispatch_service_pb2 import (
    ListModelsRequest,
    StreamInstructionRequest,
    TranslateReportsRequest,
)
from dispatch.v1.dispatch_service_pb2_grpc import DispatchServiceStub

if TYPE_CHECKING:
    from dispatch.decoding import DecodingConfig  # at run time it would load torch

Request = TypeVar("Request")
Response = TypeVar("Response")


class Client:
    """Blocking client, usable from many threads, but not across a fork. Use it as a context manager.

    Every method raises DispatchError where the call fails, and takes a `timeout_s` of its own in the place of the
    client's: the seconds that the call may take, its repetitions included.

    Args:
        target: HOST:PORT.
        timeout_s: deadline of each call in seconds.
        tls: encrypts the connection; None is plaintext.
        token: bearer token; ValueError where it would travel in the clear to another machine.
        wait_for_ready: wait, within the deadline, for a server that cannot be reached, beyond the five attempts that
            are made otherwise.
        keepalive_s: how often the server is asked whether it is still there.
    """

    def __init__(
        self,
        target: str,
        timeout_s: float = TIMEOUT_S,
        *,
        tls: TlsFiles | None = None,
        token: str = "",
        wait_for_ready: bool = False,
        keepalive_s: float = 30.0,
    ) -> None:
        connection = Connection(target, tls, token, keepalive_s)
        self._timeout_s = timeout_s
        self._wait_for_ready = wait_for_ready
        self._metadata = connection.metadata()
        self._channel = connection.open_channel()
        self._dispatch = DispatchServiceStub(self._channel)
        self._admin = AdminServiceStub(self._channel)

    def generate(
        self,
        report: str,
        *,
        location: str = "",
        issued: Sequence[str] = (),
        request_id: str = "",
        incident_id: str = "",
        decoding: "DecodingConfig | None" = None,
        prefix: str = "",
        model: str = "",
        priority: str = "",
        timeout_s: float | None = None,
    ) -> Answer:
        """Drafts the instruction for a report; the server has stored it when this returns.

        `Report` says what the arguments mean. Without a request_id the call gets one, so that it can be repeated safely
        while the server is unavailable or busy; give one to repeat the call yourself. ValueError where the texts cannot
        be sent at all.
        """
        asked = Report(report, location, issued, request_id, incident_id, decoding, prefix, model, priority)
        return to_answer(self._ask(self._dispatch.GenerateInstruction, asked.to_message(), timeout_s))

    def stream(
        self,
        report: str,
        *,
        location: str = "",
        issued: Sequence[str] = (),
        request_id: str = "",
        incident_id: str = "",
        decoding: "DecodingConfig | None" = None,
        prefix: str = "",
        model: str = "",
        priority: str = "",
        timeout_s: float | None = None,
    ) -> Iterator[Stage]:
        """As `generate`, told as it comes: Admitted, Reading, DraftOrder for each order, and at the end the Answer.

        A stream that was left early or broke off is taken up again by a call with the same request_id.
        """
        asked = Report(report, location, issued, request_id, incident_id, decoding, prefix, model, priority)
        return self._stages(StreamInstructionRequest(request=asked.to_message()), timeout_s)

    def translate(self, reports: Iterable[str | Report], *, timeout_s: float | None = None) -> Iterator[Translated]:
        """Many reports in bulk, behind everything urgent: their results in order, each with its answer or its error.

        `reports` is read in another thread, a little ahead of the results; an exception of its own is raised here after
        the results of what came before it. There is no deadline unless `timeout_s` is given. Where the call itself
        breaks off, DispatchError follows the results that came; to be able to send the rest again, give the reports
        request_ids.
        """
        pairing = Pairing()

        def requests() -> Iterator[TranslateReportsRequest]:
            try:
                for report in reports:
                    if (message := pairing.send(report)) is not None:
                        yield message
            except Exception as error:
                pairing.failure = error

        call = self._dispatch.TranslateReports(
            requests(), timeout=timeout_s, metadata=self._metadata, wait_for_ready=self._wait_for_ready
        )
        try:
            for message in call:
                yield from pairing.receive(message)
            yield from pairing.finish()
        except grpc.RpcError as error:
            raise error_of_call(error) from error
        finally:
            _end(call)

    def list_models(self, *, timeout_s: float | None = None) -> ServedModels:
        """The models that the server has loaded, and whether they are used."""
        reply = self._ask(self._dispatch.ListModels, ListModelsRequest(), timeout_s)
        return ServedModels(tuple(map(to_model, reply.models)), reply.serving_mode)

    def set_serving_mode(
        self, mode: Literal["assist", "pass-through"], reason: str, *, timeout_s: float | None = None
    ) -> str:
        """Whether the model drafts, or reports go to the reviewers as they are. Returns the mode that holds now."""
        request = SetServingModeRequest(mode=mode, reason=reason)
        return self._ask(self._admin.SetServingMode, request, timeout_s).mode

    def load_model(
        self,
        path: str,
        label: Literal["stable", "canary", "shadow"] = "stable",
        share: float = 0.0,
        *,
        timeout_s: float = LOADING_S,
    ) -> Model:
        """Has the server load a bundle and give it the label; a bad one changes nothing.

        `path` is that of a folder on the server, below the one that its setting `models_dir` names; `share` the part of
        the calls that a canary answers or a shadow reads along.
        """
        request = LoadModelRequest(path=path, label=label, share=share)
        return to_model(self._ask(self._admin.LoadModel, request, timeout_s).model)

    def set_model_label(
        self,
        label: Literal["stable", "canary", "shadow"],
        model: str = "",
        share: float = 0.0,
        *,
        timeout_s: float | None = None,
    ) -> tuple[Model, ...]:
        """Gives a label to a loaded model, by name or digest, or takes canary or shadow away. Returns all models."""
        request = SetModelLabelRequest(label=label, model=model, share=share)
        return tuple(map(to_model, self._ask(self._admin.SetModelLabel, request, timeout_s).models))

    def close(self) -> None:
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _ask(
        self, method: "grpc.UnaryUnaryMultiCallable[Request, Response]", request: Request, timeout_s: float | None
    ) -> Response:
        patience = Patience(self._timeout_s if timeout_s is None else timeout_s)
        while True:
            try:
                return method(
                    request, timeout=patience.left_s(), metadata=self._metadata, wait_for_ready=self._wait_for_ready
                )
            except grpc.RpcError as error:
                failure = error_of_call(error)
                if (delay := patience.delay_s(failure)) is None:
                    raise failure from error
            time.sleep(delay)

    def _stages(self, request: StreamInstructionRequest, timeout_s: float | None) -> Iterator[Stage]:
        patience = Patience(self._timeout_s if timeout_s is None else timeout_s)
        begun = False
        while True:
            call = self._dispatch.StreamInstruction(
                request, timeout=patience.left_s(), metadata=self._metadata, wait_for_ready=self._wait_for_ready
            )
            try:
                for message in call:
                    begun = True
                    if (stage := to_stage(message)) is not None:
                        yield stage
                return
            except grpc.RpcError as error:
                failure = error_of_call(error)
                delay = None if begun else patience.delay_s(failure)
                if delay is None:
                    raise failure from error
            finally:
                _end(call)
            time.sleep(delay)


def _end(call: Any) -> None:
    """Ends what is left of a streaming call; an interceptor, such as one that traces, may give a generator for it."""
    if isinstance(call, Generator):
        call.close()
    else:
        call.cancel()
