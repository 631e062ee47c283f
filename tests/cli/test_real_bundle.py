"""Commands from end to end, with a real bundle (of an untrained network), server, client and store."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from dispatch.cli.demo import DEMO_REPORTS

REPORT = "山区公路积雪3米,断电,50人被困"


@contextmanager
def running(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """`dispatch …` as a process of its own, killed at the end if it is still there."""
    command = [sys.executable, "-m", "dispatch", *arguments]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, encoding="utf-8", **pipes) as process:  # type: ignore[call-overload]
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def serving(bundle: Path, database: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    options = ("--listen", "127.0.0.1:0", "--bundle", str(bundle), "--database-url", f"sqlite:///{database}")
    with running("serve", *options) as process:
        assert process.stderr is not None
        address = next(line for line in process.stderr if line.startswith("listening on ")).split()[-1]
        yield process, address


def test_generate_answers_in_this_process(dispatch: Any, tiny_bundle: Path) -> None:
    answer = dispatch.json("generate", REPORT, "--bundle", str(tiny_bundle), "--max-tokens", "5", "--json")
    assert answer["model"]["name"] == "tiny"
    assert answer["instruction"] == answer["candidates"][0]["text"]


def test_a_typed_beginning_is_kept(dispatch: Any, tiny_bundle: Path) -> None:
    options = ("--bundle", str(tiny_bundle), "--max-tokens", "5", "--prefix", "派3台")
    assert dispatch("generate", REPORT, *options).stdout.startswith("派3台")


def test_a_broken_bundle_is_one_line(dispatch: Any, tmp_path: Path) -> None:
    result = dispatch("generate", REPORT, "--bundle", str(tmp_path / "none"))
    assert result.exit_code == 1
    assert result.stderr.startswith("error: ")
    assert len(result.stderr.splitlines()) == 1


def test_demo_shows_answers_and_their_rows(dispatch: Any, tiny_bundle: Path, tmp_path: Path) -> None:
    database = tmp_path / "demo.db"
    entries = dispatch.json("demo", "--bundle", str(tiny_bundle), "--database", str(database), "--json")
    assert [entry["report"] for entry in entries] == [asked.report for asked in DEMO_REPORTS]
    assert entries[0]["context"] == {"location": "A7公路"}
    for entry in entries:
        assert entry["row"]["instruction"] == entry["instruction"]
        assert entry["row"]["report"] == entry["report"]
        assert entry["row"]["review_state"] == "pending"
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("SELECT count(*) FROM instructions").fetchone() == (2,)


def test_demo_for_people_keeps_nothing(dispatch: Any, tiny_bundle: Path, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    result = dispatch("demo", "--bundle", str(tiny_bundle))
    assert result.exit_code == 0
    for word in ("report ", "instruction ", "score ", "stored row "):
        assert result.stdout.count(f"\n{word}") + result.stdout.startswith(word) == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_a_server_answers_stores_and_stops_in_order(
    dispatch: Any, tiny_bundle: Path, tmp_path: Path, stop: signal.Signals
) -> None:
    database = tmp_path / "served.db"
    with serving(tiny_bundle, database) as (process, address):
        answer = dispatch.json("generate", REPORT, "--server", address, "--max-tokens", "5", "--json")
        lines = dispatch("generate", "-", "--server", address, "--json", typed=f"{REPORT}\n\n{'长' * 4001}\n")
        too_long = dispatch("generate", REPORT, "--location", "长" * 201, "--server", address)
        process.send_signal(stop)
        assert process.wait(timeout=60) == 0
        assert process.stdout is not None
        assert process.stdout.read() == ""
    assert answer["model"]["name"] == "tiny"
    assert lines.exit_code == 1
    first, blank, bad = lines.stdout.splitlines()
    assert json.loads(first)["model"] == answer["model"]
    assert blank == ""
    assert json.loads(bad)["error"]["line"] == 3
    assert too_long.exit_code == 1
    assert "context.location" in too_long.stderr
    with closing(sqlite3.connect(database)) as connection:
        names = [name for (name,) in connection.execute("SELECT 'instructions/' || id FROM instructions")]
    assert answer["name"] in names
    assert len(names) == 2


def test_serve_refuses_an_open_address_and_a_taken_one(dispatch: Any, tiny_bundle: Path, tmp_path: Path) -> None:
    options = ("--bundle", str(tiny_bundle), "--database-url", f"sqlite:///{tmp_path}/d.db")
    refused = dispatch("serve", "--listen", "0.0.0.0:0", *options)
    assert refused.exit_code == 2
    assert "--insecure" in refused.stderr
    with serving(tiny_bundle, tmp_path / "first.db") as (_, address):
        taken = dispatch("serve", "--listen", address, *options)
    assert taken.exit_code == 1
    assert taken.stderr.splitlines()[-1].startswith(f"error: cannot listen on {address}")


def test_a_line_is_answered_before_the_next_one_is_written(tiny_bundle: Path) -> None:
    with running("generate", "-", "--bundle", str(tiny_bundle), "--max-tokens", "5", "--json") as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for number in range(3):
            process.stdin.write(f"第{number}份报告\n")
            process.stdin.flush()
            assert "instruction" in json.loads(process.stdout.readline())
        process.stdin.close()
        assert process.wait(timeout=60) == 0


def test_ctrl_c_while_waiting_for_a_line_is_status_130(tiny_bundle: Path) -> None:
    with running("generate", "-", "--bundle", str(tiny_bundle), "--max-tokens", "5") as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write("一份报告\n")
        process.stdin.flush()
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 130
        *checks, last = process.stderr.read().splitlines()
        assert last == "interrupted"
        assert all(line.startswith("check: ") for line in checks)


def test_a_reader_that_leaves_is_no_error_to_talk_about(tiny_bundle: Path) -> None:
    with running("generate", "-", "--bundle", str(tiny_bundle), "--max-tokens", "5") as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        process.stdin.write("一份报告\n")
        process.stdin.close()
        assert process.wait(timeout=60) == 1
        assert process.stderr.read() == ""


def test_results_are_utf8_whatever_the_locale_says(tiny_bundle: Path) -> None:
    command = [sys.executable, "-m", "dispatch", "generate", "--help"]
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, env=environment, capture_output=True, check=True)
    assert "山区公路积雪3米" in done.stdout.decode()
