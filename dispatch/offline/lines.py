"""Lines of input: each is one report, or blank, or unusable for a reason that is said."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from dispatch.domain import Context
from dispatch.model import normalize
from dispatch.workflow import MAX_REPORT

MAX_LINE_BYTES = 1 << 20


@dataclass(frozen=True)
class RawLine:
    """One line of a stream without its line end. ``text`` is None where ``problem`` says why there is none."""

    number: int
    text: str | None
    problem: str = ""


@dataclass(frozen=True)
class ReportLine:
    """A line's report and what is known beside it."""

    report: str
    context: Context


def read_lines(stream: BinaryIO) -> Iterator[list[RawLine]]:
    """Yields, each time something can be read, all whole lines at hand, so that a slow writer is answered at once.

    Memory is bounded: of a line longer than MAX_LINE_BYTES only its number is kept.
    """
    number, rest, overlong = 1, b"", False
    while chunk := _read_some(stream):
        *whole, rest = (rest + chunk).split(b"\n")
        lines = []
        for raw in whole:
            lines.append(_decode(number, raw, overlong))
            number, overlong = number + 1, False
        if len(rest) > MAX_LINE_BYTES:
            rest, overlong = b"", True
        if lines:
            yield lines
    if rest or overlong:
        yield [_decode(number, rest, overlong)]


def parse_report(text: str) -> ReportLine:
    """The report on a line: the line itself. Raises ValueError where it is empty or too long."""
    if len(text) > MAX_REPORT:
        raise ValueError(f"report: must have at most {MAX_REPORT} characters, not {len(text)}")
    if not normalize(text).text.strip():
        raise ValueError("report: is empty")
    require_storable("report", text)
    return ReportLine(text, Context())


def parse_json_report(text: str) -> ReportLine:
    """The report of ``{"report": …, "context": {"location": …, "issued": […]}}``; ValueError names the field."""
    try:
        data = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"not valid JSON: {error}") from error
    except ValueError as error:  # an integer of more digits than Python converts
        raise ValueError("not valid JSON: a number is too long") from error
    if not isinstance(data, dict):
        raise ValueError('not a JSON object with a "report"')
    report, context = data.get("report"), data.get("context")
    if not isinstance(report, str):
        raise ValueError("report: missing" if report is None else "report: must be text")
    if not isinstance(context, dict | None):
        raise ValueError("context: must be an object")
    if context and not isinstance(context.get("issued"), list | None):
        raise ValueError("context.issued: must be a list of texts")
    parsed = ReportLine(parse_report(report).report, Context.from_dict(context or {}))
    for written in (parsed.context.location, *parsed.context.issued):
        require_storable("context", written)
    return parsed


def parse_line(text: str) -> ReportLine:
    """A JSON object where the line begins with ``{``, else a report. Raises ValueError saying what is wrong."""
    return parse_json_report(text) if text.lstrip().startswith("{") else parse_report(text)


def require_storable(field: str, text: str) -> None:
    """Raises ValueError for text that no store and no UTF-8 output can carry: NUL and halves of surrogate pairs."""
    if "\0" in text:
        raise ValueError(f"{field}: must not hold the character NUL")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{field}: not UTF-8 text: a lone surrogate at character {error.start + 1}") from error


def _read_some(stream: BinaryIO) -> bytes:
    read1 = getattr(stream, "read1", stream.read)
    return bytes(read1(1 << 16))


def _decode(number: int, raw: bytes, overlong: bool) -> RawLine:
    if overlong or len(raw) > MAX_LINE_BYTES:
        return RawLine(number, None, f"longer than {MAX_LINE_BYTES} bytes")
    if number == 1:
        raw = raw.removeprefix(b"\xef\xbb\xbf")
    try:
        return RawLine(number, raw.removesuffix(b"\r").decode())
    except UnicodeDecodeError as error:
        return RawLine(number, None, f"not UTF-8: byte {error.start + 1} of the line is 0x{raw[error.start]:02x}")
