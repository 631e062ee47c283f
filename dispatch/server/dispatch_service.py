"""DispatchService: what callers send, checked, handed to the live intake, and told in messages."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from google.rpc.status_pb2 import Status

from dispatch.engine import Lane, Overloaded
from dispatch.server.admin_service import to_list_models
from dispatch.server.admission import Admission
from dispatch.server.authentication import current_caller
from dispatch.server.bulk import Window
from dispatch.server.conversion import to_draft_orders, to_intake_request, to_response, to_situations
from dispatch.server.errors import (
    SHUTTING_DOWN,
    Context,
    InvalidFields,
    MalformedMessage,
    abort,
    failure_of,
    invalid_argument,
    status_of,
)
from dispatch.server.explaining import Explaining
from dispatch.server.telemetry import log_request_id
from dispatch.server.validation import find_item_violations, find_violations
from dispatch.store import Instruction
from dispatch.v1 import dispatch_service_pb2 as messages
from dispatch.v1.dispatch_service_pb2_grpc import DispatchServiceServicer
from dispatch.workflow import Admitted, IntakeRequest, LiveIntake, Reading
from dispatch.workflow.review import Reviewer

WINDOW = 64
"""The most items of one bulk call that are worked on: enough to fill the largest batch, and the next."""


class DispatchService(DispatchServiceServicer):
    """Answers by the live intake, whose records are committed when it returns them."""

    def __init__(self, intake: LiveIntake, window: int = WINDOW, explaining: Explaining | None = None) -> None:
        self._intake = intake
        self._explaining = explaining or Explaining(intake)
        self._window = window
        self.admission = Admission()

    async def GenerateInstruction(
        self, request: messages.GenerateInstructionRequest, context: Context
    ) -> messages.GenerateInstructionResponse:
        await self.admission.admit(context)
        try:
            return to_response(await self._submit(request, "urgent", _deadline(context)))
        except Exception as error:
            await abort(context, failure_of(error))

    async def StreamInstruction(
        self, request: messages.StreamInstructionRequest, context: Context
    ) -> AsyncGenerator[messages.StreamInstructionResponse, None]:
        await self.admission.admit(context)
        try:
            asked = _read(request.request, "request.")
            stages = self._intake.stages(asked, principal=current_caller().name, deadline=_deadline(context))
            async with aclosing(stages):
                async for stage in stages:
                    for told in _tell(stage):
                        yield told
        except Exception as error:
            await abort(context, failure_of(error))

    async def TranslateReports(
        self, requests: AsyncIterator[messages.TranslateReportsRequest], context: Context
    ) -> AsyncGenerator[messages.TranslateReportsResponse, None]:
        await self.admission.admit(context)
        await context.send_initial_metadata(())  # the call is admitted: a client may wait for this before it sends
        deadline = _deadline(context)

        async def answer(
            item: messages.TranslateReportsRequest | MalformedMessage,
        ) -> messages.TranslateReportsResponse:
            return await self._answer_item(item, deadline)

        window = Window(requests, answer, self._window, self.admission.closing)
        try:
            async with aclosing(window.answers()) as answers:
                async for told in answers:
                    yield told
        except Exception as error:
            await abort(context, failure_of(error))
        if window.was_cut_short:
            await abort(context, SHUTTING_DOWN)

    async def ExplainInstruction(
        self, request: messages.ExplainInstructionRequest, context: Context
    ) -> messages.ExplainInstructionResponse:
        await self.admission.admit(context)
        caller = current_caller()
        try:
            return await self._explaining.explain(request, Reviewer(caller.name, caller.scopes), _deadline(context))
        except Exception as error:
            await abort(context, failure_of(error))

    async def ListModels(self, request: messages.ListModelsRequest, context: Context) -> messages.ListModelsResponse:
        await self.admission.admit(context)
        return to_list_models(self._intake.registry.models(), self._intake.serving.mode)

    def close(self) -> None:
        """Lets go of its threads."""
        self._explaining.close()

    async def _answer_item(
        self, item: messages.TranslateReportsRequest | MalformedMessage, deadline: float | None
    ) -> messages.TranslateReportsResponse:
        """Never raises for what is wrong with one item. One for which there is no room yet waits for it."""
        if isinstance(item, MalformedMessage):
            return messages.TranslateReportsResponse(status=status_of(failure_of(item)))
        item_id = item.item_id
        log_request_id(item.request.request_id)
        if violations := find_item_violations(item_id):
            failure = invalid_argument("INVALID_FIELDS", "the item is not valid: item_id", violations)
            return messages.TranslateReportsResponse(status=status_of(failure))
        while True:
            try:
                instruction = to_response(await self._submit(item.request, "bulk", deadline, "request."))
            except Overloaded as error:
                await asyncio.sleep(error.retry_after_s)
            except Exception as error:
                return messages.TranslateReportsResponse(item_id=item_id, status=status_of(failure_of(error)))
            else:
                return messages.TranslateReportsResponse(item_id=item_id, status=Status(), instruction=instruction)

    async def _submit(
        self, request: messages.GenerateInstructionRequest, lane: Lane, deadline: float | None, path: str = ""
    ) -> Instruction:
        asked = _read(request, path)
        return await self._intake.submit(asked, principal=current_caller().name, lane=lane, deadline=deadline)


def _read(request: messages.GenerateInstructionRequest, path: str) -> IntakeRequest:
    """Raises InvalidFields; ``path`` is where the request stands in its message."""
    if violations := find_violations(request, path):
        raise InvalidFields(violations)
    return to_intake_request(request)


def _tell(stage: Admitted | Reading | Instruction) -> list[messages.StreamInstructionResponse]:
    """The messages that say a stage: of the instruction its orders, and then all of it."""
    message = messages.StreamInstructionResponse
    match stage:
        case Admitted():
            return [message(admitted=messages.Admitted(ahead=stage.ahead))]
        case Reading():
            reading = messages.Reading(situations=to_situations(stage.situations), confidence=stage.confidence)
            return [message(reading=reading)]
        case Instruction():
            orders = [message(order=order) for order in to_draft_orders(stage)]
            return [*orders, message(instruction=to_response(stage))]


def _deadline(context: Context) -> float | None:
    """The call's, as a moment of time.monotonic(); None where it has none."""
    remaining = context.time_remaining()
    return None if remaining is None else time.monotonic() + remaining
