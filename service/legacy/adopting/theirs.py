"""What an old database's `users` and `tasks` look like, as its catalogs tell."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from msgspec import Struct

from service.database import Connection
from service.database.statements import load_queries

QUERIES = load_queries("adoption")


class Kind(StrEnum):
    """What a column holds, by the type that can hold all of it until its values have been judged."""

    TEXT = "text"
    TIME = "timestamptz"
    NUMBER = "numeric"
    TRUTH = "boolean"
    JSON = "jsonb"


KNOWN: Final[Mapping[str, Mapping[str, Kind]]] = MappingProxyType(
    {
        "users": {
            **dict.fromkeys(("user_id", "email", "username", "avatar", "password_hash", "current_plan_id"), Kind.TEXT),
            **dict.fromkeys(("has_password", "is_active", "signup_bonus_granted"), Kind.TRUTH),
            **dict.fromkeys(("current_credits", "total_credits_used"), Kind.NUMBER),
            **dict.fromkeys(("plan_renew_at", "created_at", "updated_at", "last_login"), Kind.TIME),
        },
        "tasks": {
            **dict.fromkeys(("task_id", "user_id", "status", "mode", "current_step"), Kind.TEXT),
            **dict.fromkeys(("source_image", "reference_image"), Kind.TEXT),
            **dict.fromkeys(("config", "result", "error"), Kind.JSON),
            **dict.fromkeys(("progress", "credits_consumed", "processing_time"), Kind.NUMBER),
            **dict.fromkeys(("created_at", "updated_at", "started_at"), Kind.TIME),
            **dict.fromkeys(("completed_at", "failed_at", "cancelled_at"), Kind.TIME),
        },
    }
)
"""The old system's columns that Darkroom understands. Others stay, with their values."""

REQUIRED: Final = {"users": ("user_id", "email"), "tasks": ("task_id", "status", "mode", "source_image")}
"""Without these it is somebody else's table."""

PRIMARY_KEY: Final = {"users": "user_id", "tasks": "task_id"}

_PLAIN_TEXT: Final = ("text", "character varying")
_NEVER_TEXT: Final = ("bytea", "json", "jsonb", "boolean")
_READABLE: Final[Mapping[Kind, Mapping[str, str | None]]] = MappingProxyType(
    {
        Kind.TIME: {
            "timestamp with time zone": None,
            "timestamp without time zone": "{}::timestamptz",
            "date": "{}::timestamptz",
        },
        Kind.NUMBER: {
            **dict.fromkeys(("smallint", "integer", "bigint", "numeric")),
            **dict.fromkeys(("real", "double precision"), "{}::numeric"),
            "interval": "extract(epoch FROM {})",
        },
        Kind.TRUTH: {"boolean": None},
        Kind.JSON: {"jsonb": None, "json": "to_jsonb({}::text)", **dict.fromkeys(_PLAIN_TEXT, "to_jsonb({})")},
    }
)
"""By kind, the types that can be read as it, and how; None: they are as they should be."""


class TableFacts(Struct, frozen=True):
    """What stands under the name of one of our tables."""

    table_id: int
    name: str
    kind: str
    here: bool
    owned: bool
    unlogged: bool
    row_security: bool
    row_security_forced: bool
    typed: bool
    inherits: bool
    rule: str | None
    """One of those that turn what is written there into something else."""


class Column(Struct, frozen=True):
    """One column, in PostgreSQL's words."""

    table_id: int
    number: int
    name: str
    type: str
    plain: bool
    """Of the usual collation, and without a precision or a length."""
    not_null: bool
    has_default: bool
    identity: bool
    generated: str

    @property
    def plain_text(self) -> bool:
        """Whether it can hold any id and refer to one."""
        return self.type in _PLAIN_TEXT

    def widening(self, kind: Kind) -> str | None:
        """An expression that makes all its values ones of `kind`; None if they are already.

        Raises:
            ValueError: Its type can't hold such values.
        """
        if kind is Kind.TEXT:
            if self.type in _NEVER_TEXT or self.type.endswith("[]"):
                raise ValueError(self.type)
            using = None if self.type == "text" else "{}::text"
        elif self.type in _READABLE[kind]:
            using = _READABLE[kind][self.type]
        else:
            raise ValueError(self.type)
        if not self.plain and kind in {Kind.TEXT, Kind.TIME}:
            using = using or "{}"
        return using and using.format(quoted(self.name))


class Constraint(Struct, frozen=True):
    """A constraint of one of the tables: p, u, x, c or f, as pg_constraint has them."""

    table_id: int
    name: str
    kind: str
    columns: list[int]
    refers_to: int
    definition: str


class Index(Struct, frozen=True):
    """An index that belongs to no constraint."""

    table_id: int
    name: str
    computed: bool
    columns: list[int]
    definition: str


class Trigger(Struct, frozen=True):
    """A trigger, and whether its function serves nothing else."""

    table_id: int
    name: str
    function: str
    only_here: bool


class Reference(Struct, frozen=True):
    """A foreign key that refers to one of the tables, or to a column that changes with them."""

    constraint_id: int
    name: str
    table_id: int
    table_name: str
    owned: bool
    columns: list[int]
    refers_to: int
    referred: list[int]
    definition: str


class Theirs(Struct, frozen=True):
    """All that is to be known before anything is changed.

    `converted` are columns that refer to ids which become text, and become text with them.
    """

    tables: list[TableFacts]
    columns: dict[tuple[int, int], Column]
    constraints: list[Constraint]
    indexes: list[Index]
    triggers: list[Trigger]
    references: list[Reference]
    converted: frozenset[tuple[int, int]]

    @property
    def table_ids(self) -> list[int]:
        return [table.table_id for table in self.tables]

    def table(self, table_id: int) -> TableFacts:
        return next(table for table in self.tables if table.table_id == table_id)

    def columns_of(self, table: TableFacts) -> list[Column]:
        return [column for column in self.columns.values() if column.table_id == table.table_id]

    def known(self, table: TableFacts) -> dict[int, Column]:
        """Those of a table's columns that Darkroom understands, by number."""
        return {column.number: column for column in self.columns_of(table) if column.name in KNOWN[table.name]}


async def find_tables(connection: Connection) -> list[TableFacts]:
    """What stands under the names `users` and `tasks`."""
    return await QUERIES["tables_in_the_way"].rows(connection, TableFacts)


async def survey(connection: Connection) -> Theirs:
    """Read the catalogs."""
    tables = await find_tables(connection)
    ids = [table.table_id for table in tables]
    columns = await _columns(connection, ids)
    converted = {
        key
        for key, column in columns.items()
        for table in tables
        if table.table_id == column.table_id
        and KNOWN[table.name].get(column.name) is Kind.TEXT
        and not column.plain_text
    }
    references: list[Reference] = []
    reached = set(ids)
    while True:
        # Whatever refers to a column that becomes text becomes text as well, and then what refers to that.
        references = await QUERIES["references_to_tables"].rows(connection, Reference, tables=sorted(reached))
        columns |= await _columns(connection, [reference.table_id for reference in references])
        more = {
            (reference.table_id, column)
            for reference in references
            for column, referred in zip(reference.columns, reference.referred, strict=True)
            if (reference.refers_to, referred) in converted and not columns[reference.table_id, column].plain_text
        }
        if more <= converted:
            break
        converted |= more
        reached |= {table_id for table_id, _ in more}
    return Theirs(
        tables=tables,
        columns=columns,
        constraints=await QUERIES["constraints_of_tables"].rows(connection, Constraint, tables=ids),
        indexes=await QUERIES["indexes_of_tables"].rows(connection, Index, tables=ids),
        triggers=await QUERIES["triggers_of_tables"].rows(connection, Trigger, tables=ids),
        references=[
            reference
            for reference in references
            if reference.refers_to in ids
            or any((reference.refers_to, referred) in converted for referred in reference.referred)
        ],
        converted=frozenset(converted),
    )


async def _columns(connection: Connection, table_ids: list[int]) -> dict[tuple[int, int], Column]:
    rows = await QUERIES["columns_of_tables"].rows(connection, Column, tables=table_ids)
    return {(column.table_id, column.number): column for column in rows}


def quoted(name: str) -> str:
    """A name as it stands in a statement."""
    doubled = name.replace('"', '""')
    return f'"{doubled}"'
