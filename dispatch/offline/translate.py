"""Translation of a whole file: same order, blank lines kept, bad lines named, resumable after a kill.

Output goes to OUT.partial, one line for every line of input, and becomes OUT when it is whole. A second run counts the
complete lines of OUT.partial and goes on after them, if OUT.partial.json says that they were made from the same things.
"""

import errno
import fcntl
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from dispatch.offline.answers import Answer, AnsweredLine, answer_lines
from dispatch.offline.formats import Format
from dispatch.offline.lines import RawLine, read_lines
from dispatch.offline.special_files import is_pipe_or_device


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
    restart: bool = False,
    on_bad_line: Callable[[AnsweredLine], None] = lambda item: None,
    on_progress: Callable[[int, int], None] = lambda lines, bytes_read: None,
) -> TranslationSummary:
    """Translates source into target, or into the file that target is a link to.

    Args:
        settings_digest: what decides the results beside the input (bundle, doctrine); a partial file that was begun
            with another one is refused.
        restart: drop what an interrupted run has written instead of going on with it.
        on_progress: called with the number of lines done and of input bytes read, after every batch.

    Raises:
        ValueError: source would be written over, or a partial file does not belong to this input, format and settings.
        OSError: a file cannot be read or written, or another run is writing the partial file.
    """
    check_paths(source, target)
    target, partial = target.resolve(), partial_path(target)
    with source.open("rb") as stream, partial.open("a+b") as output:
        _lock(output, partial)
        if restart:
            output.truncate(0)
        _check_origin(partial, _origin(source, stream, file_format, settings_digest), output)
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
        _require_in_place(output, partial)
        os.replace(partial, target)
    _origin_file(partial).unlink(missing_ok=True)
    return TranslationSummary(resumed + done, bad, resumed)


def check_paths(source: Path, target: Path) -> None:
    """Whether a translation can take target's place.

    Raises:
        ValueError: it would write over its input, or replace a pipe or a device.
        FileNotFoundError: there is no folder for target.
    """
    if is_pipe_or_device(target):
        raise ValueError(f"{target}: is a pipe or a device, which a file would replace; name a file as OUT")
    partial = partial_path(target)
    origin = _origin_file(partial)
    for path in (target, partial, origin, _unfinished(origin)):
        if _is_same_file(source, path):
            raise ValueError(f"{source}: is IN, and would be written over as {path}; choose another OUT")
    if not partial.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "no such folder", str(partial.parent))


def partial_path(target: Path) -> Path:
    """Where the work for target stands until it is whole: beside the file that target is, or is a link to."""
    target = target.resolve()
    return target.with_name(target.name + ".partial")


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
    _require_in_place(output, partial)


def _require_in_place(output: BinaryIO, partial: Path) -> None:
    """A run that ended in between has renamed the file that we hold: it is no partial file any more."""
    if not partial.exists() or not os.path.samestat(os.fstat(output.fileno()), partial.stat()):
        raise BlockingIOError(errno.EWOULDBLOCK, "another run has moved or removed this file", str(partial))


def _is_same_file(one: Path, other: Path) -> bool:
    if one.exists() and other.exists():
        return one.samefile(other)
    return one.resolve() == other.resolve()


def _origin_file(partial: Path) -> Path:
    return partial.with_name(partial.name + ".json")


def _unfinished(origin_file: Path) -> Path:
    return origin_file.with_name(origin_file.name + ".new")


def _origin(source: Path, stream: BinaryIO, file_format: Format, settings_digest: str) -> dict[str, str | int]:
    """What a partial file is made from."""
    status = os.fstat(stream.fileno())
    return {
        "input": str(source.resolve()),
        "size of the input": status.st_size,
        "modification time of the input": status.st_mtime_ns,
        "format": file_format.name,
        "settings": settings_digest,
    }


def _check_origin(partial: Path, origin: dict[str, str | int], output: BinaryIO) -> None:
    """Remembers beside a new partial file what it is made from; refuses to go on with one made from something else."""
    path = _origin_file(partial)
    if os.fstat(output.fileno()).st_size == 0:
        _unfinished(path).write_text(json.dumps(origin), encoding="utf-8")
        os.replace(_unfinished(path), path)
        return
    if not path.exists():
        raise ValueError(
            f"{partial} is there without {path.name}, so what it was made from is not known; "
            "--restart replaces it, or name another OUT"
        )
    begun_with = _read_origin(path)
    changed = [name for name, value in origin.items() if begun_with.get(name) != value]
    if changed:
        raise ValueError(f"{partial} was begun with another {' and '.join(changed)}; start again with --restart")


def _read_origin(path: Path) -> dict[str, Any]:
    try:
        origin = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        origin = None
    if not isinstance(origin, dict):
        raise ValueError(f"{path} is damaged; start again with --restart")
    return origin


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
