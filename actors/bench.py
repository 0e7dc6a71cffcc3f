"""What every attempt of a worker is made with."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import msgspec
from msgspec import Struct

from actors.engines.seam import Engine
from actors.routing import Routes
from actors.spaces import Spaces
from schema.models.edits import Mode
from service.database import Pool
from service.files.storage import Storage
from service.tasks.remote_jobs import Stop
from service.tasks.watching import Changes

SHUTDOWN_GRACE = 20.0
"""Seconds that a running edit may go on after the worker was asked to stop; then its task is given back."""

Slot = Mapping[Mode, Engine]
"""What makes one edit at a time: the engine for each mode it can do."""


class Limits(Struct, frozen=True):
    """What an attempt may cost: seconds, tries, pixels of an input; and the seconds it may still take in a shutdown."""

    timeout_seconds: float
    max_attempts: int
    max_pixels: int
    shutdown_grace: float = SHUTDOWN_GRACE


class Bench(Struct, frozen=True):
    """`stopping` is set once the worker was asked to stop; edits have their files in `workspaces`, until they are left.

    `stops` are the engines whose jobs run elsewhere, by name: each stops one.
    """

    pool: Pool
    storage: Storage
    changes: Changes
    limits: Limits
    workspaces: Path
    stopping: asyncio.Event
    routes: Routes = msgspec.field(default_factory=Routes)
    spaces: Spaces = msgspec.field(default_factory=Spaces)
    stops: Mapping[str, Stop] = {}
