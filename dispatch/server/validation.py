"""What a request must satisfy before any work is done for it. Every violation is found, not only the first."""

import re
from collections.abc import Iterator
from dataclasses import replace

from dispatch.domain import PRIORITIES
from dispatch.model import normalize
from dispatch.server.conversion import STRATEGIES, to_decoding_config
from dispatch.server.errors import FieldViolation
from dispatch.v1.dispatch_service_pb2 import GenerateInstructionRequest
from dispatch.workflow import MAX_ISSUED, MAX_REPORT

MAX_LOCATION = 200
MAX_INSTRUCTION = 500
MAX_ID = 128
MAX_REQUIRED = 8
MAX_BANNED = 32
MAX_PHRASE = 100

_ID = re.compile(r"[A-Za-z0-9._:-]*")


def find_violations(request: GenerateInstructionRequest, path: str = "") -> list[FieldViolation]:
    """Everything that is wrong with a request. Descriptions quote no text of the caller's.

    ``path`` is where the request stands in its message, such as "request.".
    """
    violations = [
        *_texts(request),
        *_ids(request),
        *_decoding(request),
        *_phrases(request),
        *_priority(request),
    ]
    return [replace(violation, field=path + violation.field) for violation in violations] if path else violations


def find_item_violations(item_id: str) -> list[FieldViolation]:
    """What is wrong with the name of an item of a bulk call."""
    return [*_too_long("item_id", item_id, MAX_ID)]


def _texts(request: GenerateInstructionRequest) -> Iterator[FieldViolation]:
    # A report that is too long is refused anyway: normalising megabytes would take seconds.
    if len(request.report) <= MAX_REPORT and not normalize(request.report).text.strip():
        yield FieldViolation("report", "must not be empty")
    decoding = request.decoding
    limits = (
        ("context.issued", request.context.issued, MAX_ISSUED, MAX_INSTRUCTION),
        ("decoding.required_phrases", decoding.required_phrases, MAX_REQUIRED, MAX_PHRASE),
        ("decoding.banned_phrases", decoding.banned_phrases, MAX_BANNED, MAX_PHRASE),
    )
    yield from _text("report", request.report, MAX_REPORT)
    yield from _text("context.location", request.context.location, MAX_LOCATION)
    yield from _text("decoding.prefix", decoding.prefix, MAX_INSTRUCTION)
    for field, texts, most, longest in limits:
        if len(texts) > most:
            yield FieldViolation(field, f"must hold at most {most} texts, not {len(texts)}")
            continue  # nobody reads thousands of findings
        for index, text in enumerate(texts):
            yield from _text(f"{field}[{index}]", text, longest)


def _text(field: str, text: str, most: int) -> Iterator[FieldViolation]:
    yield from _too_long(field, text, most)
    if "\0" in text:
        yield FieldViolation(field, "must not hold the character NUL")


def _too_long(field: str, text: str, most: int) -> Iterator[FieldViolation]:
    if len(text) > most:
        yield FieldViolation(field, f"must have at most {most} characters, not {len(text)}")


def _ids(request: GenerateInstructionRequest) -> Iterator[FieldViolation]:
    for field, text in (("request_id", request.request_id), ("incident_id", request.incident_id)):
        yield from _too_long(field, text, MAX_ID)
        if _ID.fullmatch(text) is None:
            yield FieldViolation(field, "must be made of A-Z a-z 0-9 . _ : - only")
    yield from _too_long("model", request.model, MAX_ID)


def _decoding(request: GenerateInstructionRequest) -> Iterator[FieldViolation]:
    if request.decoding.strategy not in STRATEGIES:
        yield FieldViolation("decoding.strategy", f"must be one of {', '.join(STRATEGIES.values())}")
        return
    for field, description in to_decoding_config(request.decoding).violations().items():
        yield FieldViolation(f"decoding.{field}", description)


def _phrases(request: GenerateInstructionRequest) -> Iterator[FieldViolation]:
    """No text can satisfy phrases that contradict each other."""
    decoding = request.decoding
    if len(decoding.required_phrases) > MAX_REQUIRED or len(decoding.banned_phrases) > MAX_BANNED:
        return
    banned = [phrase for phrase in map(_normal, decoding.banned_phrases) if phrase]
    for field in ("required_phrases", "banned_phrases"):
        for index, phrase in enumerate(getattr(decoding, field)):
            if not _normal(phrase).strip():
                yield FieldViolation(f"decoding.{field}[{index}]", "must not be empty")
    for index, phrase in enumerate(decoding.required_phrases):
        if any(other in _normal(phrase) for other in banned):
            yield FieldViolation(f"decoding.required_phrases[{index}]", "must not hold a banned phrase")
    if any(phrase in _normal(decoding.prefix) for phrase in banned):
        yield FieldViolation("decoding.prefix", "must not hold a banned phrase")


def _normal(text: str) -> str:
    """As the decoder compares it; what is too long is refused for that."""
    return normalize(text).text if len(text) <= MAX_INSTRUCTION else ""


def _priority(request: GenerateInstructionRequest) -> Iterator[FieldViolation]:
    if request.priority not in ("", *PRIORITIES):
        yield FieldViolation("priority", f"must be empty or one of {', '.join(PRIORITIES)}")
