"""`dispatch translate`: what the command adds to the translation of a file."""

from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "in.txt"
    path.write_text("一\n\n二\n")
    return path


def test_a_file_is_translated(dispatch: Any, engine: Any, source: Path, tmp_path: Path) -> None:
    result = dispatch("translate", str(source), str(tmp_path / "out.txt"))
    assert (result.exit_code, result.stdout) == (0, "")
    assert (tmp_path / "out.txt").read_text() == "一\n\n二\n"
    assert "3 lines, 0 bad, 0 from an interrupted run" in result.stderr


def test_bad_lines_are_named_and_the_status_is_1(dispatch: Any, engine: Any, tmp_path: Path) -> None:
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text('{"report": "一"}\nnot json\n')
    result = dispatch("translate", str(source), str(target))
    assert result.exit_code == 1
    assert f"{source}:2: not valid JSON" in result.stderr
    assert len(target.read_text().splitlines()) == 2


def test_out_is_not_replaced_unless_forced(dispatch: Any, engine: Any, source: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.txt"
    target.write_text("kept")
    result = dispatch("translate", str(source), str(target))
    assert result.exit_code == 1
    assert "--force" in result.stderr
    assert target.read_text() == "kept"
    assert dispatch("translate", str(source), str(target), "--force").exit_code == 0
    assert target.read_text() == "一\n\n二\n"


def test_out_may_not_be_in(dispatch: Any, engine: Any, source: Path) -> None:
    assert dispatch("translate", str(source), str(source), "--force").exit_code == 2
    assert source.read_text() == "一\n\n二\n"


def test_an_interrupted_run_goes_on_or_begins_anew(dispatch: Any, engine: Any, tmp_path: Path) -> None:
    source, target = tmp_path / "in.txt", tmp_path / "out.txt"
    source.write_text("一\ninterrupt\n")
    command = ("translate", str(source), str(target), "--batch-size", "1")
    interrupted = dispatch(*command)
    assert interrupted.exit_code == 130
    assert "the same command goes on" in interrupted.stderr
    source.write_text("一\n二\n")
    assert "1 from an interrupted run" in dispatch(*command).stderr
    source.write_text("一\ninterrupt\n")
    assert dispatch(*command, "--force").exit_code == 130
    source.write_text("三\n二\n")
    assert "0 from an interrupted run" in dispatch(*command, "--force", "--restart").stderr
    assert target.read_text() == "三\n二\n"


def test_the_format_is_asked_for_where_the_suffix_does_not_tell(
    dispatch: Any, engine: Any, source: Path, tmp_path: Path
) -> None:
    nameless = source.rename(tmp_path / "reports")
    result = dispatch("translate", str(nameless), str(tmp_path / "out"))
    assert result.exit_code == 2
    assert "--format" in result.stderr
    assert dispatch("translate", str(nameless), str(tmp_path / "out"), "--format", "text").exit_code == 0


def test_a_missing_file_is_named(dispatch: Any, engine: Any, tmp_path: Path) -> None:
    result = dispatch("translate", str(tmp_path / "none.txt"), str(tmp_path / "out.txt"))
    assert result.exit_code == 1
    assert result.stderr == f"error: {tmp_path}/none.txt: No such file or directory\n"
    assert not (tmp_path / "out.txt.partial").exists()
