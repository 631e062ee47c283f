"""`dispatch translate`: what the command adds to the translation of a file."""

import fcntl
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from dispatch.domain import default_doctrine


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


@pytest.mark.parametrize("suffix", ["", ".partial", ".partial.json"])
def test_in_may_not_be_written_over(dispatch: Any, engine: Any, source: Path, tmp_path: Path, suffix: str) -> None:
    source = source.rename(tmp_path / f"out.txt{suffix}")
    command = ("translate", str(source), str(tmp_path / "out.txt"), "--format", "text", "--force", "--restart")
    assert dispatch(*command).exit_code == 2
    assert list(tmp_path.iterdir()) == [source]
    assert source.read_text() == "一\n\n二\n"


def test_a_missing_folder_of_out_is_named_before_the_model_loads(dispatch: Any, source: Path, tmp_path: Path) -> None:
    result = dispatch("translate", str(source), str(tmp_path / "none" / "out.txt"), "--bundle", str(tmp_path / "none"))
    assert result.exit_code == 1
    assert result.stderr == f"error: {tmp_path}/none: no such folder\n"


def test_restart_leaves_the_work_of_a_running_one(dispatch: Any, engine: Any, source: Path, tmp_path: Path) -> None:
    partial = tmp_path / "out.txt.partial"
    partial.write_text("of a running one\n")
    with partial.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        result = dispatch("translate", str(source), str(tmp_path / "out.txt"), "--restart")
    assert result.exit_code == 1
    assert "another run is writing this file" in result.stderr
    assert partial.read_text() == "of a running one\n"


def test_an_interrupted_run_goes_on_or_begins_anew(
    dispatch: Any, engine: Any, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ("translate", str(source), str(tmp_path / "out.txt"), "--batch-size", "1", "--force")
    whole = engine.generate

    def interrupted_at_the_second(requests: Sequence[Any], should_stop: Any) -> Any:
        if requests[0].report == "二":
            raise KeyboardInterrupt
        return whole(requests, should_stop)

    for option, resumed in (((), 2), (("--restart",), 0)):
        with monkeypatch.context() as patch:
            patch.setattr(engine, "generate", interrupted_at_the_second)
            interrupted = dispatch(*command)
        assert interrupted.exit_code == 130
        assert f"{tmp_path}/out.txt.partial has what was done; the same command goes on" in interrupted.stderr
        assert f"{resumed} from an interrupted run" in dispatch(*command, *option).stderr
        assert (tmp_path / "out.txt").read_text() == "一\n\n二\n"


def test_an_interrupted_run_does_not_go_on_with_another_doctrine(
    dispatch: Any, engine: Any, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ("translate", str(source), str(tmp_path / "out.txt"), "--batch-size", "1")
    whole = engine.generate

    def interrupted_at_the_second(requests: Sequence[Any], should_stop: Any) -> Any:
        if requests[0].report == "二":
            raise KeyboardInterrupt
        return whole(requests, should_stop)

    with monkeypatch.context() as patch:
        patch.setattr(engine, "generate", interrupted_at_the_second)
        assert dispatch(*command).exit_code == 130
    with monkeypatch.context() as patch:
        patch.setattr(default_doctrine(), "digest", "another")
        refused = dispatch(*command)
    assert refused.exit_code == 1
    assert "--restart" in refused.stderr
    assert not (tmp_path / "out.txt").exists()


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
