"""Formats of files of reports: how a line is read, and how its result is written."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from dispatch.domain import Context
from dispatch.offline.answers import AnsweredLine
from dispatch.offline.lines import ReportLine, parse_json_report, parse_report

FormatName = Literal["jsonl", "tsv", "text"]

ERROR_MARK = "[error] "
"""Begins the last column of a bad line in TSV and text output."""

_SUFFIXES: dict[str, FormatName] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".tsv": "tsv",
    ".txt": "text",
    ".text": "text",
}


@dataclass(frozen=True)
class Format:
    """`read` takes a line and raises ValueError; `write` gives the output line without its end."""

    name: FormatName
    read: Callable[[str], ReportLine]
    write: Callable[[AnsweredLine], str]
    marks_error: Callable[[str], bool]


def format_of(path: Path) -> FormatName:
    """The format that a file's suffix names. Raises ValueError for a suffix that is not known."""
    name = _SUFFIXES.get(path.suffix.lower())
    if name is None:
        raise ValueError(
            f"{path}: cannot tell the format from the suffix; use --format {'|'.join(get_args(FormatName))}"
        )
    return name


def one_line(text: str) -> str:
    """The text with a space for every line end, of whatever kind: a reader may take any of them for one."""
    return " ".join(text.splitlines())


def _read_tsv(text: str) -> ReportLine:
    report, *others = text.split("\t")
    location = others[0].strip() if others else ""
    return ReportLine(parse_report(report).report, Context(location=location))


def _write_jsonl(item: AnsweredLine) -> str:
    if item.result is None:
        value = item.error_object()
    else:
        assert item.report is not None
        value = {"report": item.report.report, "context": item.report.context.to_dict()} | item.result
    return json.dumps(value, ensure_ascii=False)


def _write_text(item: AnsweredLine) -> str:
    if item.result is None:
        return one_line(ERROR_MARK + item.problem)
    return one_line(str(item.result["instruction"]))


def _write_tsv(item: AnsweredLine) -> str:
    columns = one_line(item.line.text or "")
    written = _write_text(item).replace("\t", " ")
    return f"{columns}\t{written}"


FORMATS: dict[FormatName, Format] = {
    "jsonl": Format("jsonl", parse_json_report, _write_jsonl, lambda line: line.startswith('{"error"')),
    "tsv": Format("tsv", _read_tsv, _write_tsv, lambda line: line.rpartition("\t")[2].startswith(ERROR_MARK)),
    "text": Format("text", parse_report, _write_text, lambda line: line.startswith(ERROR_MARK)),
}
