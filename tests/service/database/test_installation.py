"""Whose keys they are in Redis: each database's own, unless it is said otherwise."""

import asyncio
import re
from collections.abc import Iterator
from typing import cast

import asyncpg
import pytest
import redis
from msgspec import structs

from schema.messages import Keys
from service.database import Connection, connect
from service.database.installation import redis_keys
from service.database.migrations import SchemaError, migrate
from service.settings import Settings
from tests import lives
from tests.keys import KEYS
from tests.running import run_command, running_api, running_worker


async def keys_of(settings: Settings) -> Keys:
    connection = await connect(settings)
    try:
        return await redis_keys(connection, settings)
    finally:
        await connection.close()


async def test_two_databases_have_two_prefixes_which_stay(settings: Settings, empty_database: str) -> None:
    other = structs.replace(settings, database_url=empty_database)
    await migrate(other)
    theirs = await keys_of(other)
    assert re.fullmatch("darkroom:[0-9a-f]{12}", theirs.prefix)
    assert theirs.prefix != (await keys_of(settings)).prefix
    await migrate(other)
    assert await keys_of(other) == theirs


@pytest.mark.parametrize(("said", "prefix"), [("photos", "photos"), ("photos:", "photos"), ("a:b", "a:b")])
async def test_a_prefix_of_ones_own(settings: Settings, said: str, prefix: str) -> None:
    keys = await keys_of(structs.replace(settings, redis_prefix=said))
    assert keys == Keys(prefix, KEYS.installation)
    assert keys.queue().waiting == f"{prefix}:edits"


def test_every_name_begins_with_the_prefix() -> None:
    keys = Keys("photos", "1")
    names = [*structs.astuple(keys.queue()), *structs.astuple(keys.queue("others")), keys.wake, keys.changed]
    names.append(keys.rate("user", "usr_1"))
    assert all(name.startswith("photos:") for name in names)
    assert len(set(names)) == len(names)


async def test_there_is_one_installation_in_a_database(connection: Connection) -> None:
    with pytest.raises(asyncpg.UniqueViolationError):
        await connection.execute("INSERT INTO installation DEFAULT VALUES")
    with pytest.raises(asyncpg.CheckViolationError):
        await connection.execute("INSERT INTO installation (only_one) VALUES (false)")


async def test_an_emptied_table_is_told_with_its_remedy(settings: Settings, connection: Connection) -> None:
    await connection.execute("DELETE FROM installation")
    with pytest.raises(SchemaError, match="INSERT INTO installation"):
        await redis_keys(connection, settings)
    for command in ("worker", "api"):
        ended = await asyncio.to_thread(run_command, command, settings=settings)
        assert ended.returncode == 1
        assert "INSERT INTO installation DEFAULT VALUES" in ended.stderr
        assert "Traceback" not in ended.stderr


def every_key(client: redis.Redis) -> set[str]:
    return set(cast("Iterator[str]", client.scan_iter()))


async def test_two_stacks_on_one_redis_leave_each_others_keys_alone(settings: Settings, empty_database: str) -> None:
    """All that the processes of each write begins with its own prefix, and nothing is left of what others wrote."""
    other, named = structs.replace(settings, database_url=empty_database), {"REDIS_PREFIX": "photos"}
    await migrate(other)
    with redis.Redis.from_url(settings.redis_url, decode_responses=True) as client:
        client.set("somebody else's", "x")
        client.rpush("dramatiq:edits", "x")
        with running_worker(settings), running_worker(other, named), running_api(settings), running_api(other, named):

            async def both_are_there() -> bool:
                return {f"{KEYS.prefix}:edits.workers", "photos:edits.workers"} <= every_key(client)

            await lives.until(both_are_there)
        keys = every_key(client)
    theirs = {"somebody else's", "dramatiq:edits"}
    assert keys >= theirs
    assert all(key.startswith((f"{KEYS.prefix}:", "photos:")) for key in keys - theirs)
