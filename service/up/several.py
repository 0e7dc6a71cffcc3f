"""Several API processes on one listening socket (`darkroom api --processes`): more cores than one serve its port."""

import asyncio
import os
import signal
import socket
from collections.abc import Mapping
from pathlib import Path

import structlog

from service.embedded.errors import EmbeddedError
from service.embedded.steps import finished
from service.processes.ready_pipe import NUMBER
from service.up.commands import Commands
from service.up.keeping import keep
from service.up.service_process import ListeningApi

log = structlog.get_logger(__name__)


async def serve_several(listener: socket.socket, processes: int, data_dir: Path | None) -> int:
    """Keep so many running until SIGTERM or SIGINT; the exit code.

    Nobody is started beside the first one before that serves: what keeps it from that, it tells by itself, once.
    """
    stop_asked = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop_asked.set)
    command = Commands().api(listener.fileno(), data_dir=data_dir)
    each = [
        ListeningApi(f"API process {number}", command, _environment(number), listener)
        for number in range(1, processes + 1)
    ]
    serving = asyncio.create_task(_serve(each))
    asked = asyncio.create_task(stop_asked.wait())
    try:
        await asyncio.wait({serving, asked}, return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            serving.result()
        return 0 if stop_asked.is_set() else 1
    finally:
        serving.cancel()
        asked.cancel()
        await asyncio.gather(serving, asked, return_exceptions=True)
        listener.close()  # once they have closed theirs, clients are refused instead of left waiting
        await asyncio.gather(*(finished(process.stopping()) for process in each))


async def _serve(each: list[ListeningApi]) -> None:
    """For ever, or until the first one has refused to begin."""
    first, *others = each
    serving = asyncio.Event()

    def look() -> None:
        if first.ready:
            serving.set()

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(keep(first, log.warning, changed=look, may_refuse=lambda: not serving.is_set()))
            await serving.wait()
            for process in others:
                group.create_task(keep(process, log.warning, changed=look, may_refuse=lambda: False))
    except* EmbeddedError as refused:
        log.debug("nobody serves", reason=str(refused.exceptions[0]))


def _environment(number: int) -> Mapping[str, str]:
    return {**os.environ, NUMBER: str(number)}
