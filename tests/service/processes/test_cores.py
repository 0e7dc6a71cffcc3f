"""A container's share of the processor bounds the threads of an edit."""

import os
from pathlib import Path

import pytest

from service.processes.cores import usable_cores

MACHINE = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def written(directory: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        (directory / name).parent.mkdir(exist_ok=True)
        (directory / name).write_text(content)
    return directory


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({}, MACHINE),
        ({"cpu.max": "max 100000\n"}, MACHINE),
        ({"cpu.max": "50000 100000\n"}, 1),
        ({"cpu.max": "100000 100000\n"}, 1),
        ({"cpu.max": "150000 100000\n"}, min(2, MACHINE)),
        ({"cpu.max": "6400000 100000\n"}, MACHINE),
        ({"cpu.max": "of another shape\n"}, MACHINE),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, MACHINE),
        ({"cpu/cpu.cfs_quota_us": "20000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 1),
    ],
)
def test_a_share_counts_in_whole_cores(tmp_path: Path, files: dict[str, str], cores: int) -> None:
    assert usable_cores(written(tmp_path, files)) == cores
