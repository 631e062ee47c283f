"""How many threads the model gets."""

import os
from pathlib import Path

import pytest

from dispatch.cli.processors import processor_quota, usable_threads


def write_quota(root: Path, text: str) -> Path:
    (root / "cpu.max").write_text(text)
    return root


@pytest.mark.parametrize(("text", "quota"), [("max 100000\n", None), ("150000 100000\n", 1.5), ("garbage", None)])
def test_quota_of_version_2(tmp_path: Path, text: str, quota: float | None) -> None:
    assert processor_quota(write_quota(tmp_path, text)) == quota


@pytest.mark.parametrize(("text", "quota"), [("-1\n", None), ("200000\n", 2.0)])
def test_quota_of_version_1(tmp_path: Path, text: str, quota: float | None) -> None:
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu/cpu.cfs_quota_us").write_text(text)
    (tmp_path / "cpu/cpu.cfs_period_us").write_text("100000\n")
    assert processor_quota(tmp_path) == quota


def test_no_control_group_is_no_quota(tmp_path: Path) -> None:
    assert processor_quota(tmp_path) is None


def test_threads_stay_within_the_quota_but_a_wish_is_granted(tmp_path: Path) -> None:
    root = write_quota(tmp_path, "20000 100000")
    assert usable_threads(0, root) == 1
    assert usable_threads(7, root) == 7


def test_without_quota_all_processors_of_the_process_are_used(tmp_path: Path) -> None:
    assert usable_threads(0, tmp_path) == len(os.sched_getaffinity(0))
