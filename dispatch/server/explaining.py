"""ExplainInstruction: what is asked, checked; the answer, made off the event loop, one at a time, of a bounded size."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np

from dispatch.engine import DECODING, AttentionKind, LoadedModel, Overloaded, Registry, stand_back
from dispatch.model import Bundle
from dispatch.server.conversion import to_intake_request, to_situations
from dispatch.server.errors import FieldViolation, InvalidFields
from dispatch.server.validation import find_violations
from dispatch.store import Instruction, NotFound
from dispatch.v1 import dispatch_service_pb2 as messages
from dispatch.v1 import types_pb2
from dispatch.workflow import LiveIntake, ReviewDesk
from dispatch.workflow.alignment import Alignment
from dispatch.workflow.explain import Explanation, NothingToExplain, View, explain_stored
from dispatch.workflow.intake import make_draft
from dispatch.workflow.review import NotAllowed, Reviewer

MAX_VIEWS = 64
MAX_PICTURED = 16
MAX_WEIGHTS = 2_000_000
"""Nearly all of them take one byte each, so that a reply stays below the 4 MiB that a client reads."""
MAX_PICTURE = 2_000_000  # bytes
MAX_WAITING = 8
"""Explanations are for people: who would wait longer is told to come back."""
_RETRY_S = 1.0
_UNIT = 10_000
_LONGEST_NAME = 256  # characters

_KINDS: Mapping[int, AttentionKind] = {
    messages.ATTENTION_KIND_UNSPECIFIED: "cross",
    messages.ATTENTION_KIND_ENCODER: "encoder",
    messages.ATTENTION_KIND_DECODER: "decoder",
    messages.ATTENTION_KIND_CROSS: "cross",
}

_T = TypeVar("_T")


class Explaining:
    """Explains stored instructions, which the desk reads for whoever asks, and reports. Of one event loop."""

    def __init__(self, intake: LiveIntake, desk: ReviewDesk | None = None) -> None:
        """Without a desk no stored instruction is found."""
        self._intake = intake
        self._desk = desk
        # One thread, since it computes; decoding has its own, and neither comes before the other.
        self._thread = ThreadPoolExecutor(1, "explain", stand_back, (DECODING,))
        self._waiting = 0

    async def explain(
        self, request: messages.ExplainInstructionRequest, reviewer: Reviewer, deadline: float | None
    ) -> messages.ExplainInstructionResponse:
        """Raises InvalidFields, NotAllowed, NotFound, NothingToExplain, Overloaded, StoreError, and what engines do."""
        if violations := list(_violations(request)):
            raise InvalidFields(violations)
        if request.WhichOneof("subject") == "name":
            return await self._run(lambda: self._explain_stored(request, reviewer))
        if "generate" not in reviewer.scopes:
            raise NotAllowed("generate")
        return await self._explain_report(request, deadline)

    def close(self) -> None:
        """Lets go of the thread when what it does is done."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _explain_stored(
        self, request: messages.ExplainInstructionRequest, reviewer: Reviewer
    ) -> messages.ExplainInstructionResponse:
        if self._desk is None:
            raise NotFound(request.name)
        instruction = self._desk.get(reviewer, request.name)
        bundle = _bundle_for(instruction, self._intake.registry)
        return _answer(request, explain_stored(bundle, instruction, self._intake.doctrine))

    async def _explain_report(
        self, request: messages.ExplainInstructionRequest, deadline: float | None
    ) -> messages.ExplainInstructionResponse:
        if self._intake.serving.mode != "assist":
            raise NothingToExplain("the server passes reports through: no model reads them")
        asked = to_intake_request(request.request)
        model, ticket = self._intake.registry.submit(
            asked.model, asked.incident_id, asked.generation_request, lane="bulk", deadline=deadline
        )
        try:
            generation = await asyncio.wrap_future(ticket.future)
        finally:
            ticket.cancel()

        def work() -> messages.ExplainInstructionResponse:
            doctrine = self._intake.doctrine
            draft = make_draft(asked, "", generation, model.identity, model.calibration, doctrine)
            return _answer(request, explain_stored(_bundle_of(model), draft, doctrine))

        return await self._run(work)

    async def _run(self, work: Callable[[], _T]) -> _T:
        if self._waiting >= MAX_WAITING:
            raise Overloaded(_RETRY_S)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        finally:
            self._waiting -= 1


def _bundle_for(instruction: Instruction, registry: Registry) -> Bundle:
    """The bundle that wrote it where that is loaded, else the stable one."""
    models = registry.models()
    wrote_it = [model for model in models if model.identity.digest == instruction.model["digest"]]
    return _bundle_of((wrote_it or models)[0])


def _bundle_of(model: LoadedModel) -> Bundle:
    if model.bundle is None:
        raise NothingToExplain(f"{model.identity.name}: its engine shows no network")
    return model.bundle


def _violations(request: messages.ExplainInstructionRequest) -> Iterator[FieldViolation]:
    match request.WhichOneof("subject"):
        case "name" if len(request.name) > _LONGEST_NAME:
            yield FieldViolation("name", f"must have at most {_LONGEST_NAME} characters")
        case "request":
            yield from find_violations(request.request, "request.")
        case None:
            yield FieldViolation("name", "must be set, or request")
    most = MAX_PICTURED if request.picture else MAX_VIEWS
    if len(request.views) > most:
        yield FieldViolation("views", f"must hold at most {most}{' for a picture' if request.picture else ''}")
        return
    for index, view in enumerate(request.views):
        if view.kind not in _KINDS:
            yield FieldViolation(f"views[{index}].kind", f"must be one of {', '.join(sorted(set(_KINDS.values())))}")


def _answer(
    request: messages.ExplainInstructionRequest, explanation: Explanation
) -> messages.ExplainInstructionResponse:
    """The reply for an explanation. Raises InvalidFields for views that its network lacks, or that are too many."""
    asked = list(request.views) or [messages.AttentionView()]
    views = [View(_KINDS[view.kind], view.layer, view.head) for view in asked]
    matrices, weights = [], 0
    for index, view in enumerate(views):
        try:
            matrix = explanation.matrix(view)
        except ValueError as error:
            field, _, description = str(error).partition(": ")
            raise InvalidFields([FieldViolation(f"views[{index}].{field}", description)]) from error
        weights += matrix.size
        if weights > MAX_WEIGHTS:
            message = f"hold more than {MAX_WEIGHTS} weights together for texts of this length; ask for fewer"
            raise InvalidFields([FieldViolation("views", message)])
        matrices.append(np.rint(matrix * _UNIT).astype(np.uint32).ravel().tolist())
    return messages.ExplainInstructionResponse(
        name=explanation.instruction.name,
        instruction=explanation.instruction.instruction,
        situations=to_situations(explanation.instruction.situations),
        plan=[types_pb2.Order(**order) for order in explanation.instruction.plan],
        alignments=map(_to_alignment, explanation.alignments),
        model=types_pb2.ModelIdentity(**explanation.model.to_dict()),
        wrote_it=explanation.wrote_it,
        source=[messages.Token(**vars(token)) for token in explanation.source],
        target=[messages.Token(**vars(token)) for token in explanation.target],
        encoder_layers=explanation.weights["encoder"].shape[0],
        decoder_layers=explanation.weights["decoder"].shape[0],
        heads=explanation.weights["cross"].shape[1],
        attention=[
            messages.AttentionMatrix(view=view, ten_thousandths=matrix)
            for view, matrix in zip(asked, matrices, strict=True)
        ],
        picture=_draw(explanation, views) if request.picture else b"",
    )


def _to_alignment(alignment: Alignment) -> messages.Alignment:
    return messages.Alignment(
        target=alignment.target,
        path=alignment.path,
        text=alignment.text,
        spans=[messages.Span(start=start, end=end) for start, end in alignment.spans],
        score=alignment.score,
        evidence=alignment.evidence,
        facts=alignment.facts,
    )


def _draw(explanation: Explanation, views: list[View]) -> bytes:
    from dispatch.workflow.heatmap import draw_png  # matplotlib takes a second to load, and most servers never draw

    picture = draw_png(explanation, views)
    if len(picture) > MAX_PICTURE:
        message = f"would be longer than {MAX_PICTURE} bytes for texts of this length; ask for fewer views"
        raise InvalidFields([FieldViolation("picture", message)])
    return picture
