"""A process says that it is here for as long as it is, whatever comes in between."""

import asyncio

import pytest
from structlog.testing import capture_logs

from service import presence
from service.database import Connection, Pool
from service.files.storage import Storage
from service.presence import Presence
from service.settings import Settings
from tests import lives


async def test_a_surprise_does_not_end_the_signs_of_life(
    pool: Pool, connection: Connection, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence, "SEEN_EVERY", 0.02)
    storage = Storage.made(settings.storage_url)
    here = Presence(pool, "api", storage.name, address="127.0.0.1:1")
    await here.begin(storage)
    first = await connection.fetchval("SELECT seen_at FROM processes")
    surprises: list[str] = []

    async def surprise(_: Connection) -> str:
        surprises.append("one")
        raise ValueError

    monkeypatch.setattr(presence, "current_mark", surprise)

    async def seen_again() -> bool:
        return len(surprises) > 1 and await connection.fetchval("SELECT seen_at FROM processes") > first

    with capture_logs() as lines:
        await lives.until(seen_again)
    assert {line["event"] for line in lines if line["log_level"] == "error"} == {"storage not looked at"}
    await here.end()
    assert await connection.fetchval("SELECT count(*) FROM processes") == 0


async def test_a_storage_that_hangs_keeps_nobody_silent(
    pool: Pool, connection: Connection, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, seconds in (("SEEN_EVERY", 0.02), ("LOOK_WITHIN", 0.02), ("STORAGE_EVERY", 1)):
        monkeypatch.setattr(presence, name, seconds)
    storage = Storage.made(settings.storage_url)
    here = Presence(pool, "api", storage.name)
    await here.begin(storage)
    mark = here.mark
    looks: list[str] = []

    async def hang(*_: object, **__: object) -> str:
        looks.append("one")
        await asyncio.Event().wait()
        return ""

    monkeypatch.setattr(presence, "settle", hang)
    await connection.execute("DELETE FROM processes")

    async def seen_again() -> bool:
        return len(looks) > 1 and await connection.fetchval("SELECT EXISTS (SELECT FROM processes)")

    await lives.until(seen_again)
    assert mark is not None
    assert here.mark == mark
    await here.end()
