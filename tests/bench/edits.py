"""Edits by the local engine: seconds per step and the child's peak memory, by size and quality.

Each row has a child process of its own, on all cores: the edit is made once to warm up, then three times; told are the
medians. `cores` is the processor time in use while it ran, over the wall time: well below 2 on a machine with two cores
something else was running too, and only ratios between rows of one run count.
"""

import asyncio
import os
import statistics
import tempfile
import time
from contextlib import aclosing
from pathlib import Path
from typing import Any

from msgspec import Struct

from actors.engines.local.engine import LocalEngine
from actors.engines.seam import EditRequest, Finished
from schema.models.edits import LONG_EDGE, AnyConfig, BackgroundChangeConfig, Mode, Quality, Size
from tests.actors.engines.scenes import CHINA, FLOWER, cut_out, on_background

ROUNDS = 3


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
    mode = Mode.BACKGROUND_CHANGE
    for size in Size:
        long_edge = LONG_EDGE[size]
        scene, _ = on_background(cut_out("referee", long_edge * 4 // 5), FLOWER, (long_edge * 2 // 3, long_edge))
        source = directory / f"{size}.jpg"
        scene.save(source, quality=92)
        for quality in (Quality.STANDARD, Quality.HIGH, Quality.ULTRA) if size is Size.LARGE else (Quality.STANDARD,):
            config = BackgroundChangeConfig(size=size, quality=quality)
            name = f"background, {scene.width} x {scene.height}, {quality}"
            _tell(await _row(name, mode, source, CHINA, config, threads))
    huge, _ = on_background(cut_out("referee", 6000), FLOWER, (5160, 7750))
    huge.save(directory / "huge.jpg", quality=90)
    huge.save(directory / "huge.png", compress_level=1)
    for name in ("huge.jpg", "huge.png"):
        config = BackgroundChangeConfig(size=Size.LARGE)
        _tell(await _row(f"background, from 40 megapixels, {name[-3:]}", mode, directory / name, None, config, threads))


def _tell(row: Row) -> None:
    steps = ", ".join(f"{words.lower()} {seconds:.2f}" for words, seconds in row.steps.items() if seconds >= 0.05)
    cores = f"{row.processor / row.wall:.1f} cores"
    print(f"{row.name:42} {row.wall:6.2f} s  {cores}  {row.peak:5.0f} MB   {steps}", flush=True)


async def _row(name: str, mode: Mode, source: Path, reference: Path | None, config: AnyConfig, threads: int) -> Row:
    engine = LocalEngine(threads=threads)
    await engine.start()
    try:
        await _edit(engine, mode, source, reference, config)
        assert engine.pid is not None
        walls: list[float] = []
        used: list[float] = []
        steps: list[dict[str, Any]] = []
        for _ in range(ROUNDS):
            before, started = _processor_seconds(engine.pid), time.perf_counter()
            steps.append((await _edit(engine, mode, source, reference, config))["seconds"])
            walls.append(time.perf_counter() - started)
            used.append(_processor_seconds(engine.pid) - before)
        median = {words: statistics.median(step[words] for step in steps) for words in steps[0]}
        return Row(name, statistics.median(walls), statistics.median(used), _peak(engine.pid), median)
    finally:
        await engine.close()


async def _edit(
    engine: LocalEngine, mode: Mode, source: Path, reference: Path | None, config: AnyConfig
) -> dict[str, Any]:
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
    run()
