"""Promotion keeps the bundle before, and a rollback puts it back byte for byte."""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dispatch.model import (
    BundleConfig,
    BundleError,
    bundle,
    load_bundle,
    previous_of,
    promote,
    rollback,
    succession,
    verify_bundle,
)
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


def test_a_bundle_that_is_promoted_while_it_is_loaded_is_not_taken_for_the_one_before(
    served: Path, candidate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_config = bundle.read_config

    def read_late(path: Path) -> BundleConfig:
        promote(candidate, served)
        return read_config(path)

    monkeypatch.setattr(bundle, "read_config", read_late)
    with pytest.raises(BundleError, match="load it again"):
        load_bundle(served)


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


NEVER = 10**6


class Killed(BaseException):
    """The process has ended: nothing is undone or tidied up."""


@dataclass
class Kill:
    """Ends what is done before one of its steps."""

    at_once: bool
    """Whether the system exchanges folders in one step."""
    left: int = NEVER

    def step(self, do: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any) -> Any:
            if self.left == 0:
                raise Killed
            self.left -= 1
            return do(*arguments)

        return counted

    @contextmanager
    def before(self, step: int) -> Iterator[None]:
        self.left = step
        with suppress(Killed):
            yield
        self.left = NEVER


@pytest.fixture(params=[True, False], ids=["at once", "by renames"])
def kill(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Kill:
    kill = Kill(request.param)

    @contextmanager
    def scratch(prefix: str, dir: Path) -> Iterator[str]:
        yield tempfile.mkdtemp(prefix=prefix, dir=dir)

    exchange = kill.step(succession._exchanged_at_once) if kill.at_once else lambda one, other: False
    monkeypatch.setattr(succession, "_exchanged_at_once", exchange)
    monkeypatch.setattr(Path, "rename", kill.step(Path.rename))
    monkeypatch.setattr(shutil, "copytree", kill.step(shutil.copytree))
    monkeypatch.setattr(tempfile, "TemporaryDirectory", scratch)
    return kill


@pytest.mark.parametrize("step", range(9))
def test_a_promotion_that_is_killed_leaves_a_bundle_to_serve_and_can_be_taken_back(
    served: Path, candidate: Path, tmp_path: Path, kill: Kill, step: int
) -> None:
    promote(candidate, served)
    save_tiny_bundle(tmp_path / "best", seed=2)
    first, second, third = contents(previous_of(served)), contents(candidate), contents(tmp_path / "best")
    with kill.before(step):
        promote(tmp_path / "best", served)
    if kill.at_once:
        kept = {"second": (first, second), "third": (second,)}
        assert contents(previous_of(served)) in kept["third" if contents(served) == third else "second"]
    rollback(served)
    assert contents(served) in (first, second)


@pytest.mark.parametrize("step", range(3))
def test_a_rollback_that_is_killed_goes_on(served: Path, candidate: Path, kill: Kill, step: int) -> None:
    before = contents(served)
    promote(candidate, served)
    with kill.before(step):
        rollback(served)
    if not kill.at_once or step == 0:  # else it was done
        rollback(served)
    assert (contents(served), contents(previous_of(served))) == (before, contents(candidate))


def test_a_failed_rename_leaves_what_was_served(served: Path, candidate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = contents(served)
    rename = Path.rename

    def fail(self: Path, target: Path) -> Path:
        if self.name == "new":
            raise OSError("the disk has gone")
        return rename(self, target)

    monkeypatch.setattr(succession, "_exchanged_at_once", lambda one, other: False)
    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(OSError, match="disk"):
        promote(candidate, served)
    assert contents(served) == before
