"""Live intake: report -> batcher -> checks -> stored instruction, for many callers at the same time."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import aclosing, suppress
from dataclasses import asdict, dataclass, replace
from threading import Event

from dispatch.domain import PRIORITIES, Check, Context, Doctrine, default_doctrine
from dispatch.domain.situation import JsonObject
from dispatch.engine import Generation, Lane, LoadedModel, Registry
from dispatch.store import Instruction, InstructionStore, StoreError
from dispatch.workflow.duplicates import RecentReports
from dispatch.workflow.intake import MAX_ISSUED, IntakeRequest, find_answer, make_draft
from dispatch.workflow.serving import ServingMode
from dispatch.workflow.shadow import Shadow, ShadowReading, log_reading
from dispatch.workflow.turns import Turns

_READERS = 4  # threads that ask the store; they mostly wait
_STANDING = ("pending", "claimed", "approved", "revised")  # the review states of what counts as issued
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
    ) -> None:
        """``observe_commit`` is told how long each commit took and the stages before it, in the task of the call;
        ``observe_shadow`` in a thread."""
        self.registry = registry
        self.serving = serving
        self.doctrine = doctrine or default_doctrine()
        self._store = store
        self._observe_commit = observe_commit
        self._recent = RecentReports(store)
        self._turns = Turns()
        self._asking = ThreadPoolExecutor(_READERS, thread_name_prefix="intake-read")
        # One thread, since it computes: more would only take turns, and take them from the event loop as well.
        self._checking = ThreadPoolExecutor(1, thread_name_prefix="intake-check")
        self._shadow = Shadow(registry, self.doctrine, self._checking, observe_shadow)

    async def submit(
        self, request: IntakeRequest, *, principal: str = "", lane: Lane = "urgent", deadline: float | None = None
    ) -> Instruction:
        """The stored answer to a request; ``deadline`` is a moment of time.monotonic().

        Raises RequestIdConflict, UnknownModel, Overloaded, DeadlineUnreachable, UnusableRequest, StoreError where
        nothing could be stored, and BatcherClosed where the registry closes.
        """
        async with aclosing(self.stages(request, principal=principal, lane=lane, deadline=deadline)) as stages:
            async for stage in stages:
                if isinstance(stage, Instruction):
                    return stage
        raise AssertionError("the last stage is the instruction")

    async def stages(
        self, request: IntakeRequest, *, principal: str = "", lane: Lane = "urgent", deadline: float | None = None
    ) -> AsyncGenerator[Stage, None]:
        """The same as it comes: Admitted, Reading, and then, committed, the Instruction.

        Where the caller leaves before the commit has begun, nothing is stored.
        """
        async with self._turns.hold(*_keys(request, principal, lane)):
            known, asked = await self._look_up(request, principal)
            if known is not None:
                yield Admitted(0)
                yield Reading(known.situations, known.confidence)
                yield known
                return
            if self.serving.mode == "pass-through":
                stages = self._pass_through(asked)
            else:
                stages = self._assist(asked, lane, deadline)
            async with aclosing(stages):
                async for stage in stages:
                    yield stage

    def close(self) -> None:
        """Let go of the threads when what they do is done; the registry and the store are their owners' to close."""
        self._asking.shutdown(cancel_futures=True)
        self._checking.shutdown(cancel_futures=True)

    async def _look_up(self, request: IntakeRequest, principal: str) -> tuple[Instruction | None, _Asked]:
        """The answer given before, if any, and the request with its incident's instructions."""
        asked = _Asked(request, request.digest(), principal)
        if self._recent.is_fresh and not (request.request_id or request.incident_id):
            return None, asked
        return await asyncio.get_running_loop().run_in_executor(self._asking, self._read, asked)

    def _read(self, asked: _Asked) -> tuple[Instruction | None, _Asked]:
        """In a thread that may wait for the store."""
        if not self._recent.is_fresh:
            self._recent.refresh()
            with suppress(StoreError):  # a spool may stand in for the store, but has no say in this
                self.serving.refresh()
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
            if row.review_state in _STANDING and (row.final_text or row.model["digest"])
        ]
        new = [text for text in earlier if text and text not in given]
        left_out = max(0, len(new) + len(given) - MAX_ISSUED)
        return replace(request, context=Context(request.context.location, (*new[left_out:], *given)))

    async def _assist(self, asked: _Asked, lane: Lane, deadline: float | None) -> AsyncGenerator[Stage, None]:
        """The model drafts."""
        request, left = asked.request, Event()
        key = request.incident_id or request.request_id
        started = time.perf_counter()
        model, ticket = self.registry.submit(
            request.model, key, request.generation_request, lane=lane, deadline=deadline
        )
        try:
            yield Admitted(ticket.ahead)
            generation = await asyncio.wrap_future(ticket.future)
            waited = time.perf_counter() - started - sum(generation.timings.values())
            generation = replace(generation, timings={"wait": max(0.0, waited), **generation.timings})
            loop = asyncio.get_running_loop()
            draft, stored = await loop.run_in_executor(
                self._checking, self._check_and_store, asked, model, generation, left
            )
            yield Reading(draft.situations, draft.confidence)
            answer = await self._committed(stored)
        finally:
            left.set()
            ticket.cancel()
        self._shadow.read_along(request, key, answer)
        yield answer

    async def _pass_through(self, asked: _Asked) -> AsyncGenerator[Stage, None]:
        """No model: the report goes to the reviewers as it is."""
        yield Admitted(0)
        left = Event()
        try:
            loop = asyncio.get_running_loop()
            stored = await loop.run_in_executor(self._checking, self._store_as_it_is, asked, left)
            yield Reading((), 0.0)
            answer = await self._committed(stored)
        finally:
            left.set()
        yield answer

    def _check_and_store(
        self, asked: _Asked, model: LoadedModel, generation: Generation, left: Event
    ) -> tuple[Instruction, Future[Instruction]]:
        """In the thread that computes: the checked draft, and its commit that has been asked for."""
        draft = make_draft(asked.request, asked.digest, generation, model.identity, model.calibration, self.doctrine)
        return self._hand_in(draft, asked.principal, left)

    def _store_as_it_is(self, asked: _Asked, left: Event) -> Future[Instruction]:
        draft = _without_model(asked, self.doctrine)
        return self._hand_in(draft, asked.principal, left)[1]

    def _hand_in(self, draft: Instruction, principal: str, left: Event) -> tuple[Instruction, Future[Instruction]]:
        """Does not wait for the commit. Nothing is handed in for a caller who has left."""
        draft = self._recent.mark(draft)
        if left.is_set():
            never: Future[Instruction] = Future()
            never.cancel()
            return draft, never
        return draft, self._store.submit(draft, principal)

    async def _committed(self, stored: Future[Instruction]) -> Instruction:
        started = time.perf_counter()
        answer = await asyncio.wrap_future(stored)
        self._observe_commit(time.perf_counter() - started, answer.timings)
        self._recent.add(answer)
        return answer


def _keys(request: IntakeRequest, principal: str, lane: Lane) -> list[str]:
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
        decoding=asdict(request.decoding),
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
