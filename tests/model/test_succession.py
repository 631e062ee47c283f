"""Promotion keeps the bundle before, and a rollback puts it back byte for byte."""

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from dispatch.model import BundleError, previous_of, promote, rollback, verify_bundle
from tests.tiny_bundle import save_tiny_bundle


def contents(folder: Path) -> Mapping[str, bytes]:
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.fixture
def served(tmp_path: Path, tiny_bundle: Path) -> Path:
    return Path(shutil.copytree(tiny_bundle, tmp_path / "current"))


@pytest.fixture
def candidate(tmp_path: Path) -> Path:
    save_tiny_bundle(tmp_path / "better", seed=1)
    return tmp_path / "better"


def test_a_promoted_bundle_is_served_and_a_rollback_restores_every_byte(served: Path, candidate: Path) -> None:
    before, better = contents(served), contents(candidate)
    assert promote(candidate, served) == verify_bundle(served) == verify_bundle(candidate)
    assert (contents(served), contents(previous_of(served))) == (better, before)
    rollback(served)
    assert (contents(served), contents(previous_of(served))) == (before, better)
    rollback(served)
    assert contents(served) == better
    assert sorted(path.name for path in served.parent.iterdir()) == ["better", "current", "current.previous"]


def test_only_the_last_one_is_kept(served: Path, candidate: Path, tmp_path: Path) -> None:
    save_tiny_bundle(tmp_path / "best", seed=2)
    promote(candidate, served)
    promote(tmp_path / "best", served)
    assert contents(previous_of(served)) == contents(candidate)


def test_a_bundle_that_is_not_whole_or_is_there_already_changes_nothing(served: Path, candidate: Path) -> None:
    before = contents(served)
    with pytest.raises(ValueError, match="already"):
        promote(served, served)
    (candidate / "config.json").write_text("{}")
    with pytest.raises(BundleError, match="differs"):
        promote(candidate, served)
    with pytest.raises(BundleError, match="nothing is kept"):
        rollback(served)
    assert contents(served) == before
    assert not previous_of(served).exists()


def test_a_previous_bundle_that_was_changed_is_not_put_back(served: Path, candidate: Path) -> None:
    promote(candidate, served)
    (previous_of(served) / "config.json").write_text("{}")
    with pytest.raises(BundleError, match="differs"):
        rollback(served)
    assert contents(served) == contents(candidate)


@pytest.mark.parametrize("renames", [0, 1, 2])
def test_a_rollback_that_was_cut_short_goes_on(served: Path, candidate: Path, renames: int) -> None:
    before = contents(served)
    promote(candidate, served)
    returning = served.with_name(".current.returning")
    steps = [(previous_of(served), returning), (served, previous_of(served))]
    for source, target in steps[:renames]:
        source.rename(target)
    rollback(served)
    assert contents(served) == before
    assert contents(previous_of(served)) == contents(candidate)


def test_a_failed_rename_leaves_what_was_served(served: Path, candidate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = contents(served)
    rename = Path.rename

    def fail(self: Path, target: Path) -> Path:
        if self.name == "new":
            raise OSError("the disk has gone")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(OSError, match="disk"):
        promote(candidate, served)
    assert contents(served) == before
