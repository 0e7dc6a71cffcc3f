"""What deliveries are made with, on this test's database."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from schema.models.tasks import TaskRecord
from schema.models.webhooks import DeliveryRecord
from service.database import Connection, Pool
from service.database.statements import convert
from service.event_urls import EventUrls
from service.files.storage import Storage
from service.files.urls import FileUrls
from service.outbound.guard import outbound_client
from service.presenting import Presenter
from service.tasks import lifecycle
from service.tasks import store as tasks
from service.webhooks.contents import HOURS, Contents
from service.webhooks.delivering import Deliverer
from service.webhooks.secrets import Seal
from tests import lives
from tests.conftest import SECRET_KEY
from tests.service.webhooks.receiver import Receiver, receiving

PUBLIC = "https://photos.example.com"


@pytest.fixture
def seal() -> Seal:
    return Seal([SECRET_KEY])


@pytest.fixture
async def receiver() -> AsyncGenerator[Receiver]:
    async with receiving() as running:
        yield running


@pytest.fixture
async def deliverer(pool: Pool, seal: Seal, tmp_path: Path) -> AsyncGenerator[Deliverer]:
    """May call this machine, since that is where receivers are."""
    urls = FileUrls([SECRET_KEY], PUBLIC, Storage.open(tmp_path.as_uri()))
    present = Presenter(urls, EventUrls([SECRET_KEY], PUBLIC, hours=HOURS), hours=HOURS)
    async with outbound_client(allow_private=True, seconds=5) as client:
        yield Deliverer(pool, Contents(present, tasks.get_batch), seal, client)


@pytest.fixture
async def user_id(connection: Connection) -> str:
    return await lives.add_user(connection)


async def told(pool: Pool, user_id: str, url: str) -> TaskRecord:
    """A done task whose end is to be told there."""
    async with pool.acquire() as connection:
        task = await lives.create(connection, user_id, webhook_url=url)
    done = await lifecycle.complete_task(pool, await lives.claim(pool, task.task_id), lives.a_result(), [])
    assert done is not None
    return done


async def deliveries(connection: Connection) -> list[DeliveryRecord]:
    rows = await connection.fetch("SELECT * FROM webhook_deliveries ORDER BY created_at, delivery_id")
    return [convert(row, DeliveryRecord) for row in rows]
