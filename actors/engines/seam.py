"""The seam between a task and whatever makes its picture.

An engine yields small events and knows nothing of tasks, credits or leases; the actor turns the events into state.
"""

import asyncio
from collections.abc import AsyncGenerator
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, Protocol

from msgspec import Struct

from schema.models.edits import AnyConfig, Mode
from schema.models.engines import RemoteJob
from schema.models.problems import FailureCode


class LeftJob(Struct, frozen=True):
    """A job that an earlier attempt began elsewhere for the same edit, so many seconds ago, and nobody saw the end of.

    `started`: the server has said that it has it.
    """

    job: RemoteJob
    started: bool
    age: float


class EditRequest(Struct, frozen=True):
    """One edit, on local files.

    `source` and `reference` are to be read only: they may be the storage's own files. `workspace` is an empty directory
    of the caller's: the engine writes its artifacts there and nowhere else, and the caller removes them. `max_pixels`
    bounds what may be decoded (width times height). `left` is to be followed, rather than another job be started and
    paid for.
    """

    mode: Mode
    source: Path
    reference: Path | None
    config: AnyConfig
    workspace: Path
    max_pixels: int
    left: LeftJob | None = None


class Progress(Struct, frozen=True):
    """How far the edit is: 0 to 100, and the step it is in, in words a user understands."""

    percent: int
    step: str


class Artifact(Struct, frozen=True):
    """A picture the edit made, complete on disk when the event arrives. Once the edit is over the caller moves it."""

    kind: Literal["output", "thumbnail", "comparison"]
    path: Path
    content_type: str
    width: int
    height: int


class Finished(Struct, frozen=True):
    """The last event of an edit that worked: what is to be known about its output besides the picture.

    `metadata` holds JSON values: width, height, format, size (bytes), engine, warnings, seconds per step.
    """

    metadata: dict[str, Any]


class JobBegun(Struct, frozen=True):
    """A job is about to be started elsewhere; with `started` it was. The engine goes on once that is noted."""

    job: RemoteJob
    started: bool


class JobOver(Struct, frozen=True):
    """Nothing of the job runs any more, or can be fetched; with `lost`, nobody knows whether it ever ran."""

    job: RemoteJob
    lost: bool = False


class JobDropped(Struct, frozen=True):
    """Another job will be started in its place: it is stopped once it can be."""

    job: RemoteJob


class JobStarting(Struct, frozen=True):
    """That job is being started: `start` goes on, and tells its id, whatever becomes of the edit."""

    start: "asyncio.Task[RemoteJob]"


EngineEvent = Progress | Artifact | Finished | JobBegun | JobStarting | JobOver | JobDropped


class Standing(StrEnum):
    """What an error tells of the engine itself."""

    WELL = "well"
    FULL = "full"
    """It has no place: the task waits for a moment, and no attempt counts."""
    AWAY = "away"
    """It can't be reached, or is ill."""
    REFUSING = "refusing"
    """It takes nothing of ours until somebody mends a setting."""


class EngineError(Exception):
    """An edit that did not work.

    `message` is for the person who sent the photo and says what they can do; `details` holds JSON values.
    `transient` failures may be tried again; others are final. `crashed` means that the process which made the edit
    died, so the attempt counts and the next one starts at once. `standing` is what it tells of the engine: one that is
    full, away or refusing may leave the edit to the next. `pause` is how many seconds pass before another attempt at
    least: what was asked for may be on its way.
    """

    def __init__(
        self,
        code: FailureCode,
        message: str,
        *,
        details: dict[str, Any] | None = None,
        transient: bool = False,
        crashed: bool = False,
        standing: Standing = Standing.WELL,
        pause: float = 0,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details or {}
        self.transient = transient
        self.crashed = crashed
        self.standing = standing
        self.pause = pause


class Engine(Protocol):
    """Makes edits, one at a time per instance."""

    name: str

    def modes(self) -> frozenset[Mode]:
        """The modes this engine can do."""
        ...

    async def start(self) -> None:
        """Get ready (a warm child process, a connection); safe to call twice."""
        ...

    def run(self, request: EditRequest) -> AsyncGenerator[EngineEvent]:
        """Make one edit: progress and artifacts as they come, then `Finished`.

        Raises:
            EngineError: The edit can't be made.

        Closing the generator (or cancelling the task that reads it) stops the edit at once, whatever it is in.
        """
        ...

    async def close(self) -> None:
        """Free everything; a running edit is stopped."""
        ...
