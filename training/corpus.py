"""Pairs on disk, and the same pairs as token ids in memory."""

import csv
import gzip
import hashlib
import importlib
import json
import zlib
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TypeVar

import numpy as np
import numpy.typing as npt

from dispatch.domain import MAX_SITUATIONS, Context, Situation, make_workings
from dispatch.domain.linear import INSTRUCTION, Piece, source_pieces, target_pieces
from dispatch.model import Tokenizer, normalize

PROGRESS_EVERY = 1000  # pairs between two calls of a progress callback
FIELDS = ("report", "instruction", "context", "situation", "situations", "provenance")

Row = TypeVar("Row")


class PairError(ValueError):
    """One line of a pairs file cannot be used; the text names file, line and reason."""

    def __init__(self, path: Path, line: int, reason: str) -> None:
        super().__init__(f"{path}:{line}: {reason}")
        self.path = path
        self.line = line
        self.reason = reason


@dataclass(frozen=True)
class Pair:
    """One training example: report (+ context) -> instruction (+ situations)."""

    report: str
    instruction: str
    context: Context = Context()
    situations: tuple[Situation, ...] = ()

    @classmethod
    def from_dict(cls, record: object) -> "Pair":
        """Reads one JSON object of a pairs file; provenance, which says where a pair is from, is for people.

        Raises:
            ValueError: naming the field that is missing, empty, malformed or unknown.
        """
        if not isinstance(record, Mapping):
            raise ValueError("expected a JSON object with 'report' and 'instruction'")
        _require_known_fields(record)
        for field in FIELDS:
            require_utf8(record, field)
        report, instruction = _text(record, "report"), _text(record, "instruction")
        context = record.get("context")
        if not isinstance(context, Mapping | None):
            raise ValueError("field 'context' must be an object")
        if not isinstance(record.get("provenance"), Mapping | None):
            raise ValueError("field 'provenance' must be an object")
        situations = tuple(Situation.from_dict(item) for item in _situation_records(record))
        return cls(report, instruction, Context.from_dict(context or {}), situations)

    def to_dict(self) -> dict[str, object]:
        """The JSON object of a pairs file; empty context and situations are left out."""
        record: dict[str, object] = {"report": self.report, "instruction": self.instruction}
        if self.context != Context():
            record["context"] = self.context.to_dict()
        if len(self.situations) == 1:
            record["situation"] = self.situations[0].to_dict()
        elif self.situations:
            record["situations"] = [situation.to_dict() for situation in self.situations]
        return record


def _require_known_fields(record: Mapping[str, object]) -> None:
    if "gold" in record:
        raise ValueError("field 'gold': a labelled report in a file of pairs")
    if unknown := sorted(set(record) - set(FIELDS)):
        raise ValueError(f"unknown field {unknown[0]!r:.40}, known are {', '.join(FIELDS)}")


def _text(record: Mapping[str, object], field: str) -> str:
    value = record.get(field)
    if not isinstance(value, str):
        raise ValueError(f"field '{field}' is missing" if value is None else f"field '{field}' must be text")
    if not normalize(value).text.replace("\ufffd", "").strip():  # U+FFFD: what control characters are read as
        raise ValueError(f"field '{field}' is empty")
    return value


def _situation_records(record: Mapping[str, object]) -> Iterator[Mapping[str, object]]:
    field, situations = "situations", record.get("situations")
    if situations is None:
        field, situations = "situation", [] if record.get("situation") is None else [record["situation"]]
    if not isinstance(situations, list):
        raise ValueError("field 'situations' must be a list of situations")
    if len(situations) > MAX_SITUATIONS:
        raise ValueError(f"field 'situations' holds {len(situations)}, an instruction at most {MAX_SITUATIONS}")
    for situation in situations:
        if not isinstance(situation, Mapping):
            raise ValueError(f"field '{field}': a situation must be an object")
        yield situation


def require_utf8(record: Mapping[str, object], field: str) -> None:
    """No text in the field, however deep, may hold a lone surrogate, which bytes that are not UTF-8 are read as."""
    try:
        json.dumps(record.get(field), ensure_ascii=False, default=str).encode()
    except UnicodeEncodeError:
        raise ValueError(f"field '{field}' is not valid UTF-8") from None


def read_pairs(path: Path, strict: bool = False, on_error: Callable[[PairError], None] | None = None) -> Iterator[Pair]:
    """Reads pairs from .jsonl, .tsv, .csv (each also .gz) or .parquet, by the file's suffix.

    TSV and CSV have the columns report and instruction; a header row with these names may come first.
    JSON objects and rows of Parquet have no other fields than FIELDS. Blank lines are passed over. A line that cannot
    be used is given to on_error and skipped.

    Raises:
        PairError: on the first bad line, if strict.
        ValueError: for a suffix that is not known, a .gz that is no whole gzip file, or Parquet without pyarrow.
    """
    return read_rows(path, Pair.from_dict, _raise if strict else on_error)


def read_rows(
    path: Path, parse: Callable[[object], Row], on_error: Callable[[PairError], None] | None
) -> Iterator[Row]:
    """What parse makes of every line; one for which it raises ValueError is given to on_error and skipped.

    Raises:
        ValueError: as :func:`read_pairs` does for a file that cannot be read at all.
    """
    for line, record in read_records(path):
        try:
            if isinstance(record, ValueError):
                raise record
            row = parse(record)
        except ValueError as error:
            if on_error is not None:
                on_error(PairError(path, line, str(error)))
        else:
            yield row


def _raise(error: PairError) -> None:
    raise error


def read_records(path: Path) -> Iterator[tuple[int, object]]:
    """Line number and record (or the ValueError that says what is wrong) of every line that is not blank.

    Raises:
        ValueError: as :func:`read_pairs` does for a file that cannot be read at all.
    """
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() != ".gz"]
    readers = {".jsonl": _jsonl_records, ".tsv": _tsv_records, ".csv": _csv_records}
    kind = suffixes[-1] if suffixes else ""
    if kind == ".parquet":
        yield from _parquet_records(path)
    elif kind in readers:
        try:
            with _open_text(path) as stream:
                yield from readers[kind](stream)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise ValueError(
                f"{path}: not a whole gzip file ({error}); compress it again, or give it unpacked and without .gz"
            ) from error
    else:
        raise ValueError(f"{path}: unknown kind of pairs file; use .jsonl, .tsv, .csv (or these with .gz) or .parquet")


def _open_text(path: Path) -> IO[str]:
    # Bytes that are not UTF-8 become surrogates, so that the line that holds them can be named later.
    if path.suffix.lower() == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", errors="surrogateescape", newline="")
    return path.open(encoding="utf-8-sig", errors="surrogateescape", newline="")


def _jsonl_records(stream: IO[str]) -> Iterator[tuple[int, object]]:
    for number, line in enumerate(stream, start=1):
        if line.strip():
            try:
                yield number, json.loads(line.rstrip("\r\n"))
            except json.JSONDecodeError as error:
                yield number, ValueError(f"not JSON: {error.msg}, at column {error.colno}")
            except (ValueError, RecursionError) as error:
                yield number, ValueError(f"not JSON: {error}")


def _tsv_records(stream: IO[str]) -> Iterator[tuple[int, object]]:
    for number, line in enumerate(stream, start=1):
        if line.strip():
            yield from _table_row(number, line.rstrip("\r\n").split("\t"))


def _csv_records(stream: IO[str]) -> Iterator[tuple[int, object]]:
    rows = csv.reader(stream, strict=True)
    while True:
        start = rows.line_num + 1
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            yield start, ValueError(f"not CSV: {error}")
            continue
        if row:
            yield from _table_row(start, row)


def _table_row(number: int, row: list[str]) -> Iterator[tuple[int, object]]:
    if number == 1 and [cell.strip().lower() for cell in row] == ["report", "instruction"]:
        return
    if len(row) == 2:
        yield number, {"report": row[0], "instruction": row[1]}
    else:
        yield number, ValueError(f"expected 2 columns (report, instruction), found {len(row)}")


def _parquet_records(path: Path) -> Iterator[tuple[int, object]]:
    try:
        parquet = importlib.import_module("pyarrow.parquet")
    except ImportError:
        raise ValueError(f"{path}: reading Parquet needs pyarrow; install it, or convert the file to .jsonl") from None
    rows = (row for batch in parquet.ParquetFile(path).iter_batches() for row in batch.to_pylist())
    yield from enumerate(rows, start=1)


@dataclass(frozen=True)
class TokenizedCorpus:
    """Pairs as token ids, one after the other in flat arrays.

    Pair i's source is source_ids[source_offsets[i] : source_offsets[i + 1]]; its target likewise, from bos to eos.
    Pairs with more than max_length tokens on either side are left out whole, never cut, and counted in too_long.
    """

    source_ids: npt.NDArray[np.integer]
    source_offsets: npt.NDArray[np.int64]
    target_ids: npt.NDArray[np.integer]
    target_offsets: npt.NDArray[np.int64]
    too_long: int
    has_situations: bool

    @classmethod
    def build(
        cls,
        pairs: Iterable[Pair],
        tokenizer: Tokenizer,
        max_length: int,
        on_progress: Callable[[int], None] | None = None,
        is_reading: Callable[[Pair], bool] = lambda pair: False,
    ) -> "TokenizedCorpus":
        """Tokenizes pairs; on_progress gets the number of pairs done, now and then.

        Of pairs for which is_reading is true the target ends before the instruction's text: they teach how to read.
        """
        id_type = "H" if tokenizer.vocab_size <= 1 << 16 else "i"
        source_ids, target_ids = array(id_type), array(id_type)
        source_ends, target_ends = array("q", [0]), array("q", [0])
        too_long = 0
        has_situations = False
        for done, pair in enumerate(pairs, start=1):
            source, target = encode_pair(pair, tokenizer)
            if on_progress is not None and done % PROGRESS_EVERY == 0:
                on_progress(done)
            if len(source) > max_length or len(target) - 1 > max_length:
                too_long += 1
                continue
            if is_reading(pair):
                target = target[: target.index(tokenizer.symbol_id(INSTRUCTION)) + 1]
            source_ids.extend(source)
            target_ids.extend(target)
            source_ends.append(len(source_ids))
            target_ends.append(len(target_ids))
            has_situations = has_situations or bool(pair.situations)
        return cls(
            source_ids=np.array(source_ids),
            source_offsets=np.array(source_ends, dtype=np.int64),
            target_ids=np.array(target_ids),
            target_offsets=np.array(target_ends, dtype=np.int64),
            too_long=too_long,
            has_situations=has_situations,
        )

    @classmethod
    def join(cls, corpora: Sequence["TokenizedCorpus"]) -> "TokenizedCorpus":
        """The pairs of several corpora of one tokenizer, one corpus after the other."""
        return cls(
            source_ids=np.concatenate([corpus.source_ids for corpus in corpora]),
            source_offsets=_joined([corpus.source_offsets for corpus in corpora]),
            target_ids=np.concatenate([corpus.target_ids for corpus in corpora]),
            target_offsets=_joined([corpus.target_offsets for corpus in corpora]),
            too_long=sum(corpus.too_long for corpus in corpora),
            has_situations=any(corpus.has_situations for corpus in corpora),
        )

    def __len__(self) -> int:
        return len(self.source_offsets) - 1

    @property
    def source_lengths(self) -> npt.NDArray[np.int64]:
        return np.diff(self.source_offsets)

    @property
    def target_lengths(self) -> npt.NDArray[np.int64]:
        """Numbers of predicted tokens: the target with eos, without bos."""
        return np.diff(self.target_offsets) - 1

    def digest(self) -> str:
        """SHA-256 of all ids and lengths: equal for equal training data."""
        digest = hashlib.sha256()
        for values in (self.source_ids, self.source_offsets, self.target_ids, self.target_offsets):
            digest.update(np.ascontiguousarray(values).data)
        return digest.hexdigest()


def _joined(offsets: Sequence[npt.NDArray[np.int64]]) -> npt.NDArray[np.int64]:
    """Offsets into arrays that stand one behind the other."""
    starts = np.cumsum([0, *(each[-1] for each in offsets[:-1])])
    return np.concatenate([[0], *(each[1:] + start for each, start in zip(offsets, starts, strict=True))])


def encode_pair(pair: Pair, tokenizer: Tokenizer) -> tuple[list[int], list[int]]:
    """Source ids, and target ids from bos to eos."""
    source = tokenizer.encode_pieces(source_pieces(pair.report, pair.context))
    target = tokenizer.encode_pieces(pair_target_pieces(pair))
    return source, [tokenizer.bos_id, *target, tokenizer.eos_id]


def pair_target_pieces(pair: Pair) -> list[Piece]:
    """What the decoder is trained to write for a pair: situations in the order in which the report names their places.

    So it reads on as it writes; which of them is the most urgent is known only at their end, and to doctrine. A place
    that the report does not name, but the context does, comes first.
    """
    workings = make_workings(pair.situations, pair.context)
    report = normalize(pair.report).text
    mentioned = sorted(
        zip(pair.situations, workings, strict=True), key=lambda each: report.find(normalize(each[0].location).text)
    )
    return target_pieces([each for each, _ in mentioned], [working for _, working in mentioned], pair.instruction)
