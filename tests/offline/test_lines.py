"""Lines of input: cut from a stream as they come, and read as reports."""

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatch.domain import Context
from dispatch.model import normalize
from dispatch.offline.lines import MAX_LINE_BYTES, RawLine, parse_json_report, parse_line, read_lines


class Chunks(io.RawIOBase):
    """A stream that gives its chunks one by one, as a pipe whose writer pauses."""

    def __init__(self, chunks: list[bytes]) -> None:
        self._chunks = list(chunks)

    def read1(self, size: int) -> bytes:
        return self._chunks.pop(0) if self._chunks else b""


def lines_of(data: bytes) -> list[RawLine]:
    return [line for lines in read_lines(io.BytesIO(data)) for line in lines]


def test_lines_are_numbered_and_lose_their_end_only() -> None:
    assert lines_of("一\r\n\n  二 \n三".encode()) == [
        RawLine(1, "一"),
        RawLine(2, ""),
        RawLine(3, "  二 "),
        RawLine(4, "三"),
    ]


def test_a_byte_order_mark_is_no_part_of_the_first_line() -> None:
    assert lines_of(b"\xef\xbb\xbfa\n") == [RawLine(1, "a")]


def test_lines_are_given_as_soon_as_they_are_whole() -> None:
    stream = Chunks([b"one\ntwo\nthr", b"ee\n", b"four"])
    batches = [[line.text for line in lines] for lines in read_lines(stream)]  # type: ignore[arg-type]
    assert batches == [["one", "two"], ["three"], ["four"]]


@given(st.lists(st.binary(max_size=6), max_size=8))
def test_however_the_stream_is_cut_the_lines_are_the_same(chunks: list[bytes]) -> None:
    cut = [chunk for chunk in chunks if chunk]
    from_chunks = [line for lines in read_lines(Chunks(cut)) for line in lines]  # type: ignore[arg-type]
    assert from_chunks == lines_of(b"".join(cut))
    assert len(from_chunks) == len(io.BytesIO(b"".join(cut)).readlines())


def test_bytes_that_are_not_utf8_spoil_their_own_line_only() -> None:
    first, second, third = lines_of("好\n".encode() + b"a\xff\n" + b"b\n")
    assert (first.text, third.text) == ("好", "b")
    assert second.text is None
    assert "not UTF-8: byte 2 of the line is 0xff" in second.problem


def test_an_endless_line_is_refused_without_being_kept() -> None:
    chunk = b"x" * (1 << 16)
    stream = Chunks([chunk] * (MAX_LINE_BYTES // len(chunk) * 3) + [b"\nshort\n"])
    long, short = (line for lines in read_lines(stream) for line in lines)  # type: ignore[arg-type]
    assert long.text is None
    assert f"longer than {MAX_LINE_BYTES} bytes" in long.problem
    assert short == RawLine(2, "short")


def test_an_object_brings_its_context() -> None:
    parsed = parse_line(
        '{"report": "断电", "context": {"location": "A7公路", "issued": ["派2台除雪车至A7公路"]}, "id": 7}'
    )
    assert parsed.report == "断电"
    assert parsed.context == Context("A7公路", ("派2台除雪车至A7公路",))


def test_a_line_that_is_no_object_is_the_report_itself() -> None:
    assert parse_line("[转发] 断电").report == "[转发] 断电"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"report": ', "not valid JSON"),
        ("{" * 100_000, "not valid JSON"),
        ('{"report": "x", "id": ' + "9" * 5000 + "}", "^not valid JSON: a number is too long$"),
        ("[1]", "not a JSON object"),
        ("{}", "report: missing"),
        ('{"report": 5}', "report: must be text"),
        ('{"report": "  "}', "report: is empty"),
        ('{"report": "\\u200b\\ufeff "}', "report: is empty"),
        ('{"report": "x", "context": []}', "context: must be an object"),
        ('{"report": "x", "context": {"location": 1}}', "context.location: must be text"),
        ('{"report": "x", "context": {"issued": 5}}', "context.issued: must be a list of texts"),
        ('{"report": "x", "context": {"issued": [5]}}', "context.issued: must be a list of texts"),
        ('{"report": "x", "context": {"place": "y"}}', "context.place: unknown field"),
        ('{"report": "\\ud83d"}', "report: .*lone surrogate"),
        ('{"report": "a\\u0000"}', "report: .*NUL"),
        (json.dumps({"report": "x" * 4001}), "report: must have at most 4000 characters, not 4001"),
        ('{"report": "x", "context": {"location": "\\ud83d"}}', "lone surrogate"),
    ],
)
def test_what_cannot_be_used_is_said(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_json_report(text)


@given(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")).filter(
        lambda text: normalize(text).text.strip() != ""
    )
)
def test_any_unicode_report_survives_json(report: str) -> None:
    assert parse_json_report(json.dumps({"report": report})).report == report
