"""`synthesize`: what it does with the folder. What the files hold is the business of training."""

import os
from pathlib import Path
from typing import Any

import pytest

SMALL = ("--pairs", "30", "--seed", "2", "--held-pairs", "3")


def test_it_writes_the_splits(dispatch: Any, tmp_path: Path) -> None:
    result = dispatch("synthesize", "--out", str(tmp_path), *SMALL)
    assert result.exit_code == 0, result.stderr
    assert "train.jsonl" in result.stdout
    assert len((tmp_path / "train.jsonl").read_text().splitlines()) == 30
    others = [path for path in tmp_path.glob("*.jsonl") if path.stem != "train"]
    assert {len(path.read_text().splitlines()) for path in others} == {3}
    assert len(others) == 17


@pytest.mark.parametrize("name", ["train.jsonl", "other_numbers.jsonl", "seen.jsonl.partial"])
def test_a_file_that_is_there_is_kept(dispatch: Any, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine\n")
    result = dispatch("synthesize", "--out", str(tmp_path), *SMALL)
    assert result.exit_code == 1
    assert result.stderr == f"error: {tmp_path / name} exists; --force replaces it, and all files of pairs there\n"
    assert result.stdout == ""
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "mine\n"


def test_force_replaces_the_files_of_pairs_and_no_others(dispatch: Any, tmp_path: Path) -> None:
    for name in ("train.jsonl", "seen.jsonl.partial", "notes.txt"):
        (tmp_path / name).write_text("mine\n")
    result = dispatch("synthesize", "--out", str(tmp_path), *SMALL, "--force")
    assert result.exit_code == 0, result.stderr
    assert len((tmp_path / "train.jsonl").read_text().splitlines()) == 30
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".jsonl"] == ["notes.txt"]
    assert (tmp_path / "notes.txt").read_text() == "mine\n"


def test_an_empty_name_is_not_the_current_folder(
    dispatch: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = dispatch("synthesize", "--out", "", *SMALL)
    assert result.exit_code == 2
    assert "name a folder" in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "shown"),
    [("s[/y]", "s[/y]"), ("[bold]s", "[bold]s"), ("s\x1b[2J", "s\\x1b[2J"), (os.fsdecode(b"s\xff"), "s\\xff")],
    ids=["closing tag", "opening tag", "control", "not UTF-8"],
)
def test_the_title_is_the_name_of_the_folder_as_it_is(
    dispatch: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, shown: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = dispatch("synthesize", "--out", name, *SMALL)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines()[0].strip() == shown
    assert (tmp_path / name / "train.jsonl").exists()
