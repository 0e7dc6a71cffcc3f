"""The database of tasks, checked against PostgreSQL: tables, columns, indexes, and each operation on them."""

from datetime import UTC, datetime, timedelta
from itertools import product

import asyncpg
import pytest

from schema.identifiers import new_id
from schema.models.edits import Mode
from schema.models.tasks import Priority, TaskStatus
from service.database import Connection, Pool
from service.tasks import store
from tests import lives
from tests.factories import TaskFailureFactory, add_file, add_task


@pytest.fixture
async def user_id(connection: Connection) -> str:
    return await lives.add_user(connection)


TASK_COLUMNS = {
    "task_id": "text",
    "user_id": "text",
    "status": "text",
    "mode": "text",
    "source_image": "text",
    "reference_image": "text",
    "config": "jsonb",
    "result": "jsonb",
    "error": "jsonb",
    "credits_consumed": "integer",
    "created_at": "timestamp with time zone",
    "updated_at": "timestamp with time zone",
    "completed_at": "timestamp with time zone",
    "failed_at": "timestamp with time zone",
}

INDEXES = {
    "idx_tasks_user_id": "(user_id, mode, status)",
    "idx_tasks_user_status": "(user_id, status, mode, created_at, task_id)",
    "idx_tasks_user_created": "(user_id, created_at, task_id)",
}


# Tables


async def test_the_tables_are_there(connection: Connection) -> None:
    rows = await connection.fetch("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
    assert {"users", "tasks", "credit_ledger", "files", "api_keys", "idempotency_keys"} <= {row[0] for row in rows}


async def test_tasks_have_their_columns(connection: Connection) -> None:
    rows = await connection.fetch(
        "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = 'tasks'"
    )
    columns = {row["column_name"]: row["data_type"] for row in rows}
    assert {name: columns.get(name) for name in TASK_COLUMNS} == TASK_COLUMNS


async def test_task_id_is_the_primary_key_and_user_id_refers_to_users(connection: Connection) -> None:
    rows = await connection.fetch(
        "SELECT contype::text, pg_get_constraintdef(oid) FROM pg_constraint "
        "WHERE conrelid = 'tasks'::regclass AND contype IN ('p', 'f')"
    )
    assert dict(rows) == {
        "p": "PRIMARY KEY (task_id)",
        "f": "FOREIGN KEY (user_id) REFERENCES users(user_id) ON DELETE CASCADE",
    }


@pytest.mark.parametrize("name", INDEXES)
async def test_an_index_is_there(connection: Connection, name: str) -> None:
    definition = await connection.fetchval("SELECT indexdef FROM pg_indexes WHERE indexname = $1", name)
    assert definition.endswith(INDEXES[name])


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ("user_id = 'usr_3' ORDER BY created_at DESC, task_id DESC LIMIT 20", "idx_tasks_user_created"),
        (
            "user_id = 'usr_3' AND (status, mode) = ('done', 'HEAD_SWAP') ORDER BY created_at DESC, task_id DESC",
            "idx_tasks_user_status",
        ),
    ],
)
async def test_a_page_of_the_history_is_read_from_its_index(connection: Connection, query: str, index: str) -> None:
    await connection.execute("INSERT INTO users (user_id) SELECT 'usr_' || n FROM generate_series(0, 4) AS n")
    await connection.execute(
        "INSERT INTO tasks (task_id, user_id, mode, status, failed_at, source_image, created_at) "
        "SELECT 'task_' || n, 'usr_' || n % 5, CASE WHEN n % 7 = 0 THEN 'HEAD_SWAP' ELSE 'POSE_CHANGE' END, "
        "       'failed', now(), 'file', now() - n * interval '1 minute' FROM generate_series(1, 3000) AS n"
    )
    await connection.execute("ANALYZE tasks")
    plan = await connection.fetch(f"EXPLAIN SELECT * FROM tasks WHERE {query}")  # noqa: S608 - a query from above
    text = "\n".join(row[0] for row in plan)
    assert index in text
    assert "Sort" not in text


@pytest.mark.parametrize(
    ("column", "value"), [("status", "lost"), ("mode", "FACE_SWAP"), ("priority", "urgent"), ("progress", 101)]
)
async def test_values_that_nobody_knows_are_refused(
    connection: Connection, user_id: str, column: str, value: object
) -> None:
    task = await add_task(connection, user_id)
    statement = f"UPDATE tasks SET {column} = $2 WHERE task_id = $1"  # noqa: S608 - a column from above
    with pytest.raises(asyncpg.CheckViolationError):
        await connection.execute(statement, task.task_id, value)


async def test_a_task_of_nobody_known_is_refused(connection: Connection) -> None:
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await add_task(connection, "usr_unknown")


# create_task


async def test_create_task(connection: Connection, pool: Pool, user_id: str) -> None:
    reference = (await add_file(connection, user_id)).file_id
    wanted = await lives.an_order(
        connection,
        user_id,
        mode=Mode.POSE_CHANGE,
        priority=Priority.HIGH,
        reference_image=reference,
        config={"quality": "high", "smoothness": 0.25, "words": "Größe, 大きさ"},
    )
    answer = await store.submit_tasks(connection, wanted, max_pending=10)
    assert answer.tasks
    assert answer.credits_left == lives.CREDITS - lives.PRICE
    row = await connection.fetchrow("SELECT * FROM tasks")
    assert row is not None
    assert {name: row[name] for name in TASK_COLUMNS if name not in {"created_at", "updated_at"}} == {
        "task_id": wanted.tasks[0].task_id,
        "user_id": user_id,
        "status": "pending",
        "mode": "POSE_CHANGE",
        "source_image": wanted.tasks[0].source_image,
        "reference_image": reference,
        "config": {"quality": "high", "smoothness": 0.25, "words": "Größe, 大きさ"},
        "result": None,
        "error": None,
        "credits_consumed": lives.PRICE,
        "completed_at": None,
        "failed_at": None,
    }
    assert datetime.now(UTC) - row["created_at"] < timedelta(minutes=1)
    await lives.assert_balanced(pool)


async def test_create_task_rolls_back_as_a_whole(connection: Connection, pool: Pool, user_id: str) -> None:
    """A failure anywhere in the statement (here: the id is taken) leaves no charge, no entry, no key."""
    first = await lives.create(connection, user_id)
    before = await lives.everything(pool)
    again = await lives.an_order(connection, user_id, task_id=first.task_id, source_image=first.source_image)
    with pytest.raises(asyncpg.UniqueViolationError):
        await store.submit_tasks(connection, again, max_pending=10)
    assert await lives.everything(pool) == before


# get_task_by_id


async def test_get_task_by_id(connection: Connection, user_id: str) -> None:
    task = await add_task(connection, user_id, TaskStatus.DONE)
    assert await store.get_task_by_id(connection, user_id, task.task_id) == task


async def test_get_task_by_id_is_for_its_owner_only(connection: Connection, user_id: str) -> None:
    stranger = await lives.add_user(connection)
    task = await add_task(connection, user_id)
    assert await store.get_task_by_id(connection, stranger, task.task_id) is None
    assert await store.get_task_by_id(connection, user_id, new_id("task")) is None


# get_tasks_by_user and count_tasks_by_user


@pytest.fixture
async def history(connection: Connection, user_id: str) -> list[str]:
    """A user's task ids, newest first: two of each status and mode, five of one moment; somebody else has some too."""
    stranger = await lives.add_user(connection)
    made: list[tuple[datetime, str]] = []
    for n, (status, mode) in enumerate([*product(TaskStatus, Mode)] * 2):
        moment = lives.today(9, 0 if n < 5 else n)
        task = await add_task(connection, user_id, status, mode=mode, created_at=moment)
        made.append((moment, task.task_id))
        if n % 6 == 0:
            await add_task(connection, stranger, created_at=moment)
    return [task_id for _, task_id in sorted(made, reverse=True)]


async def test_get_tasks_by_user_newest_first_in_pages(
    connection: Connection, user_id: str, history: list[str]
) -> None:
    for size in (1, 7, 30, 100):
        pages: list[str] = []
        for offset in range(0, len(history), size):
            page = await store.get_tasks_by_user(connection, user_id, limit=size, offset=offset)
            assert len(page) == min(size, len(history) - offset)
            pages += [task.task_id for task in page]
        assert pages == history
    assert await store.get_tasks_by_user(connection, user_id, limit=10, offset=len(history)) == []


async def test_get_tasks_by_user_from_behind_a_row(connection: Connection, user_id: str, history: list[str]) -> None:
    """Also from within the five that were made at the same moment."""
    seen: list[str] = []
    after = None
    while page := await store.get_tasks_by_user(connection, user_id, after=after, limit=3):
        seen += [task.task_id for task in page]
        after = (page[-1].created_at, page[-1].task_id)
    assert seen == history


@pytest.mark.parametrize("status", [None, *TaskStatus])
@pytest.mark.parametrize("mode", [None, *Mode])
async def test_filters_and_counts_agree(
    connection: Connection, user_id: str, history: list[str], status: TaskStatus | None, mode: Mode | None
) -> None:
    every = await store.get_tasks_by_user(connection, user_id, limit=100)
    wanted = [
        task for task in every if (status is None or task.status is status) and (mode is None or task.mode is mode)
    ]
    assert len(wanted) == len(history) // ((len(TaskStatus) if status else 1) * (len(Mode) if mode else 1))
    # With more than five modes or statuses, `get_filtered_tasks_by_user` needs as many branches.
    assert await store.get_tasks_by_user(connection, user_id, status=status, mode=mode, limit=100) == wanted
    for up_to in (1, len(wanted), 1000):
        counted = await store.count_tasks_by_user(connection, user_id, status=status, mode=mode, up_to=up_to)
        assert counted == min(len(wanted), up_to)


async def test_count_tasks_by_status(connection: Connection, user_id: str, history: list[str]) -> None:
    assert await store.count_tasks_by_status(connection, user_id) == dict.fromkeys(TaskStatus, len(history) // 5)
    assert await store.count_tasks_by_status(connection, await lives.add_user(connection)) == {}


# update_task_status: each of its moves. tests/service/tasks/test_states.py has every pair of states.


async def test_processing_then_done(connection: Connection, user_id: str) -> None:
    task = await lives.create(connection, user_id)
    held = await store.claim_task(connection, worker_id="worker", modes=lives.EVERY_MODE, lease=timedelta(seconds=10))
    assert held is not None
    running = held.task
    assert (running.task_id, running.status) == (task.task_id, TaskStatus.PROCESSING)
    assert running.started_at is not None
    assert await store.update_progress(connection, task.task_id, running.lease_token, 50, "half way")
    done = await store.complete_task(connection, task.task_id, running.lease_token, lives.a_result(), [])
    assert done is not None
    assert (done.status, done.result, done.progress) == (TaskStatus.DONE, lives.a_result(), 100)
    assert done.completed_at is not None
    assert done.updated_at >= running.updated_at
    row = await connection.fetchrow("SELECT status, result FROM tasks")
    assert row is not None
    assert (row["status"], row["result"]["output_file_id"]) == ("done", lives.a_result().output_file_id)


async def test_processing_then_failed(connection: Connection, user_id: str) -> None:
    task = await add_task(connection, user_id, TaskStatus.PROCESSING)
    failure = TaskFailureFactory.build(details={"people": 0})
    failed = await store.fail_task(connection, task.task_id, task.lease_token, failure)
    assert failed is not None
    assert (failed.status, failed.error) == (TaskStatus.FAILED, failure)
    assert failed.failed_at is not None


async def test_cancelled_by_its_owner_only(connection: Connection, user_id: str) -> None:
    task = await add_task(connection, user_id)
    assert await store.cancel_task(connection, await lives.add_user(connection), task.task_id) is None
    cancelled = await store.cancel_task(connection, user_id, task.task_id)
    assert cancelled is not None
    assert cancelled.status is TaskStatus.CANCELLED
    assert cancelled.cancelled_at is not None


# delete_task


@pytest.mark.parametrize("status", TaskStatus)
async def test_delete_task_takes_ended_ones(connection: Connection, user_id: str, status: TaskStatus) -> None:
    task = await add_task(connection, user_id, status)
    stranger = await lives.add_user(connection)
    assert not await store.delete_task(connection, stranger, task.task_id)
    assert (await store.delete_task(connection, user_id, task.task_id) is not None) is status.ended
    assert (await store.get_task_by_id(connection, user_id, task.task_id) is None) is status.ended


async def test_a_deleted_tasks_ledger_stays(connection: Connection, pool: Pool, user_id: str) -> None:
    task = await lives.create(connection, user_id)
    await lives.cancel(pool, user_id, task.task_id)
    assert await store.delete_task(connection, user_id, task.task_id)
    kinds = await connection.fetch("SELECT kind FROM credit_ledger WHERE task_id = $1 ORDER BY entry_id", task.task_id)
    assert [row["kind"] for row in kinds] == ["charge", "refund"]


async def test_with_its_user_everything_goes_but_the_ledger(connection: Connection, pool: Pool, user_id: str) -> None:
    for status in TaskStatus:
        await lives.reach(pool, user_id, status)
        await connection.execute("UPDATE tasks SET created_at = now() - interval '1 hour'")
        await connection.execute("DELETE FROM tasks WHERE status IN ('pending', 'processing')")
    await connection.execute("DELETE FROM users WHERE user_id = $1", user_id)
    seen = await lives.everything(pool)
    assert [name for name, rows in seen.items() if rows] == ["credit_ledger", "blob_removals"]
    assert {row["user_id"] for row in seen["credit_ledger"]} == {None}
