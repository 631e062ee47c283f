"""Translation of a whole file: same order, blank lines kept, bad lines named, resumable after a kill.

Output goes to OUT.partial, one line for every line of input, and becomes OUT when it is whole. A second run counts the
complete lines of OUT.partial and goes on after them.
"""

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from dispatch.offline.answers import Answer, AnsweredLine, answer_lines
from dispatch.offline.formats import Format
from dispatch.offline.lines import RawLine, read_lines

COPY_BYTES = 1 << 20


@dataclass(frozen=True)
class TranslationSummary:
    """What a finished translation did; `resumed` lines were there already, `bad` counts those of all runs."""

    lines: int
    bad: int
    resumed: int


def translate_file(
    source: Path,
    target: Path,
    file_format: Format,
    answer: Answer,
    *,
    batch_size: int = 32,
    settings_digest: str = "",
    on_bad_line: Callable[[AnsweredLine], None] = lambda item: None,
    on_progress: Callable[[int, int], None] = lambda lines, bytes_read: None,
) -> TranslationSummary:
    """Translates source into target.

    Args:
        settings_digest: what decides the results beside the input (bundle, decoding); a partial file that was begun
            with another one is refused.
        on_progress: called with the number of lines done and of input bytes read, after every batch.

    Raises:
        ValueError: a partial file does not belong to this input or these settings; delete it or restart.
        OSError: a file cannot be read or written, or another run is writing the partial file.
    """
    partial = target.with_name(target.name + ".partial")
    with source.open("rb") as stream, partial.open("a+b") as output:
        _lock(output, partial)
        _check_origin(partial, source, settings_digest, output)
        resumed, bad = _complete_lines(output, file_format)
        done = 0
        lines = _skip(_single_lines(stream), resumed, partial, source)
        for batch in _batches(lines, batch_size):
            items = answer_lines(batch, file_format.read, answer)
            for item in items:
                if item.problem:
                    on_bad_line(item)
                    bad += 1
            output.write("".join(_output_line(item, file_format) for item in items).encode())
            output.flush()
            done += len(items)
            on_progress(resumed + done, stream.tell())
        os.fsync(output.fileno())
        os.replace(partial, target)
    _origin_file(partial).unlink(missing_ok=True)
    return TranslationSummary(resumed + done, bad, resumed)


def remove_partial(target: Path) -> None:
    """Forgets what an interrupted run has written for target."""
    partial = target.with_name(target.name + ".partial")
    partial.unlink(missing_ok=True)
    _origin_file(partial).unlink(missing_ok=True)


def _output_line(item: AnsweredLine, file_format: Format) -> str:
    is_blank = item.result is None and not item.problem
    return ("" if is_blank else file_format.write(item)) + "\n"


def _single_lines(stream: BinaryIO) -> Iterator[RawLine]:
    return (line for lines in read_lines(stream) for line in lines)


def _batches(lines: Iterator[RawLine], size: int) -> Iterator[list[RawLine]]:
    while batch := list(islice(lines, size)):
        yield batch


def _skip(lines: Iterator[RawLine], count: int, partial: Path, source: Path) -> Iterator[RawLine]:
    skipped = sum(1 for _ in islice(lines, count))
    if skipped < count:
        raise ValueError(f"{partial} has {count} lines but {source} only {skipped}; start again with --restart")
    return lines


def _lock(output: BinaryIO, partial: Path) -> None:
    """Held until the file is closed, by a kill as well."""
    try:
        fcntl.flock(output, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise BlockingIOError(error.errno, "another run is writing this file", str(partial)) from error


def _origin_file(partial: Path) -> Path:
    return partial.with_name(partial.name + ".json")


def _check_origin(partial: Path, source: Path, settings_digest: str, output: BinaryIO) -> None:
    """Remembers beside a new partial file what it is made from; refuses to go on with one made from something else."""
    origin = {"input": str(source.resolve()), "settings": settings_digest}
    path = _origin_file(partial)
    if os.fstat(output.fileno()).st_size == 0 or not path.exists():
        path.write_text(json.dumps(origin), encoding="utf-8")
        return
    begun_with = json.loads(path.read_text(encoding="utf-8"))
    for name, value in origin.items():
        if begun_with.get(name) != value:
            raise ValueError(f"{partial} was begun with another {name}; start again with --restart")


def _complete_lines(output: BinaryIO, file_format: Format) -> tuple[int, int]:
    """Counts the complete lines and the bad ones among them, and cuts a torn last line off."""
    output.seek(0)
    count = bad = end = 0
    for line in output:
        if not line.endswith(b"\n"):
            break
        count, end = count + 1, end + len(line)
        bad += file_format.marks_error(line.decode(errors="replace"))
    output.truncate(end)
    output.seek(0, os.SEEK_END)
    return count, bad
