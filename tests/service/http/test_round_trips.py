"""What a request asks of PostgreSQL while its sender waits: one statement, each a transaction of its own."""

from typing import Any

import httpx
import msgspec
import pytest
from structlog.contextvars import get_contextvars

from schema.models.tasks import TaskStatus
from service.accounts.users import create_user
from service.database import Connection
from service.database.pool import PlainConnection
from service.http.app import create_app
from service.settings import Settings
from tests.factories import add_file, add_task
from tests.service.http.serving import API

JSON = {"Content-Type": "application/json"}


async def test_a_create_and_a_read_are_one_round_trip_each(
    settings: Settings, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def counted(name: str) -> None:
        ask = getattr(PlainConnection, name)

        async def count(self: PlainConnection, query: str, *args: Any, **options: Any) -> Any:
            if "request_id" in get_contextvars():
                asked.append(query)
            return await ask(self, query, *args, **options)

        monkeypatch.setattr(PlainConnection, name, count)

    for name in ("execute", "executemany", "fetch", "fetchrow", "fetchval"):
        counted(name)
    # Whose key it is and who has deadlines are known for some seconds, and looked up for everybody; here for longer.
    monkeypatch.setattr("service.accounts.known.KNOWN_SECONDS", 3600.0)
    monkeypatch.setattr("service.tasks.deadlines.REMEMBERED_SECONDS", 3600.0)
    user = await create_user(connection, "trips@example.com", credits_=10_000)
    app = create_app(settings)
    headers = {"Authorization": f"Bearer {user.api_key}"}
    async with (
        app.opened(),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here", headers=headers) as client,  # pyright: ignore[reportArgumentType]
    ):
        # Once the API has made its storage: an empty one beside rows of files would be refused.
        photo = await add_file(connection, user.user_id)
        ended = await add_task(connection, user.user_id, TaskStatus.DONE)
        body = msgspec.json.encode({"mode": "BACKGROUND_CHANGE", "source_image": photo.file_id, "config": {}})
        read = client.build_request("GET", f"{API}/tasks/{ended.task_id}")
        await client.send(read)
        for key in ({}, {"Idempotency-Key": "a"}):
            request = client.build_request("POST", f"{API}/tasks", content=body, headers=JSON | key)
            for sent in (request, read):
                asked.clear()
                answer = await client.send(sent)
                assert answer.is_success, answer.text
                assert len(asked) == 1, (sent, asked)
