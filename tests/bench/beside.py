"""Darkroom's API and the bare route of `tests.bench.bare`, each in a process of its own, on the same servers."""

import os
import statistics
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
from msgspec import Struct

from service.settings import Settings
from tests.bench.load import Load, load
from tests.bench.place import own_servers
from tests.running import environment, free_port, handed_socket, running, wait_until_live

SECONDS = 4.0
PHOTO_BYTES = 129_000

AS_DEPLOYED = {"RATE_LIMIT_PER_MINUTE": "10000000", "LOG_FORMAT": "json"}


class Server(Struct, frozen=True):
    """One of the two."""

    port: int
    process: psutil.Process

    @property
    def processor_seconds(self) -> float:
        """What it has used so far."""
        times = self.process.cpu_times()
        return times.user + times.system


class Pair(Struct, frozen=True):
    """Both, and how they are set up."""

    settings: Settings
    ours: Server
    bare: Server


class Round(Struct, frozen=True):
    """What one server did under load, and what an answer cost it."""

    load: Load
    processor_ms: float


async def one_round(server: Server, requests: Sequence[bytes], *, callers: int, expected: int) -> Round:
    """Load one of them in a closed loop."""
    before = server.processor_seconds
    done = await load(server.port, requests, callers=callers, seconds=SECONDS, expected=expected)
    return Round(done, (server.processor_seconds - before) * 1000 / done.answers)


def show(name: str, ours: Sequence[Round], bare: Sequence[Round]) -> None:
    """The rounds in the middle, and the ratios in the middle: of answers per second, and of processor time per answer.

    The second one holds on a machine that others use as well.
    """
    for who, rounds in (("darkroom", ours), ("bare route", bare)):
        middle = sorted(rounds, key=lambda one: one.load.per_second)[len(rounds) // 2]
        told = f"{middle.load.per_second:8.0f}/s   p50 {middle.load.p50:6.2f} ms   p99 {middle.load.p99:6.2f} ms"
        print(f"{name:28} {who:11} {told}   {middle.processor_ms:6.3f} ms of its processor")
    pairs = list(zip(ours, bare, strict=True))
    rate = statistics.median(one.load.per_second / other.load.per_second for one, other in pairs)
    processor = statistics.median(other.processor_ms / one.processor_ms for one, other in pairs)
    print(f"{name:28} ratio       {rate:8.2f}     by processor time {processor:.2f}", flush=True)


@contextmanager
def side_by_side() -> Generator[Pair]:
    """Both running, on a new database."""
    with ExitStack() as stack:
        settings, directory = stack.enter_context(own_servers())
        fd, port = stack.enter_context(handed_socket())
        ours = stack.enter_context(
            running("api", "--fd", str(fd), settings=settings, extra=AS_DEPLOYED, log=Path(os.devnull), pass_fds=[fd])
        )
        bare_port, photo = free_port(), directory / "photo.jpg"
        photo.write_bytes(os.urandom(PHOTO_BYTES))
        bare = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.bare"],
            env={**environment(settings), "BENCH_PORT": str(bare_port), "BENCH_PHOTO": str(photo)},
        )
        stack.callback(bare.wait)
        stack.callback(bare.kill)
        wait_until_live(f"http://127.0.0.1:{port}", ours)
        wait_until_live(f"http://127.0.0.1:{bare_port}", bare)
        yield Pair(settings, Server(port, psutil.Process(ours.pid)), Server(bare_port, psutil.Process(bare.pid)))
