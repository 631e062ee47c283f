"""How many processors the network gets."""

import os
from pathlib import Path

import pytest
import torch

from dispatch.engine import available_processors, limit_threads, processor_quota


@pytest.fixture
def membership(tmp_path: Path) -> Path:
    """As of a process that sees its groups from inside."""
    path = tmp_path / "membership"
    path.write_text("4:memory:/\n1:cpu,cpuacct:/\n0::/\n")
    return path


def write_quota(root: Path, text: str) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    (root / "cpu.max").write_text(text)
    return root


def write_quota_1(folder: Path, quota: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cpu.cfs_quota_us").write_text(quota)
    (folder / "cpu.cfs_period_us").write_text("100000\n")


@pytest.mark.parametrize(
    ("text", "quota"), [("max 100000\n", None), ("150000 100000\n", 1.5), ("garbage", None), ("1 0", None)]
)
def test_quota_of_version_2(tmp_path: Path, membership: Path, text: str, quota: float | None) -> None:
    assert processor_quota(write_quota(tmp_path / "cgroup", text), membership) == quota


@pytest.mark.parametrize("name", ["cpu", "cpu,cpuacct"])
@pytest.mark.parametrize(("text", "quota"), [("-1\n", None), ("200000\n", 2.0)])
def test_quota_of_version_1(tmp_path: Path, membership: Path, name: str, text: str, quota: float | None) -> None:
    write_quota_1(tmp_path / name, text)
    assert processor_quota(tmp_path, membership) == quota


def test_the_quota_of_any_group_above_binds_too(tmp_path: Path, membership: Path) -> None:
    membership.write_text("0::/system.slice/dispatch.service\n")
    root = tmp_path / "cgroup"
    write_quota(root / "system.slice/dispatch.service", "400000 100000")
    assert processor_quota(root, membership) == 4.0
    write_quota(root / "system.slice", "300000 100000")
    assert processor_quota(root, membership) == 3.0


def test_a_group_of_version_1_is_found_by_its_controller(tmp_path: Path, membership: Path) -> None:
    membership.write_text("3:memory:/other\n2:cpuacct,cpu:/docker/ab12\n")
    write_quota_1(tmp_path / "cpu/docker/ab12", "50000")
    write_quota_1(tmp_path / "cpu/other", "10000")
    assert processor_quota(tmp_path, membership) == 0.5


def test_no_control_group_is_no_quota(tmp_path: Path) -> None:
    assert processor_quota(tmp_path, tmp_path / "missing") is None


def test_there_is_always_a_processor_and_never_more_than_the_quota(tmp_path: Path, membership: Path) -> None:
    assert available_processors(write_quota(tmp_path / "cgroup", "20000 100000"), membership) == 1


def test_without_quota_all_processors_of_the_process_are_available(tmp_path: Path, membership: Path) -> None:
    assert available_processors(tmp_path, membership) == len(os.sched_getaffinity(0))


def test_a_wanted_number_of_threads_is_granted(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", told.append)
    assert limit_threads(7) == 7
    assert limit_threads(0) == available_processors()
    assert told == [7, available_processors()]
