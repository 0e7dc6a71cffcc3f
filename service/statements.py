"""The named statements of `schema/queries`, and their rows as structs."""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Any, TypeVar

import asyncpg
import msgspec

from schema.models.accounts import UserRecord
from schema.models.files import FileRecord
from schema.models.tasks import TaskRecord
from service.database import Connection
from service.transactions import READ_COMMITTED, insist

T = TypeVar("T")

COLUMNS = {row.__name__: ", ".join(row.__struct_fields__) for row in (TaskRecord, UserRecord, FileRecord)}
"""`{TaskRecord}` in a statement stands for the columns that the struct names, so that others may come and go."""

PARAMETER = re.compile(r"(?<![:\w]):([a-z]\w*)")
COLUMNS_OF = re.compile(r"\{(\w+)\}")


class Query:
    """A named statement from `schema/queries`: `:name` in the file becomes `$n` on the wire."""

    def __init__(self, name: str, text: str) -> None:
        text = COLUMNS_OF.sub(lambda match: COLUMNS[match[1]], text)
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
        return [convert(record, row_type) for record in await self.records(connection, **values)]

    async def row(self, connection: Connection, row_type: type[T], **values: object) -> T | None:
        """The only row as `row_type`, or None."""
        record = await self.record(connection, **values)
        return None if record is None else convert(record, row_type)

    async def record(self, connection: Connection, **values: object) -> asyncpg.Record | None:
        """The only row as asyncpg gives it, or None."""
        records = await self.records(connection, **values)
        return records[0] if records else None

    async def records(self, connection: Connection, **values: object) -> list[asyncpg.Record]:
        """Every row as asyncpg gives it: for very many of them."""
        arguments = self._arguments(values)
        if connection.is_in_transaction():
            return await connection.fetch(self.sql, *arguments)
        return await insist(lambda: self._alone(connection, arguments))

    async def _alone(self, connection: Connection, arguments: list[object]) -> list[asyncpg.Record]:
        """A transaction of its own; only where the database's default is another than ours does that cost words."""
        if getattr(connection, "reads_committed", True):
            return await connection.fetch(self.sql, *arguments)
        async with connection.transaction(isolation=READ_COMMITTED):
            return await connection.fetch(self.sql, *arguments)

    async def value(self, connection: Connection, **values: object) -> Any:
        """The first column of the only row, or None."""
        record = await self.record(connection, **values)
        return None if record is None else record[0]

    async def column(self, connection: Connection, **values: object) -> list[Any]:
        """The first column of every row."""
        return [record[0] for record in await self.records(connection, **values)]

    async def run(self, connection: Connection, **values: object) -> None:
        """Execute, and expect no rows."""
        await self.records(connection, **values)


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
