"""How many cores this process may use: fewer than the machine has, in a container or under `taskset`."""

import os
from math import ceil
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")


def usable_cores(cgroups: Path = _CGROUPS) -> int:
    """At least one. A container's share of the processor counts as well: threads beyond it only wait for each other."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    share = _share(cgroups)
    return allowed if share is None else max(1, min(allowed, ceil(share)))


def _share(cgroups: Path) -> float | None:
    """The cores' worth of time that a container gets (`cpus` in compose, a host's plan), if that is limited."""
    try:
        quota, period = (cgroups / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:  # the older hierarchy
            quota = (cgroups / "cpu" / "cpu.cfs_quota_us").read_text().strip()
            period = (cgroups / "cpu" / "cpu.cfs_period_us").read_text().strip()
        except OSError:
            return None
    return int(quota) / int(period) if quota.isdigit() and period.isdigit() and int(period) > 0 else None
