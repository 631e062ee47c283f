"""`dispatch pairs lint`: thin over training.lint, so only what it adds is looked at."""

from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    path = tmp_path / "sound.tsv"
    path.write_text("guten tag\tgood day\ngute nacht\tgood night\n", encoding="utf-8")
    return path


@pytest.fixture
def leaking(tmp_path: Path) -> Path:
    path = tmp_path / "leaking.tsv"
    path.write_text("danke\tthanks\nGuten\tx\ngute  nacht!\tgood night\n", encoding="utf-8")
    return path


def test_sound_pairs_are_fine(dispatch: Any, sound: Path) -> None:
    result = dispatch("pairs", "lint", str(sound))
    assert result.exit_code == 0, result.stderr
    assert "2 pairs in 1 files" in result.stdout


def test_errors_are_shown_with_their_places_and_are_status_1(dispatch: Any, sound: Path, leaking: Path) -> None:
    result = dispatch("pairs", "lint", str(sound), str(leaking))
    assert result.exit_code == 1
    assert "leak" in result.stdout
    assert f"{leaking}:3: leak: as at {sound}:2" in result.stdout


def test_warnings_alone_are_status_0(dispatch: Any, tmp_path: Path) -> None:
    path = tmp_path / "repeats.tsv"
    path.write_text("danke\tthanks\ndanke\tthanks\n", encoding="utf-8")
    result = dispatch("pairs", "lint", str(path))
    assert result.exit_code == 0
    assert f"{path}:2: repeat: as at {path}:1" in result.stdout


def test_findings_are_there_for_programs(dispatch: Any, sound: Path) -> None:
    facts = dispatch.json("pairs", "lint", str(sound), "--json")
    assert facts == {"files": {str(sound): 2}, "errors": 0, "warnings": 0, "findings": []}


def test_a_file_name_is_no_markup(dispatch: Any, sound: Path) -> None:
    result = dispatch("pairs", "lint", str(sound.rename(sound.with_name("[red]sound.tsv"))))
    assert result.exit_code == 0, result.stderr
    assert "[red]sound.tsv" in result.stderr


def test_no_pairs_and_the_same_file_twice_are_status_1(dispatch: Any, sound: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.write_text("\n\n")
    for paths, reason in (((sound, empty), f"{empty} holds no pairs"), ((sound, sound), "given twice")):
        result = dispatch("pairs", "lint", *map(str, paths))
        assert result.exit_code == 1
        assert reason in " ".join(result.stderr.split())


def test_a_file_that_cannot_be_read_is_one_line(dispatch: Any, tmp_path: Path) -> None:
    result = dispatch("pairs", "lint", str(tmp_path / "none.jsonl"))
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1].startswith("error: ")
