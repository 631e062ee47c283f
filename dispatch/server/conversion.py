"""Messages to records and back. Stored JSON and messages have the same names, so most of it maps by itself."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from google.protobuf.struct_pb2 import Value

from dispatch.decoding import DecodingConfig, Strategy
from dispatch.domain import Context, split_orders
from dispatch.domain.situation import JsonObject
from dispatch.store import Instruction
from dispatch.v1 import types_pb2
from dispatch.v1.dispatch_service_pb2 import DraftOrder, GenerateInstructionRequest, GenerateInstructionResponse
from dispatch.v1.types_pb2 import Decoding, DecodingStrategy
from dispatch.workflow import IntakeRequest

STRATEGIES: Mapping[int, Strategy] = {
    DecodingStrategy.DECODING_STRATEGY_UNSPECIFIED: "greedy",
    DecodingStrategy.DECODING_STRATEGY_GREEDY: "greedy",
    DecodingStrategy.DECODING_STRATEGY_BEAM: "beam",
    DecodingStrategy.DECODING_STRATEGY_SAMPLE: "sample",
}

# Fields of a record that the reply carries as they are stored.
_CARRIED = (
    "name",
    "instruction",
    "candidates",
    "plan",
    "checks",
    "confidence",
    "review_state",
    "model",
    "doctrine",
    "timings",
)


def to_decoding_config(message: Decoding) -> DecodingConfig:
    """The options that are set, the defaults for the others; not validated. The strategy must be a known one."""
    options: dict[str, Any] = {
        field.name: tuple(value) if field.is_repeated else value
        for field, value in message.ListFields()
        if field.name not in ("strategy", "prefix")
    }
    return DecodingConfig(strategy=STRATEGIES[message.strategy], **options)


def to_intake_request(message: GenerateInstructionRequest) -> IntakeRequest:
    """Of a message that has been validated."""
    return IntakeRequest(
        report=message.report,
        context=Context(message.context.location, tuple(message.context.issued)),
        decoding=to_decoding_config(message.decoding),
        prefix=message.decoding.prefix,
        request_id=message.request_id,
        incident_id=message.incident_id,
        priority=message.priority,
        model=message.model,
    )


def to_response(record: Instruction) -> GenerateInstructionResponse:
    """The reply for a stored record. Raises ValueError where the record holds a name that the messages lack.

    Built by hand: the general way from JSON to messages takes a hundred times as long.
    """
    carried: dict[str, Any] = {name: getattr(record, name) for name in _CARRIED}
    response = GenerateInstructionResponse(
        situations=to_situations(record.situations),
        releasable=record.review_state in ("approved", "revised"),
        **carried,
    )
    if record.due_at is not None:
        response.due_at.FromDatetime(record.due_at)
    return response


def to_situations(situations: Sequence[JsonObject]) -> list[types_pb2.Situation]:
    """Situations as they are stored. Raises ValueError where one holds a name that the message lacks."""
    return [
        types_pb2.Situation(
            **situation | {"facts": {name: _to_value(fact) for name, fact in situation.get("facts", {}).items()}}
        )
        for situation in situations
    ]


def to_draft_orders(record: Instruction) -> Iterator[DraftOrder]:
    """The orders of the instruction's text, each with the findings about it; their texts joined are that text."""
    start = 0
    about = [types_pb2.Check(**check) for check in record.checks if check["target"] == "instruction" and check["end"]]
    for text in split_orders(record.instruction):
        end = start + len(text)
        yield DraftOrder(text=text, checks=[check for check in about if start <= check.start and check.end <= end])
        start = end


def _to_value(fact: bool | float) -> Value:
    return Value(bool_value=fact) if isinstance(fact, bool) else Value(number_value=fact)
