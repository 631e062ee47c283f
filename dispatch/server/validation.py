"""What a request must satisfy before any work is done for it. Every violation is found, not only the first."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import replace

from dispatch.decoding import MAX_BANNED, MAX_PHRASE, MAX_REQUIRED
from dispatch.domain import PRIORITIES
from dispatch.model import normalize
from dispatch.server.conversion import STRATEGIES, to_decoding_config
from dispatch.server.errors import FieldViolation
from dispatch.v1.dispatch_service_pb2 import GenerateInstructionRequest
from dispatch.workflow import MAX_ISSUED, MAX_REPORT

MAX_LOCATION = 200
MAX_INSTRUCTION = 500
MAX_ID = 128
MOST_GROWTH = 2
"""A text may be so many times longer, as NFKC writes it, than texts in its place may be: ㎡ becomes two characters, and
there are some that become 18."""

_ID = re.compile(r"[A-Za-z0-9._:-]*")


def find_violations(request: GenerateInstructionRequest, path: str = "") -> list[FieldViolation]:
    """Everything that is wrong with a request. Descriptions quote no text of the caller's.

    ``path`` is where the request stands in its message, such as "request.".
    """
    violations = [
        *_texts(request),
        *_ids(request),
        *_phrases(request),
        *_decoding(request),
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
    yield from _text("report", request.report, MAX_REPORT)
    yield from _text("context.location", request.context.location, MAX_LOCATION)
    yield from _list("context.issued", request.context.issued, MAX_ISSUED, MAX_INSTRUCTION)
    yield from _text("decoding.prefix", request.decoding.prefix, MAX_INSTRUCTION)


def _phrases(request: GenerateInstructionRequest) -> Iterator[FieldViolation]:
    decoding = request.decoding
    yield from _list("decoding.required_phrases", decoding.required_phrases, MAX_REQUIRED, MAX_PHRASE)
    yield from _list("decoding.banned_phrases", decoding.banned_phrases, MAX_BANNED, MAX_PHRASE)


def _list(field: str, texts: Sequence[str], most: int, longest: int) -> Iterator[FieldViolation]:
    if len(texts) > most:
        yield FieldViolation(field, f"must hold at most {most} texts, not {len(texts)}")
        return  # nobody reads thousands of findings
    for index, text in enumerate(texts):
        yield from _text(f"{field}[{index}]", text, longest)


def _text(field: str, text: str, most: int) -> Iterator[FieldViolation]:
    yield from _too_long(field, text, most)
    if len(text) <= most < len(unicodedata.normalize("NFKC", text)) / MOST_GROWTH:
        yield FieldViolation(
            field, f"must not grow beyond {MOST_GROWTH} times {most} characters where it is normalised"
        )
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
    config = to_decoding_config(request.decoding)
    if any(_phrases(request)):  # said already, and comparing megabytes would take seconds
        config = replace(config, required_phrases=(), banned_phrases=())
    for field, description in config.violations().items():
        yield FieldViolation(f"decoding.{field}", description)
    prefix = request.decoding.prefix[: MAX_INSTRUCTION + 1]
    if any(phrase and phrase in normalize(prefix).text for phrase in config.banned_texts):
        yield FieldViolation("decoding.prefix", "must not hold a banned phrase")


def _priority(request: GenerateInstructionRequest) -> Iterator[FieldViolation]:
    if request.priority not in ("", *PRIORITIES):
        yield FieldViolation("priority", f"must be empty or one of {', '.join(PRIORITIES)}")
