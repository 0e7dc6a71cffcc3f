"""GET /api/v1/tasks, /tasks/history and /tasks/stats."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import msgspec
import pytest

from schema.models.edits import Mode
from schema.models.problems import ProblemCode as Code
from schema.models.tasks import TaskStatus
from service.database import Connection
from tests.factories import add_task
from tests.service.http.conftest import NewUser
from tests.service.http.serving import API, JSON, PHOTO, User, fields_of, problem

LISTS = ["/tasks", "/tasks/history"]


async def listed(user: User, path: str = "/tasks", **query: Any) -> JSON:
    answer = await user.http.get(API + path, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def ids(page: JSON) -> list[str]:
    return [task["task_id"] for task in page["tasks"]]


@pytest.mark.parametrize("path", LISTS)
async def test_only_ones_own_tasks_are_listed_newest_first(
    user: User, new_user: NewUser, db: Connection, path: str
) -> None:
    now = datetime.now(UTC)
    mine = [await add_task(db, user.user_id, created_at=now - timedelta(hours=n)) for n in (2, 0, 1)]
    await add_task(db, (await new_user()).user_id)
    await add_task(db, None)
    page = await listed(user, path)
    assert ids(page) == [mine[1].task_id, mine[2].task_id, mine[0].task_id]
    assert page["pagination"] == {
        "page": 1,
        "page_size": 20,
        "total": 3,
        "total_capped": False,
        "total_pages": 1,
        "next_cursor": None,
    }


async def test_somebody_without_tasks_has_an_empty_list(user: User) -> None:
    page = await listed(user)
    assert (page["tasks"], page["pagination"]["total"], page["pagination"]["total_pages"]) == ([], 0, 0)


async def test_a_listed_task_is_the_same_as_a_read_one(user: User, db: Connection) -> None:
    record = await add_task(db, user.user_id, TaskStatus.DONE)
    (task,) = (await listed(user))["tasks"]
    assert task == (await user.http.get(f"{API}/tasks/{record.task_id}")).json()


@pytest.mark.parametrize("path", LISTS)
async def test_lists_are_filtered_by_status_and_mode(user: User, db: Connection, path: str) -> None:
    of = {
        (status, mode): (await add_task(db, user.user_id, status, mode=mode)).task_id
        for status in TaskStatus
        for mode in Mode
    }
    for status in TaskStatus:
        assert set(ids(await listed(user, path, status=status.value))) == {of[status, mode] for mode in Mode}
    for mode in Mode:
        page = await listed(user, path, mode=mode.value, status="all")
        assert set(ids(page)) == {of[status, mode] for status in TaskStatus}
        assert page["pagination"]["total"] == 5
    both = await listed(user, path, status="failed", mode="POSE_CHANGE")
    assert ids(both) == [of[TaskStatus.FAILED, Mode.POSE_CHANGE]]
    everything = await listed(user, path, status="all", mode="all", page_size=100)
    assert set(ids(everything)) == set(of.values())


async def test_pages_have_exact_totals(user: User, db: Connection) -> None:
    records = [await add_task(db, user.user_id) for _ in range(23)]
    pages = [await listed(user, page=page, page_size=10) for page in (1, 2, 3, 4)]
    assert [len(page["tasks"]) for page in pages] == [10, 10, 3, 0]
    assert {task_id for page in pages for task_id in ids(page)} == {record.task_id for record in records}
    for number, page in enumerate(pages, 1):
        pagination = page["pagination"]
        assert (pagination["page"], pagination["page_size"]) == (number, 10)
        assert (pagination["total"], pagination["total_pages"]) == (23, 3)
        assert (pagination["next_cursor"] is None) == (number >= 3)


async def test_a_walk_by_cursor_meets_every_task_exactly_once(user: User, db: Connection) -> None:
    """Also where many were created in the same microsecond, and while new ones come in front."""
    same = datetime(2026, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)
    records = [await add_task(db, user.user_id, created_at=same) for _ in range(12)]
    records += [await add_task(db, user.user_id, created_at=same + timedelta(microseconds=n)) for n in (1, -1)]
    await add_task(db, user.user_id, TaskStatus.DONE, created_at=same)
    met: list[str] = []
    page = await listed(user, page_size=5, status="pending")
    while True:
        met += ids(page)
        cursor = page["pagination"]["next_cursor"]
        if cursor is None:
            break
        await add_task(db, user.user_id)
        page = await listed(user, page_size=5, status="pending", cursor=cursor)
        pagination = page["pagination"]
        assert (pagination["page"], pagination["total"], pagination["total_pages"]) == (None, None, None)
    assert len(met) == len(set(met)) == 14
    assert set(met) == {record.task_id for record in records}


async def test_beyond_10_000_the_total_is_capped_and_only_the_cursor_goes_on(user: User, db: Connection) -> None:
    await db.execute(
        """
        INSERT INTO tasks (task_id, user_id, mode, source_image, created_at)
        SELECT 'task_' || $1 || n, $1, 'HEAD_SWAP', 'file_a', '2026-01-01'::timestamptz + n / 3 * interval '1 second'
          FROM generate_series(1, 10005) AS n
        """,
        user.user_id,
    )
    page = await listed(user, page=100, page_size=100)
    pagination = page["pagination"]
    assert (pagination["total"], pagination["total_capped"], pagination["total_pages"]) == (10_000, True, 100)
    assert len(page["tasks"]) == 100
    too_deep = problem(await user.http.get(f"{API}/tasks?page=101&page_size=100"), Code.INVALID_REQUEST, 400)
    assert fields_of(too_deep) == ["page"]
    assert len(ids(await listed(user, page_size=100, cursor=pagination["next_cursor"]))) == 5
    await db.execute(
        "DELETE FROM tasks WHERE user_id = $1 AND right(task_id, 1) = '5' AND status = 'pending'", user.user_id
    )
    fewer = (await listed(user))["pagination"]
    assert (fewer["total"], fewer["total_capped"]) == (10_005 - 1_001, False)


def token(position: object) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(position)).decode()


GARBAGE = [
    "",
    "!!!",
    "AAAA",
    "x" * 4_000,
    "\u2603",
    "\0",
    token("text"),
    token([1]),
    token([1, 2]),
    token(["1", "task_a"]),
    token([1.5, "task_a"]),
    token([None, None]),
    token([10**15, "task_a", 1]),
    token([10**18, "task_a"]),
    token([-(10**18), "task_a"]),
    token([1, "task_\0"]),
    token({"a": 1}),
    base64.urlsafe_b64encode(b"[" + b"9" * 100 + b',"task_a"]').decode(),
    base64.urlsafe_b64encode(b'[1,"\xff"]').decode(),
    base64.urlsafe_b64encode(b"[" * 140).decode(),
]


@pytest.mark.parametrize("path", LISTS)
async def test_a_bad_cursor_is_400(user: User, path: str) -> None:
    for cursor in GARBAGE:
        answer = await user.http.get(API + path, params={"cursor": cursor})
        assert fields_of(problem(answer, Code.INVALID_REQUEST, 400)) == ["cursor"], cursor


@pytest.mark.parametrize("path", LISTS)
async def test_a_bad_query_is_named(user: User, path: str) -> None:
    wrong = {
        "page": ["0", "-1", "x", "", "501", "9" * 5000],
        "page_size": ["0", "101", "1.5", "x"],
        "status": ["", "finished", "DONE", "all\0", "\0"],
        "mode": ["", "head_swap", "HEAD_SWAP\0"],
    }
    for field, values in wrong.items():
        for value in values:
            answer = await user.http.get(API + path, params={field: value})
            assert fields_of(problem(answer, Code.INVALID_REQUEST, 400)) == [field], value


async def test_the_history_carries_both_inputs_urls(user: User, db: Connection, anonymous: httpx.AsyncClient) -> None:
    source, reference = [(await user.upload(PHOTO)).json()["file_id"] for _ in range(2)]
    record = await add_task(db, user.user_id, TaskStatus.DONE, source_image=source, reference_image=reference)
    (task,) = (await listed(user, "/tasks/history"))["tasks"]
    read = (await user.http.get(f"{API}/tasks/{record.task_id}")).json()
    assert {name: task[name] for name in read} == read
    assert set(task) - set(read) == {"face_image_url", "target_image_url"}
    for name, file_id in (("face_image_url", source), ("target_image_url", reference)):
        assert task[name].startswith(f"{API}/files/{file_id}?")
        assert (await anonymous.get(task[name])).content == PHOTO
    # Once a file is deleted, its URL is null.
    assert (await user.http.delete(f"{API}/files/{source}")).status_code == 204
    (task,) = (await listed(user, "/tasks/history"))["tasks"]
    assert task["face_image_url"] is None
    assert task["target_image_url"] is not None


async def test_the_history_of_a_task_without_reference_says_null(user: User) -> None:
    created = await user.task()
    (task,) = (await listed(user, "/tasks/history"))["tasks"]
    assert task["task_id"] == created["task_id"]
    assert task["face_image_url"].startswith(f"{API}/files/{created['source_image']}?")
    assert task["target_image_url"] is None


async def test_the_history_signs_no_other_users_file(user: User, new_user: NewUser, db: Connection) -> None:
    """An imported task may name any file."""
    await add_task(db, user.user_id, source_image=await (await new_user()).photo())
    (task,) = (await listed(user, "/tasks/history"))["tasks"]
    assert task["face_image_url"] is None


async def test_stats_count_every_status(user: User, new_user: NewUser, db: Connection) -> None:
    none = dict.fromkeys((*TaskStatus, "total"), 0)
    assert await listed(user, "/tasks/stats") == none
    await add_task(db, (await new_user()).user_id)
    counts = {TaskStatus.PENDING: 2, TaskStatus.DONE: 3, TaskStatus.CANCELLED: 1}
    for status, count in counts.items():
        for _ in range(count):
            await add_task(db, user.user_id, status)
    stats = await listed(user, "/tasks/stats")
    assert stats == {**none, **counts, "total": 6}
    assert list(stats) == ["pending", "processing", "done", "failed", "cancelled", "total"]
