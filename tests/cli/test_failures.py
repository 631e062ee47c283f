"""How commands end: status, and what is said."""

import os
from pathlib import Path
from typing import Any

import pytest

from dispatch import __version__
from dispatch.cli import main, output


def test_an_interruption_is_status_130_and_a_line(dispatch: Any, engine: Any) -> None:
    result = dispatch("generate", "interrupt")
    assert (result.exit_code, result.stdout, result.stderr) == (130, "", "interrupted\n")


def test_lines_before_an_interruption_are_out(dispatch: Any, engine: Any) -> None:
    typed = "".join(f"r{number}\n" for number in range(32)) + "interrupt\n"
    result = dispatch("generate", "-", typed=typed)
    assert result.exit_code == 130
    assert len(result.stdout.splitlines()) == 32


def test_a_store_that_fails_is_one_line(dispatch: Any, engine: Any, tmp_path: Path) -> None:
    (tmp_path / "no.db").write_text("this is not a database, however long one looks at it" * 9)
    result = dispatch("generate", "x", "--database-url", f"sqlite:///{tmp_path}/no.db")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("error: ")
    assert len(result.stderr.splitlines()) == 1


def test_a_server_that_is_not_there_is_one_line(dispatch: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPATCH_TIMEOUT_S", "0.2")
    result = dispatch("generate", "x", "--server", "127.0.0.1:1")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(("error: UNAVAILABLE", "error: no answer from 127.0.0.1:1 within 0.2 s"))
    assert len(result.stderr.splitlines()) == 1


def test_a_setting_that_cannot_be_used_is_one_line(dispatch: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPATCH_THREADS", "many")
    result = dispatch("models", "list")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: DISPATCH_THREADS: ")


def test_debug_shows_where_an_error_came_from(dispatch: Any, engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPATCH_DEBUG", "1")
    result = dispatch("generate", "refuse")
    assert isinstance(result.exception, ValueError)


def test_a_defect_of_ours_is_not_made_to_look_like_the_users(dispatch: Any, engine: Any) -> None:
    assert isinstance(dispatch("generate", "defect").exception, ZeroDivisionError)


def test_the_version_is_printed(dispatch: Any) -> None:
    assert dispatch("--version").stdout == f"dispatch {__version__}\n"


def test_waiting_threads_leave_the_processor_to_others(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OMP_WAIT_POLICY", "to be restored")
    monkeypatch.delenv("OMP_WAIT_POLICY")
    monkeypatch.setattr("sys.argv", ["dispatch", "--version"])
    with pytest.raises(SystemExit, match="0"):
        main()
    assert os.environ["OMP_WAIT_POLICY"] == "PASSIVE"
    assert capsys.readouterr().out == f"dispatch {__version__}\n"


def test_what_is_printed_cannot_command_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_result("河\x1b[31m村\x9b0m\r\tA\n一")
    output.note("\x07.jsonl")
    captured = capsys.readouterr()
    assert captured.out == "河\\x1b[31m村\\x9b0m\\x0d\tA\n一\n"
    assert captured.err == "\\x07.jsonl\n"
