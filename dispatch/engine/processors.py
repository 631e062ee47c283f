"""How many processors this process may use."""

import os
from collections.abc import Iterator
from pathlib import Path

import torch

CGROUP = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")


def available_processors(cgroup: Path = CGROUP, membership: Path = MEMBERSHIP) -> int:
    """As many as affinity and the control group's quota permit: more threads than that would only be throttled."""
    quota = processor_quota(cgroup, membership)
    available = len(os.sched_getaffinity(0))
    return available if quota is None else max(1, min(available, round(quota)))


def processor_quota(cgroup: Path = CGROUP, membership: Path = MEMBERSHIP) -> float | None:
    """Processors that the control groups of this process grant (version 2 or 1); None where none sets a limit.

    The groups above its own bind it too. In a container only these may be seen, at the root of the file system.
    """
    quotas = [quota for folder in _folders(cgroup, membership) if (quota := _quota(folder)) is not None]
    return min(quotas, default=None)


def limit_threads(wanted: int) -> int:
    """Tells torch how many threads to use, and returns that: as many as wanted, for 0 the available processors."""
    threads = wanted or available_processors()
    torch.set_num_threads(threads)
    return threads


def _folders(cgroup: Path, membership: Path) -> Iterator[Path]:
    """The folders of the process's groups, and of all above them."""
    groups = {Path()}
    try:
        lines = membership.read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        lines = []
    for line in lines:
        _, names, path = line.split(":", 2)
        if names == "" or "cpu" in names.split(","):  # version 2 names no controllers
            group = Path(path.lstrip("/"))
            groups |= {group, *group.parents}
    yield from (root / group for root in (cgroup, cgroup / "cpu", cgroup / "cpu,cpuacct") for group in groups)


def _quota(folder: Path) -> float | None:
    try:
        if (folder / "cpu.max").exists():
            quota, period = (folder / "cpu.max").read_text().split()
        else:
            quota = (folder / "cpu.cfs_quota_us").read_text().strip()
            period = (folder / "cpu.cfs_period_us").read_text().strip()
        return None if quota in ("max", "-1") else int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return None
