"""What a request must satisfy before any work is done for it. Every violation is found, not only the first."""

import re
from collections.abc import Iterator

from dispatch.domain import PRIORITIES
from dispatch.model import normalize
from dispatch.server.conversion import STRATEGIES, to_decoding_config
from dispatch.server.errors import FieldViolation
from dispatch.v1.dispatch_service_pb2 import GenerateInstructionRequest
from dispatch.workflow import MAX_REPORT

MAX_LOCATION = 200
MAX_ISSUED = 50
MAX_INSTRUCTION = 500
MAX_ID = 128

_ID = re.compile(r"[A-Za-z0-9._:-]*")


def find_violations(request: GenerateInstructionRequest, served_model: str) -> list[FieldViolation]:
    """Everything that is wrong with a request. Descriptions quote no text of the caller's."""
    return [
        *_texts(request),
        *_ids(request),
        *_decoding(request),
        *_labels(request, served_model),
    ]


def _texts(request: GenerateInstructionRequest) -> Iterator[FieldViolation]:
    # A report that is too long is refused anyway: normalising megabytes would take seconds.
    if len(request.report) <= MAX_REPORT and not normalize(request.report).text.strip():
        yield FieldViolation("report", "must not be empty")
    issued = request.context.issued
    if len(issued) > MAX_ISSUED:
        yield FieldViolation("context.issued", f"must hold at most {MAX_ISSUED} instructions, not {len(issued)}")
    limits = [
        ("report", request.report, MAX_REPORT),
        ("context.location", request.context.location, MAX_LOCATION),
        *((f"context.issued[{index}]", text, MAX_INSTRUCTION) for index, text in enumerate(issued)),
        ("decoding.prefix", request.decoding.prefix, MAX_INSTRUCTION),
    ]
    for field, text, most in limits:
        if len(text) > most:
            yield FieldViolation(field, f"must have at most {most} characters, not {len(text)}")
        if "\0" in text:
            yield FieldViolation(field, "must not hold the character NUL")


def _ids(request: GenerateInstructionRequest) -> Iterator[FieldViolation]:
    for field, text in (("request_id", request.request_id), ("incident_id", request.incident_id)):
        if len(text) > MAX_ID:
            yield FieldViolation(field, f"must have at most {MAX_ID} characters, not {len(text)}")
        if _ID.fullmatch(text) is None:
            yield FieldViolation(field, "must be made of A-Z a-z 0-9 . _ : - only")


def _decoding(request: GenerateInstructionRequest) -> Iterator[FieldViolation]:
    if request.decoding.strategy not in STRATEGIES:
        yield FieldViolation("decoding.strategy", f"must be one of {', '.join(STRATEGIES.values())}")
        return
    for field, description in to_decoding_config(request.decoding).violations().items():
        yield FieldViolation(f"decoding.{field}", description)


def _labels(request: GenerateInstructionRequest, served_model: str) -> Iterator[FieldViolation]:
    if request.model not in ("", served_model):
        yield FieldViolation("model", f"is not served here; leave it empty or ask for {served_model}")
    if request.priority not in ("", *PRIORITIES):
        yield FieldViolation("priority", f"must be empty or one of {', '.join(PRIORITIES)}")
