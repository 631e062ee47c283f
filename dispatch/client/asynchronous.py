"""The client for asyncio."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self, TypeVar

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

ADMITTED_S = 0.5
"""How long `translate` waits until a server has admitted it: grpc.aio loses the reason of a refusal that comes while an
item is being sent, and says INTERNAL."""

Request = TypeVar("Request")
Response = TypeVar("Response")


class AsyncClient:
    """As `Client`, for asyncio: made in a running event loop and used as an async context manager.

    A task that is cancelled cancels its call.
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
        options = connection.options()
        if tls is None:
            self._channel = grpc.aio.insecure_channel(target, options)
        else:
            self._channel = grpc.aio.secure_channel(target, tls.credentials(), options)
        self._dispatch = DispatchServiceStub(self._channel)
        self._admin = AdminServiceStub(self._channel)

    async def generate(
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
        """As `Client.generate`."""
        asked = Report(report, location, issued, request_id, incident_id, decoding, prefix, model, priority)
        return to_answer(await self._ask(self._dispatch.GenerateInstruction, asked.to_message(), timeout_s))

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
    ) -> AsyncIterator[Stage]:
        """As `Client.stream`."""
        asked = Report(report, location, issued, request_id, incident_id, decoding, prefix, model, priority)
        return self._stages(StreamInstructionRequest(request=asked.to_message()), timeout_s)

    async def translate(
        self, reports: Iterable[str | Report] | AsyncIterable[str | Report], *, timeout_s: float | None = None
    ) -> AsyncIterator[Translated]:
        """As `Client.translate`; `reports` is read in the event loop, so one that takes its time should be async."""
        pairing = Pairing()

        async def requests() -> AsyncIterator[TranslateReportsRequest]:
            try:
                with suppress(TimeoutError):  # a server need not say that it has admitted the call; ours does
                    await asyncio.wait_for(call.initial_metadata(), ADMITTED_S)
                async for report in _async(reports):
                    if (message := pairing.send(report)) is not None:
                        yield message
            except Exception as error:
                pairing.failure = error

        call = self._dispatch.TranslateReports(
            requests(), timeout=timeout_s, metadata=self._metadata, wait_for_ready=self._wait_for_ready
        )
        try:
            async for message in call:
                for result in pairing.receive(message):
                    yield result
            for result in pairing.finish():
                yield result
        except grpc.RpcError as error:
            raise error_of_call(error) from error
        finally:
            call.cancel()

    async def list_models(self, *, timeout_s: float | None = None) -> ServedModels:
        """As `Client.list_models`."""
        reply = await self._ask(self._dispatch.ListModels, ListModelsRequest(), timeout_s)
        return ServedModels(tuple(map(to_model, reply.models)), reply.serving_mode)

    async def set_serving_mode(
        self, mode: Literal["assist", "pass-through"], reason: str, *, timeout_s: float | None = None
    ) -> str:
        """As `Client.set_serving_mode`."""
        request = SetServingModeRequest(mode=mode, reason=reason)
        return (await self._ask(self._admin.SetServingMode, request, timeout_s)).mode

    async def load_model(
        self,
        path: str,
        label: Literal["stable", "canary", "shadow"] = "stable",
        share: float = 0.0,
        *,
        timeout_s: float = LOADING_S,
    ) -> Model:
        """As `Client.load_model`."""
        request = LoadModelRequest(path=path, label=label, share=share)
        return to_model((await self._ask(self._admin.LoadModel, request, timeout_s)).model)

    async def set_model_label(
        self,
        label: Literal["stable", "canary", "shadow"],
        model: str = "",
        share: float = 0.0,
        *,
        timeout_s: float | None = None,
    ) -> tuple[Model, ...]:
        """As `Client.set_model_label`."""
        request = SetModelLabelRequest(label=label, model=model, share=share)
        return tuple(map(to_model, (await self._ask(self._admin.SetModelLabel, request, timeout_s)).models))

    async def close(self) -> None:
        await self._channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def _ask(
        self, method: "grpc.aio.UnaryUnaryMultiCallable[Request, Response]", request: Request, timeout_s: float | None
    ) -> Response:
        patience = Patience(self._timeout_s if timeout_s is None else timeout_s)
        while True:
            try:
                return await method(
                    request, timeout=patience.left_s(), metadata=self._metadata, wait_for_ready=self._wait_for_ready
                )
            except grpc.RpcError as error:
                failure = error_of_call(error)
                if (delay := patience.delay_s(failure)) is None:
                    raise failure from error
            await asyncio.sleep(delay)

    async def _stages(self, request: StreamInstructionRequest, timeout_s: float | None) -> AsyncIterator[Stage]:
        patience = Patience(self._timeout_s if timeout_s is None else timeout_s)
        begun = False
        while True:
            call = self._dispatch.StreamInstruction(
                request, timeout=patience.left_s(), metadata=self._metadata, wait_for_ready=self._wait_for_ready
            )
            try:
                async for message in call:
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
                call.cancel()
            await asyncio.sleep(delay)


async def _async(
    reports: Iterable[str | Report] | AsyncIterable[str | Report],
) -> AsyncIterator[str | Report]:
    if isinstance(reports, AsyncIterable):
        async for report in reports:
            yield report
    else:
        for report in reports:
            yield report
