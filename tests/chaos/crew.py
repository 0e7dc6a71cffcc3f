"""A worker process whose engine is a fake: the whole life of a task, without a second's computing."""

import asyncio
import os
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

from actors.engines import registry
from actors.engines.seam import EditRequest, Progress
from schema.models import edits
from service.cli.main import main
from service.processes.ready_pipe import READY_FD
from service.settings import Settings
from tests.actors.scripted import FINISHED, FakeEngine, picture
from tests.forking import Process, start
from tests.running import environment

GATE = "TEST_GATE"
QUICK = "from tests.chaos.crew import work; work()"
STORM = "import runpy, sys; sys.argv[1:] = ['worker']; runpy.run_module('tests.chaos.darkroom', run_name='__main__')"
"""Programs of a worker with the engine of this module, or with the storm's, whose edits take a while."""


class Quick(FakeEngine):
    """Makes three pictures at once, or, where the environment names a gate, when that file is there."""

    name = edits.LOCAL

    def __init__(self, *, threads: int) -> None:
        assert threads > 0
        kinds = (picture("output"), picture("thumbnail"), picture("comparison"))
        super().__init__(Progress(10, "at the gate"), wait_at_the_gate, *kinds, FINISHED)


async def wait_at_the_gate(_: EditRequest) -> None:
    gate = os.environ.get(GATE)
    while gate and not Path(gate).exists():  # noqa: ASYNC110, ASYNC240 - another process makes the file
        await asyncio.sleep(0.01)


def work() -> None:
    """In the worker's process: `darkroom worker`, with the fake in the engine's place."""
    registry.ENGINES[edits.LOCAL] = Quick
    edits.ENGINE_MODES[edits.LOCAL] = frozenset(edits.Mode)
    sys.argv[1:] = ["worker"]
    main()


@contextmanager
def quick_worker(
    settings: Settings,
    log: Path,
    extra: Mapping[str, str] | None = None,
    *,
    gate: Path | None = None,
    program: str = QUICK,
) -> Generator[Process]:
    """A worker in a process of its own that takes messages already."""
    reading, writing = os.pipe()
    told = {READY_FD: str(writing), **({GATE: str(gate)} if gate else {}), **(extra or {})}
    with log.open("ab") as log_file:
        process = start(
            program, environment=environment(settings, told), stdout=log_file, stderr=log_file, pass_fds=[writing]
        )
    os.close(writing)
    try:
        assert os.read(reading, 1) == b"1", log.read_text()
        yield process
    finally:
        os.close(reading)
        if process.poll() is None:
            process.kill()
        process.wait()
