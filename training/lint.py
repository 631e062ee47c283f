"""What is wrong with files of pairs before anybody trains on them.

Files are read once, as a stream. Of each pair only hashes and lengths are kept, some 50 bytes, so that a million pairs
need no more memory than their hashes. Two different reports with the same 64-bit hash are not expected below a
billion pairs.
"""

import hashlib
import re
import sys
import unicodedata
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from math import log
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from dispatch.domain import Situation, make_plans, render_instruction
from dispatch.domain.linear import Symbol, source_pieces
from dispatch.model import normalize, normalize_context
from training.corpus import PROGRESS_EVERY, Pair, pair_target_pieces, read_records
from training.grounding import ground
from training.judging import as_written
from training.presets import MAX_LENGTH

EXAMPLES_KEPT = 5
_FENCE = 3  # interquartile ranges (of the logarithm of the length) beyond the quartiles: Tukey's far out
_LEAST_FACTOR = 4  # lengths within this factor of the quartiles are never outliers
_ENOUGH_PAIRS = 20  # fewer have no usual length
_BETWEEN_DIGITS = re.compile(r"(?<=\d)([^\w\s])(?=\d)")  # what tells 1.5 from 15 and 3-5 from 35

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Kind:
    """A kind of finding."""

    code: str
    severity: Literal["error", "warning"]
    meaning: str


KINDS: tuple[Kind, ...] = (
    Kind("bad_line", "error", "the line cannot be used"),
    Kind("conflict", "error", "one report and context has several instructions or situations"),
    Kind("leak", "error", "a report of one file stands in another, but for punctuation and spaces"),
    Kind("ungrounded_place", "error", "a place of the instruction stands neither in the report nor in the context"),
    Kind("ungrounded_number", "error", "a number comes neither from the texts nor from doctrine for the situations"),
    Kind("unexplained_number", "warning", "there is no situation, and a number comes from none of the texts"),
    Kind("doctrine_differs", "warning", "doctrine answers the situations with another instruction"),
    Kind("repeat", "warning", "report and context stand in the file before, with the same target"),
    Kind("near_repeat", "warning", "the same, but for punctuation and spaces"),
    Kind("too_long", "warning", f"more than the {MAX_LENGTH} tokens of the model, at a character a token: left out"),
    Kind("length_outlier", "warning", "much longer or shorter than most"),
)


@dataclass(frozen=True)
class Place:
    """A line of a file, and what is found there."""

    file: str
    line: int
    message: str

    def to_dict(self) -> dict[str, str | int]:
        return dict(vars(self))


@dataclass(frozen=True)
class Finding:
    """All findings of one kind: how many lines, and the first of them."""

    kind: Kind
    count: int
    examples: tuple[Place, ...]

    def to_dict(self) -> dict[str, object]:
        return {
            "code": self.kind.code,
            "severity": self.kind.severity,
            "count": self.count,
            "examples": [example.to_dict() for example in self.examples],
        }


@dataclass(frozen=True)
class LintReport:
    """The usable pairs of each file, and what was found, in the order of KINDS."""

    pairs: Mapping[str, int]
    findings: tuple[Finding, ...]

    def count(self, severity: str) -> int:
        return sum(finding.count for finding in self.findings if finding.kind.severity == severity)

    def to_dict(self) -> dict[str, object]:
        return {
            "files": dict(self.pairs),
            "errors": self.count("error"),
            "warnings": self.count("warning"),
            "findings": [finding.to_dict() for finding in self.findings],
        }


class _Findings:
    """Collects findings; of each kind the first few places."""

    def __init__(self) -> None:
        self._counts = {kind.code: 0 for kind in KINDS}
        self._examples: dict[str, list[Place]] = {kind.code: [] for kind in KINDS}

    def add(self, code: str, file: str, line: int, message: str) -> None:
        self._counts[code] += 1
        if len(self._examples[code]) < EXAMPLES_KEPT:
            self._examples[code].append(Place(file, line, message))

    def listed(self) -> tuple[Finding, ...]:
        return tuple(
            Finding(kind, self._counts[kind.code], tuple(self._examples[kind.code]))
            for kind in KINDS
            if self._counts[kind.code]
        )


@dataclass
class _Table:
    """What is kept of every pair, a column each."""

    file: "array[int]" = field(default_factory=lambda: array("H"))
    line: "array[int]" = field(default_factory=lambda: array("I"))
    bare_report: "array[int]" = field(default_factory=lambda: array("Q"))  # hash without punctuation
    bare_source: "array[int]" = field(default_factory=lambda: array("Q"))  # the same, with the context
    source: "array[int]" = field(default_factory=lambda: array("Q"))  # report and context as they are
    target: "array[int]" = field(default_factory=lambda: array("Q"))  # situations and instruction
    report_length: "array[int]" = field(default_factory=lambda: array("I"))
    instruction_length: "array[int]" = field(default_factory=lambda: array("I"))

    def append(self, file: int, line: int, pair: Pair, situations: Sequence[Situation]) -> None:
        context = (pair.context.location, *pair.context.issued)
        bare = bare_text(pair.report)
        self.file.append(file)
        self.line.append(line)
        self.bare_report.append(_hash(bare))
        self.bare_source.append(_hash(bare, *context))
        self.source.append(_hash(pair.report, *context))
        self.target.append(_hash(normalize(pair.instruction).text.strip(), *map(repr, situations)))
        self.report_length.append(len(pair.report))
        self.instruction_length.append(len(pair.instruction))


def lint(paths: Sequence[Path], on_progress: Callable[[str, int], None] | None = None) -> LintReport:
    """Reads files of pairs and reports what is wrong with them; on_progress gets a file and its lines done, at times.

    Raises:
        ValueError: for a file that cannot be read at all, has no line that is not blank, or is given twice.
    """
    _require_files(paths)
    findings, table = _Findings(), _Table()
    pairs = {}
    for number, path in enumerate(paths):
        before = len(table.line)
        for done, (line, record) in enumerate(read_records(path), start=1):
            _lint_record(findings, table, number, path, line, record)
            if on_progress is not None and done % PROGRESS_EVERY == 0:
                on_progress(str(path), done)
        pairs[str(path)] = len(table.line) - before
    names = [str(path) for path in paths]
    _find_repeats(findings, table, names)
    _find_outliers(findings, table, names)
    return LintReport(pairs, findings.listed())


def _require_files(paths: Sequence[Path]) -> None:
    """Looks into every file before the first is read through, which can take long."""
    seen: set[Path] = set()
    for path in paths:
        if path.resolve() in seen:
            raise ValueError(f"{path}: the same file is given twice")
        seen.add(path.resolve())
        if next(read_records(path), None) is None:
            raise ValueError(f"{path} holds no pairs")


def bare_text(text: str) -> str:
    """A text without punctuation and spaces (NFKC), but for a mark between two digits: 1.5 is not 15."""
    pieces = _BETWEEN_DIGITS.split(unicodedata.normalize("NFKC", text))
    pieces[::2] = [piece.translate(_dropped()) for piece in pieces[::2]]
    return "".join(pieces) or text


@cache
def _dropped() -> dict[int, None]:
    kinds = ("P", "Z", "Cc", "Cf")
    return dict.fromkeys(
        code for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code)).startswith(kinds)
    )


def _hash(*texts: str) -> int:
    """Tells lists of texts apart."""
    joined = "\0".join(f"{len(text)}:{text}" for text in texts)
    return int.from_bytes(hashlib.blake2b(joined.encode(), digest_size=8).digest())


def _lint_record(findings: _Findings, table: _Table, number: int, path: Path, line: int, record: object) -> None:
    try:
        if isinstance(record, ValueError):
            raise record
        pair = Pair.from_dict(record)
    except ValueError as error:
        findings.add("bad_line", str(path), line, str(error))
        return
    # What the model is trained to write: a place in full-width digits is the same place.
    situations = [as_written(situation) for situation in pair.situations]
    table.append(number, line, pair, situations)
    for code, message in (*_ungrounded(pair, situations), *_doctrine_differs(pair, situations), *_too_long(pair)):
        findings.add(code, str(path), line, message)


def _ungrounded(pair: Pair, situations: Sequence[Situation]) -> Iterator[tuple[str, str]]:
    grounding = ground(pair.instruction, pair.report, pair.context, situations)
    if grounding.ungrounded_numbers:
        code = "ungrounded_number" if situations else "unexplained_number"
        yield code, ", ".join(grounding.ungrounded_numbers)
    if grounding.ungrounded_places and situations:
        yield "ungrounded_place", ", ".join(grounding.ungrounded_places)


def _doctrine_differs(pair: Pair, situations: Sequence[Situation]) -> Iterator[tuple[str, str]]:
    if situations:
        answer = render_instruction(make_plans(situations, normalize_context(pair.context)))
        if answer != normalize(pair.instruction).text:
            yield "doctrine_differs", answer


def _too_long(pair: Pair) -> Iterator[tuple[str, str]]:
    source = source_pieces(pair.report, pair.context)
    for name, pieces in (("report and context", source), ("situations and instruction", pair_target_pieces(pair))):
        characters = sum(1 if isinstance(piece, Symbol) else len(piece) for piece in pieces)
        if characters > MAX_LENGTH:
            yield "too_long", f"{name}: {characters:,} characters"


def _find_repeats(findings: _Findings, table: _Table, names: Sequence[str]) -> None:
    file, line, target = np.asarray(table.file), np.asarray(table.line), np.asarray(table.target)
    source, bare_source = np.asarray(table.source), np.asarray(table.bare_source)
    rows: Rows = np.arange(len(file))

    def add_all(code: str, found: Rows, firsts: Rows, message: str) -> None:
        for row in found.tolist():
            first = int(firsts[row])
            findings.add(code, names[file[row]], int(line[row]), f"{message} {names[file[first]]}:{line[first]}")

    asked = _first_alike(bare_source)
    conflicting = np.flatnonzero(target != target[asked])
    add_all("conflict", conflicting, asked, "another instruction or situation than at")
    in_file = _first_alike(bare_source, file)
    repeated = (in_file != rows) & ~np.isin(asked, asked[conflicting])
    exact = source == source[in_file]
    add_all("repeat", np.flatnonzero(repeated & exact), in_file, "as at")
    add_all("near_repeat", np.flatnonzero(repeated & ~exact), in_file, "as at")
    anywhere = _first_alike(np.asarray(table.bare_report))
    add_all("leak", np.flatnonzero(file != file[anywhere]), anywhere, "as at")


def _first_alike(*columns: npt.NDArray[np.integer]) -> Rows:
    """For each row the first one that has the same values."""
    order = np.lexsort(columns)  # stable: equal rows stay in the order of reading
    new = np.zeros(len(order), dtype=bool)
    new[:1] = True
    for column in columns:
        new[1:] |= column[order][1:] != column[order][:-1]
    first = np.empty(len(order), dtype=np.int64)
    first[order] = order[new][np.cumsum(new) - 1] if len(order) else order
    return first


def _find_outliers(findings: _Findings, table: _Table, names: Sequence[str]) -> None:
    if len(table.line) < _ENOUGH_PAIRS:
        return
    for side, column in (("report", table.report_length), ("instruction", table.instruction_length)):
        lengths = np.asarray(column)
        low, high = np.percentile(lengths, (25, 75))
        logs = np.log(np.maximum(lengths, 1))
        spread = max(_FENCE * (log(high) - log(low)), log(_LEAST_FACTOR))
        message = f"where half of all have {low:.0f} to {high:.0f}"
        for row in np.flatnonzero((logs > log(high) + spread) | (logs < log(low) - spread)).tolist():
            text = f"{side} of {lengths[row]:,} characters, {message}"
            findings.add("length_outlier", names[table.file[row]], table.line[row], text)
