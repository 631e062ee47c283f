"""Log lines: their form, and what never stands in them."""

import asyncio
import io
import json
import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from dispatch.server.logs import configure_logs

REPORT = "B村塌方,3人被埋"


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """What the process logs; its logging is as before afterwards."""
    root, hook = logging.getLogger(), threading.excepthook
    handlers, level = root.handlers[:], root.level
    yield io.StringIO()
    root.handlers, threading.excepthook = handlers, hook
    root.setLevel(level)


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_json_has_one_object_a_line_with_what_was_given_along(stream: io.StringIO) -> None:
    configure_logs("json", "info", stream)
    logging.getLogger("some.where").info("two\nlines of %s", "派1台", extra={"tokens": 7})
    (line,) = lines(stream)
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "two\nlines of 派1台", "level": "info", "logger": "some.where", "tokens": 7}


def test_text_is_for_people(stream: io.StringIO) -> None:
    configure_logs("text", "info", stream)
    logging.getLogger("some.where").warning("listening", extra={"port": 50051})
    assert "listening" in stream.getvalue()
    assert "port=50051" in stream.getvalue()
    assert "\x1b" not in stream.getvalue()


def test_what_is_less_severe_is_left_out(stream: io.StringIO) -> None:
    configure_logs("json", "warning", stream)
    logging.getLogger("some.where").info("not this")
    logging.getLogger("some.where").warning("this")
    assert [line["event"] for line in lines(stream)] == ["this"]


@pytest.mark.parametrize("library", ["alembic.runtime", "sqlalchemy.engine", "grpc._cython", "opentelemetry.sdk"])
def test_libraries_tell_warnings_alone_also_where_everything_is_asked_for(stream: io.StringIO, library: str) -> None:
    configure_logs("json", "debug", stream)
    logging.getLogger(library).info("INSERT … %s", REPORT)
    logging.getLogger(library).warning("this")
    assert [line["event"] for line in lines(stream)] == ["this"]


def test_configuring_again_replaces_what_was_there(stream: io.StringIO) -> None:
    configure_logs("json", "info", io.StringIO())
    configure_logs("json", "info", stream)
    logging.getLogger("some.where").info("once")
    assert len(lines(stream)) == 1


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_an_exception_leaves_its_code_and_type_but_not_its_text(stream: io.StringIO, log_format: Any) -> None:
    configure_logs(log_format, "info", stream)
    try:
        try:
            raise KeyError(REPORT)
        except KeyError as error:
            raise ValueError(f"cannot read {REPORT}") from error
    except ValueError:
        logging.getLogger("some.where").exception("it failed")
    text = stream.getvalue()
    assert REPORT not in text
    assert text.index("builtins.KeyError") < text.index("builtins.ValueError")
    assert "test_logs.py" in text


async def test_a_task_that_nobody_awaited_does_not_tell_its_exception(stream: io.StringIO) -> None:
    configure_logs("json", "info", stream)
    context = {"message": "Task exception was never retrieved", "future": ValueError(REPORT)}
    asyncio.get_running_loop().call_exception_handler({**context, "exception": ValueError(REPORT)})
    (line,) = lines(stream)
    assert line["event"] == "Task exception was never retrieved"
    assert REPORT not in stream.getvalue()


def test_a_thread_that_ends_by_an_error_is_logged_without_its_text(stream: io.StringIO) -> None:
    configure_logs("json", "info", stream)

    def fail() -> None:
        raise ValueError(REPORT)

    thread = threading.Thread(target=fail, name="decoding")
    thread.start()
    thread.join()
    (line,) = lines(stream)
    assert "the thread decoding" in line["event"]
    assert "builtins.ValueError" in line["exception"]
    assert REPORT not in stream.getvalue()


@pytest.mark.parametrize(
    "told",
    [
        "metadata: authorization: Bearer S3CRET",
        "authorization=bearer S3CRET; next",
        "cannot connect to postgresql://dispatch:S3CRET@db.example/dispatch",
    ],
)
def test_credentials_inside_a_text_are_hidden(stream: io.StringIO, told: str) -> None:
    configure_logs("json", "info", stream)
    logging.getLogger("some.where").info(told)
    assert "S3CRET" not in stream.getvalue()
    assert "[hidden]" in stream.getvalue()


def test_fields_with_secret_names_are_hidden(stream: io.StringIO) -> None:
    configure_logs("json", "info", stream)
    secrets = {"token": "S3CRET", "db_password": "S3CRET", "Authorization": "S3CRET"}
    logging.getLogger("some.where").info("a call", extra={**secrets, "batch_tokens": 512})
    (line,) = lines(stream)
    assert {line[name] for name in secrets} == {"[hidden]"}
    assert line["batch_tokens"] == 512
