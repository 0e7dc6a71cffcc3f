"""PostgreSQL, and how it is connected to."""

import asyncio
from typing import Any

import asyncpg
import msgspec

from service.database.away import UNAVAILABLE, told
from service.database.pool import BaseConnection, Connection, PlainConnection, Pool, PooledConnection
from service.settings import Settings
from service.urls.database import read_database_url

__all__ = ["UNAVAILABLE", "Connection", "Pool"]

CONNECT_TIMEOUT = 5.0
COMMAND_TIMEOUT = 30.0
FIRST_ANSWER_WITHIN = 10.0
"""Seconds: a pooler lets us in at once, though it may be paused, or have nobody who answers."""


def _encode_json(value: object) -> str:
    return msgspec.json.encode(value).decode()


async def prepare_connection(connection: Connection) -> None:
    """Let jsonb columns carry Python values, and note what a transaction is in this database if nobody says so."""
    await connection.set_type_codec(
        "jsonb", schema="pg_catalog", encoder=_encode_json, decoder=msgspec.json.decode, format="text"
    )
    if isinstance(connection, PlainConnection):
        connection.reads_committed = await connection.fetchval("SHOW default_transaction_isolation") == "read committed"


def _how_to_connect(settings: Settings) -> dict[str, Any]:
    """What DATABASE_URL means; through a transaction pooler nothing may be kept between transactions."""
    url = read_database_url(settings.database_url)
    return {
        **url.arguments,
        "timeout": url.connect_timeout or CONNECT_TIMEOUT,
        "statement_cache_size": 0 if settings.through_pooler else 100,
    }


async def connect(settings: Settings) -> BaseConnection:
    """One connection outside of any pool, for commands. Raises one of UNAVAILABLE when there is none to be had."""
    try:
        connection = await asyncpg.connect(
            **_how_to_connect(settings), command_timeout=None, connection_class=PlainConnection
        )
    except asyncpg.PostgresError as error:
        raise told(error, connecting=True) from None
    try:
        async with asyncio.timeout(FIRST_ANSWER_WITHIN):
            await prepare_connection(connection)
    except BaseException:
        connection.terminate()
        raise
    return connection


async def _leave_as_is(_: Connection) -> None:
    """No statement of ours leaves anything behind in a session, so a release needs no round trip to clean it."""


async def open_pool(settings: Settings, *, min_size: int = 1) -> Pool:
    """A pool for the running event loop."""
    pool = Pool(
        **_how_to_connect(settings),
        connection_class=PooledConnection,
        record_class=asyncpg.Record,
        min_size=min_size,
        max_size=settings.database_pool_size,
        max_queries=50_000,
        max_inactive_connection_lifetime=300.0,
        setup=None,
        init=prepare_connection,
        reset=_leave_as_is,
        loop=None,
        command_timeout=COMMAND_TIMEOUT,
    )
    try:
        await pool
    except asyncpg.PostgresError as error:
        raise told(error, connecting=True) from None
    return pool
