"""PostgreSQL: named queries, and how it is connected to."""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Any, TypeVar

import asyncpg
import msgspec

from service.away import UNAVAILABLE, told
from service.pool import BaseConnection, Connection, PlainConnection, Pool
from service.settings import Settings
from service.urls.database import read_database_url

__all__ = ["UNAVAILABLE", "Connection", "Pool"]

T = TypeVar("T")

CONNECT_TIMEOUT = 5.0
COMMAND_TIMEOUT = 30.0

PARAMETER = re.compile(r"(?<![:\w]):([a-z]\w*)")


class Query:
    """A named statement from `schema/queries`: `:name` in the file becomes `$n` on the wire."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.parameters: tuple[str, ...] = tuple(dict.fromkeys(PARAMETER.findall(text)))
        positions = {parameter: f"${n}" for n, parameter in enumerate(self.parameters, 1)}
        self.sql = PARAMETER.sub(lambda match: positions[match[1]], text)

    def _arguments(self, values: Mapping[str, object]) -> list[object]:
        if wrong := set(values) ^ set(self.parameters):
            raise TypeError(f"{self.name} takes {self.parameters}; wrong or missing: {sorted(wrong)}")
        return [values[parameter] for parameter in self.parameters]

    async def rows(self, connection: Connection, row_type: Callable[..., T] | type[T], **values: object) -> list[T]:
        """Every row as `row_type`."""
        records = await connection.fetch(self.sql, *self._arguments(values))
        return [convert(record, row_type) for record in records]

    async def row(self, connection: Connection, row_type: type[T], **values: object) -> T | None:
        """The only row as `row_type`, or None."""
        record = await connection.fetchrow(self.sql, *self._arguments(values))
        return None if record is None else convert(record, row_type)

    async def record(self, connection: Connection, **values: object) -> asyncpg.Record | None:
        """The only row as asyncpg gives it, or None."""
        return await connection.fetchrow(self.sql, *self._arguments(values))

    async def records(self, connection: Connection, **values: object) -> list[asyncpg.Record]:
        """Every row as asyncpg gives it: for very many of them."""
        return await connection.fetch(self.sql, *self._arguments(values))

    async def value(self, connection: Connection, **values: object) -> Any:
        """The first column of the only row, or None."""
        return await connection.fetchval(self.sql, *self._arguments(values))

    async def column(self, connection: Connection, **values: object) -> list[Any]:
        """The first column of every row."""
        return [record[0] for record in await connection.fetch(self.sql, *self._arguments(values))]

    async def run(self, connection: Connection, **values: object) -> None:
        """Execute, and expect no rows."""
        await connection.execute(self.sql, *self._arguments(values))


def convert(record: asyncpg.Record, row_type: Any) -> Any:
    """A record as a struct (columns that the struct doesn't name are left out), or as a tuple in column order."""
    is_tuple = getattr(row_type, "__origin__", None) is tuple
    return msgspec.convert(tuple(record) if is_tuple else dict(record), row_type)


@lru_cache
def load_queries(table: str) -> Mapping[str, Query]:
    """The statements of `schema/queries/{table}.sql`, by name."""
    text = files("schema").joinpath("queries", f"{table}.sql").read_text()
    _, *parts = re.split(r"^-- name: (\w+)\n", text, flags=re.MULTILINE)
    return {name: Query(name, body.strip()) for name, body in zip(parts[::2], parts[1::2], strict=True)}


def _encode_json(value: object) -> str:
    return msgspec.json.encode(value).decode()


async def prepare_connection(connection: Connection) -> None:
    """Let jsonb columns carry Python values."""
    await connection.set_type_codec(
        "jsonb", schema="pg_catalog", encoder=_encode_json, decoder=msgspec.json.decode, format="text"
    )


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
    await prepare_connection(connection)
    return connection


async def _leave_as_is(_: Connection) -> None:
    """No statement of ours leaves anything behind in a session, so a release needs no round trip to clean it."""


async def open_pool(settings: Settings, *, min_size: int = 1) -> Pool:
    """A pool for the running event loop."""
    pool = Pool(
        **_how_to_connect(settings),
        connection_class=PlainConnection,
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
