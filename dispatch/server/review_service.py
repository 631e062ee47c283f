"""ReviewService: what reviewers, auditors and dispatch systems ask, checked, and done by the review desk."""

import asyncio
import re
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

import grpc
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from dispatch.domain.situation import JsonObject
from dispatch.server.admission import Admission
from dispatch.server.authentication import current_caller
from dispatch.server.errors import SHUTTING_DOWN, Context, Failure, FieldViolation, InvalidFields, abort, failure_of
from dispatch.server.review_messages import (
    to_audit_event,
    to_decision,
    to_instruction,
    to_listed,
    to_pair,
    to_released_order,
)
from dispatch.store import Instruction, QueueFilter
from dispatch.v1 import review_service_pb2 as messages
from dispatch.v1 import types_pb2
from dispatch.v1.review_service_pb2_grpc import ReviewServiceServicer
from dispatch.workflow.review import MAX_REASON, ReviewDesk, Reviewer
from dispatch.workflow.revising import MAX_TEXT

POLL_S = 0.5
"""How often a watcher who has had everything looks for more: other servers and the console decide as well."""
_THREADS = 4  # of callers who decide or read; they mostly wait for the store
_WATCHING_THREADS = 2  # however many watch, reviewers do not wait for them
_AT_ONCE = 100  # decisions
_LONGEST = {"text": MAX_TEXT, "reason": MAX_REASON}
_LONGEST_OTHER = 256  # characters
_PAGES: Mapping[type[Message], tuple[int, int]] = {
    messages.ListInstructionsRequest: (50, 200),
    messages.ListAuditEventsRequest: (100, 1000),
}
"""The size of a page where none is asked for, and the largest."""
_NAMES_ITS_FIELD = re.compile(r"([a-z_]+): (.+)", re.S)

Export = Callable[[], Sequence[JsonObject]]

_T = TypeVar("_T")


class ReviewService(ReviewServiceServicer):
    """Answers by a review desk, off the event loop. A step that has begun is taken, also where its caller has left."""

    def __init__(self, desk: ReviewDesk, export: Export | None = None, poll_s: float = POLL_S) -> None:
        """``export`` gives the pairs as JSON objects; without it none leave by the service."""
        self.admission = Admission()
        self._desk = desk
        self._export = export
        self._poll_s = poll_s
        self._asking = ThreadPoolExecutor(_THREADS, thread_name_prefix="review")
        self._watching = ThreadPoolExecutor(_WATCHING_THREADS, thread_name_prefix="review-watch")

    async def ListInstructions(
        self, request: messages.ListInstructionsRequest, context: Context
    ) -> messages.ListInstructionsResponse:
        def work(reviewer: Reviewer) -> messages.ListInstructionsResponse:
            page = self._desk.list(reviewer, _filter(request), limit=_page_size(request), token=request.page_token)
            listed = map(to_listed, page.instructions)
            return messages.ListInstructionsResponse(instructions=listed, next_page_token=page.next_token)

        return await self._answer(request, context, work)

    async def GetInstruction(
        self, request: messages.GetInstructionRequest, context: Context
    ) -> messages.GetInstructionResponse:
        def work(reviewer: Reviewer) -> messages.GetInstructionResponse:
            instruction = to_instruction(self._desk.get(reviewer, request.name))
            decisions = map(to_decision, self._desk.history(reviewer, request.name))
            return messages.GetInstructionResponse(instruction=instruction, decisions=decisions)

        return await self._answer(request, context, work)

    async def ClaimInstruction(
        self, request: messages.ClaimInstructionRequest, context: Context
    ) -> messages.ClaimInstructionResponse:
        claimed = await self._step(request, context, lambda reviewer: self._desk.claim(reviewer, request.name))
        return messages.ClaimInstructionResponse(instruction=claimed)

    async def ReleaseInstruction(
        self, request: messages.ReleaseInstructionRequest, context: Context
    ) -> messages.ReleaseInstructionResponse:
        released = await self._step(request, context, lambda reviewer: self._desk.release(reviewer, request.name))
        return messages.ReleaseInstructionResponse(instruction=released)

    async def ApproveInstruction(
        self, request: messages.ApproveInstructionRequest, context: Context
    ) -> messages.ApproveInstructionResponse:
        def step(reviewer: Reviewer) -> Instruction:
            return self._desk.approve(reviewer, request.name, etag=request.etag, reason=request.reason)

        return messages.ApproveInstructionResponse(instruction=await self._step(request, context, step))

    async def ReviseInstruction(
        self, request: messages.ReviseInstructionRequest, context: Context
    ) -> messages.ReviseInstructionResponse:
        def work(reviewer: Reviewer) -> messages.ReviseInstructionResponse:
            self._desk.get(reviewer, request.name)  # the findings quote the report, so this reads it
            checks = [types_pb2.Check(**vars(check)) for check in self._desk.checks_of(request.name, request.text)]
            if request.validate_only:
                return messages.ReviseInstructionResponse(checks=checks)
            revised = self._desk.revise(
                reviewer, request.name, etag=request.etag, text=request.text, reason=request.reason
            )
            return messages.ReviseInstructionResponse(instruction=to_instruction(revised), checks=checks)

        return await self._answer(request, context, work)

    async def RejectInstruction(
        self, request: messages.RejectInstructionRequest, context: Context
    ) -> messages.RejectInstructionResponse:
        def step(reviewer: Reviewer) -> Instruction:
            return self._desk.reject(reviewer, request.name, etag=request.etag, reason=request.reason)

        return messages.RejectInstructionResponse(instruction=await self._step(request, context, step))

    async def ReturnInstruction(
        self, request: messages.ReturnInstructionRequest, context: Context
    ) -> messages.ReturnInstructionResponse:
        def step(reviewer: Reviewer) -> Instruction:
            return self._desk.return_for_review(reviewer, request.name, etag=request.etag, reason=request.reason)

        return messages.ReturnInstructionResponse(instruction=await self._step(request, context, step))

    async def RecallInstruction(
        self, request: messages.RecallInstructionRequest, context: Context
    ) -> messages.RecallInstructionResponse:
        def step(reviewer: Reviewer) -> Instruction:
            name, etag, reason, by = request.name, request.etag, request.reason, request.superseded_by
            if by:
                return self._desk.supersede(reviewer, name, etag=etag, by=by, reason=reason)
            return self._desk.recall(reviewer, name, etag=etag, reason=reason)

        return messages.RecallInstructionResponse(instruction=await self._step(request, context, step))

    async def ListAuditEvents(
        self, request: messages.ListAuditEventsRequest, context: Context
    ) -> messages.ListAuditEventsResponse:
        def work(reviewer: Reviewer) -> messages.ListAuditEventsResponse:
            found = self._desk.audit(
                reviewer,
                subject=request.subject,
                actor=request.actor,
                after=request.after,
                limit=_page_size(request),
            )
            return messages.ListAuditEventsResponse(events=map(to_audit_event, found))

        return await self._answer(request, context, work)

    async def ExportPairs(
        self, request: messages.ExportPairsRequest, context: Context
    ) -> AsyncGenerator[messages.ExportPairsResponse, None]:
        export = self._export
        if export is None:
            message = "this server exports no pairs: its setting evaluation_sets names no files"
            await abort(context, Failure(grpc.StatusCode.FAILED_PRECONDITION, "EXPORT_DISABLED", message))

        def work(reviewer: Reviewer) -> Sequence[JsonObject]:
            self._desk.begin_export(reviewer)
            return export()

        for pair in await self._answer(request, context, work):
            yield messages.ExportPairsResponse(pair=to_pair(pair))

    async def WatchInstructions(
        self, request: messages.WatchInstructionsRequest, context: Context
    ) -> AsyncGenerator[messages.WatchInstructionsResponse, None]:
        def begin(reviewer: Reviewer) -> None:
            self._desk.begin_watch(reviewer, after=request.after, agency=request.agency)

        await self._answer(request, context, begin)
        await context.send_initial_metadata(())  # tells the caller that the watch has begun
        reviewer, after = _reviewer(), request.after
        try:
            while not self.admission.closing.is_set():
                # Read first: what is decided meanwhile comes behind it.
                newest = await _run(self._watching, partial(self._desk.last_cursor, reviewer))
                look = partial(self._desk.decisions, reviewer, after=after, agency=request.agency, limit=_AT_ONCE)
                found = await _run(self._watching, look) if newest > after else []
                for decision in found:
                    yield messages.WatchInstructionsResponse(decision=to_decision(decision))
                after = found[-1].cursor if found else after
                after = after if len(found) == _AT_ONCE else max(newest, after)
                if len(found) < _AT_ONCE:
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self.admission.closing.wait(), self._poll_s)
        except Exception as error:
            await abort(context, failure_of(error))
        await abort(context, SHUTTING_DOWN)

    async def ReportOrderStatus(
        self, request: messages.ReportOrderStatusRequest, context: Context
    ) -> messages.ReportOrderStatusResponse:
        def work(reviewer: Reviewer) -> messages.ReportOrderStatusResponse:
            order = self._desk.report_order(reviewer, request.order_id, request.state)
            return messages.ReportOrderStatusResponse(order=to_released_order(order))

        return await self._answer(request, context, work)

    async def close(self) -> None:
        """Begins nothing more, and returns when what is going on has ended."""
        for executor in (self._asking, self._watching):
            await asyncio.to_thread(executor.shutdown, cancel_futures=True)

    async def _step(
        self, request: Message, context: Context, step: Callable[[Reviewer], Instruction]
    ) -> messages.Instruction:
        return await self._answer(request, context, lambda reviewer: to_instruction(step(reviewer)))

    async def _answer(self, request: Message, context: Context, work: Callable[[Reviewer], _T]) -> _T:
        """What the work comes to, in a thread; its exception ends the call."""
        await self.admission.admit(context)
        reviewer = _reviewer()
        try:
            if violations := list(find_violations(request)):
                raise InvalidFields(violations)
            return await _run(self._asking, partial(work, reviewer))
        except Exception as error:
            await abort(context, failure_of(_naming_its_field(error)))


def find_violations(request: Message) -> Iterator[FieldViolation]:
    """What no field of these requests may hold. Descriptions quote no text of the caller's."""
    for field in request.DESCRIPTOR.fields:
        value = getattr(request, field.name)
        if field.type == FieldDescriptor.TYPE_STRING:
            for text in value if field.is_repeated else [value]:
                yield from _text_violations(field.name, text)
    if type(request) in _PAGES:
        largest = _PAGES[type(request)][1]
        if not 0 <= request.page_size <= largest:  # type: ignore[attr-defined]
            yield FieldViolation("page_size", f"must be from 0 to {largest}")
    if getattr(request, "after", 0) < 0:
        yield FieldViolation("after", "must be 0 or more")


def _text_violations(field: str, text: str) -> Iterator[FieldViolation]:
    longest = _LONGEST.get(field, _LONGEST_OTHER)
    if len(text) > longest:
        yield FieldViolation(field, f"must have at most {longest} characters, not {len(text)}")
    if "\0" in text:
        yield FieldViolation(field, "must not hold the character NUL")


def _naming_its_field(error: Exception) -> Exception:
    """What the desk and the store say of a field's value, as what is wrong with the request."""
    if type(error) is ValueError and (named := _NAMES_ITS_FIELD.fullmatch(str(error))):
        return InvalidFields([FieldViolation(named[1], named[2])])
    return error


def _filter(request: messages.ListInstructionsRequest) -> QueueFilter:
    return QueueFilter(
        states=tuple(request.states) or ("pending",),
        priority=request.priority,
        hazard=request.hazard,
        text=request.text,
        claimed_by=request.claimed_by,
        incident_id=request.incident_id,
    )


def _page_size(request: Any) -> int:
    return request.page_size or _PAGES[type(request)][0]


def _reviewer() -> Reviewer:
    caller = current_caller()
    return Reviewer(caller.name, caller.scopes)


async def _run(executor: Executor, work: Callable[[], _T]) -> _T:
    return await asyncio.get_running_loop().run_in_executor(executor, work)
