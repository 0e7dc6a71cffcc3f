"""Connections that are given back stay at hand for a moment, as long as they are of use."""

import asyncio
import sys
from typing import Any

import asyncpg
import pytest
from msgspec import structs

from service.database import UNAVAILABLE, Connection, Pool, open_pool
from service.database.transactions import transactional
from service.settings import Settings
from tests.service.http.proxy import proxied


def _asyncpg_tells_of_it(_: asyncio.AbstractEventLoop, told: dict[str, Any]) -> None:
    assert "active transaction" in told["message"]


async def pid(pool: Pool) -> int:
    async with pool.acquire() as connection:
        return await connection.fetchval("SELECT pg_backend_pid()")


async def test_callers_one_after_the_other_have_the_same_connection(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.database.pool.AT_HAND_SECONDS", 3600)
    pool = await open_pool(settings)
    assert len({await pid(pool) for _ in range(5)}) == 1
    assert pool.get_idle_size() == 0
    await pool.close()


async def test_connections_at_hand_go_back_after_a_while(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.database.pool.AT_HAND_SECONDS", 0.01)
    pool = await open_pool(settings)
    await pid(pool)
    async with asyncio.timeout(60):
        while pool.get_idle_size() == 0:  # noqa: ASYNC110 - asyncpg's pool tells nobody
            await asyncio.sleep(0.01)
    assert await pid(pool)
    await pool.close()


async def test_more_callers_than_connections_hand_them_on_in_their_order(settings: Settings) -> None:
    pool = await open_pool(settings)
    held, order = [await pool.take(None) for _ in range(pool.get_max_size())], list[int]()

    async def ask(number: int) -> int:
        async with pool.acquire() as connection:
            order.append(number)
            return await connection.fetchval("SELECT pg_backend_pid()")

    asking = [asyncio.create_task(ask(number)) for number in range(5 * len(held))]
    await asyncio.sleep(0)
    for connection in held:
        await pool.give_back(connection, as_it_was=True)
    async with asyncio.timeout(60):
        assert len(set(await asyncio.gather(*asking))) <= len(held)
    assert order == list(range(len(asking)))
    await pool.close()


async def test_a_connection_that_was_lost_at_hand_is_nobodys(settings: Settings) -> None:
    pool = await open_pool(settings)
    lost = await pid(pool)
    admin = await asyncpg.connect(settings.database_url)
    await admin.fetchval("SELECT pg_terminate_backend($1, 5000)", lost)
    await admin.close()
    async with asyncio.timeout(60):
        while (found := await asked(pool)) is None:
            pass
    assert found != lost
    await pool.close()


async def asked(pool: Pool) -> int | None:
    """None while the loss is on its way to us."""
    try:
        return await pid(pool)
    except (*UNAVAILABLE, asyncpg.InterfaceError):
        return None


async def test_what_broke_off_or_left_a_transaction_open_is_not_kept(settings: Settings) -> None:
    pool = await open_pool(settings)
    async with pool.acquire() as connection:
        begun = connection.transaction()
        await begun.start()
        asyncio.get_running_loop().set_exception_handler(_asyncpg_tells_of_it)
    async with pool.acquire() as connection:
        assert not connection.is_in_transaction()
    with pytest.raises(asyncpg.DivisionByZeroError):
        async with pool.acquire() as connection:
            await connection.fetchval("SELECT 1/0")
    assert pool.get_idle_size() == pool.get_size()
    await pool.close()


async def test_whoever_is_cancelled_with_a_connection_just_handed_on_passes_it_on(settings: Settings) -> None:
    pool = await open_pool(settings)
    held = [await pool.take(None) for _ in range(pool.get_max_size())]
    first, second = (asyncio.create_task(pid(pool)) for _ in range(2))
    await asyncio.sleep(0)
    await pool.give_back(held.pop(), as_it_was=True)
    first.cancel()
    async with asyncio.timeout(60):
        assert await second
    assert first.cancelled()
    for connection in held:
        await pool.give_back(connection, as_it_was=True)
    await pool.close()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a test lose what arrives")
async def test_a_server_that_vanished_is_noticed(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its machine died: nothing is refused, and nothing comes, neither to who waits for an answer nor to who asks."""
    monkeypatch.setattr("service.database.vanishing.ASK_AFTER", 1)
    monkeypatch.setattr("service.database.vanishing.GONE_AFTER", 2)
    with proxied(settings.database_url) as way:
        pool = await open_pool(structs.replace(settings, database_url=way.url))
        async with pool.acquire() as connection, pool.acquire() as at_hand:
            waiting = asyncio.create_task(connection.fetchval("SELECT pg_sleep(100)"))
            await at_hand.fetchval("SELECT 1")
            await asyncio.to_thread(way.vanish)
            async with asyncio.timeout(15):
                for asked in (waiting, at_hand.fetchval("SELECT 1")):
                    with pytest.raises(asyncpg.ConnectionDoesNotExistError):
                        await asked
        assert await pid(pool)
        await pool.close()


async def test_a_session_that_takes_no_writes_is_not_kept(settings: Settings) -> None:
    """Its server may have been succeeded by another, whose sessions do: this one never will."""
    pool = await open_pool(settings)
    for attempt in (begun_for_itself, begun_in_a_transaction):
        async with pool.acquire() as connection:
            await connection.execute("SET default_transaction_read_only = on")
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await attempt(pool)
        await attempt(pool)
    await pool.close()


async def begun_for_itself(pool: Pool) -> None:
    async with pool.acquire() as connection:
        await connection.execute("DELETE FROM leaders WHERE duty = 'nobody''s'")


@transactional
async def _begun(connection: Connection) -> None:
    await connection.execute("DELETE FROM leaders WHERE duty = 'nobody''s'")


async def begun_in_a_transaction(pool: Pool) -> None:
    await _begun(pool)
