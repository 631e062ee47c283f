"""Live intake: report -> batcher -> checks -> stored instruction, for many callers at the same time."""

import asyncio
import contextvars
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from concurrent.futures import CancelledError, Future, InvalidStateError, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from threading import Event

from dispatch.domain import PRIORITIES, Check, Context, Doctrine, default_doctrine
from dispatch.domain.situation import JsonObject
from dispatch.engine import (
    CHECKING,
    BatcherClosed,
    Generation,
    Lane,
    LoadedModel,
    Registry,
    Ticket,
    UnknownModel,
    stand_back,
)
from dispatch.store import Instruction, InstructionStore, StoreError
from dispatch.workflow.due import DueTimes
from dispatch.workflow.duplicates import RecentReports
from dispatch.workflow.finishing import Finishing
from dispatch.workflow.intake import MAX_ISSUED, IntakeRequest, find_answer, make_draft
from dispatch.workflow.serving import ServingMode
from dispatch.workflow.shadow import Shadow, ShadowReading, log_reading
from dispatch.workflow.standing import STANDING
from dispatch.workflow.turns import Turns

_READERS = 4  # threads that ask the store; they mostly wait
NO_MODEL = {"name": "no model", "digest": ""}
"""Stands for the model where reports pass through."""


@dataclass(frozen=True)
class Admitted:
    """The request is valid and has its place in the queue, behind ``ahead`` others."""

    ahead: int


@dataclass(frozen=True)
class Reading:
    """What was read, in its stored form."""

    situations: Sequence[JsonObject]
    confidence: float


Stage = Admitted | Reading | Instruction


@dataclass(frozen=True)
class _Asked:
    """A request on its way; ``digest`` is of what the caller sent, ``request`` has the incident's instructions."""

    request: IntakeRequest
    digest: str
    principal: str


class _Work:
    """A request that is being answered by threads: what they have come to, and whether anybody still wants it."""

    def __init__(self, ticket: Ticket | None = None) -> None:
        self.ahead = ticket.ahead if ticket else 0
        self.drafted: Future[Instruction] = Future()
        self.answered: Future[Instruction] = Future()
        self.left = Event()
        self.decoded_at = time.monotonic()
        self.context = contextvars.copy_context()
        """Of the call, for what threads do for it: what they log then says which call it is about."""
        self._ticket = ticket

    def leave(self) -> None:
        """Nobody waits any more; after the answer this changes nothing."""
        self.left.set()
        if self._ticket is not None:
            self._ticket.cancel()

    def resolve(self, future: Future[Instruction], result: Instruction) -> None:
        with suppress(InvalidStateError):  # the caller has left
            future.set_result(result)

    def fail(self, error: BaseException) -> None:
        for future in (self.drafted, self.answered):
            with suppress(InvalidStateError):
                future.set_exception(error)


class LiveIntake:
    """Answers reports with the registry's models; every answer is committed before it is given. Of one event loop.

    Calls under one request_id, and for one incident in one lane, wait for each other: the later one then finds what
    the earlier one has stored.
    """

    def __init__(
        self,
        registry: Registry,
        store: InstructionStore,
        serving: ServingMode,
        doctrine: Doctrine | None = None,
        observe_commit: Callable[[float, Mapping[str, float]], None] = lambda seconds, timings: None,
        observe_shadow: Callable[[ShadowReading], None] = log_reading,
        due: DueTimes = DueTimes(),
    ) -> None:
        """``observe_commit`` is told how long each commit took, and the stages before it, in a thread but in the
        context of the call; ``observe_shadow`` is called in a thread."""
        self.registry = registry
        self.serving = serving
        self.doctrine = doctrine or default_doctrine()
        self._store = store
        self._observe_commit = observe_commit
        self._due = due
        self._recent = RecentReports(store)
        self._refreshing: asyncio.Future[None] | None = None
        self._turns = Turns()
        self._finishing = Finishing()
        self._asking = ThreadPoolExecutor(_READERS, thread_name_prefix="intake-read")
        # One thread, since it computes: more would only take turns, and take them from the event loop as well.
        self._checking = ThreadPoolExecutor(1, "intake-check", stand_back, (CHECKING,))
        self._checking.submit(int)  # starts it here: started by the decoding thread it would stand back behind that
        self._shadow = Shadow(registry, self.doctrine, self._checking, observe_shadow)

    async def submit(
        self, request: IntakeRequest, *, principal: str = "", lane: Lane = "urgent", deadline: float | None = None
    ) -> Instruction:
        """The stored answer to a request; ``deadline`` is a moment of time.monotonic().

        Where the caller leaves before the commit has begun, nothing is stored. Raises RequestIdConflict, UnknownModel,
        Overloaded, DeadlineUnreachable, UnusableRequest, StoreError where nothing could be stored, and BatcherClosed
        where the registry closes.
        """
        return await self._answer(request, principal, lane, deadline)

    async def stages(
        self, request: IntakeRequest, *, principal: str = "", lane: Lane = "urgent", deadline: float | None = None
    ) -> AsyncGenerator[Stage, None]:
        """The same as it comes: Admitted, Reading, and then, committed, the Instruction.

        Whoever takes them slowly holds up nobody: the answer is made in a task of its own.
        """
        told: asyncio.Queue[Stage | None] = asyncio.Queue()
        answering = asyncio.create_task(self._answer(request, principal, lane, deadline, told.put_nowait))
        answering.add_done_callback(lambda done: told.put_nowait(None))
        try:
            while (stage := await told.get()) is not None:
                yield stage
            yield await answering
        finally:
            answering.cancel()
            await asyncio.gather(answering, return_exceptions=True)  # its turn is over when this returns

    async def _answer(
        self,
        request: IntakeRequest,
        principal: str,
        lane: Lane,
        deadline: float | None,
        tell: Callable[[Stage], None] | None = None,
    ) -> Instruction:
        """As `submit`; ``tell`` is told of the stages before the answer: without it only the answer is waited for."""
        deadline = self._decoded_by(deadline)
        self._require_room(request, lane, deadline)
        async with self._turns.hold(*_turns_of(request, principal, lane)):
            known, asked = await self._look_up(request, principal)
            if known is not None:
                if tell:
                    tell(Admitted(0))
                    tell(Reading(known.situations, known.confidence))
                return known
            work = self._begin(asked, lane, deadline)
            try:
                if tell:
                    tell(Admitted(work.ahead))
                    draft = await asyncio.wrap_future(work.drafted)
                    tell(Reading(draft.situations, draft.confidence))
                answer = await asyncio.wrap_future(work.answered)
                self._finishing.note(work.decoded_at)
            finally:
                work.leave()
        self._shadow.read_along(asked.request, _key(request), answer)
        return answer

    def close(self) -> None:
        """Let go of the threads when what they do is done; the registry and the store are their owners' to close."""
        self._asking.shutdown(cancel_futures=True)
        self._checking.shutdown(cancel_futures=True)

    def _decoded_by(self, deadline: float | None) -> float | None:
        """When it must be decoded so that it is also checked and committed by a deadline."""
        return None if deadline is None else deadline - self._finishing.seconds

    def _require_room(self, request: IntakeRequest, lane: Lane, deadline: float | None) -> None:
        """Raises what the batcher would, before anything is read for the request."""
        if self.serving.mode == "assist":
            with suppress(UnknownModel):  # a repeat is answered all the same
                batcher = self.registry.route(request.model, _key(request)).batcher
                batcher.require_room(request.generation_request, lane=lane, deadline=deadline)

    async def _look_up(self, request: IntakeRequest, principal: str) -> tuple[Instruction | None, _Asked]:
        """The answer given before, if any, and the request with its incident's instructions."""
        asked = _Asked(request, request.digest(), principal)
        loop = asyncio.get_running_loop()
        if not self._recent.is_fresh:
            # One asks for all: in a flood each of them would read the same again, and hold up those behind it.
            if self._refreshing is None or self._refreshing.done():
                self._refreshing = loop.run_in_executor(self._asking, self._refresh)
                self._refreshing.add_done_callback(_see)
            await asyncio.shield(self._refreshing)
        if not (request.request_id or request.incident_id):
            return None, asked
        return await loop.run_in_executor(self._asking, self._read, asked)

    def _refresh(self) -> None:
        """In a thread that may wait for the store: what others have stored and set."""
        self._recent.refresh()
        with suppress(StoreError):  # a spool may stand in for the store, but has no say in this
            self.serving.refresh()

    def _read(self, asked: _Asked) -> tuple[Instruction | None, _Asked]:
        """In a thread that may wait for the store."""
        known = find_answer(asked.request, self._store, asked.principal)
        if known is not None or not asked.request.incident_id:
            return known, asked
        return None, replace(asked, request=self._with_issued(asked.request))

    def _with_issued(self, request: IntakeRequest) -> IntakeRequest:
        """The request that knows what was issued for its incident; the oldest is left out where it is too much."""
        given = request.context.issued
        earlier = [
            row.final_text or row.instruction
            for row in self._store.list_incident(request.incident_id)
            if row.review_state in STANDING and (row.final_text or row.model["digest"]) and row.name != request.replaces
        ]
        new = [text for text in earlier if text and text not in given]
        left_out = max(0, len(new) + len(given) - MAX_ISSUED)
        return replace(request, context=Context(request.context.location, (*new[left_out:], *given)))

    def _begin(self, asked: _Asked, lane: Lane, deadline: float | None) -> _Work:
        """Has a new request answered, by one thread after the other; the event loop hears of the results alone."""
        if self.serving.mode == "pass-through":
            work = _Work()
            self._checking.submit(work.context.copy().run, self._pass_through, asked, work)
            return work
        request = asked.request
        model, ticket = self.registry.submit(
            request.model, _key(request), request.generation_request, lane=lane, deadline=deadline
        )
        work = _Work(ticket)
        began = time.perf_counter()
        ticket.future.add_done_callback(
            lambda done: self._check_later(asked, model, work, done, time.perf_counter() - began)
        )
        return work

    def _check_later(
        self, asked: _Asked, model: LoadedModel, work: _Work, done: Future[Generation], seconds: float
    ) -> None:
        """In whichever thread has ended the decoding, which must not be kept."""
        work.decoded_at = time.monotonic()
        try:
            self._checking.submit(work.context.copy().run, self._check, asked, model, work, done, seconds)
        except RuntimeError:
            work.fail(BatcherClosed("the server is closing"))

    def _check(self, asked: _Asked, model: LoadedModel, work: _Work, done: Future[Generation], seconds: float) -> None:
        if work.left.is_set():
            if not done.cancelled() and done.exception() is None:
                self._finishing.note(work.decoded_at)  # perhaps it is left because this comes too late
            return
        try:
            generation = done.result()
            waited = max(0.0, seconds - sum(generation.timings.values()))
            generation = replace(generation, timings={"wait": waited, **generation.timings})
            draft = make_draft(
                asked.request, asked.digest, generation, model.identity, model.calibration, self.doctrine
            )
            self._hand_in(self._recent.mark(draft, asked.request.replaces), asked.principal, work)
        except (Exception, CancelledError) as error:
            work.fail(error)

    def _pass_through(self, asked: _Asked, work: _Work) -> None:
        try:
            draft = _without_model(asked, self.doctrine)
            self._hand_in(self._recent.mark(draft, asked.request.replaces), asked.principal, work)
        except Exception as error:
            work.fail(error)

    def _hand_in(self, draft: Instruction, principal: str, work: _Work) -> None:
        """Does not wait for the commit. Nothing is handed in for a caller who has left."""
        draft = self._due.schedule(draft)
        work.resolve(work.drafted, draft)
        if work.left.is_set():
            self._finishing.note(work.decoded_at)
            return
        began = time.perf_counter()
        stored = self._store.submit(draft, principal)
        stored.add_done_callback(lambda done: self._committed(work, done, time.perf_counter() - began))

    def _committed(self, work: _Work, done: Future[Instruction], seconds: float) -> None:
        error = done.exception()
        if error is not None:
            work.fail(error)
            return
        if work.left.is_set():  # nobody is there who would note when the answer came
            self._finishing.note(work.decoded_at)
        self._recent.add(done.result())
        work.resolve(work.answered, done.result())
        work.context.copy().run(self._observe_commit, seconds, done.result().timings)


def _see(refreshed: asyncio.Future[None]) -> None:
    """Whoever still waits is told of its error; perhaps nobody does."""
    if not refreshed.cancelled():
        refreshed.exception()


def _key(request: IntakeRequest) -> str:
    """Decides between stable and canary: an incident stays with one model."""
    return request.incident_id or request.request_id


def _turns_of(request: IntakeRequest, principal: str, lane: Lane) -> list[str]:
    """What a request must have to itself: its id, and in its lane its incident."""
    keys = [f"request/{principal}/{request.request_id}"] if request.request_id else []
    return [*keys, f"incident/{lane}/{request.incident_id}"] if request.incident_id else keys


def _without_model(asked: _Asked, doctrine: Doctrine) -> Instruction:
    """The report itself, for a reviewer to decide on."""
    request = asked.request
    message = "no model has read this report: the server passes reports through as they come"
    return Instruction(
        request_id=request.request_id,
        incident_id=request.incident_id,
        report=request.report,
        context=request.context.to_dict(),
        decoding=request.decoding.to_dict(),
        prefix=request.prefix,
        body_digest=asked.digest,
        instruction=request.report,
        candidates=[],
        situations=[],
        plan=[],
        checks=[Check("NO_MODEL", "warning", message, "instruction").to_dict()],
        confidence=0.0,
        model=NO_MODEL,
        doctrine=doctrine.digest,
        timings={},
        priority=request.priority or PRIORITIES[1],
    )
