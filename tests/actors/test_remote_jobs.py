"""Edits made elsewhere, as a worker has them: found again after whatever happens, stopped when nobody wants them."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from hashlib import sha256
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio

from actors.bench import Bench, Limits
from actors.editor import Editor
from actors.engines.seam import EditRequest, Engine, EngineError
from actors.engines.workflows import following
from actors.engines.workflows.comfyui.driver import ComfyUI
from actors.engines.workflows.engine import WorkflowEngine
from actors.patience import Patience
from actors.routing import RoutedSlot, Routes
from schema.models.edits import Mode
from schema.models.engines import RemoteJob, WorkflowSettings
from schema.models.problems import FailureCode
from schema.models.tasks import TaskRecord, TaskStatus
from service.database import Connection, Pool
from service.files.storage import Storage
from service.queue import Queue
from service.settings import Settings
from service.tasks import lifecycle
from service.tasks.dispatch import Dispatcher
from service.tasks.remote_jobs import MAY_RUN, TRIES, JobNotes, NoPlace, stop_jobs_for_nobody
from service.tasks.store import remote_jobs as store
from service.tasks.store.events import events_of_task
from service.tasks.watching import Changes
from tests import lives
from tests.actors.engines.workflows.workflows import SAMPLES
from tests.actors.scripted import FINISHED, FakeEngine, picture
from tests.factories import add_file
from tests.fakes.comfyui import FakeComfyUI, comfy_ui
from tests.fakes.comfyui_state import Faults
from tests.fakes.desk import CopyingDesk
from tests.fakes.runninghub import KEY, running_hub
from tests.running import running_worker

COMFY = RemoteJob("comfyui", "here", "job-1")


async def jobs_running(connection: Connection) -> int:
    return await connection.fetchval("SELECT count(*) FROM remote_jobs WHERE over_at IS NULL")


@pytest.fixture
async def user_id(connection: Connection) -> str:
    return await lives.add_user(connection)


@pytest.fixture
async def claim(connection: Connection, pool: Pool, user_id: str) -> lifecycle.Claim:
    return await claimed(pool, await lives.create(connection, user_id))


async def claimed(pool: Pool, task: TaskRecord) -> lifecycle.Claim:
    taken = await lifecycle.claim(pool, task.task_id, worker_id="w/1", modes=frozenset(Mode))
    assert taken.claim is not None
    return taken.claim


async def test_a_second_job_is_never_noted_and_the_next_holder_finds_the_first(
    connection: Connection, pool: Pool, claim: lifecycle.Claim
) -> None:
    notes = JobNotes(pool, claim)
    assert await notes.left("comfyui") is None
    assert await notes.begun(RemoteJob("comfyui", "here"), started=False)
    # The answer to that may have been lost: noted again it is the same.
    assert await JobNotes(pool, claim).begun(RemoteJob("comfyui", "here"), started=False)
    assert await notes.begun(COMFY, started=True)
    assert await jobs_running(connection) == 1
    await lifecycle.give_back(pool, claim)
    assert not await JobNotes(pool, claim).begun(COMFY, started=False), "the claim is over"
    again = await claimed(pool, claim.task)
    assert not await JobNotes(pool, again).begun(RemoteJob("comfyui", "here"), started=False), "one runs"
    left = await JobNotes(pool, again).left("comfyui")
    assert left is not None
    assert (left.job, left.started) == (COMFY, True)
    # Another engine takes over: then it is for nobody, and another may begin.
    assert await JobNotes(pool, again).left("runninghub") is None
    assert [job.job for job in await store.jobs_for_nobody(connection, limit=9)] == [COMFY]
    assert await JobNotes(pool, again).begun(RemoteJob("runninghub", "there"), started=False)
    # As it is where the engine drops it itself: its server died, and it has others.
    notes = JobNotes(pool, again)
    assert await notes.left("runninghub") is not None
    await notes.drop()
    assert await notes.begun(COMFY, started=False)
    assert [job.engine for job in await store.jobs_for_nobody(connection, limit=9)] == ["comfyui", "runninghub"]


async def test_a_job_whose_end_could_not_be_noted_at_first_is_noted_as_over_later(
    connection: Connection, pool: Pool, claim: lifecycle.Claim, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the next attempt would follow it again, to the failure that it had, and a place be taken by nothing."""
    notes = JobNotes(pool, claim)
    assert await notes.begun(COMFY, started=True)

    async def lose_it(*_: object) -> None:
        monkeypatch.undo()
        raise asyncpg.ConnectionDoesNotExistError

    monkeypatch.setattr(store, "job_over", lose_it)
    await Patience(asyncio.Event()).hold(notes.over)
    assert await jobs_running(connection) == 0
    assert not notes.open


async def test_a_leader_who_does_not_speak_with_an_engine_leaves_its_jobs_to_a_worker_who_does(
    connection: Connection, pool: Pool, claim: lifecycle.Claim
) -> None:
    """Nobody else asked: a job kept its place for a quarter of an hour after the engine was done with it."""
    await JobNotes(pool, claim).begun(COMFY, started=True)
    await lives.cancel(pool, claim.task.user_id or "", claim.task_id)
    asked: list[RemoteJob] = []

    async def stop(job: RemoteJob) -> bool:
        asked.append(job)
        return True

    await stop_jobs_for_nobody(pool, {}, limit=9)
    await connection.execute("UPDATE remote_jobs SET asked_at = asked_at - interval '1 hour'")
    await stop_jobs_for_nobody(pool, {"runninghub": stop}, limit=9, others=False)
    assert await jobs_running(connection) == 1
    await stop_jobs_for_nobody(pool, {"comfyui": stop}, limit=9, others=False)
    assert await jobs_running(connection) == 0
    assert asked == [COMFY]


@pytest.mark.parametrize("ends", ["cancelled", "failed", "erased"])
async def test_what_runs_for_nobody_is_stopped_and_told_if_it_can_not_be(
    connection: Connection, pool: Pool, claim: lifecycle.Claim, ends: str
) -> None:
    notes = JobNotes(pool, claim)
    await notes.begun(COMFY, started=True)
    asked: list[RemoteJob] = []

    async def deaf(job: RemoteJob) -> bool:
        asked.append(job)
        return len(asked) > 5

    async def ask() -> None:
        await stop_jobs_for_nobody(pool, {"comfyui": deaf}, limit=9)
        await connection.execute("UPDATE remote_jobs SET asked_at = asked_at - interval '1 hour'")

    await ask()
    assert asked == [], "its task goes on"
    user_id = claim.task.user_id or ""
    if ends == "cancelled":
        await lives.cancel(pool, user_id, claim.task_id)
    elif ends == "failed":
        await lifecycle.fail_task(pool, claim, lifecycle.EXHAUSTED)
    else:
        await connection.execute("DELETE FROM tasks WHERE task_id = $1", claim.task_id)
    for _ in range(5):
        await ask()
    last = (await events_of_task(connection, user_id, claim.task_id))[-1]
    assert MAY_RUN.format(engine="comfyui") in (last.note or "")
    await ask()
    await ask()
    assert asked == [COMFY] * 6
    assert await jobs_running(connection) == 0
    if ends != "erased":
        last = (await events_of_task(connection, user_id, claim.task_id))[-1]
        assert "has stopped it since" in (last.note or "")


async def test_a_job_that_may_be_on_its_way_is_not_taken_for_stopped(
    connection: Connection, pool: Pool, claim: lifecycle.Claim
) -> None:
    async def unknown(_: RemoteJob) -> bool:
        return True

    await JobNotes(pool, claim).begun(COMFY, started=False)
    await lifecycle.fail_task(pool, claim, lifecycle.EXHAUSTED)
    await stop_jobs_for_nobody(pool, {"comfyui": unknown}, limit=9)
    assert await jobs_running(connection) == 1
    await connection.execute("UPDATE remote_jobs SET begun_at = begun_at - interval '1 hour', asked_at = NULL")
    await stop_jobs_for_nobody(pool, {"comfyui": unknown}, limit=9)
    assert await jobs_running(connection) == 0


async def deaf(_: RemoteJob) -> bool:
    return False


async def test_a_place_is_taken_by_what_others_run_also_for_nobody_and_by_nothing_of_ones_own(
    connection: Connection, pool: Pool, claim: lifecycle.Claim
) -> None:
    other = await claimed(pool, await lives.create(connection, await lives.add_user(connection)))
    mine, theirs = JobNotes(pool, claim), JobNotes(pool, other)
    assert await mine.begun(COMFY, started=True, at_most=1)
    await JobNotes(pool, claim).demand_place("comfyui", 1)
    with pytest.raises(NoPlace):
        await theirs.demand_place("comfyui", 1)
    await lifecycle.fail_task(pool, claim, lifecycle.EXHAUSTED)
    with pytest.raises(NoPlace):
        await theirs.begun(RemoteJob("comfyui", "here"), started=False, at_most=1)
    await mine.over()
    assert await theirs.begun(RemoteJob("comfyui", "here"), started=False, at_most=1)


async def test_one_that_cannot_be_stopped_keeps_no_other_waiting_and_is_given_up(
    connection: Connection, pool: Pool, claim: lifecycle.Claim
) -> None:
    other = await claimed(pool, await lives.create(connection, await lives.add_user(connection)))
    for one in (claim, other):
        assert await JobNotes(pool, one).begun(COMFY, started=True)
        await lifecycle.fail_task(pool, one, lifecycle.EXHAUSTED)
    for _ in range(2):
        await stop_jobs_for_nobody(pool, {"comfyui": deaf}, limit=1)
        await connection.execute("UPDATE remote_jobs SET asked_at = asked_at - interval '1 hour'")
    assert await connection.fetchval("SELECT array_agg(asked) FROM remote_jobs") == [1, 1]
    await connection.execute("UPDATE remote_jobs SET asked = $1", TRIES)
    await stop_jobs_for_nobody(pool, {"comfyui": deaf}, limit=9)
    assert await jobs_running(connection) == 0


@pytest.fixture(scope="module")
def server() -> Generator[FakeComfyUI]:
    with comfy_ui() as running:
        yield running


@pytest.fixture
def comfy(server: FakeComfyUI, monkeypatch: pytest.MonkeyPatch) -> FakeComfyUI:
    monkeypatch.setattr(ComfyUI, "look_every", 0.05)
    monkeypatch.setattr(following, "AWAY_FOR", 0.1)
    server.faults = Faults()
    server.restart()
    server.go_on()
    for seen in (server.prompts, server.started, server.stopped):
        seen.clear()
    return server


class Workshop:
    """A worker's editor with eight slots for ComfyUI and one for a local engine."""

    def __init__(self, editor: Editor, engine: WorkflowEngine, local: FakeEngine, routes: Routes) -> None:
        self.editor = editor
        self.engine = engine
        self.local = local
        self.routes = routes


NewWorkshop = Callable[..., Workshop]


@pytest_asyncio.fixture
async def workshop(
    pool: Pool, settings: Settings, queue: Queue, comfy: FakeComfyUI, tmp_path: Path
) -> AsyncGenerator[NewWorkshop]:
    dispatcher = Dispatcher(pool, queue)
    await dispatcher.start()
    desk = CopyingDesk(threads=1)
    made: list[Workshop] = []

    def make(*, away_seconds: float = 60, timeout: float = 60, then: tuple[str, ...] = ()) -> Workshop:
        given = WorkflowSettings(
            comfyui_urls=(comfy.base_url,),
            comfyui_workflows={mode: str(SAMPLES / f"{mode.lower()}.json") for mode in Mode},
        )
        engine = WorkflowEngine(ComfyUI(given), given, desk)
        local = FakeEngine(picture(), FINISHED)
        local.name = "local"
        names = dict.fromkeys(Mode, ("comfyui", *then)) | {Mode.POSE_CHANGE: ("local",)}
        routes = Routes(names, away_seconds=away_seconds)
        bench = Bench(
            pool=pool,
            storage=Storage.made(settings.storage_url),
            changes=Changes(dispatcher),
            limits=Limits(timeout_seconds=timeout, max_attempts=3, max_pixels=40_000_000),
            workspaces=tmp_path,
            stopping=asyncio.Event(),
            routes=routes,
            stops={"comfyui": engine.stop},
        )
        engines: dict[str, Engine] = {"comfyui": engine}
        slots = [RoutedSlot(routes, engines) for _ in range(8)] + [RoutedSlot(routes, {"local": local})]
        made.append(Workshop(Editor(bench, dispatcher, slots, worker_id="w"), engine, local, routes))
        return made[-1]

    yield make
    for one in made:
        await one.editor.close()
        await one.engine.close()
    await desk.close()
    await dispatcher.close()


NewTask = Callable[..., Awaitable[TaskRecord]]


@pytest.fixture
async def new_task(connection: Connection, settings: Settings, user_id: str) -> NewTask:
    storage = Storage.made(settings.storage_url)
    content = b"\xff\xd8 a photo"

    async def make(mode: Mode = Mode.BACKGROUND_CHANGE) -> TaskRecord:
        record = await add_file(connection, user_id)
        await storage.put_bytes(record.blob_key, content, "image/jpeg")
        photo = record.file_id
        return await lives.create(connection, user_id, mode=mode, source_image=photo, reference_image=photo)

    return make


async def until(condition: Callable[[], bool]) -> None:
    async def holds() -> bool:
        return condition()

    await lives.until(holds)


async def test_eight_wait_elsewhere_while_one_is_made_here(
    connection: Connection, pool: Pool, workshop: NewWorkshop, comfy: FakeComfyUI, new_task: NewTask
) -> None:
    shop = workshop()
    comfy.hold()
    elsewhere = [await new_task() for _ in range(8)]
    here = await new_task(Mode.POSE_CHANGE)
    taking = [asyncio.create_task(shop.editor.take(task.task_id)) for task in (*elsewhere, here)]
    await until(lambda: comfy.busy == 8)

    async def made() -> bool:
        return (await lives.get(pool, here.task_id)).status is TaskStatus.DONE

    await lives.until(made)
    comfy.go_on()
    await asyncio.gather(*taking)
    ends = [await lives.get(pool, task.task_id) for task in elsewhere]
    assert {task.status for task in ends} == {TaskStatus.DONE}
    assert {(task.result.metadata["engine"] if task.result else None) for task in ends} == {"comfyui"}
    assert len(comfy.prompts) == len(set(comfy.prompts)) == 8
    assert await jobs_running(connection) == 0


async def test_a_cancel_frees_the_slot_and_ends_the_job(
    connection: Connection, pool: Pool, workshop: NewWorkshop, comfy: FakeComfyUI, new_task: NewTask, user_id: str
) -> None:
    shop = workshop()
    comfy.hold()
    task = await new_task()
    taking = asyncio.create_task(shop.editor.take(task.task_id))
    await until(lambda: bool(comfy.started))
    await lives.cancel(pool, user_id, task.task_id)
    await asyncio.wait_for(taking, lives.PATIENCE)
    await shop.editor.close()
    assert comfy.stopped == comfy.prompts
    assert await jobs_running(connection) == 0


async def test_a_time_out_ends_the_job(
    pool: Pool, workshop: NewWorkshop, comfy: FakeComfyUI, new_task: NewTask
) -> None:
    shop = workshop(timeout=5)
    comfy.faults.dead_executor = True
    task = await new_task()
    await shop.editor.take(task.task_id)
    await shop.editor.close()
    ended = await lives.get(pool, task.task_id)
    assert ended.error is not None
    assert ended.error.code == "PROCESSING_TIMEOUT"
    assert comfy.stopped == comfy.prompts


async def test_a_worker_stops_what_an_engine_was_left_with_whoever_leads_and_makes_edits(
    connection: Connection, settings: Settings
) -> None:
    """Its modes were given to another engine, and whoever does the chores doesn't know its key."""
    await connection.execute("INSERT INTO leaders VALUES ('chores', 'somebody', now(), now() + interval '1 hour')")
    with running_hub({}) as hub:
        place = sha256(hub.base_url.encode()).hexdigest()[:12]
        await connection.execute(
            "INSERT INTO remote_jobs (task_id, lease_token, engine, place, job_id, begun_at, started_at) "
            "VALUES ('task_gone', 1, 'runninghub', $1, '1', now(), now())",
            place,
        )
        with running_worker(settings, {"RUNNINGHUB_API_KEY": KEY, "RUNNINGHUB_URL": hub.base_url}):

            async def stopped() -> bool:
                return await jobs_running(connection) == 0

            await lives.until(stopped)
    assert await connection.fetchval("SELECT how FROM remote_jobs") == "stopped"


async def test_after_a_shutdown_another_worker_goes_on_with_the_same_job(
    connection: Connection, pool: Pool, workshop: NewWorkshop, comfy: FakeComfyUI, new_task: NewTask
) -> None:
    shop = workshop()
    comfy.hold()
    task = await new_task()
    taking = asyncio.create_task(shop.editor.take(task.task_id))
    await until(lambda: bool(comfy.started))
    taking.cancel()  # as good as a kill: nothing is said to anybody
    await asyncio.wait({taking})
    await connection.execute(
        "UPDATE tasks SET status = 'pending', lease_expires_at = NULL, worker_id = NULL, started_at = NULL"
    )
    comfy.go_on()
    await workshop().editor.take(task.task_id)
    assert (await lives.get(pool, task.task_id)).status is TaskStatus.DONE
    assert len(comfy.prompts) == 1


async def test_an_engine_without_a_place_costs_no_attempt(
    pool: Pool, workshop: NewWorkshop, comfy: FakeComfyUI, new_task: NewTask
) -> None:
    shop = workshop()
    comfy.faults.status = 429
    task = await new_task()
    await shop.editor.take(task.task_id)
    waiting = await lives.get(pool, task.task_id)
    assert (waiting.status, waiting.attempts) == (TaskStatus.PENDING, 0)
    assert waiting.not_before is not None
    assert waiting.requeued_for is not None
    assert waiting.requeued_for.code == "ENGINE_NOT_AVAILABLE"
    assert shop.routes.engine_of(Mode.BACKGROUND_CHANGE) is None


@pytest.mark.parametrize("faults", [Faults(away=True), Faults(status=401)])
async def test_the_next_engine_takes_over_from_one_that_is_away_or_refuses(
    pool: Pool, workshop: NewWorkshop, comfy: FakeComfyUI, new_task: NewTask, faults: Faults
) -> None:
    shop = workshop(away_seconds=0, then=("local",))
    comfy.faults = faults
    task = await new_task()
    await shop.editor.take(task.task_id)
    await shop.editor.take(task.task_id)
    done = await lives.get(pool, task.task_id)
    assert (done.status, done.attempts) == (TaskStatus.DONE, 1)
    assert done.result is not None
    assert done.result.metadata["warnings"] == ["Made by the engine local, since comfyui was not available."]
    assert done.credits_consumed == task.credits_consumed


async def test_what_fails_with_the_next_engine_has_failed_though_the_first_is_back(
    pool: Pool, workshop: NewWorkshop, comfy: FakeComfyUI, new_task: NewTask
) -> None:
    shop = workshop(then=("local",))
    comfy.faults.status = 401

    async def back(_: EditRequest) -> None:
        shop.routes.well("comfyui")

    shop.local.script = (back, EngineError(FailureCode.NO_PERSON_DETECTED, "Nobody is in the photo."))
    task = await new_task()
    await shop.editor.take(task.task_id)
    await shop.editor.take(task.task_id)
    failed = await lives.get(pool, task.task_id)
    assert failed.error is not None
    assert (failed.status, failed.error.code) == (TaskStatus.FAILED, "NO_PERSON_DETECTED")
    assert failed.credits_refunded == task.credits_consumed
