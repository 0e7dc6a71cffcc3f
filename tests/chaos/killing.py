"""kill -9, again and again: who and when is a seed's to say."""

import asyncio
import random
from collections import Counter
from contextlib import suppress

import psutil
from msgspec import Struct

WEIGHTS = {"api": 4, "worker": 6, "redis": 3, "postgres": 2, "connection": 1}
"""Who is killed, and how often beside the others. `connection` is one of PostgreSQL's processes that serve a client."""


class Blow(Struct, frozen=True):
    """Who is killed after how many seconds; `which` (0 to 1) chooses among several of the kind."""

    after: float
    victim: str
    which: float


def blows(seed: int, pause: tuple[float, float]) -> "list[Blow]":
    """More blows than any storm lasts for, the same ones for the same seed."""
    chance = random.Random(f"blows of {seed}")  # noqa: S311 - no secret
    kinds = chance.choices(list(WEIGHTS), list(WEIGHTS.values()), k=2000)
    return [Blow(chance.uniform(*pause), kind, chance.random()) for kind in kinds]


async def kill_again_and_again(
    up: psutil.Process, seconds: float, seed: int, pause: tuple[float, float]
) -> Counter[str]:
    """Kill what `up` runs, for so long; how many of each there were.

    Whoever isn't there at that moment (killed, and not back yet) is spared: the next blow comes in its time.
    """
    killed: Counter[str] = Counter()
    end = asyncio.get_running_loop().time() + seconds
    for blow in blows(seed, pause):
        await asyncio.sleep(blow.after)
        if asyncio.get_running_loop().time() > end:
            return killed
        # A pid that was given away again doesn't count: psutil compares the time of birth.
        with suppress(psutil.NoSuchProcess):
            if there := sorted(victims(up)[blow.victim], key=lambda process: process.pid):
                there[int(blow.which * len(there))].kill()
                killed[blow.victim] += 1
    return killed


def victims(up: psutil.Process) -> dict[str, list[psutil.Process]]:
    """What `up` runs just now, by kind."""
    found: dict[str, list[psutil.Process]] = {kind: [] for kind in WEIGHTS}
    for process in up.children(recursive=True):
        with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
            kind = kind_of(" ".join(process.cmdline()))
            if kind is not None:
                found[kind].append(process)
    return found


def kind_of(command: str) -> str | None:
    """What a process is, by its command line; None for what is none of the victims."""
    if "tests.chaos.darkroom" in command:
        # Not `migrate` and `user`: without those `up` itself rightly gives up.
        return next((kind for kind in ("api", "worker") if f" {kind}" in command), None)
    if "valkey" in command:
        return "redis"
    if command.startswith("postgres: "):
        # A client's is told by its address, others by what they do.
        return "connection" if "127.0.0.1" in command else None
    return "postgres" if "postgres" in command.partition(" ")[0] else None
