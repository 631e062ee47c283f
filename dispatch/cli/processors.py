"""How many processors the model may use."""

import os
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")


def processor_quota(root: Path = CGROUP) -> float | None:
    """Processors that the container's control group grants (version 2, else 1), or None where it sets no limit."""
    try:
        if (root / "cpu.max").exists():
            quota, period = (root / "cpu.max").read_text().split()
        else:
            quota = (root / "cpu/cpu.cfs_quota_us").read_text().strip()
            period = (root / "cpu/cpu.cfs_period_us").read_text().strip()
        return None if quota in ("max", "-1") else int(quota) / int(period)
    except (OSError, ValueError):
        return None


def usable_threads(wanted: int, root: Path = CGROUP) -> int:
    """The threads to use: as wanted, or for 0 as many as affinity and quota permit (more would only be throttled)."""
    if wanted:
        return wanted
    quota = processor_quota(root)
    available = len(os.sched_getaffinity(0))
    return available if quota is None else max(1, min(available, round(quota)))


def limit_threads(wanted: int) -> None:
    """Tells torch how many threads to use."""
    import torch

    torch.set_num_threads(usable_threads(wanted))
