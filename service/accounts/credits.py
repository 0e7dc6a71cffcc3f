"""Credits: a balance is the sum of its ledger, and never below zero. Charges are written by `submit_tasks`."""

from collections.abc import Sequence
from datetime import datetime

import structlog

from schema.models.accounts import LedgerPage
from schema.models.tasks import TaskRecord
from service.accounts import store
from service.cursors import cursor_pagination, cut_page, decode_cursor, encode_cursor, no_cursor
from service.database import Connection, Pool

LARGEST_ENTRY_ID = 2**63 - 1

log = structlog.get_logger(__name__)


async def refund(
    connection: Connection, tasks: Sequence[TaskRecord], reason: str, *, now: datetime | None = None
) -> None:
    """Give ended tasks' credits back, in the transaction that ended them; all are the same user's."""
    amounts = {task.task_id: task.credits_refunded for task in tasks if task.credits_refunded}
    if not amounts or (user_id := tasks[0].user_id) is None:
        return
    left = await store.refund_tasks(connection, user_id, amounts, reason, now=now)
    for task_id, amount in amounts.items():
        log.info("credits refunded", task_id=task_id, credits=amount, credits_left=left)


async def get_ledger(pool: Pool, user_id: str, *, cursor: str | None, page_size: int) -> LedgerPage:
    """A page of a user's ledger, newest first.

    Raises:
        Refused: INVALID_REQUEST for a cursor that isn't one.
    """
    after = None
    if cursor is not None:
        after = decode_cursor(cursor, int)
        if after is None or not 0 <= after <= LARGEST_ENTRY_ID:
            raise no_cursor("entry")
    async with pool.acquire() as connection:
        entries = await store.ledger_page(connection, user_id, after, page_size + 1)
    page, next_cursor = cut_page(entries, page_size, lambda entry: encode_cursor(entry.entry_id))
    return LedgerPage(entries=page, pagination=cursor_pagination(page_size, next_cursor))
