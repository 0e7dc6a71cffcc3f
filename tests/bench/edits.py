"""Edits by the local engine: seconds per step and the child's peak memory, by size and quality.

Each row has a child process of its own, on all cores: the edit is made once to warm up, then three times; told are the
medians. `cores` is the processor time in use while it ran, over the wall time: well below 2 on a machine with two cores
something else was running too, and only ratios between rows of one run count. The factor behind the seconds is their
growth from the smallest size, over the growth of the pixels: above 1 the cost would grow faster than the picture.
"""

import asyncio
import os
import statistics
import tempfile
import time
from contextlib import aclosing
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from PIL import Image, ImageOps

from actors.engines.local.engine import LocalEngine
from actors.engines.seam import EditRequest, Finished
from schema.models.edits import (
    LONG_EDGE,
    AnyConfig,
    BackgroundChangeConfig,
    HeadSwapConfig,
    Mode,
    PoseChangeConfig,
    Quality,
    Size,
)
from tests.actors.engines.scenes import ASTRONAUT, CHINA, FLOWER, HOPPER, MAN, cut_out, loaded, on_background
from tests.bench.command import command

ROUNDS = 3
HUGE = (5160, 7740)
"""Just below 40 megapixels."""
EDITS: tuple[tuple[Mode, AnyConfig, Path | None], ...] = (
    (Mode.BACKGROUND_CHANGE, BackgroundChangeConfig(), CHINA),
    (Mode.HEAD_SWAP, HeadSwapConfig(), None),
    (Mode.POSE_CHANGE, PoseChangeConfig(target_pose="hands_on_hips"), None),
)
"""What is measured: mode, configuration, reference."""


class Row(Struct):
    """One line of the table."""

    name: str
    wall: float
    processor: float
    peak: float
    steps: dict[str, float]


def run() -> None:
    """Measure, and print the table."""
    threads = os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(_measure(Path(directory), threads))


async def _measure(directory: Path, threads: int) -> None:
    for mode, config, reference in EDITS:
        first: Row | None = None
        for size in Size:
            shape = LONG_EDGE[size] * 2 // 3, LONG_EDGE[size]
            source, other = pictures(directory, mode, shape, reference)
            for quality in (
                (Quality.STANDARD, Quality.HIGH, Quality.ULTRA) if size is Size.LARGE else (Quality.STANDARD,)
            ):
                asked = msgspec.structs.replace(config, size=size, quality=quality)
                name = f"{mode}, {shape[0]} x {shape[1]}, {quality}"
                row = await _row(name, mode, source, other, asked, threads)
                first = first or row
                _tell(row, row.wall / first.wall / (shape[1] / LONG_EDGE[Size.SMALL]) ** 2)
    for mode, config, reference in EDITS:
        source, other = pictures(directory, mode, HUGE, reference)
        asked = msgspec.structs.replace(config, size=Size.LARGE)
        _tell(await _row(f"{mode}, from {HUGE[0]} x {HUGE[1]}", mode, source, other, asked, threads), None)


def pictures(directory: Path, mode: Mode, shape: tuple[int, int], reference: Path | None) -> tuple[Path, Path | None]:
    """Source and reference of an edit whose canvas has this `shape`."""
    canvas = directory / f"{mode}-{shape[0]}.jpg"
    if mode is Mode.BACKGROUND_CHANGE:
        scene, _ = on_background(cut_out("referee", shape[1] * 4 // 5), FLOWER, shape)
    else:
        photo = loaded(HOPPER if mode is Mode.HEAD_SWAP else MAN)
        scene = ImageOps.fit(photo, shape, Image.Resampling.BICUBIC)
    scene.save(canvas, quality=90)
    # A head goes onto the canvas; the other edits change it.
    return (ASTRONAUT, canvas) if mode is Mode.HEAD_SWAP else (canvas, reference)


def _tell(row: Row, growth: float | None) -> None:
    steps = ", ".join(f"{words.lower()} {seconds:.2f}" for words, seconds in row.steps.items() if seconds >= 0.05)
    cores = f"{row.processor / row.wall:.1f} cores"
    grown = "" if growth is None else f"{growth:4.2f} x"
    print(f"{row.name:40} {row.wall:6.2f} s {grown:6}  {cores}  {row.peak:5.0f} MB   {steps}", flush=True)


async def _row(name: str, mode: Mode, source: Path, reference: Path | None, config: AnyConfig, threads: int) -> Row:
    engine = LocalEngine(threads=threads)
    await engine.start()
    try:
        await edit(engine, mode, source, reference, config)
        assert engine.pid is not None
        walls: list[float] = []
        used: list[float] = []
        steps: list[dict[str, Any]] = []
        for _ in range(ROUNDS):
            before, started = _processor_seconds(engine.pid), time.perf_counter()
            steps.append((await edit(engine, mode, source, reference, config))["seconds"])
            walls.append(time.perf_counter() - started)
            used.append(_processor_seconds(engine.pid) - before)
        median = {words: statistics.median(step[words] for step in steps) for words in steps[0]}
        return Row(name, statistics.median(walls), statistics.median(used), _peak(engine.pid), median)
    finally:
        await engine.close()


async def edit(
    engine: LocalEngine, mode: Mode, source: Path, reference: Path | None, config: AnyConfig
) -> dict[str, Any]:
    """Make it, and throw the pictures away; what is told of it."""
    with tempfile.TemporaryDirectory() as workspace:
        request = EditRequest(mode, source, reference, config, Path(workspace), 40_000_000)
        async with aclosing(engine.run(request)) as events:
            async for event in events:
                if isinstance(event, Finished):
                    return event.metadata
    raise AssertionError("An edit that ends without an error has finished")


def _processor_seconds(pid: int) -> float:
    """User and system time of a process so far (proc(5), stat, fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _peak(pid: int) -> float:
    """The most memory the process ever had, in MB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


if __name__ == "__main__":
    command(run, __doc__)
