"""Pages of a user's tasks: by number as deep as it is cheap, by cursor at any depth."""

from base64 import urlsafe_b64encode
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schema.models.edits import Mode
from schema.models.problems import ProblemCode
from schema.models.tasks import Pagination, TaskRecord, TaskStatus
from service.cursors import encode_cursor
from service.database import Connection, Pool
from service.refusals import Refused
from service.tasks import history, long_histories
from service.tasks.history import DEEPEST_ROW, PageRequest, get_task_list
from service.tasks.long_histories import LongHistories
from tests import lives


@pytest.fixture
async def user_id(connection: Connection) -> str:
    """Somebody with 23 tasks, three of each moment."""
    user_id = await lives.add_user(connection)
    await connection.execute(
        "INSERT INTO tasks (task_id, user_id, mode, source_image, created_at) "
        "SELECT 'task_' || n, $1, CASE WHEN n % 2 = 0 THEN 'HEAD_SWAP' ELSE 'POSE_CHANGE' END, 'file', "
        "       $2::timestamptz + n / 3 * interval '1 microsecond' FROM generate_series(1, 23) AS n",
        user_id,
        lives.today(),
    )
    return user_id


async def page_of(
    pool: Pool, user_id: str, long: LongHistories | None = None, **asked: Any
) -> tuple[list[TaskRecord], Pagination]:
    wanted: dict[str, Any] = {"page_size": 10}
    return await get_task_list(pool, user_id, PageRequest(**(wanted | asked)), long or LongHistories())


async def test_pages_by_number(pool: Pool, user_id: str) -> None:
    seen: list[str] = []
    for number, size in ((1, 10), (2, 10), (3, 3), (4, 0)):
        tasks, pagination = await page_of(pool, user_id, page=number)
        assert len(tasks) == size
        assert (pagination.page, pagination.page_size) == (number, 10)
        assert (pagination.total, pagination.total_pages, pagination.total_capped) == (23, 3, False)
        assert (pagination.next_cursor is not None) == (number < 3)
        seen += [task.task_id for task in tasks]
    assert len(set(seen)) == 23


@pytest.mark.parametrize("size", [1, 2, 5, 22, 23, 24, 100])
async def test_pages_by_cursor_give_every_task_once(pool: Pool, user_id: str, size: int) -> None:
    every, _ = await page_of(pool, user_id, page_size=100)
    tasks, pagination = await page_of(pool, user_id, page_size=size)
    while pagination.next_cursor is not None:
        more, pagination = await page_of(pool, user_id, page_size=size, cursor=pagination.next_cursor)
        assert (pagination.page, pagination.total, pagination.total_pages) == (None, None, None)
        assert more
        tasks += more
    assert tasks == every


async def test_a_cursor_goes_with_any_filter(pool: Pool, user_id: str) -> None:
    first, pagination = await page_of(pool, user_id, mode=Mode.HEAD_SWAP, page_size=6)
    second, after = await page_of(pool, user_id, mode=Mode.HEAD_SWAP, page_size=6, cursor=pagination.next_cursor)
    assert {task.mode for task in first + second} == {Mode.HEAD_SWAP}
    assert len({task.task_id for task in first + second}) == 11
    assert after.next_cursor is None
    none, _ = await page_of(pool, user_id, status=TaskStatus.DONE, cursor=pagination.next_cursor)
    assert none == []


async def test_what_is_new_does_not_shift_a_cursors_pages(pool: Pool, connection: Connection, user_id: str) -> None:
    first, pagination = await page_of(pool, user_id)
    await lives.create(connection, user_id, now=lives.today() + timedelta(days=1))
    second, _ = await page_of(pool, user_id, cursor=pagination.next_cursor)
    assert not {task.task_id for task in first} & {task.task_id for task in second}


async def test_the_total_is_capped(pool: Pool, user_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for deepest, total, capped in ((22, 22, True), (23, 23, False), (24, 23, False)):
        monkeypatch.setattr(history, "DEEPEST_ROW", deepest)
        _, pagination = await page_of(pool, user_id)
        assert (pagination.total, pagination.total_capped) == (total, capped)


async def test_a_long_history_is_counted_once_in_a_while(
    pool: Pool, connection: Connection, user_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "DEEPEST_ROW", 20)
    for module in (history, long_histories):
        monkeypatch.setattr(module, "LONG", 21)
    long = LongHistories()

    async def total(**asked: Any) -> tuple[int | None, bool]:
        _, pagination = await page_of(pool, user_id, long, **asked)
        return pagination.total, pagination.total_capped

    assert await total() == (20, True)
    assert await total(mode=Mode.HEAD_SWAP) == (11, False)
    await connection.execute("DELETE FROM tasks WHERE task_id IN ('task_2', 'task_4', 'task_6')")
    assert await total() == (20, True)
    assert await total(mode=Mode.HEAD_SWAP) == (8, False)
    monkeypatch.setattr(long_histories, "KEPT_SECONDS", 0)
    long.note_count((user_id, None, None), 21)
    assert await total() == (20, False)


@pytest.mark.parametrize(("page", "size", "fine"), [(100, 100, True), (101, 100, False), (10_001, 1, False)])
async def test_page_numbers_reach_10000_rows(pool: Pool, user_id: str, page: int, size: int, fine: bool) -> None:
    assert (page * size <= DEEPEST_ROW) is fine
    if fine:
        assert (await page_of(pool, user_id, page=page, page_size=size))[0] == []
        return
    with pytest.raises(Refused) as caught:
        await page_of(pool, user_id, page=page, page_size=size)
    assert (caught.value.code, caught.value.field) == (ProblemCode.INVALID_REQUEST, "page")


def as_cursor(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


@given(st.one_of(st.text(max_size=60), st.binary(max_size=60).map(as_cursor), st.integers().map(encode_cursor),
                 st.tuples(st.integers(), st.text(max_size=9)).map(encode_cursor)))  # fmt: skip
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
async def test_any_other_cursor_is_a_clear_refusal_or_a_page(pool: Pool, cursor: str) -> None:
    try:
        tasks, _ = await page_of(pool, "usr_nobody", cursor=cursor)
    except Refused as refused:
        answer = (refused.code, refused.field)
    else:
        answer = tasks
    assert answer in ([], (ProblemCode.INVALID_REQUEST, "cursor"))
