"""Waiting without threads: work that takes a while is a generator that yields whenever it has to wait.

A test waits for it with `finish`, the supervisor's event loop with `finished`, and `side_by_side` mixes several.
Closing the generator half-way undoes what it began.
"""

import asyncio
import time
from collections.abc import Generator
from contextlib import closing
from typing import TypeAlias

Steps: TypeAlias = Generator[None, None, None]

PAUSE_SECONDS = 0.01
"""Between two looks: a server starts in 50 to 500 ms, and a look is a system call or two."""


def side_by_side(*work: Steps) -> Steps:
    """Do several things at once; the first error ends all of them."""
    unfinished = list(work)
    try:
        while unfinished:
            for steps in tuple(unfinished):
                try:
                    next(steps)
                except StopIteration:
                    unfinished.remove(steps)
            if unfinished:
                yield
    finally:
        for steps in unfinished:
            steps.close()


def pause(seconds: float) -> Steps:
    """Let that much time pass."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield


def finish(work: Steps) -> None:
    """Do it now, and come back when it is done."""
    with closing(work):
        for _ in work:
            time.sleep(PAUSE_SECONDS)


async def finished(work: Steps) -> None:
    """Do it while the event loop goes on; a cancellation closes it where it stands."""
    with closing(work):
        for _ in work:
            await asyncio.sleep(PAUSE_SECONDS)
