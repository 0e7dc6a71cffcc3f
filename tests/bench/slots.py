"""Edits in an hour with one slot that has all cores, and with a slot a core: `python -m tests.bench.slots`.

The three modes take turns at 1024 x 1536, standard quality, in children that are warm. Each slot has a child of its
own, as in a worker; told are the edits that all of them make in an hour, and the memory of all.
"""

import asyncio
import os
import tempfile
import time
from pathlib import Path

import msgspec
import psutil

from actors.engines.local.engine import LocalEngine
from schema.models.edits import LONG_EDGE, AnyConfig, Mode, Size
from tests.bench.command import command
from tests.bench.edits import EDITS, edit, pictures

ROUNDS = 4
"""Edits of each mode, for each slot."""

Made = tuple[Mode, Path, Path | None, AnyConfig]


async def slot(engine: LocalEngine, edits: list[Made], first: int) -> None:
    """Edit after edit; `first`: where in the round it begins, since slots at work aren't in step."""
    for number in range(first, first + ROUNDS * len(edits)):
        await edit(engine, *edits[number % len(edits)])


async def edits_an_hour(edits: list[Made], slots: int, threads: int) -> float:
    engines = [LocalEngine(threads=threads) for _ in range(slots)]
    try:
        for engine in engines:
            await engine.start()
        await asyncio.gather(*(_warm_up(engine, edits) for engine in engines))
        began = time.perf_counter()
        await asyncio.gather(*(slot(engine, edits, number) for number, engine in enumerate(engines)))
        took = time.perf_counter() - began
        memory = sum(psutil.Process(engine.pid).memory_info().rss for engine in engines) / 1e6
    finally:
        for engine in engines:
            await engine.close()
    per_hour = slots * ROUNDS * len(edits) / took * 3600
    print(f"{slots} slots, {threads} threads each   {per_hour:6.0f} edits an hour   {memory:6.0f} MB", flush=True)
    return per_hour


async def _warm_up(engine: LocalEngine, edits: list[Made]) -> None:
    for one in edits:
        await edit(engine, *one)


async def measure(directory: Path) -> None:
    shape = LONG_EDGE[Size.LARGE] * 2 // 3, LONG_EDGE[Size.LARGE]
    edits: list[Made] = [
        (mode, *pictures(directory, mode, shape, reference), msgspec.structs.replace(config, size=Size.LARGE))
        for mode, config, reference in EDITS
    ]
    cores = os.cpu_count() or 1
    one = await edits_an_hour(edits, 1, cores)
    each = await edits_an_hour(edits, cores, 1)
    print(f"a slot a core makes {each / one:.2f} times as many as one slot with all cores")


def run() -> None:
    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(measure(Path(directory)))


if __name__ == "__main__":
    command(run, __doc__)
