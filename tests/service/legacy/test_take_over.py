"""What waited for the old workers: left alone until it is taken over, then run once, in its order, charged already."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import timedelta
from pathlib import Path

import pytest

from actors.bench import Bench, Limits
from actors.editor import Editor
from actors.maintenance.chores import CHORES
from actors.maintenance.ground import ChoreRules, Ground
from actors.presence import WorkerPresence, sign
from schema.messages import message_id
from schema.models.edits import Mode
from schema.models.problems import FailureCode
from schema.models.problems import ProblemCode as Code
from schema.models.tasks import TaskStatus
from service.accounts import keys
from service.database import Connection, Pool
from service.files.storage import Storage
from service.health.diagnosis import examine
from service.health.findings import Health
from service.legacy import store
from service.queue import Queue
from service.settings import Settings
from service.tasks import lifecycle
from service.tasks import store as tasks_store
from service.tasks.dispatch import Dispatcher, sweep_undispatched
from service.tasks.watching import Changes
from service.webhooks.secrets import Seal
from tests import lives
from tests.actors.scripted import FINISHED, FakeEngine, picture
from tests.chaos import invariants
from tests.conftest import SECRET_KEY
from tests.factories import add_file
from tests.legacy.sample import Sample, generate
from tests.service.http.serving import API, client_of, problem, serving
from tests.service.legacy.moves import PREFIX, PRICE, SOURCE, Old, account, differences, move, row

EVERYTHING_BUT_WORKERS = {"stuck tasks", "waiting tasks", "dispatch", "ledger", "charges", "refunds"}


@pytest.fixture
async def dispatcher(pool: Pool, queue: Queue) -> AsyncGenerator[Dispatcher]:
    opened = Dispatcher(pool, queue)
    await opened.start()
    yield opened
    await opened.close()


@pytest.fixture
def storage(settings: Settings) -> Storage:
    return Storage.made(settings.storage_url)


async def claimed(pool: Pool) -> list[str]:
    """Claim everything that can be, one task after the other; in which order."""
    order: list[str] = []
    while (
        taken := await lifecycle.claim(pool, "task_of_a_message", worker_id="worker", modes=lives.EVERY_MODE)
    ).claim is not None:
        order.append(taken.claim.task_id)
    return order


async def unwell(settings: Settings, connection: Connection) -> list[str]:
    """What the doctor finds wrong with the tables, and what never must be."""
    broken = await invariants.broken(connection)
    findings = [finding async for finding in examine(settings) if finding.check in EVERYTHING_BUT_WORKERS]
    assert len(findings) == len(EVERYTHING_BUT_WORKERS)
    return broken + [f"{one.check}: {one.message}" for one in findings if one.health is not Health.OK]


def a_queue(old: Old) -> dict[str, list[str]]:
    """Two users' tasks that wait or were interrupted, and nobody's; by user, in the order in which they are to run."""
    for user_id in ("usr_1", "usr_2"):
        old.user(user_id)
    ids = {f"{user}{number}": f"task_{1764915100 + 7 * number % 10}_{user * 6}" for user in "ab" for number in range(7)}
    owner = {"a": "usr_1", "b": "usr_2"}
    for name in ("a3", "b1", "a1", "b4", "a4", "b2", "a2", "b3"):
        old.task(ids[name], owner[name[0]], "pending", updated_at=None)
    for name in ("a5", "b5"):
        old.task(ids[name], owner[name[0]], "pending", queued=False)
    for name in ("a6", "b6"):
        old.task(
            ids[name], owner[name[0]], "processing", progress="40", result="{}", completed_at="2025-12-05T06:12:04"
        )
    old.redis.rpush(f"{PREFIX}task:queue", ids["a3"], ids["b1"])  # again
    old.task("task_nobodys", None, "pending")
    return {
        "usr_1": [ids[name] for name in ("a6", "a3", "a1", "a4", "a2", "a5")],
        "usr_2": [ids[name] for name in ("b6", "b1", "b4", "b2", "b3", "b5")],
    }


@pytest.mark.parametrize("taken_before_the_kill", [None, 0, 1, 5, 11, 12])
async def test_each_users_tasks_run_in_the_order_of_the_old_queue(
    connection: Connection, pool: Pool, old: Old, settings: Settings, taken_before_the_kill: int | None
) -> None:
    """The interrupted ones first, those in no queue last, whenever a take-over before this one was killed."""
    expected = a_queue(old)
    await move(connection, old, users_only=True)
    if taken_before_the_kill is not None:
        await move(connection, old)
        source_order = [(place, task_id) for place, task_id in enumerate(old.queue())][::-1]
        await store.order_queue(
            connection, list({task_id: (place, task_id) for place, task_id in source_order}.values())
        )
        if taken_before_the_kill:
            await store.take_over(connection, taken_before_the_kill)
    mine = await lives.create(connection, "usr_1", price=0)
    moved = await move(connection, old, take_over=True)
    assert moved.summary["taken_over"] == 12 - (taken_before_the_kill or 0)
    assert moved.summary["left_with_the_old_system"] == {"owned": 0, "nobodys": 1}
    assert await unwell(settings, connection) == []
    order = await claimed(pool)
    for user_id, ids in expected.items():
        owned = [task_id for task_id in order if (await row(connection, task_id))["user_id"] == user_id]
        assert owned == ids + ([mine.task_id] if user_id == "usr_1" else [])
    nobodys = await row(connection, "task_nobodys")
    assert (nobodys["status"], nobodys["elsewhere"]) == ("pending", True)


async def test_over_several_batches_the_first_place_of_an_id_counts(
    connection: Connection, pool: Pool, old: Old
) -> None:
    old.user("usr_1")
    ids = [f"task_{n * 7919 % 2500:010}_aaaaaa" for n in range(2500)]
    for task_id in ids:
        old.task(task_id, "usr_1", "pending")
    old.redis.rpush(f"{PREFIX}task:queue", *reversed(ids[:1200]))
    await move(connection, old, take_over=True)
    rows = await connection.fetch("SELECT task_id FROM tasks ORDER BY line, queued_at, task_id")
    assert [task_id for (task_id,) in rows] == ids
    assert (await lives.claim(pool)).task_id == ids[0]


async def test_nobody_is_charged_again_and_a_failure_is_refunded_here(
    connection: Connection, pool: Pool, old: Old, settings: Settings
) -> None:
    task_id = old.task("task_1764915114_a1b2c3", old.user("usr_1", current_credits=7), "pending")
    await move(connection, old, take_over=True)
    assert (await account(connection, "usr_1"))["current_credits"] == 7
    assert await connection.fetchval("SELECT count(*) FROM credit_ledger WHERE kind <> 'opening'") == 0
    failed = await lifecycle.fail_task(pool, await lives.claim(pool, task_id), lives.FAILURE)
    assert failed is not None
    assert (failed.credits_consumed, failed.credits_refunded) == (PRICE, PRICE)
    user = await account(connection, "usr_1")
    assert (user["current_credits"], user["total_credits_used"]) == (7 + PRICE, 300 - PRICE)
    assert await unwell(settings, connection) == []


async def test_a_worker_makes_what_was_taken_over(
    connection: Connection,
    pool: Pool,
    old: Old,
    settings: Settings,
    storage: Storage,
    queue: Queue,
    dispatcher: Dispatcher,
    tmp_path: Path,
) -> None:
    """From the sweep that announces it to its result; without its photo it fails and is refunded."""
    config = {"quality": "high", "key_of_the_old_one": 1, "blend_strength": "0.8"}
    said = {"mode": "HEAD_SWAP", "reference_image": "img_20251117_abc123", "config": config}
    made = old.task("task_1764915114_a1b2c3", old.user("usr_1"), "pending", data=said)
    lacking = old.task("task_1764915115_a1b2c3", "usr_1", "processing", data={"source_image": "file_gone"})
    await move(connection, old, users_only=True)
    for file_id in (SOURCE, "img_20251117_abc123"):
        photo = await add_file(connection, "usr_1", file_id=file_id)
        await storage.put_bytes(photo.blob_key, b"photo", photo.content_type)
    await move(connection, old, take_over=True)
    await sweep_undispatched(pool, dispatcher, grace=timedelta(0), limit=100)
    assert set(await lives.messages(queue)) == {message_id(made, 1), message_id(lacking, 1)}
    engine = FakeEngine(picture(), FINISHED)
    (tmp_path / "workspaces").mkdir()
    bench = Bench(
        pool=pool,
        storage=storage,
        changes=Changes(dispatcher),
        limits=Limits(timeout_seconds=30, max_attempts=3, max_pixels=1_000_000),
        workspaces=tmp_path / "workspaces",
        stopping=asyncio.Event(),
    )
    editor = Editor(bench, dispatcher, [dict.fromkeys(Mode, engine)], worker_id="worker")
    for _ in range(2):
        await editor.take("task_of_a_message")
    await editor.close()
    assert [(request.mode, request.reference is None) for request in engine.requests] == [("HEAD_SWAP", False)]
    done, failed = await row(connection, made), await row(connection, lacking)
    assert (done["status"], done["progress"], done["credits_refunded"]) == (TaskStatus.DONE, 100, 0)
    assert done["result"]["output_file_id"] is not None
    assert (failed["status"], failed["error"]["code"]) == (TaskStatus.FAILED, FailureCode.IMAGE_NOT_FOUND)
    assert failed["credits_refunded"] == PRICE
    assert await unwell(settings, connection) == []
    assert await differences(connection, old) == {}


async def test_until_then_they_are_left_alone(
    connection: Connection,
    pool: Pool,
    old: Old,
    settings: Settings,
    storage: Storage,
    queue: Queue,
    dispatcher: Dispatcher,
) -> None:
    """Never claimed, announced or swept, and they take nobody's place."""
    a_queue(old)
    await move(connection, old)
    before = await connection.fetch("SELECT * FROM tasks ORDER BY task_id")
    assert await claimed(pool) == []
    await sign(pool, WorkerPresence("worker", 1, lives.EVERY_MODE))
    rules = ChoreRules(max_attempts=3, task_retention=timedelta(days=36_000), upload_retention=timedelta(days=36_000))
    ground = Ground(pool, queue, storage, dispatcher, rules, Seal([SECRET_KEY]))
    for chore in CHORES:
        await chore.work(ground)
    assert await lives.messages(queue) == []
    assert await connection.fetch("SELECT * FROM tasks ORDER BY task_id") == before
    assert await unwell(settings, connection) == []
    submission = await lives.an_order(connection, "usr_1", price=0)
    answer = await tasks_store.submit_tasks(connection, submission, max_pending=1)
    assert answer.tasks, "those that wait elsewhere are not counted"
    assert await claimed(pool) == [answer.tasks[0].task_id]


async def test_to_an_import_after_it_they_are_what_they_are_here(connection: Connection, pool: Pool, old: Old) -> None:
    old.user("usr_1")
    ids = {name: f"task_176491510{n}_aaaaaa" for n, name in enumerate(("untouched", "ended", "running", "used"))}
    for task_id in ids.values():
        old.task(task_id, "usr_1", "pending")
    await move(connection, old, take_over=True)
    before = await connection.fetch("SELECT * FROM tasks ORDER BY task_id")
    assert (await move(connection, old, take_over=True)).summary["tasks"]["unchanged"] == 4
    assert await connection.fetch("SELECT * FROM tasks ORDER BY task_id") == before

    # An old worker was still there after all.
    await connection.execute("UPDATE tasks SET queued_at = '1960-01-01' WHERE task_id = $1", ids["used"])
    assert (await lives.claim(pool)).task_id == ids["used"]
    old.task(ids["ended"], "usr_1", "done")
    old.task(ids["running"], "usr_1", "processing")
    old.task(ids["used"], "usr_1", "done")
    again = await move(connection, old)
    told = again.summary["tasks"]
    assert (told["unchanged"], told["updated"], told["conflict"]) == (1, 2, 1)
    assert again.heard.of(ids["used"]) != []
    states = {name: dict(await row(connection, task_id)) for name, task_id in ids.items()}
    assert {name: (state["status"], state["elsewhere"]) for name, state in states.items()} == {
        "untouched": ("pending", False),
        "ended": ("done", False),
        "running": ("processing", True),
        "used": ("processing", False),
    }
    assert states["ended"]["result"]["legacy"]["output_image"] == "/results/o.jpg"
    assert await differences(connection, old) == {}
    assert await claimed(pool) == [ids["untouched"]]


async def test_over_http_every_imported_task_is_there_for_its_owner(
    connection: Connection, old: Old, settings: Settings, tmp_path: Path
) -> None:
    """Whatever was broken; unfinished ones can be neither cancelled nor deleted."""
    generate(old.redis, Sample(tasks=700, users=6, breakage=0.6))
    await move(connection, old)
    owners = [
        user_id for (user_id,) in await connection.fetch("SELECT DISTINCT user_id FROM tasks WHERE user_id <> ''")
    ]
    refused = 0
    with serving(settings, tmp_path / "api.log", {"RATE_LIMIT_PER_MINUTE": "0"}) as api:
        for user_id in owners:
            key = await keys.issue_key(connection, user_id)
            async with client_of(api, key.api_key) as http:
                tasks = await connection.fetch(
                    "SELECT task_id, status, elsewhere FROM tasks WHERE user_id = $1", user_id
                )
                for path in ("tasks", "tasks/history"):
                    listed: list[str] = []
                    for page in range(1, len(tasks) // 100 + 2):
                        answer = await http.get(f"{API}/{path}", params={"page": page, "page_size": 100})
                        assert answer.status_code == 200, answer.text
                        listed += [task["task_id"] for task in answer.json()["tasks"]]
                    assert sorted(listed) == sorted(task["task_id"] for task in tasks)
                for task in tasks:
                    url = f"{API}/tasks/{task['task_id']}"
                    answer = await http.get(url)
                    assert answer.status_code == 200, answer.text
                    assert answer.json()["status"] == task["status"]
                    if task["elsewhere"]:
                        refused += 1
                        problem(await http.post(f"{url}/cancel"), Code.TASK_NOT_CANCELLABLE, 409)
                        problem(await http.delete(url), Code.TASK_NOT_FINISHED, 409)
    assert refused > 20
    assert await differences(connection, old) == {}
    assert await unwell(settings, connection) == []
