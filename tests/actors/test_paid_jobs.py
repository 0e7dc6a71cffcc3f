"""Jobs whose ids the engine gives, and which cost: none is made twice, and none goes on for nobody."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Generator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from actors.bench import Bench, Limits
from actors.editor import Editor
from actors.engines.local import wire
from actors.engines.seam import Engine, EngineError
from actors.engines.workflows.desk import Done
from actors.engines.workflows.engine import FETCH_TRIES, WorkflowEngine
from actors.engines.workflows.runninghub import RunningHub
from actors.routing import RoutedSlot, Routes
from schema.models.edits import Mode
from schema.models.engines import WorkflowSettings
from schema.models.problems import FailureCode
from schema.models.tasks import TaskRecord, TaskStatus
from service.database import Connection, Pool
from service.files.storage import Storage
from service.queue import Queue
from service.settings import Settings
from service.storage_errors import StorageError
from service.tasks.dispatch import Dispatcher
from service.tasks.watching import Changes
from tests import lives
from tests.actors.engines.workflows.workflows import sample
from tests.factories import add_file
from tests.fakes.desk import CopyingDesk
from tests.fakes.runninghub import CREATE, KEY, UPLOAD, WORKFLOW, FakeRunningHub, Fault, File, Task, running_hub

MODE = Mode.BACKGROUND_CHANGE
CRASHED = EngineError(FailureCode.PROCESSING_FAILED, "It died.", transient=True, crashed=True)
FULL = EngineError(FailureCode.RESULT_SAVE_FAILED, "It is full.", transient=True)


class FailingDesk(CopyingDesk):
    """Finishes no picture as long as it is to fail."""

    def __init__(self) -> None:
        super().__init__(threads=1)
        self.fails: list[EngineError] = []

    async def do(self, order: wire.Work) -> Done:
        if isinstance(order, wire.FinishPicture) and self.fails:
            raise self.fails.pop()
        return await super().do(order)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Generator[FakeRunningHub]:
    monkeypatch.setattr(RunningHub, "look_every", 0.02)
    with running_hub({"1": sample("background_change")}) as running:
        yield running


@pytest.fixture
def desk() -> FailingDesk:
    return FailingDesk()


NewEditor = Callable[..., Editor]


@pytest_asyncio.fixture
async def new_editor(
    pool: Pool, settings: Settings, queue: Queue, hub: FakeRunningHub, desk: FailingDesk, tmp_path: Path
) -> AsyncGenerator[NewEditor]:
    """Makes workers, each with one slot."""
    dispatcher = Dispatcher(pool, queue)
    await dispatcher.start()
    editors: list[Editor] = []
    engines: list[WorkflowEngine] = []
    given = WorkflowSettings(
        runninghub_url=hub.base_url, runninghub_api_key=KEY, runninghub_workflows=dict.fromkeys(Mode, "1")
    )

    def make(*, grace: float = 20) -> Editor:
        engine = WorkflowEngine(RunningHub(given), given, desk)
        routes = Routes(dict.fromkeys(Mode, ("runninghub",)), at_once={"runninghub": 1})
        bench = Bench(
            pool=pool,
            storage=Storage.made(settings.storage_url),
            changes=Changes(dispatcher),
            limits=Limits(timeout_seconds=60, max_attempts=3, max_pixels=40_000_000, shutdown_grace=grace),
            workspaces=tmp_path,
            stopping=asyncio.Event(),
            routes=routes,
            stops={"runninghub": engine.stop},
        )
        slots: dict[str, Engine] = {"runninghub": engine}
        engines.append(engine)
        editors.append(Editor(bench, dispatcher, [RoutedSlot(routes, slots)], worker_id=f"w{len(editors)}"))
        return editors[-1]

    yield make
    for editor in editors:
        await editor.close()
    for engine in engines:
        await engine.close()
    await dispatcher.close()


@pytest.fixture
async def user_id(connection: Connection) -> str:
    return await lives.add_user(connection)


@pytest.fixture
async def task(connection: Connection, settings: Settings, user_id: str) -> TaskRecord:
    record = await add_file(connection, user_id)
    await Storage.made(settings.storage_url).put_bytes(record.blob_key, b"\xff\xd8 a photo", "image/jpeg")
    photo = record.file_id
    return await lives.create(connection, user_id, mode=MODE, source_image=photo, reference_image=photo)


async def nothing_runs(connection: Connection, hub: FakeRunningHub) -> None:
    async def over() -> bool:
        return not hub.running and not await connection.fetchval(
            "SELECT count(*) FROM remote_jobs WHERE over_at IS NULL"
        )

    await lives.until(over)


async def started(hub: FakeRunningHub) -> None:
    await asyncio.to_thread(hub.wait_until, lambda: bool(hub.called(CREATE)))


async def told_by(connection: Connection) -> str:
    return await connection.fetchval("SELECT how FROM remote_jobs")


async def test_a_cancel_while_a_create_is_on_its_way_stops_what_comes_of_it(
    connection: Connection, pool: Pool, new_editor: NewEditor, hub: FakeRunningHub, task: TaskRecord, user_id: str
) -> None:
    hub.hold()
    answers = threading.Event()
    hub.plant(CREATE, Fault(until=answers))
    taking = asyncio.create_task(new_editor().take(task.task_id))
    await started(hub)
    await lives.cancel(pool, user_id, task.task_id)
    await asyncio.wait_for(taking, lives.PATIENCE)
    assert hub.tasks == {}
    answers.set()
    await nothing_runs(connection, hub)
    assert [made.cancelled for made in hub.tasks.values()] == [True]
    assert await told_by(connection) == "stopped"


async def test_a_cancel_before_the_id_is_noted_loses_no_id(
    connection: Connection,
    pool: Pool,
    new_editor: NewEditor,
    hub: FakeRunningHub,
    task: TaskRecord,
    user_id: str,
) -> None:
    hub.hold()
    answers = threading.Event()
    hub.plant(CREATE, Fault(until=answers))
    taking = asyncio.create_task(new_editor().take(task.task_id))
    await started(hub)
    async with pool.acquire() as other, other.transaction():
        await other.execute("LOCK TABLE remote_jobs IN EXCLUSIVE MODE")
        answers.set()
        await lives.until_blocked(connection)
        await lives.cancel(pool, user_id, task.task_id)
        await asyncio.wait_for(taking, lives.PATIENCE)
    await nothing_runs(connection, hub)
    assert await told_by(connection) == "stopped"


async def test_a_shutdown_while_a_create_is_on_its_way_leaves_the_job_to_the_next_worker(
    connection: Connection, pool: Pool, new_editor: NewEditor, hub: FakeRunningHub, task: TaskRecord
) -> None:
    answers = threading.Event()
    hub.plant(CREATE, Fault(until=answers))
    first = new_editor(grace=0)
    taking = asyncio.create_task(first.take(task.task_id))
    await started(hub)
    first.stop()
    answers.set()
    await asyncio.wait_for(taking, lives.PATIENCE)
    if (await lives.get(pool, task.task_id)).status is TaskStatus.PENDING:
        await new_editor().take(task.task_id)
    done = await lives.get(pool, task.task_id)
    assert (done.status, done.attempts, len(hub.tasks)) == (TaskStatus.DONE, 1, 1)
    await nothing_runs(connection, hub)


@pytest.mark.parametrize("fails", [CRASHED, FULL, "workspace", "storage"])
async def test_a_picture_that_is_ready_is_not_paid_for_again_where_the_fault_is_here(
    connection: Connection,
    pool: Pool,
    new_editor: NewEditor,
    hub: FakeRunningHub,
    desk: FailingDesk,
    task: TaskRecord,
    monkeypatch: pytest.MonkeyPatch,
    fails: EngineError | str,
) -> None:
    editor = new_editor()

    async def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    async def away(*_: object) -> None:
        raise StorageError("full", transient=True)

    with monkeypatch.context() as while_it_fails:
        if isinstance(fails, EngineError):
            desk.fails = [fails]
        elif fails == "workspace":
            while_it_fails.setattr(RunningHub, "fetch", full)
        else:
            while_it_fails.setattr("actors.making.store_artifacts", away)
        await editor.take(task.task_id)
    waiting = await lives.get(pool, task.task_id)
    assert (waiting.status, waiting.attempts) == (TaskStatus.PENDING, 1)
    await connection.execute("UPDATE tasks SET not_before = NULL")
    await editor.take(task.task_id)
    done = await lives.get(pool, task.task_id)
    assert (done.status, done.attempts, len(hub.tasks)) == (TaskStatus.DONE, 2, 1)
    await nothing_runs(connection, hub)


@pytest.mark.parametrize("at", [WORKFLOW, UPLOAD, CREATE])
async def test_an_engine_that_is_away_for_a_moment_before_a_job_begins_is_waited_for(
    pool: Pool,
    new_editor: NewEditor,
    hub: FakeRunningHub,
    task: TaskRecord,
    monkeypatch: pytest.MonkeyPatch,
    at: str,
) -> None:
    """Nothing was made, or paid for: attempts would be used up within seconds."""
    send, left = httpx.AsyncClient.send, [3]

    async def refused(client: httpx.AsyncClient, request: httpx.Request, **how: Any) -> httpx.Response:
        if request.url.path == at and left[0]:
            left[0] -= 1
            raise httpx.ConnectError("refused")
        return await send(client, request, **how)

    monkeypatch.setattr(httpx.AsyncClient, "send", refused)
    await new_editor().take(task.task_id)
    done = await lives.get(pool, task.task_id)
    assert (done.status, done.attempts, len(hub.tasks), left) == (TaskStatus.DONE, 1, 1, [0])


@pytest.mark.parametrize("status", [403, 404])
async def test_a_picture_whose_link_leads_nowhere_is_asked_for_anew_and_not_made_again(
    pool: Pool, new_editor: NewEditor, hub: FakeRunningHub, task: TaskRecord, status: int
) -> None:
    """It isn't there yet, or the link has run out."""
    links: list[str] = []

    def outputs(made: Task) -> list[dict[str, Any]]:
        links.append(f"link-{len(links)}")
        hub.files[links[-1]] = hub.file(hub.made(made)[0]["fileUrl"].rpartition("/")[2])
        hub.files[links[0]] = File(status=status)
        return [{"fileUrl": hub.url_of(links[-1]), "nodeId": "6"}]

    hub.outputs = outputs
    await new_editor().take(task.task_id)
    done = await lives.get(pool, task.task_id)
    assert (done.status, done.attempts, len(hub.tasks)) == (TaskStatus.DONE, 1, 1)
    assert len(links) == 2


async def test_a_picture_that_cannot_be_used_is_not_made_and_paid_for_again(
    connection: Connection, pool: Pool, new_editor: NewEditor, hub: FakeRunningHub, desk: FailingDesk, task: TaskRecord
) -> None:
    """A video, or one that is too large: what the workflow makes is such, and would be so again."""
    desk.fails = [EngineError(FailureCode.ENGINE_RESPONSE_ERROR, "It can't be used.") for _ in range(FETCH_TRIES)]
    await new_editor().take(task.task_id)
    failed = await lives.get(pool, task.task_id)
    assert (failed.status, failed.attempts, len(hub.tasks)) == (TaskStatus.FAILED, 1, 1)
    await nothing_runs(connection, hub)


async def test_a_picture_that_came_broken_is_fetched_again(
    pool: Pool, new_editor: NewEditor, hub: FakeRunningHub, desk: FailingDesk, task: TaskRecord
) -> None:
    desk.fails = [EngineError(FailureCode.ENGINE_RESPONSE_ERROR, "It can't be used.")]
    await new_editor().take(task.task_id)
    done = await lives.get(pool, task.task_id)
    assert (done.status, done.attempts, len(hub.tasks)) == (TaskStatus.DONE, 1, 1)
