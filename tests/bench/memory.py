"""How the memory of the engine's child grows with the edits that it makes: `python -m tests.bench.memory [EDITS]`.

A thousand take half an hour, so it is no part of `make bench`. The three modes take turns. Told is the memory in use
(not its peak) about every hundredth edit, and its slope over all but the first hundred; at most 0.5 MB per 100 are
wanted. It is looked at after edits of one mode only: modes leave some hundred megabytes more or less at hand.
"""

import asyncio
import statistics
import tempfile
from pathlib import Path

import msgspec
import psutil

from actors.engines.local.engine import LocalEngine
from schema.models.edits import LONG_EDGE, Size
from tests.bench.command import command
from tests.bench.edits import EDITS, edit, pictures

MANY = 1_000
WARM = 100
EVERY = 10 * len(EDITS)


async def measure(directory: Path, number: int) -> None:
    shape = LONG_EDGE[Size.SMALL] * 2 // 3, LONG_EDGE[Size.SMALL]
    made = [
        (mode, *pictures(directory, mode, shape, reference), msgspec.structs.replace(config, size=Size.SMALL))
        for mode, config, reference in EDITS
    ]
    engine = LocalEngine(threads=2)
    await engine.start()
    seen: list[tuple[int, float]] = []
    children: set[int | None] = set()
    try:
        for turn in range(1, number + 1):
            mode, source, reference, config = made[turn % len(made)]
            await edit(engine, mode, source, reference, config)
            children.add(engine.pid)
            if turn % EVERY == 0:
                seen.append((turn, psutil.Process(engine.pid).memory_info().rss / 1e6))
            if turn % 100 == 0 and seen:
                print(f"{turn:6} edits   {seen[-1][1]:6.0f} MB", flush=True)
    finally:
        await engine.close()
    late = [one for one in seen if one[0] > min(WARM, number // 3)]
    slope = statistics.linear_regression([one[0] for one in late], [one[1] for one in late]).slope * 100
    print(f"{slope:+.2f} MB per 100 edits, in {len(children)} child process(es)")


def run(number: int = MANY) -> None:
    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(measure(Path(directory), number))


if __name__ == "__main__":
    command(run, __doc__, edits=MANY)
