"""What the workflow engine needs of a kind of server: a driver speaks its protocol, and decides nothing about edits."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from msgspec import Struct

from schema.models.edits import Mode
from schema.models.engines import NodeInput, RemoteJob
from schema.models.problems import FailureCode

Graph = Mapping[str, Mapping[str, Any]]
"""A workflow in API format: of each node's id its `class_type`, `inputs` and, for its title, `_meta`."""


class Value(Struct, frozen=True):
    """What a job puts in place of a workflow's own: a file's name (as `upload` gave it), a seed, a config's field."""

    at: NodeInput
    value: str | int | float | bool


class Work(Struct, frozen=True):
    """What a job runs: a mode's workflow with `values` in place of its own, for what the node `output` saves."""

    mode: Mode
    graph: Graph
    values: Sequence[Value]
    output: str


class Waiting(Struct, frozen=True):
    """The job is in the server's queue, behind so many others; None where the server doesn't say."""

    ahead: int | None = None


class Running(Struct, frozen=True):
    """The job is being made. `percent` of it is done, None where the server doesn't say."""

    percent: int | None = None


class Output(Struct, frozen=True):
    """A file that a job has left. `where` is the driver's own: a URL, or a name on the server."""

    node: str
    where: str


class Finished(Struct, frozen=True):
    """The job has ended well, with these files; the engine judges which of them is the result."""

    outputs: Sequence[Output]


class Failed(Struct, frozen=True):
    """The job has ended without a result; nothing of it runs any more."""

    error: "DriverError"


class Gone(Struct, frozen=True):
    """The server doesn't know the job, or no longer: it was restarted, or has forgotten it."""


Look = Waiting | Running | Finished | Failed | Gone


class Stopped(StrEnum):
    """What became of a job that was to be stopped."""

    STOPPED = "stopped"
    """It is neither waiting nor running: it was ended, had ended before, or isn't known."""
    RUNNING = "running"
    """It still waits or runs: ask again."""
    UNKNOWN = "unknown"
    """The server can't say, or couldn't be asked: ask again."""


class Fate(StrEnum):
    """What follows from an error."""

    WAIT = "wait"
    """The server has no place now (421, a full queue): the task waits for a moment, no attempt counts."""
    AWAY = "away"
    """The server can't be reached or is ill: try again later, or with the next engine."""
    REFUSED = "refused"
    """It takes none of our jobs until somebody mends a setting (key, money, a missing node): the next engine."""
    TRANSIENT = "transient"
    """This job failed in a way that may pass (out of memory, restarted in the middle)."""
    FINAL = "final"
    """This job will never work."""


class DriverError(Exception):
    """What went wrong with a server or a job.

    `message` is for the person who sent the photo: plain words, nothing of the server's but what `clean` lets through.
    `detail` is for the log alone, without the key and without URLs that may hold one. `lost` means that a `start` was
    sent whose answer never came: a job may run that nobody knows. `unsent` means that nothing has reached the server.
    """

    def __init__(
        self,
        fate: Fate,
        code: FailureCode,
        message: str,
        *,
        detail: str = "",
        lost: bool = False,
        unsent: bool = False,
    ) -> None:
        super().__init__(message)
        self.fate = fate
        self.code = code
        self.message = message
        self.detail = detail
        self.lost = lost
        self.unsent = unsent


class ServerState(Struct, frozen=True):
    """One server, as `darkroom doctor` tells of it. `name` has no secret; `trouble` is a sentence, None if well."""

    name: str
    version: str | None = None
    running: int | None = None
    waiting: int | None = None
    money: str | None = None
    trouble: str | None = None


class Driver(Protocol):
    """Speaks with one kind of server. Serves many jobs at a time, in one event loop; knows nothing of tasks.

    Every method may raise DriverError, and nothing else; each bounds its own calls in time and size. Nothing is tried
    again but what reads: whether a job is started twice is the engine's to decide.
    """

    name: str
    look_every: float
    """Seconds between two looks at a job."""
    settles_within: float
    """Seconds after which a start that was sent has arrived or never will: longer than its answer is waited for."""

    async def graph(self, mode: Mode) -> Graph:
        """The workflow for `mode`: read from a file, or asked from the server and kept for a while."""
        ...

    async def draft(self, mode: Mode) -> RemoteJob:
        """A job for the server that is best asked now; nothing is sent for it yet.

        With its `job_id` where ids are ours to choose, so that even a start whose answer is lost can be found again.
        """
        ...

    async def upload(self, job: RemoteJob, photo: Path, name: str) -> str:
        """Put a photo (JPEG or PNG, as `name` says) where the job will run; returns what its LoadImage node takes."""
        ...

    async def start(self, job: RemoteJob, work: Work) -> RemoteJob:
        """Start the job; returns it with its `job_id`. One that would leave out the output is stopped, and refused."""
        ...

    async def look(self, job: RemoteJob) -> Look:
        """How the job is. Raises DriverError (AWAY) when nobody can say; that a job failed is `Failed`."""
        ...

    async def hint(self, job: RemoteJob, seconds: float) -> None:
        """Return after so many seconds, or sooner if the server hinted that the job has moved."""
        ...

    async def cancel(self, job: RemoteJob) -> Stopped:
        """Ask for the job's end, waiting or running, and look at what became of it; never anybody else's."""
        ...

    async def fetch(self, job: RemoteJob, output: Output, to: Path, most_bytes: int) -> None:
        """Write a file that the job has left to `to`; more than `most_bytes` are an error."""
        ...

    async def states(self) -> Sequence[ServerState]:
        """How each server is; doesn't raise for one that is away."""
        ...

    async def close(self) -> None:
        """Let go of every connection. Jobs go on."""
        ...
