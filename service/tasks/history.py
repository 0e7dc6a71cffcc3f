"""A user's tasks in pages, newest first: by number up to 10,000 rows deep, by cursor at any depth."""

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from schema.models.edits import Mode
from schema.models.tasks import Pagination, TaskRecord, TaskStatus
from service.cursors import cursor_pagination, cut_page, encode_place, place_behind
from service.database import Connection, Pool
from service.refusals import invalid
from service.tasks import store
from service.tasks.long_histories import LONG, Filters, LongHistories

DEEPEST_ROW = 10_000
"""How far page numbers reach, and how far `total` tells."""


class PageRequest(Struct, frozen=True, kw_only=True):
    """Which page of which tasks. A cursor wins over a page number; counting is left out then."""

    status: TaskStatus | None = None
    mode: Mode | None = None
    ids: Sequence[str] | None = None
    batch_id: str | None = None
    page: int = 1
    page_size: int = 20
    cursor: str | None = None


async def get_task_list(
    pool: Pool, user_id: str, asked: PageRequest, long: LongHistories
) -> tuple[list[TaskRecord], Pagination]:
    """One page, newest first.

    Raises:
        Refused: INVALID_REQUEST for a page too deep or a cursor that isn't one.
    """
    page, page_size = asked.page, asked.page_size
    if asked.cursor is None and page * page_size > DEEPEST_ROW:
        raise invalid("page", f"page x page_size goes up to {DEEPEST_ROW}; follow next_cursor to go deeper")
    after = place_behind(asked.cursor, "task")
    if asked.ids is not None or asked.batch_id is not None:
        return await _named(pool, user_id, asked, after)
    async with pool.acquire() as connection:
        # One row more than asked tells whether there is a next page.
        tasks = await store.get_tasks_by_user(
            connection,
            user_id,
            status=asked.status,
            mode=asked.mode,
            after=after,
            limit=page_size + 1,
            offset=0 if after else (page - 1) * page_size,
        )
        counted = None if after else await _count(connection, (user_id, asked.status, asked.mode), long)
    tasks, next_cursor = cut_page(tasks, page_size, _cursor_of)
    return tasks, _pagination(asked, counted, next_cursor)


async def _named(
    pool: Pool, user_id: str, asked: PageRequest, after: tuple[datetime, str] | None
) -> tuple[list[TaskRecord], Pagination]:
    """One page of those that were asked for by their ids or by their batch: they are few, and read at once."""
    async with pool.acquire() as connection:
        tasks = await store.get_named_tasks(
            connection,
            user_id,
            task_ids=asked.ids,
            batch_id=asked.batch_id,
            statuses=None if asked.status is None else [asked.status],
            mode=asked.mode,
        )
    if after is not None:
        counted, start = None, 0
        tasks = [task for task in tasks if (task.created_at, task.task_id) < after]
    else:
        counted, start = len(tasks), (asked.page - 1) * asked.page_size
    page, next_cursor = cut_page(tasks[start:], asked.page_size, _cursor_of)
    return page, _pagination(asked, counted, next_cursor)


def _cursor_of(task: TaskRecord) -> str:
    return encode_place(task.created_at, task.task_id)


def _pagination(asked: PageRequest, counted: int | None, next_cursor: str | None) -> Pagination:
    if counted is None:
        return cursor_pagination(asked.page_size, next_cursor)
    total = min(counted, DEEPEST_ROW)
    return Pagination(
        page=asked.page,
        page_size=asked.page_size,
        total=total,
        total_capped=counted > DEEPEST_ROW,
        total_pages=-(-total // asked.page_size),
        next_cursor=next_cursor,
    )


async def _count(connection: Connection, filters: Filters, long: LongHistories) -> int:
    """Up to LONG."""
    if long.is_long(filters):
        return LONG
    user_id, status, mode = filters
    counted = await store.count_tasks_by_user(connection, user_id, status=status, mode=mode, up_to=LONG)
    long.note_count(filters, counted)
    return counted
