"""A worker delivers webhooks beside its edits: neither waits for the other."""

import signal

from schema.models.webhooks import DeliveryStatus
from service.database import Connection, Pool
from service.queue import Queue
from service.settings import Settings
from service.webhooks import secrets
from service.webhooks.secrets import Seal
from tests import lives
from tests.running import running_worker
from tests.service.webhooks.conftest import deliveries
from tests.service.webhooks.receiver import hang, receiving

EDITS_STAND_STILL = "SELECT pg_advisory_xact_lock(hashtextextended('darkroom claims', 0))"


async def test_a_worker_with_one_slot_delivers_while_it_edits_and_edits_while_it_delivers(
    settings: Settings, pool: Pool, connection: Connection, queue: Queue
) -> None:
    user_id = await lives.add_user(connection)

    async def end(url: str) -> str:
        task = await lives.create(connection, user_id, webhook_url=url)
        await lives.cancel(pool, user_id, task.task_id)
        return task.task_id

    async def delivered(task_id: str) -> bool:
        rows = {row.task_id: row.status for row in await deliveries(connection)}
        return rows[task_id] is DeliveryStatus.DELIVERED

    allowed = {"WEBHOOK_ALLOW_PRIVATE": "true", "PUBLIC_URL": "https://photos.example.com"}
    async with receiving() as well, receiving() as sick:
        sick.behave = hang
        with running_worker(settings, allowed) as process:
            async with pool.acquire() as holder, holder.transaction():
                await holder.execute(EDITS_STAND_STILL)
                waiting = await lives.create(connection, user_id)
                await queue.send([(waiting.task_id, waiting.message_no)])
                await lives.until_blocked(connection)
                first = await end(well.url)
                await lives.until(lambda: delivered(first))
            # As many as there are threads, at one receiver that says nothing.
            for _ in range(10):
                await end(sick.url)

            async def held_up() -> bool:
                return sick.at_once > 1

            await lives.until(held_up)
            another = await lives.create(connection, user_id)
            await queue.send([(another.task_id, another.message_no)])

            async def attempted() -> bool:
                return (await lives.get(pool, another.task_id)).attempts > 0

            await lives.until(attempted)
            last = await end(well.url)
            await lives.until(lambda: delivered(last))
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=30) == 0
    (secret,) = await secrets.signing_secrets(pool, Seal(settings.secret_keys), user_id)
    assert [came.verified_by(secret)["data"]["task_id"] for came in well.came] == [first, last]
