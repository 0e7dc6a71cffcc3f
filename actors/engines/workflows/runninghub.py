"""RunningHub as the workflow engine sees it: a driver, and what its codes and failures mean for an edit."""

import asyncio
import time
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import httpx

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
from actors.engines.workflows.graph import WorkflowError, graph_of
from actors.engines.workflows.runninghub_api import HubAwayError, HubError, NodeField, RunningHubApi
from actors.engines.workflows.runninghub_errors import OPERATORS, PLACES, away, failure_of, refused, wrong_nodes
from actors.engines.workflows.runninghub_results import Results
from schema.models.edits import RUNNINGHUB, Mode
from schema.models.engines import RemoteJob, WorkflowSettings
from schema.models.problems import FailureCode

KEPT_SECONDS = 300.0
"""A workflow that was asked for is believed that long: whoever changes it there sees the change soon enough. A photo
is believed to be there as long: a task that waits for a place doesn't send it each time it asks for one."""

MOST_SENT = 256
"""Photos of which the names there are kept."""

_RUNNING, _QUEUED, _FAILED = 804, 813, 805
_UNKNOWN_TASK = (423, 807)
_TYPES = {".jpg": "image/jpeg", ".png": "image/png"}


class RunningHub:
    """Speaks with RunningHub, with one account's key; see `Driver`."""

    name = RUNNINGHUB
    look_every = 3.0
    settles_within = 60.0

    def __init__(self, settings: WorkflowSettings) -> None:
        self._workflows = settings.runninghub_workflows
        self._url = settings.runninghub_url
        self._place = sha256(self._url.encode()).hexdigest()[:12]
        self._key = settings.runninghub_api_key
        self._opened: RunningHubApi | None = None
        self._results = Results(self._url)
        self._graphs: dict[str, tuple[float, Graph]] = {}
        self._sent: dict[bytes, tuple[float, str]] = {}
        """By a photo's SHA-256: when it was sent, and its name there."""

    async def graph(self, mode: Mode) -> Graph:
        """The mode's workflow as RunningHub has it, with the titles of its nodes."""
        return await self.workflow(self._workflow_of(mode))

    async def workflow(self, workflow_id: str) -> Graph:
        """Any workflow of the account's, or one that is public. Raises DriverError."""
        kept = self._graphs.get(workflow_id)
        if kept is not None and time.monotonic() - kept[0] < KEPT_SECONDS:
            return kept[1]
        try:
            graph = graph_of(await self._api.workflow(workflow_id))
        except HubError as error:
            raise refused(error) from error
        except HubAwayError as error:
            raise away(error) from error
        except WorkflowError as error:
            raise DriverError(
                Fate.REFUSED, FailureCode.ENGINE_NOT_AVAILABLE, OPERATORS, detail=f"as RunningHub has it: {error}"
            ) from None
        self._graphs[workflow_id] = time.monotonic(), graph
        return graph

    async def draft(self, mode: Mode) -> RemoteJob:
        """A job without an id: RunningHub chooses those itself."""
        self._workflow_of(mode)
        return RemoteJob(self.name, self._place)

    async def upload(self, job: RemoteJob, photo: Path, name: str) -> str:  # noqa: ARG002 - there is one place for all
        """Put a photo there; the name that RunningHub gave it."""
        content = await asyncio.to_thread(photo.read_bytes)
        digest = sha256(content).digest()
        sent = self._sent.get(digest)
        if sent is not None and time.monotonic() - sent[0] < KEPT_SECONDS:
            return sent[1]
        try:
            named = await self._api.upload(content, _TYPES[Path(name).suffix])
        except HubError as error:
            raise refused(error) from error
        except HubAwayError as error:
            raise away(error) from error
        self._sent[digest] = time.monotonic(), named
        if len(self._sent) > MOST_SENT:
            del self._sent[next(iter(self._sent))]
        return named

    async def start(self, job: RemoteJob, work: Work) -> RemoteJob:
        """Create a task there, which costs from then on."""
        workflow_id = self._workflow_of(work.mode)
        fields = [NodeField(value.at.node, value.at.field, value.value) for value in work.values]
        try:
            created = await self._api.create(workflow_id, fields)
        except HubError as error:
            self._forget(workflow_id, error)
            raise refused(error) from error
        except HubAwayError as error:
            raise away(error, lost=error.sent) from error
        made = RemoteJob(job.engine, job.place, created.task_id)
        if (wrong := wrong_nodes(created.prompt_tips, work.output)) is not None:
            self._graphs.pop(workflow_id, None)
            self._sent.clear()
            if await self.cancel(made) is Stopped.STOPPED:
                raise wrong
            # Else it is followed to its end: whoever lets go of it now leaves it to nobody.
        return made

    async def look(self, job: RemoteJob) -> Look:
        """How the task is, by its outputs: one call tells its state and what it made."""
        if job.place != self._place:
            return Gone()  # nobody knows it here
        try:
            outputs = await self._api.outputs(_id(job))
        except HubError as error:
            return _state(error)
        except HubAwayError as error:
            raise away(error) from error
        return Finished([Output(output.node_id, output.file_url) for output in outputs])

    async def hint(self, job: RemoteJob, seconds: float) -> None:  # noqa: ARG002 - the driver's protocol
        """RunningHub's websocket may be empty or fall silent: the clock alone counts."""
        await asyncio.sleep(seconds)

    async def cancel(self, job: RemoteJob) -> Stopped:
        """Cancel the task, and look whether it is over."""
        if job.place != self._place:
            return Stopped.UNKNOWN  # RUNNINGHUB_URL was another: it runs there
        try:
            await self._api.cancel(_id(job))
        except HubError as error:
            if error.code in _UNKNOWN_TASK:
                return Stopped.STOPPED
        except HubAwayError:
            return Stopped.UNKNOWN
        try:
            look = await self.look(job)
        except DriverError:
            return Stopped.UNKNOWN
        return Stopped.RUNNING if isinstance(look, Waiting | Running) else Stopped.STOPPED

    async def fetch(self, job: RemoteJob, output: Output, to: Path, most_bytes: int) -> None:  # noqa: ARG002
        """The file, from the host that RunningHub named."""
        await self._results.fetch(output.where, to, most_bytes)

    async def states(self) -> Sequence[ServerState]:
        """What the key has there: its tasks, and what is left of its money."""
        name = httpx.URL(self._url).host or self.name
        try:
            account = await self._api.account()
        except HubError as error:
            return [ServerState(name, trouble=f"{refused(error).detail}: look at RUNNINGHUB_API_KEY")]
        except HubAwayError as error:
            return [ServerState(name, trouble=str(error))]
        except DriverError as error:
            return [ServerState(name, trouble=error.message)]
        trouble = "nothing is left of its money" if account.broke else None
        return [ServerState(name, running=account.tasks, money=account.left, trouble=trouble)]

    async def close(self) -> None:
        """Let go of every connection."""
        await self._results.close()
        if self._opened is not None:
            await self._opened.close()

    def _forget(self, workflow_id: str, error: HubError) -> None:
        """After a refusal that isn't about places, what is kept may be wrong."""
        if error.code not in PLACES:
            self._graphs.pop(workflow_id, None)
            self._sent.clear()

    @property
    def _api(self) -> RunningHubApi:
        """Made when it is first needed: certificates take a while to load."""
        if self._opened is None:
            if self._key is None:
                raise DriverError(
                    Fate.REFUSED, FailureCode.ENGINE_AUTH_FAILED, NO_KEY, detail="RUNNINGHUB_API_KEY is not set"
                )
            self._opened = RunningHubApi(self._url, self._key)
        return self._opened

    def _workflow_of(self, mode: Mode) -> str:
        if mode not in self._workflows:
            raise DriverError(
                Fate.REFUSED,
                FailureCode.ENGINE_NOT_AVAILABLE,
                f"{mode} isn't available on this server's engine.",
                detail=f"RUNNINGHUB_WORKFLOW_{mode} is not set",
            )
        return self._workflows[mode]


def _state(error: HubError) -> Look:
    """What an answer that isn't the outputs says of a task. Raises DriverError where it says nothing of it."""
    if error.code == _RUNNING:
        return Running()
    if error.code == _QUEUED:
        return Waiting()
    if error.code == _FAILED:
        return Failed(failure_of(error))
    if error.code in _UNKNOWN_TASK:
        return Gone()
    raise refused(error) from error


def _id(job: RemoteJob) -> str:
    if job.job_id is None:
        raise AssertionError("a job that was never started")
    return job.job_id


NO_KEY = "The engine of this edit isn't set up on this server. Tell whoever runs it."
