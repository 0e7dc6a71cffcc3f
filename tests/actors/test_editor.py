"""What becomes of a message: the engine's events turned into one outcome, whatever happens meanwhile."""

# ruff: noqa: ASYNC240 - a test may wait for its own disk

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from msgspec import structs
from structlog.testing import capture_logs

from actors import attempt as attempts
from actors.attempt import LOOK_EVERY
from actors.bench import Bench, Limits
from actors.editor import Editor
from actors.engines.seam import EditRequest, EngineError, Progress
from schema.messages import message_id
from schema.models.edits import BackgroundChangeConfig, Mode
from schema.models.problems import FailureCode
from schema.models.tasks import TaskRecord, TaskStatus
from service.database import Connection, Pool, open_pool
from service.files import store as files
from service.files.storage import Storage
from service.files.sweeping import sweep_blobs
from service.queue import Queue
from service.settings import Settings
from service.tasks import lifecycle
from service.tasks.dispatch import Dispatcher
from service.tasks.watching import Changes
from tests import lives
from tests.actors.scripted import FINISHED, PICTURE, FakeEngine, Step, picture
from tests.factories import add_file
from tests.keys import KEYS
from tests.service.http.proxy import proxied

FINAL = EngineError(FailureCode.NO_PERSON_DETECTED, "Nobody is in the photo.", details={"people": 0})
PASSING = EngineError(FailureCode.ENGINE_TIMEOUT, "The engine is busy. Try again later.", transient=True)
CRASHED = EngineError(FailureCode.PROCESSING_FAILED, "The engine died.", crashed=True)
LIMITS = Limits(timeout_seconds=30, max_attempts=3, max_pixels=1_000_000)

NewEditor = Callable[..., Editor]


@pytest.fixture
async def storage(settings: Settings) -> Storage:
    return Storage.made(settings.storage_url)


@pytest.fixture
def directory(settings: Settings) -> Path:
    """Where the storage keeps its blobs."""
    return Path(urlsplit(settings.storage_url).path)


@pytest.fixture
async def dispatcher(pool: Pool, queue: Queue) -> AsyncGenerator[Dispatcher]:
    dispatcher = Dispatcher(pool, queue)
    await dispatcher.start()
    yield dispatcher
    await dispatcher.close()


@pytest.fixture
def workspaces(tmp_path: Path) -> Path:
    """Where edits have their files."""
    directory = tmp_path / "workspaces"
    directory.mkdir()
    return directory


@pytest.fixture
async def new_editor(
    pool: Pool, storage: Storage, dispatcher: Dispatcher, workspaces: Path
) -> AsyncGenerator[NewEditor]:
    """An editor with one engine, which follows this script."""
    editors: list[Editor] = []

    def make(*script: Step, engine: FakeEngine | None = None, at: Pool = pool, **limits: Any) -> Editor:
        bench = Bench(
            pool=at,
            storage=storage,
            changes=Changes(dispatcher),
            limits=structs.replace(LIMITS, **limits),
            workspaces=workspaces,
            stopping=asyncio.Event(),
        )
        slot = dict.fromkeys(Mode, engine or FakeEngine(*script))
        editors.append(Editor(bench, dispatcher, [slot], worker_id="worker"))
        return editors[-1]

    yield make
    for editor in editors:
        await editor.close()


@pytest.fixture
async def user_id(connection: Connection) -> str:
    return await lives.add_user(connection)


@pytest.fixture
async def new_task(connection: Connection, storage: Storage, user_id: str) -> Callable[..., Awaitable[TaskRecord]]:
    """A waiting task, whose images are in the storage."""

    async def an_image(content: bytes) -> str:
        record = await add_file(connection, user_id)
        await storage.put_bytes(record.blob_key, content, record.content_type)
        return record.file_id

    async def make(**changes: Any) -> TaskRecord:
        images: dict[str, Any] = {
            "source_image": await an_image(b"source"),
            "reference_image": await an_image(b"reference"),
        }
        return await lives.create(connection, user_id, **(images | changes))

    return make


@pytest.fixture
async def task(new_task: Callable[..., Awaitable[TaskRecord]]) -> TaskRecord:
    return await new_task()


@asynccontextmanager
async def taking(editor: Editor, task: TaskRecord) -> AsyncGenerator["asyncio.Task[None]"]:
    """As long as it lasts, the message is being served."""
    running = asyncio.create_task(editor.take(task.task_id))
    try:
        yield running
    finally:
        await asyncio.wait_for(running, lives.PATIENCE)


async def stuck(_: EditRequest) -> None:
    """An edit that never ends by itself."""
    await asyncio.Event().wait()


def doing(action: Callable[[], Awaitable[object]]) -> Step:
    """A step in which something else happens."""

    async def step(_: EditRequest) -> None:
        await action()

    return step


async def until_running(engine: FakeEngine) -> None:
    async def running() -> bool:
        return engine.running == 1

    await lives.until(running)


async def until_removed(workspace: Path) -> None:
    async def removed() -> bool:
        return not workspace.exists()

    await lives.until(removed)


async def until_empty(directory: Path) -> None:
    async def is_empty() -> bool:
        return not any(path.is_file() for path in directory.rglob("*"))

    await lives.until(is_empty)


async def test_a_finished_edit_is_done_with_its_files(
    pool: Pool, connection: Connection, storage: Storage, user_id: str, task: TaskRecord, new_editor: NewEditor
) -> None:
    await new_editor(picture("thumbnail"), picture(), picture("comparison"), FINISHED).take(task.task_id)
    done = await lives.get(pool, task.task_id)
    assert (done.status, done.progress, done.attempts, done.worker_id) == (TaskStatus.DONE, 100, 1, "worker/1")
    assert done.result is not None
    assert done.result.metadata == FINISHED.metadata
    made = {
        "output": done.result.output_file_id,
        "thumbnail": done.result.thumbnail_file_id,
        "comparison": done.result.comparison_file_id,
    }
    for kind, file_id in made.items():
        record = await files.get_users_file(connection, user_id, file_id or "")
        assert record is not None
        assert (record.task_id, record.purpose, record.width, record.height) == (task.task_id, kind, 8, 6)
        content = b"".join([chunk async for chunk in await storage.read(record.blob_key)])
        assert content == PICTURE + kind.encode()
        assert record.size == len(content)
        assert record.filename == f"background_change_{kind}.jpg"
    assert await connection.fetchval("SELECT count(*) FROM blob_removals") == 0
    await lives.assert_balanced(pool)


async def test_the_engine_gets_the_images_and_a_config_of_known_fields(
    new_task: Callable[..., Awaitable[TaskRecord]], new_editor: NewEditor
) -> None:
    seen: dict[str, bytes] = {}

    async def look(request: EditRequest) -> None:
        assert request.reference is not None
        seen.update(source=request.source.read_bytes(), reference=request.reference.read_bytes())

    engine = FakeEngine(look, picture(), FINISHED)
    task = await new_task(config={"edge_blur": 2.5, "a_field_of_an_older_system": 1})
    await new_editor(engine=engine).take(task.task_id)
    (request,) = engine.requests
    assert seen == {"source": b"source", "reference": b"reference"}
    assert (request.mode, request.config) == (Mode.BACKGROUND_CHANGE, BackgroundChangeConfig(edge_blur=2.5))
    assert request.max_pixels == LIMITS.max_pixels
    await until_empty(request.workspace.parent)


async def test_an_edit_without_a_reference(
    new_task: Callable[..., Awaitable[TaskRecord]], new_editor: NewEditor
) -> None:
    engine = FakeEngine(picture(), FINISHED)
    await new_editor(engine=engine).take((await new_task(reference_image=None)).task_id)
    assert engine.requests[0].reference is None


async def test_progress_is_written_as_it_comes(pool: Pool, task: TaskRecord, new_editor: NewEditor) -> None:
    seen: list[tuple[int, str | None]] = []

    async def look() -> None:
        now = await lives.get(pool, task.task_id)
        seen.append((now.progress, now.current_step))

    script = [doing(look), Progress(30, "cutting out"), doing(look), Progress(80, "blending"), doing(look)]
    await new_editor(*script, picture(), FINISHED).take(task.task_id)
    assert seen == [(0, None), (30, "cutting out"), (80, "blending")]


async def test_every_change_is_told(
    queue: Queue, new_task: Callable[..., Awaitable[TaskRecord]], new_editor: NewEditor
) -> None:
    look = doing(lambda: asyncio.sleep(LOOK_EVERY + 0.1))
    async with lives.listening(queue, KEYS.changed) as told:
        for script, status in (([picture(), FINISHED], "done"), ([FINAL], "failed"), ([PASSING], "pending")):
            task = await new_task()
            await new_editor(look, *script).take(task.task_id)
            expected = [f"{task.task_id} {change} {task.user_id}" for change in ("processing", status)]
            assert [await told(), await told()] == expected


async def test_a_final_error_fails_and_refunds(
    pool: Pool, user_id: str, task: TaskRecord, new_editor: NewEditor
) -> None:
    await new_editor(Progress(10, "looking"), FINAL).take(task.task_id)
    failed = await lives.get(pool, task.task_id)
    assert failed.status is TaskStatus.FAILED
    assert failed.error is not None
    assert (failed.error.code, failed.error.message, failed.error.details) == (
        FailureCode.NO_PERSON_DETECTED, "Nobody is in the photo.", {"people": 0},
    )  # fmt: skip
    assert await lives.balance(pool, user_id) == lives.CREDITS
    await lives.assert_balanced(pool)


async def test_a_passing_error_waits_for_its_next_attempt(
    pool: Pool, queue: Queue, dispatcher: Dispatcher, task: TaskRecord, new_editor: NewEditor
) -> None:
    await new_editor(PASSING).take(task.task_id)
    waits = await lives.get(pool, task.task_id)
    assert (waits.status, waits.attempts, waits.line, waits.error) == (TaskStatus.PENDING, 1, 2, None)
    assert waits.not_before is not None
    assert waits.not_before > datetime.now(UTC)
    await dispatcher.close()
    # The sweep announces it when its time has come.
    assert await lives.messages(queue) == []


async def test_a_passing_error_of_a_recovered_task_is_not_announced_before_its_time(
    pool: Pool, queue: Queue, dispatcher: Dispatcher, task: TaskRecord, new_editor: NewEditor
) -> None:
    await lifecycle.give_back(pool, await lives.claim(pool))
    await new_editor(PASSING).take(task.task_id)
    assert (await lives.get(pool, task.task_id)).line == 0
    await dispatcher.close()
    assert await lives.messages(queue) == []


async def test_a_crash_starts_over_at_once_at_the_head_of_the_line(
    pool: Pool, queue: Queue, dispatcher: Dispatcher, task: TaskRecord, new_editor: NewEditor
) -> None:
    await new_editor(CRASHED).take(task.task_id)
    back = await lives.get(pool, task.task_id)
    assert (back.status, back.attempts, back.line, back.not_before) == (TaskStatus.PENDING, 1, 0, None)
    await dispatcher.close()
    assert await lives.messages(queue) == [message_id(task.task_id, back.message_no)]


@pytest.mark.parametrize(
    ("error", "code"), [(PASSING, FailureCode.ENGINE_TIMEOUT), (CRASHED, FailureCode.ATTEMPTS_EXHAUSTED)]
)
async def test_the_last_attempts_error_is_final(
    pool: Pool, task: TaskRecord, new_editor: NewEditor, error: EngineError, code: FailureCode
) -> None:
    await new_editor(error, max_attempts=1).take(task.task_id)
    failed = await lives.get(pool, task.task_id)
    assert failed.error is not None
    assert (failed.status, failed.error.code) == (TaskStatus.FAILED, code)
    await lives.assert_balanced(pool)


async def test_an_edit_that_takes_too_long_is_stopped_for_good(
    pool: Pool, task: TaskRecord, new_editor: NewEditor
) -> None:
    engine = FakeEngine(stuck)
    await new_editor(engine=engine, timeout_seconds=0.2).take(task.task_id)
    failed = await lives.get(pool, task.task_id)
    assert failed.error is not None
    assert (failed.status, failed.error.code) == (TaskStatus.FAILED, FailureCode.PROCESSING_TIMEOUT)
    assert failed.attempts == 1
    assert engine.running == 0
    await lives.assert_balanced(pool)


async def test_a_cancel_frees_the_slot_within_a_second(
    pool: Pool, user_id: str, task: TaskRecord, new_editor: NewEditor, workspaces: Path
) -> None:
    engine = FakeEngine(stuck)
    async with taking(new_editor(engine=engine), task) as running:
        await until_running(engine)
        assert engine.requests[0].source.is_relative_to(workspaces)
        await lives.cancel(pool, user_id, task.task_id)
        cancelled = time.monotonic()
        await asyncio.wait_for(asyncio.shield(running), lives.PATIENCE)
        assert time.monotonic() - cancelled < 1
    assert engine.running == 0
    await until_removed(engine.requests[0].workspace.parent)
    assert (await lives.get(pool, task.task_id)).status is TaskStatus.CANCELLED
    await lives.assert_balanced(pool)


async def steal(pool: Pool) -> None:
    """The lease ran out, and somebody else has the task now."""
    later = datetime.now(UTC) + timedelta(minutes=1)
    assert await lifecycle.recover_lost(pool, max_attempts=9, limit=9, now=later)
    await lives.claim(pool, worker_id="thief")


async def test_a_result_that_comes_too_late_is_thrown_away(
    pool: Pool, connection: Connection, storage: Storage, directory: Path, task: TaskRecord, new_editor: NewEditor
) -> None:
    before = {path for path in directory.rglob("*") if path.is_file()}
    await new_editor(picture(), doing(lambda: steal(pool)), FINISHED).take(task.task_id)
    seen = await lives.get(pool, task.task_id)
    assert (seen.status, seen.worker_id, seen.result, seen.lease_token) == (TaskStatus.PROCESSING, "thief", None, 2)
    assert await connection.fetchval("SELECT count(*) FROM files WHERE task_id IS NOT NULL") == 0
    # Its blob goes with the next sweep, not in an hour.
    assert await sweep_blobs(pool, storage, limit=10) == 1
    assert {path for path in directory.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("ending", [FINAL, PASSING, CRASHED])
async def test_an_error_that_comes_too_late_changes_nothing(
    pool: Pool, task: TaskRecord, new_editor: NewEditor, ending: EngineError
) -> None:
    await new_editor(doing(lambda: steal(pool)), ending, max_attempts=1).take(task.task_id)
    seen = await lives.get(pool, task.task_id)
    assert (seen.status, seen.worker_id, seen.lease_token) == (TaskStatus.PROCESSING, "thief", 2)
    await lives.assert_balanced(pool)


async def test_a_claim_that_was_passed_on_stops_the_edit(pool: Pool, task: TaskRecord, new_editor: NewEditor) -> None:
    engine = FakeEngine(doing(lambda: steal(pool)), stuck)
    await asyncio.wait_for(new_editor(engine=engine).take(task.task_id), lives.PATIENCE)
    assert engine.running == 0


async def test_the_lease_is_renewed_while_the_edit_runs(
    pool: Pool, task: TaskRecord, new_editor: NewEditor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.attempt.RENEWAL", timedelta(0))
    engine = FakeEngine(stuck)
    editor = new_editor(engine=engine, shutdown_grace=0.0)
    async with taking(editor, task):
        await until_running(engine)
        first = (await lives.get(pool, task.task_id)).lease_expires_at
        assert first is not None

        async def renewed() -> bool:
            now = (await lives.get(pool, task.task_id)).lease_expires_at
            return now is not None and now > first

        await lives.until(renewed)
        editor.stop()


@pytest.mark.parametrize("gone", ["source", "reference"])
async def test_a_deleted_image_is_final(
    pool: Pool, connection: Connection, user_id: str, task: TaskRecord, new_editor: NewEditor, gone: str
) -> None:
    file_id = task.source_image if gone == "source" else task.reference_image
    await files.delete_file(connection, user_id, file_id or "")
    with capture_logs() as logs:
        await new_editor(picture(), FINISHED).take(task.task_id)
    failed = await lives.get(pool, task.task_id)
    assert failed.error is not None
    assert failed.error.code == FailureCode.IMAGE_NOT_FOUND
    assert gone in failed.error.message
    (line,) = [line for line in logs if line["log_level"] == "warning"]
    assert (line["task_id"], line["code"], line["message"]) == (
        task.task_id, failed.error.code, failed.error.message,
    )  # fmt: skip
    await lives.assert_balanced(pool)


@pytest.mark.parametrize("gone", ["source", "reference"])
async def test_an_image_that_is_not_in_this_workers_storage_is_not_its_owners_fault(
    pool: Pool,
    connection: Connection,
    storage: Storage,
    user_id: str,
    task: TaskRecord,
    new_editor: NewEditor,
    gone: str,
) -> None:
    """The row is there: it is another storage than the API's, or the blob was lost. Another worker may find it."""
    file_id = task.source_image if gone == "source" else task.reference_image
    record = await files.get_users_file(connection, user_id, file_id or "")
    assert record is not None
    await storage.delete(record.blob_key)
    editor = new_editor(picture(), FINISHED, max_attempts=2)
    with capture_logs() as logs:
        await editor.take(task.task_id)
    waits = await lives.get(pool, task.task_id)
    assert (waits.status, waits.attempts) == (TaskStatus.PENDING, 1)
    (line,) = [line for line in logs if line["log_level"] == "error"]
    assert (line["task_id"], line["file_id"], line["storage"]) == (task.task_id, file_id, storage.name)
    await connection.execute("UPDATE tasks SET not_before = NULL")
    await editor.take(task.task_id)
    failed = await lives.get(pool, task.task_id)
    assert failed.error is not None
    assert failed.error.code == FailureCode.PROCESSING_FAILED
    assert "deleted" not in failed.error.message
    assert storage.name not in failed.error.message
    await lives.assert_balanced(pool)


async def test_a_storage_that_is_away_at_the_start_is_tried_again(
    pool: Pool, directory: Path, task: TaskRecord, new_editor: NewEditor
) -> None:
    directory.rename(directory.with_name("unmounted"))
    engine = FakeEngine(picture(), FINISHED)
    await new_editor(engine=engine).take(task.task_id)
    assert ((await lives.get(pool, task.task_id)).status, engine.requests) == (TaskStatus.PENDING, [])


async def test_a_result_that_can_not_be_saved_fails_after_its_attempts(
    pool: Pool, connection: Connection, directory: Path, task: TaskRecord, new_editor: NewEditor
) -> None:
    away = directory.with_name("unmounted")

    async def unmount(_: EditRequest) -> None:
        directory.rename(away)

    editor = new_editor(picture(), unmount, FINISHED, max_attempts=2)
    for attempt, status in ((1, TaskStatus.PENDING), (2, TaskStatus.FAILED)):
        await connection.execute("UPDATE tasks SET not_before = NULL")
        await editor.take(task.task_id)
        seen = await lives.get(pool, task.task_id)
        assert (seen.attempts, seen.status) == (attempt, status)
        away.rename(directory)
    assert seen.error is not None
    assert seen.error.code == FailureCode.RESULT_SAVE_FAILED
    # What was perhaps written is removed when it is due.
    assert await connection.fetchval("SELECT count(*) FROM blob_removals WHERE due_at > now()") == 2
    await lives.assert_balanced(pool)


@pytest.mark.parametrize("script", [[], [FINISHED], [picture("thumbnail"), FINISHED]], ids=["nothing", "no", "small"])
async def test_an_edit_without_its_picture_is_no_edit(
    pool: Pool, task: TaskRecord, new_editor: NewEditor, script: list[Step]
) -> None:
    await new_editor(*script, max_attempts=1).take(task.task_id)
    failed = await lives.get(pool, task.task_id)
    assert failed.error is not None
    assert failed.error.code == FailureCode.ENGINE_RESPONSE_ERROR
    await lives.assert_balanced(pool)


@pytest.mark.parametrize("error", [ZeroDivisionError("secret"), OSError(28, "No space left on device"), TimeoutError()])
async def test_what_nobody_foresaw_is_settled_at_once_and_told_without_details(
    pool: Pool, task: TaskRecord, new_editor: NewEditor, error: Exception
) -> None:
    """Also errors of the kinds that a database that is away raises: the lease doesn't have to run out for them."""
    await new_editor(error, max_attempts=1).take(task.task_id)
    failed = await lives.get(pool, task.task_id)
    assert failed.error is not None
    assert failed.error.code == FailureCode.PROCESSING_FAILED
    assert "secret" not in failed.error.message
    await lives.assert_balanced(pool)


async def test_the_same_message_twice_leads_to_one_outcome(
    pool: Pool, task: TaskRecord, storage: Storage, dispatcher: Dispatcher, workspaces: Path
) -> None:
    engines = [FakeEngine(picture(), FINISHED), FakeEngine(picture(), FINISHED)]
    bench = Bench(
        pool=pool,
        storage=storage,
        changes=Changes(dispatcher),
        limits=LIMITS,
        workspaces=workspaces,
        stopping=asyncio.Event(),
    )
    editor = Editor(bench, dispatcher, [dict.fromkeys(Mode, engine) for engine in engines], worker_id="worker")
    await asyncio.gather(*(editor.take(task.task_id) for _ in range(3)))
    await editor.close()
    assert sum(len(engine.requests) for engine in engines) == 1
    assert (await lives.get(pool, task.task_id)).attempts == 1


async def test_a_message_may_lead_to_another_task_and_its_own_is_sent_again(
    pool: Pool, queue: Queue, new_task: Callable[..., Awaitable[TaskRecord]], new_editor: NewEditor
) -> None:
    first, second = await new_task(), await new_task()
    editor = new_editor(picture(), FINISHED)
    await editor.take(second.task_id)
    assert (await lives.get(pool, first.task_id)).status is TaskStatus.DONE
    assert (await lives.get(pool, second.task_id)).status is TaskStatus.PENDING

    async def sent_again() -> bool:
        return await lives.messages(queue) == [message_id(second.task_id, 1)]

    await lives.until(sent_again)
    await editor.take(second.task_id)
    assert (await lives.get(pool, second.task_id)).status is TaskStatus.DONE


async def test_a_shutdown_lets_a_running_edit_finish(pool: Pool, task: TaskRecord, new_editor: NewEditor) -> None:
    go_on = asyncio.Event()
    engine = FakeEngine(doing(go_on.wait), picture(), FINISHED)
    editor = new_editor(engine=engine)
    async with taking(editor, task):
        await until_running(engine)
        editor.stop()
        go_on.set()
    assert (await lives.get(pool, task.task_id)).status is TaskStatus.DONE


async def test_a_shutdown_gives_back_what_takes_longer(
    pool: Pool, queue: Queue, dispatcher: Dispatcher, task: TaskRecord, new_editor: NewEditor
) -> None:
    engine = FakeEngine(Progress(50, "half way"), stuck)
    editor = new_editor(engine=engine, shutdown_grace=0.05)
    async with taking(editor, task):
        await until_running(engine)
        editor.stop()
    back = await lives.get(pool, task.task_id)
    assert (back.status, back.attempts, back.line, back.progress) == (TaskStatus.PENDING, 0, 0, 0)
    assert engine.running == 0
    await dispatcher.close()
    assert await lives.messages(queue) == [message_id(task.task_id, back.message_no)]
    await lives.assert_balanced(pool)


async def test_after_stop_nothing_is_claimed(
    pool: Pool, queue: Queue, dispatcher: Dispatcher, task: TaskRecord, new_editor: NewEditor
) -> None:
    engine = FakeEngine(picture(), FINISHED)
    editor = new_editor(engine=engine)
    editor.stop()
    await editor.take(task.task_id)
    assert engine.requests == []
    assert (await lives.get(pool, task.task_id)).attempts == 0
    await dispatcher.close()
    assert await lives.messages(queue) == [message_id(task.task_id, 1)]


@pytest.mark.parametrize(
    ("ending", "status"),
    [([picture(), FINISHED], TaskStatus.DONE), ([FINAL], TaskStatus.FAILED), ([CRASHED], TaskStatus.PENDING)],
    ids=["done", "failed", "crashed"],
)
async def test_an_outcome_waits_for_a_database_that_is_away(
    pool: Pool, settings: Settings, task: TaskRecord, new_editor: NewEditor, ending: list[Step], status: TaskStatus
) -> None:
    """The edit isn't made twice because PostgreSQL was restarted in the wrong moment."""
    with proxied(settings.database_url) as proxy:
        fragile = await open_pool(structs.replace(settings, database_url=proxy.url))
        engine = FakeEngine(doing(lambda: asyncio.to_thread(proxy.shut)), *ending)
        async with taking(new_editor(engine=engine, at=fragile), task):

            async def edited() -> bool:
                return len(engine.requests) == 1 and engine.running == 0

            await lives.until(edited)
            await asyncio.to_thread(proxy.let_through)
        assert len(engine.requests) == 1
        seen = await lives.get(pool, task.task_id)
        assert (seen.status, seen.attempts) == (status, 1)
        await fragile.close()
    await lives.assert_balanced(pool)


async def test_progress_that_can_not_be_told_stops_nothing(
    pool: Pool, settings: Settings, task: TaskRecord, new_editor: NewEditor
) -> None:
    with proxied(settings.database_url) as proxy:
        fragile = await open_pool(structs.replace(settings, database_url=proxy.url))
        script = [
            doing(lambda: asyncio.to_thread(proxy.shut)),
            Progress(50, "half way"),
            doing(lambda: asyncio.to_thread(proxy.let_through)),
        ]
        await new_editor(*script, picture(), FINISHED, at=fragile).take(task.task_id)
        await fragile.close()
    assert (await lives.get(pool, task.task_id)).status is TaskStatus.DONE


@pytest.mark.parametrize(
    ("write", "steps", "status"),
    [
        ("complete_task", [picture(), FINISHED], TaskStatus.DONE),
        ("fail_task", [FINAL], TaskStatus.FAILED),
        ("try_again_or_fail", [PASSING], TaskStatus.PENDING),
    ],
)
async def test_an_outcome_whose_answer_is_lost_is_told_once_all_the_same(
    task: TaskRecord,
    new_editor: NewEditor,
    monkeypatch: pytest.MonkeyPatch,
    write: str,
    steps: list[Step],
    status: TaskStatus,
) -> None:
    """Committed, and then the connection was gone: the second try finds its own outcome."""
    done = getattr(lifecycle, write)
    answers = iter([False, True])

    async def lose_the_first(*args: object, **options: object) -> TaskRecord | None:
        answer = await done(*args, **options)
        if next(answers):
            return answer
        raise ConnectionResetError

    told: list[TaskStatus] = []

    def tell(_: object, changed: TaskRecord) -> None:
        told.append(changed.status)

    monkeypatch.setattr(lifecycle, write, lose_the_first)
    monkeypatch.setattr(Changes, "tell_soon", tell)
    with capture_logs() as logs:
        await new_editor(*steps).take(task.task_id)
    assert told[-1] is status
    assert not [line for line in logs if line["event"].startswith("claim lost")]


async def test_a_surprise_while_it_looks_at_its_claim_throws_no_edit_away(
    pool: Pool, task: TaskRecord, new_editor: NewEditor, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = asyncio.Event()

    async def surprise(*_: object) -> bool:
        looked.set()
        raise ValueError

    monkeypatch.setattr(lifecycle, "is_held", surprise)
    monkeypatch.setattr(attempts, "LOOK_EVERY", 0.01)
    await new_editor(doing(looked.wait), picture(), FINISHED).take(task.task_id)
    assert (await lives.get(pool, task.task_id)).status is TaskStatus.DONE


async def test_without_room_for_its_files_an_edit_is_tried_again(
    pool: Pool, task: TaskRecord, new_editor: NewEditor, workspaces: Path
) -> None:
    """The lease doesn't have to run out for it."""
    workspaces.rmdir()
    await new_editor(picture(), FINISHED).take(task.task_id)
    waiting = await lives.get(pool, task.task_id)
    assert (waiting.status, waiting.attempts) == (TaskStatus.PENDING, 1)
    assert waiting.not_before is not None


async def test_without_a_free_slot_nothing_is_claimed(
    pool: Pool, new_task: Callable[..., Awaitable[TaskRecord]], new_editor: NewEditor
) -> None:
    """A claim that nobody works on is a lease that runs down."""
    go_on = asyncio.Event()
    engine = FakeEngine(doing(go_on.wait), picture(), FINISHED)
    editor = new_editor(engine=engine)
    tasks = [await new_task() for _ in range(2)]
    async with taking(editor, tasks[0]), taking(editor, tasks[1]):
        await until_running(engine)
        await asyncio.sleep(0.1)
        assert [(await lives.get(pool, task.task_id)).attempts for task in tasks] == [1, 0]
        go_on.set()
    assert [(await lives.get(pool, task.task_id)).status for task in tasks] == [TaskStatus.DONE] * 2


async def test_a_message_that_waits_for_a_slot_is_left_to_others_at_a_shutdown(
    pool: Pool,
    queue: Queue,
    dispatcher: Dispatcher,
    new_task: Callable[..., Awaitable[TaskRecord]],
    new_editor: NewEditor,
) -> None:
    engine = FakeEngine(stuck)
    editor = new_editor(engine=engine, shutdown_grace=0.5)
    tasks = [await new_task() for _ in range(2)]
    async with taking(editor, tasks[0]):
        await until_running(engine)
        async with taking(editor, tasks[1]):
            editor.stop()
        assert engine.running == 1
    assert (await lives.get(pool, tasks[1].task_id)).attempts == 0
    await dispatcher.close()
    assert message_id(tasks[1].task_id, 1) in await lives.messages(queue)


async def test_after_one_patience_with_the_database_away_the_slot_is_free_and_the_log_says_why(
    pool: Pool, settings: Settings, task: TaskRecord, new_editor: NewEditor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.patience.DATABASE_PATIENCE", 1.0)
    with proxied(settings.database_url) as proxy:
        fragile = await open_pool(structs.replace(settings, database_url=proxy.url))
        shut: list[float] = []

        async def away() -> None:
            await asyncio.to_thread(proxy.shut)
            shut.append(time.monotonic())

        with capture_logs() as logs:
            await new_editor(picture(), doing(away), FINISHED, at=fragile).take(task.task_id)
        fragile.terminate()
    assert 0.9 < time.monotonic() - shut[0] < 2.5
    (line,) = [line for line in logs if line["log_level"] == "error"]
    assert line["event"].startswith("gave up on the database")
    assert line["task_id"] == task.task_id
    assert (await lives.get(pool, task.task_id)).status is TaskStatus.PROCESSING
    assert not any("thrown away" in line["event"] for line in logs)


async def test_an_outcome_waits_for_a_database_that_takes_no_writes_longer_than_its_lease(
    pool: Pool, connection: Connection, settings: Settings, task: TaskRecord, new_editor: NewEditor
) -> None:
    """Nobody took the lease over: as long as the token is the row's, the outcome may be written."""
    name = await connection.fetchval("SELECT current_database()")
    engine = FakeEngine(picture(), doing(lambda: _takes_writes(connection, name, "off")), FINISHED)
    worker = await open_pool(settings)
    async with taking(new_editor(engine=engine, at=worker), task):

        async def edited() -> bool:
            return len(engine.requests) == 1 and engine.running == 0

        await lives.until(edited)
        await asyncio.sleep(0.5)
        await connection.execute("SET transaction_read_only = off")
        await connection.execute(
            "UPDATE tasks SET lease_expires_at = now() - interval '1 minute' WHERE task_id = $1", task.task_id
        )
        await _takes_writes(connection, name, "on")
    done = await lives.get(pool, task.task_id)
    assert (done.status, done.attempts, done.lease_token) == (TaskStatus.DONE, 1, 1)
    await worker.close()


async def _takes_writes(connection: Connection, name: str, switch: str) -> None:
    """Every session but this one is ended, and finds the database as it is from now on."""
    read_only = "on" if switch == "off" else "off"
    await connection.execute("SET default_transaction_read_only = off")
    await connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = {read_only}")
    await connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid()", name
    )
