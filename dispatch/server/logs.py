"""Logs: one line an event, as JSON or for people, that says which call it is about and quotes no report and no secret.

Every module logs by the standard library's `logging`, and so do the libraries; structlog renders all of it here.
"""

import logging
import re
import sys
import threading
import traceback
from collections.abc import Iterator
from typing import Any, Literal, TextIO

import structlog
from structlog.typing import EventDict, Processor

LogFormat = Literal["json", "text"]

CALL_FIELDS = ("call_id", "method", "caller", "request_id", "trace_id", "span_id")
"""What every line inside a call carries; an empty text where it is not known."""

_QUIET = ("alembic", "grpc", "opentelemetry", "sqlalchemy")
"""Libraries of which only warnings matter; at lower levels some of them log what they are given to store."""
_SECRET_NAME = re.compile(r"authorization|password|secret|token|private_key", re.IGNORECASE)
_SECRETS = (
    (re.compile(r"(?i)\b(bearer|basic)\s+[^\s,;'\"]+"), r"\1 [hidden]"),
    (re.compile(r"(\w://[^\s:/@]*):[^\s/@]+@"), r"\1:[hidden]@"),
)


def configure_logs(log_format: LogFormat, level: str, stream: TextIO | None = None) -> None:
    """Have every line of this process written to ``stream`` (standard error) in one format.

    ``level`` is the least severe that is written: debug, info, warning or error.
    """
    before: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        hide_texts_of_errors,
        hide_secrets,
    ]
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=before,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _renderer(log_format)],
        )
    )
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    threading.excepthook = _log_end_of_thread


def _log_end_of_thread(ended: threading.ExceptHookArgs) -> None:
    """Instead of Python's own way, which writes the error's text to standard error."""
    name = ended.thread.name if ended.thread else "unknown"
    logging.getLogger(__name__).error("the thread %s has ended by an error", name, exc_info=ended.exc_value)


def frames(error: BaseException) -> Iterator[str]:
    """Lines of code and type of an error and of those that led to it. Not their texts: these may quote a report."""
    if cause := error.__cause__ or error.__context__:
        yield from frames(cause)
    yield from traceback.format_tb(error.__traceback__)
    yield f"{type(error).__module__}.{type(error).__qualname__}\n"


def hide_texts_of_errors(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Replaces an exception by its frames. asyncio puts the exception itself below the first line: that is cut off."""
    exc_info = event.pop("exc_info", None)
    error = exc_info[1] if isinstance(exc_info, tuple) else exc_info
    if isinstance(error, BaseException):
        event["exception"] = "".join(frames(error))
    if event.get("logger") == "asyncio":
        event["event"] = str(event["event"]).partition("\n")[0]
    return event


def hide_secrets(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Hides the values of fields whose names say that they are secret, and credentials inside texts."""
    for name, value in event.items():
        if not isinstance(value, str):
            continue
        if _SECRET_NAME.search(name):
            event[name] = "[hidden]"
        else:
            for pattern, instead in _SECRETS:
                value = pattern.sub(instead, value)
            event[name] = value
    return event


def _renderer(log_format: LogFormat) -> Processor:
    if log_format == "json":
        return structlog.processors.JSONRenderer(ensure_ascii=False)
    return structlog.dev.ConsoleRenderer(colors=False, sort_keys=False)
