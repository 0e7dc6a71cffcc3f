"""The named statements of `schema/queries`, and their rows as structs."""

import re
from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from importlib.resources import files
from itertools import combinations
from typing import Any, NamedTuple, TypeVar

import asyncpg
import msgspec

from schema.models.accounts import UserRecord
from schema.models.events import EventRecord
from schema.models.files import FileRecord
from schema.models.tasks import TaskRecord
from schema.models.webhooks import DeliveryRecord
from service.database import Connection
from service.database.transactions import insist, transaction

T = TypeVar("T")

COLUMNS = {
    row.__name__: ", ".join(row.__struct_fields__)
    for row in (TaskRecord, UserRecord, FileRecord, EventRecord, DeliveryRecord)
}
"""`{TaskRecord}` in a statement stands for the columns that the struct names, so that others may come and go."""

PARAMETER = re.compile(r"(?<![:\w]):([a-z]\w*)")
COLUMNS_OF = re.compile(r"\{(\w+)\}")
OPTIONAL_LINE = re.compile(r"^.*-- if (\w+)$\n?", re.MULTILINE)
"""A line that ends in `-- if status` is left out where `:status` is None: one text for each combination of filters.

`(:status IS NULL OR status = :status)` would be a filter over everything, once PostgreSQL plans without the values."""


class Text(NamedTuple):
    """A statement as it is sent, and the names of its arguments in their order."""

    sql: str
    parameters: tuple[str, ...]


def on_the_wire(text: str) -> Text:
    """`:name` in the file becomes `$n`."""
    parameters = tuple(dict.fromkeys(PARAMETER.findall(text)))
    positions = {parameter: f"${n}" for n, parameter in enumerate(parameters, 1)}
    return Text(PARAMETER.sub(lambda match: positions[match[1]], text), parameters)


class Query:
    """A named statement from `schema/queries`, in each of its texts."""

    def __init__(self, name: str, text: str) -> None:
        text = COLUMNS_OF.sub(lambda match: COLUMNS[match[1]], text)
        self.name = name
        self.sql, self.parameters = on_the_wire(text)
        self.options = tuple(dict.fromkeys(OPTIONAL_LINE.findall(text)))
        self.texts = {
            frozenset(left_out): on_the_wire(_without(text, left_out))
            for number in range(len(self.options) + 1)
            for left_out in combinations(self.options, number)
        }
        """By what is None."""

    def _text_and_arguments(self, values: Mapping[str, object]) -> tuple[str, list[object]]:
        if wrong := set(values) ^ set(self.parameters):
            raise TypeError(f"{self.name} takes {self.parameters}; wrong or missing: {sorted(wrong)}")
        text = self.texts[frozenset(option for option in self.options if values[option] is None)]
        return text.sql, [values[parameter] for parameter in text.parameters]

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
        sql, arguments = self._text_and_arguments(values)
        if connection.is_in_transaction():
            return await connection.fetch(sql, *arguments)
        return await insist(lambda: _alone(connection, sql, arguments))

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


def _without(text: str, options: Collection[str]) -> str:
    return OPTIONAL_LINE.sub(lambda match: "" if match[1] in options else match[0], text)


async def _alone(connection: Connection, sql: str, arguments: list[object]) -> list[asyncpg.Record]:
    """A transaction of its own; only where the database's default is another than ours does that cost words."""
    if getattr(connection, "reads_committed", True):
        return await connection.fetch(sql, *arguments)
    async with transaction(connection):
        return await connection.fetch(sql, *arguments)


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
