"""The driver of ComfyUI: jobs under ids of ours, on one of several servers."""

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec

from actors.engines.workflows.calling import away
from actors.engines.workflows.comfyui.choosing import Choice
from actors.engines.workflows.comfyui.progress import Listener
from actors.engines.workflows.comfyui.server import Server
from actors.engines.workflows.driver import (
    DriverError,
    Failed,
    Fate,
    Finished,
    Gone,
    Graph,
    Look,
    Output,
    Running,
    ServerState,
    Stopped,
    Waiting,
    Work,
)
from actors.engines.workflows.graph import WorkflowError, filled_in, parse_graph, read_workflow
from actors.engines.workflows.loose import as_object, list_of, object_of, objects_in
from actors.engines.workflows.saying import told as words_of
from schema.models.edits import COMFYUI, Mode
from schema.models.engines import RemoteJob, WorkflowSettings
from schema.models.problems import FailureCode

LOOK_AGAIN_AFTER = 0.3
"""Seconds until a job that was to be stopped is looked at: an interrupt acts between two nodes."""

WRITTEN_WITHIN = 2.0
"""Seconds that whoever writes a file may pause."""


class ComfyUI:
    """Speaks with the servers of COMFYUI_URL; see `Driver`."""

    name = COMFYUI
    look_every = 1.0
    settles_within = 40.0

    def __init__(self, settings: WorkflowSettings) -> None:
        servers = [Server(url) for url in settings.comfyui_urls]
        self._servers = {server.place: server for server in servers}
        self._choice = Choice(self._servers)
        self._files = settings.comfyui_workflows
        self._listeners: dict[str, Listener] = {}

    async def graph(self, mode: Mode) -> Graph:
        """The workflow in the file that is set for `mode`, as it is now."""
        path = self._files.get(mode)
        if path is None:
            raise _not_set_up(f"COMFYUI_WORKFLOW_{mode} is not set")
        try:
            return parse_graph(await asyncio.to_thread(read_workflow, Path(path)))
        except OSError as error:
            raise _not_set_up(f"COMFYUI_WORKFLOW_{mode} can't be read: {error.strerror}") from None
        except WorkflowError as error:
            detail = f"COMFYUI_WORKFLOW_{mode}: {error}"
            if await asyncio.to_thread(_is_being_written, Path(path)):
                raise away(detail) from None  # and looked at again
            raise _not_set_up(detail) from None

    async def draft(self, mode: Mode) -> RemoteJob:
        """A job for the server that is best asked now, with its id."""
        return RemoteJob(self.name, (await self._choice.best(mode)).place, str(uuid4()))

    async def upload(self, job: RemoteJob, photo: Path, name: str) -> str:
        """Put a photo into the server's folder that it empties when it starts."""
        async with self._asked(job) as server:
            return await server.upload(photo, name)

    async def start(self, job: RemoteJob, work: Work) -> RemoteJob:
        """Put the job into the server's queue, and listen for its progress."""
        filled = filled_in(work.graph, {value.at: value.value for value in work.values})
        client_id = uuid4().hex
        async with self._asked(job) as server:
            listener = Listener(server, _id(job), client_id, len(work.graph))
            try:
                await listener.ready()
                with self._choice.coming(server):
                    wrong = await server.prompt(filled, _id(job), client_id, work.output)
            except BaseException:
                await listener.close()
                raise
            self._listeners[_id(job)] = listener
            # One that can't be stopped is followed to its end.
            if wrong is not None and await self.cancel(job) is Stopped.STOPPED:
                raise wrong
            self._choice.well(server)
        return job

    async def look(self, job: RemoteJob) -> Look:
        """The history first, then the queue, then the history again: a job moves from the one to the other."""
        if job.place not in self._servers:
            return Gone()  # as its address is now, it is another server
        async with self._asked(job) as server:
            for last in (False, True):
                entry = await server.history(_id(job))
                if entry is not None:
                    await self._forget(job)
                    return _ended(entry)
                if last:
                    break
                queue = await server.queue()
                if _id(job) in queue.running:
                    listener = self._listeners.get(_id(job))
                    return Running(None if listener is None else listener.percent)
                if _id(job) in queue.waiting:
                    return Waiting(len(queue.running) + queue.waiting.index(_id(job)))
            return Gone()

    async def hint(self, job: RemoteJob, seconds: float) -> None:
        """Return sooner when the job's socket said that it moved."""
        listener = self._listeners.get(_id(job))
        if listener is None:
            await asyncio.sleep(seconds)
        else:
            await listener.moved(seconds)

    async def cancel(self, job: RemoteJob) -> Stopped:
        """End the job, and look whether it did: right after its start an interrupt may do nothing."""
        await self._forget(job)
        async with self._asked(job) as server:
            await server.stop(_id(job))
            for _ in range(3):
                queue = await server.queue()
                if _id(job) not in queue.running and _id(job) not in queue.waiting:
                    return Stopped.STOPPED
                await asyncio.sleep(LOOK_AGAIN_AFTER)
            return Stopped.RUNNING

    async def fetch(self, job: RemoteJob, output: Output, to: Path, most_bytes: int) -> None:
        """Fetch a file by its name on the server."""
        async with self._asked(job) as server:
            await server.view(msgspec.json.decode(output.where, type=dict[str, str]), to, most_bytes)

    async def states(self) -> Sequence[ServerState]:
        """Each server: its version and its queue, or what is wrong."""
        return await asyncio.gather(*(_state(server) for server in self._servers.values()))

    async def nodes(self) -> Mapping[str, Any]:
        """What each kind of node takes and gives, as the first server that answers says."""
        error = _not_set_up("COMFYUI_URL is not set")
        for server in self._servers.values():
            try:
                return await server.nodes()
            except DriverError as failed:
                error = failed
        raise error

    async def close(self) -> None:
        """Close every connection."""
        while self._listeners:  # one that ends meanwhile takes itself off
            _, listener = self._listeners.popitem()
            await listener.close()
        for server in self._servers.values():
            await server.close()

    @asynccontextmanager
    async def _asked(self, job: RemoteJob) -> AsyncGenerator[Server]:
        """The job's server, which is ill when it can't be reached or refuses.

        Raises:
            DriverError: it is none of ours any more.
        """
        server = self._servers.get(job.place)
        if server is None:
            raise DriverError(
                Fate.TRANSIENT,
                FailureCode.ENGINE_NOT_AVAILABLE,
                "The engine that made the edit isn't there any more.",
                detail="its server isn't in COMFYUI_URL any more",
            )
        try:
            yield server
        except DriverError as error:
            if error.fate in {Fate.AWAY, Fate.REFUSED}:
                self._choice.ill(server)
            raise

    async def _forget(self, job: RemoteJob) -> None:
        if listener := self._listeners.pop(_id(job), None):
            await listener.close()


def _is_being_written(path: Path) -> bool:
    """Whether somebody puts another file there at the moment, as it seems: half of one is no workflow."""
    try:
        return abs(time.time() - path.stat().st_mtime) < WRITTEN_WITHIN
    except OSError:
        return False


def _id(job: RemoteJob) -> str:
    assert job.job_id is not None  # noqa: S101 - drafts have one
    return job.job_id


def _not_set_up(detail: str) -> DriverError:
    message = "The engine isn't set up for this edit. Its operator has to mend that."
    return DriverError(Fate.REFUSED, FailureCode.ENGINE_NOT_AVAILABLE, message, detail=detail)


def _ended(entry: Mapping[str, Any]) -> Look:
    """What a job's history says of its end."""
    told = object_of(entry.get("status"))
    if told.get("status_str") == "error" or told.get("completed") is False:
        return Failed(_failure(list_of(told.get("messages"))))
    outputs = object_of(entry.get("outputs"))
    return Finished([output for node, left in outputs.items() for output in _outputs(node, left)])


def _outputs(node: str, left: object) -> list[Output]:
    files: list[Output] = []
    for image in objects_in(object_of(left).get("images")):
        where = {key: str(image.get(key) or "") for key in ("filename", "subfolder", "type")}
        if where["filename"]:
            files.append(Output(node, msgspec.json.encode(where).decode()))
    return files


def _failure(messages: Sequence[Any]) -> DriverError:
    """Why a job failed, by the last of its messages that tells."""
    for message in reversed(messages):
        kind, told, *_ = [*list_of(message), "", None]
        if kind == "execution_error" and (about := as_object(told)) is not None:
            return _of_a_node(about)
        if kind == "execution_interrupted":
            words = "Somebody stopped the edit on the engine."
            return DriverError(Fate.TRANSIENT, FailureCode.ENGINE_RESPONSE_ERROR, words, detail=kind)
    return DriverError(
        Fate.TRANSIENT,
        FailureCode.ENGINE_RESPONSE_ERROR,
        "The engine failed without saying why.",
        detail="status error",
    )


def _of_a_node(told: Mapping[str, Any]) -> DriverError:
    kind, words = str(told.get("exception_type") or ""), str(told.get("exception_message") or "")
    detail = f"{told.get('node_type')} ({told.get('node_id')}): {kind}: {words}"[:2000]
    if "OutOfMemory" in kind or "out of memory" in words.lower():
        message = "The engine ran out of memory. Please try a smaller size."
        return DriverError(Fate.TRANSIENT, FailureCode.ENGINE_RESPONSE_ERROR, message, detail=detail)
    message = words_of(str(told.get("node_type") or ""), words)
    return DriverError(Fate.FINAL, FailureCode.ENGINE_RESPONSE_ERROR, message, detail=detail)


async def _state(server: Server) -> ServerState:
    try:
        version, queue = await asyncio.gather(server.version(), server.queue())
    except DriverError as error:
        return ServerState(server.shown, trouble=error.detail or error.message)
    return ServerState(server.shown, version, len(queue.running), len(queue.waiting))
