"""What changes is told, whether or not anybody waits until it is."""

import asyncio

import pytest

from schema.messages import Change, decode_change
from schema.models.tasks import TaskStatus
from service.database import Connection, Pool
from service.queue import Queue
from service.tasks import watching
from service.tasks.dispatch import Dispatcher
from service.tasks.watching import Changes
from tests import lives
from tests.factories import add_task


async def test_changes_that_nobody_waits_for_are_told_in_order_and_the_last_ones_on_leaving(
    pool: Pool, connection: Connection, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that comes alone at once, several together."""
    monkeypatch.setattr(watching, "TELL_EVERY", lives.PATIENCE)
    user_id = await lives.add_user(connection)
    running = [await add_task(connection, user_id, TaskStatus.PROCESSING) for _ in range(3)]
    changes = Changes(Dispatcher(pool, queue))
    async with lives.listening(queue, queue.keys.changed) as told:
        changes.tell_soon(running[0])
        assert decode_change(await told()) == Change(running[0].task_id, TaskStatus.PROCESSING, user_id)
        changes.tell_progress(running[1])
        changes.tell_soon(running[2])
        async with asyncio.timeout(lives.PATIENCE / 2):
            await changes.close()
        assert [decode_change(await told()) for _ in range(2)] == [
            Change(running[1].task_id, None, user_id),
            Change(running[2].task_id, TaskStatus.PROCESSING, user_id),
        ]
