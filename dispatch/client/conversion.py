"""Replies to values."""

from datetime import UTC

from dispatch.client.results import (
    Admitted,
    Answer,
    Candidate,
    Check,
    Count,
    DraftOrder,
    Model,
    ModelIdentity,
    Order,
    Reading,
    Requested,
    Situation,
    Stage,
)
from dispatch.v1 import types_pb2
from dispatch.v1.dispatch_service_pb2 import GenerateInstructionResponse, StreamInstructionResponse


def to_answer(message: GenerateInstructionResponse) -> Answer:
    return Answer(
        name=message.name,
        instruction=message.instruction,
        candidates=tuple(map(to_candidate, message.candidates)),
        situations=tuple(map(to_situation, message.situations)),
        plan=tuple(map(to_order, message.plan)),
        checks=tuple(map(to_check, message.checks)),
        confidence=message.confidence,
        review_state=message.review_state,
        releasable=message.releasable,
        due_at=message.due_at.ToDatetime(UTC) if message.HasField("due_at") else None,
        model=to_identity(message.model),
        doctrine=message.doctrine,
        timings=dict(sorted(message.timings.items())),
    )


def to_stage(message: StreamInstructionResponse) -> Stage | None:
    """None for a stage that this version does not know."""
    match message.WhichOneof("stage"):
        case "admitted":
            return Admitted(message.admitted.ahead)
        case "reading":
            return Reading(tuple(map(to_situation, message.reading.situations)), message.reading.confidence)
        case "order":
            return DraftOrder(message.order.text, tuple(map(to_check, message.order.checks)))
        case "instruction":
            return to_answer(message.instruction)
        case _:
            return None


def to_model(message: types_pb2.Model) -> Model:
    return Model(to_identity(message.identity), tuple(message.labels), message.share, message.engine)


def to_candidate(message: types_pb2.Candidate) -> Candidate:
    return Candidate(message.text, message.score, tuple(message.token_scores))


def to_identity(message: types_pb2.ModelIdentity) -> ModelIdentity:
    return ModelIdentity(message.name, message.digest)


def to_situation(message: types_pb2.Situation) -> Situation:
    return Situation(
        kind=message.kind,
        location=message.location,
        hazards=tuple(message.hazards),
        people={category: _count(count) for category, count in sorted(message.people.items())},
        vulnerable=tuple(message.vulnerable),
        outages=tuple(message.outages),
        needs=tuple(message.needs),
        not_needed=tuple(message.not_needed),
        requested=tuple(Requested(item.item, item.count, item.unit) for item in message.requested),
        measures=dict(sorted(message.measures.items())),
        facts={
            name: value.bool_value if value.HasField("bool_value") else value.number_value
            for name, value in sorted(message.facts.items())
        },
    )


def _count(message: types_pb2.Count) -> Count:
    most = message.max if message.HasField("max") else None
    return Count(message.min, most, message.approx, message.conflicting)


def to_order(message: types_pb2.Order) -> Order:
    count = message.count if message.HasField("count") else None
    return Order(message.agency, message.action, message.item, count, message.unit, message.place)


def to_check(message: types_pb2.Check) -> Check:
    return Check(message.code, message.severity, message.message, message.target, message.start, message.end)
