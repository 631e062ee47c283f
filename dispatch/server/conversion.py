"""Messages to records and back. Stored JSON and messages have the same names, so most of it maps by itself."""

from collections.abc import Mapping
from typing import Any

from google.protobuf.json_format import ParseDict

from dispatch.decoding import DecodingConfig, Strategy
from dispatch.domain import Context
from dispatch.store import Instruction
from dispatch.v1.dispatch_service_pb2 import GenerateInstructionRequest, GenerateInstructionResponse
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
    "situations",
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
    """The reply for a stored record. Raises ParseError where the record holds a name that the messages lack."""
    return ParseDict({name: getattr(record, name) for name in _CARRIED}, GenerateInstructionResponse())
