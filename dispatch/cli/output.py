"""What the commands write: results alone on standard output, everything else on standard error."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperGroup

from dispatch.settings import DEBUG_VARIABLE

if TYPE_CHECKING:
    from rich.table import Table

FAILED, INTERRUPTED = 1, 130
WIDE = 160
_WRITTEN_OUT = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if chr(code) not in "\t\n"}

# Expected failures of rooms that are slow to import; one that was raised is imported already.
_ROOM_ERRORS = (
    ("dispatch.client", "DispatchError"),
    ("dispatch.store", "NotFound"),
    ("dispatch.store", "StoreError"),
    ("training.trainer", "TrainingDiverged"),
)


def print_result(text: str) -> None:
    """A result, at once, whole."""
    sys.stdout.write(harmless(text) + "\n")
    sys.stdout.flush()


def harmless(text: str) -> str:
    """The text with control characters written out, so that no report or file name can command the terminal."""
    return text.translate(_WRITTEN_OUT)


def print_json(value: Any, indent: int | None = None) -> None:
    """A result as JSON, on one line unless `indent` is given."""
    print_result(to_json(value, indent))


def to_json(value: Any, indent: int | None = None) -> str:
    """JSON with Chinese text as it is."""
    return json.dumps(value, ensure_ascii=False, indent=indent)


def print_table(table: "Table") -> None:
    """A result for people; wide where it goes to a file."""
    from rich.console import Console

    console = Console()
    console.width = console.width if console.is_terminal else WIDE
    console.print(table)


def note(text: str) -> None:
    """A line for the person at the terminal."""
    sys.stderr.write(harmless(text) + "\n")
    sys.stderr.flush()


class CommandGroup(TyperGroup):
    """Commands whose expected failures are one line on standard error and exit status 1."""

    def invoke(self, ctx: Any) -> Any:
        with _failures_as_lines():
            return super().invoke(ctx)


@contextmanager
def _failures_as_lines() -> Iterator[None]:
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError as error:
        # The reader of our output left (`| head`): nobody is there to be told.
        _discard_output()
        raise typer.Exit(FAILED) from error
    except KeyboardInterrupt as error:
        note("interrupted")
        raise typer.Exit(INTERRUPTED) from error
    except Exception as error:
        if os.environ.get(DEBUG_VARIABLE, "0") not in ("", "0") or not _is_expected(error):
            raise
        note(f"error: {_one_line(error)}")
        raise typer.Exit(FAILED) from error


@contextmanager
def values_as_usage() -> Iterator[None]:
    """A ValueError inside is wrong usage of the command: exit status 2."""
    try:
        yield
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def _is_expected(error: Exception) -> bool:
    if isinstance(error, ValueError | OSError):
        return True
    return any(isinstance(error, getattr(sys.modules.get(room), name, ())) for room, name in _ROOM_ERRORS)


def _one_line(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        named = f"{error.filename}: " if error.filename else ""
        return f"{named}{error.strerror}"
    return " ".join(str(error).split()) or type(error).__name__


def _discard_output() -> None:
    """Points standard output at nothing, or Python complains about the closed pipe once more when it exits."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(devnull, sys.stdout.fileno())
    except OSError:
        pass
    finally:
        os.close(devnull)
