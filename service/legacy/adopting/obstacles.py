"""What stands in the way of taking an old database's tables over, and what its operator can do about it."""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from service.database import Connection
from service.database.migrations import Migration, SchemaError
from service.legacy.adopting.theirs import KNOWN, PRIMARY_KEY, QUERIES, REQUIRED, Reference, TableFacts, Theirs

_MADE: Final = re.compile(r"^CREATE (?:UNIQUE )?(?:TABLE|INDEX|FUNCTION) (\w+)", re.MULTILINE)
_ORDINARY: Final = "r"
_VIRTUAL: Final = "v"


def refuse(obstacles: Iterable[str]) -> None:
    """Raise all of them in one line, if there are any.

    Raises:
        SchemaError: There are.
    """
    if found := list(obstacles):
        raise SchemaError(f"The tables can't be adopted as they are, and nothing was changed: {'; '.join(found)}.")


def unfit_tables(tables: list[TableFacts]) -> Iterator[str]:
    """Tables that can't be changed at all."""
    for table in tables:
        name = f"`{table.name}`"
        if table.kind == "p":
            yield f"{name} is partitioned: copy its rows into an ordinary table of that name"
        elif table.kind != _ORDINARY:
            yield f"{name} is not a table: rename it"
        elif not table.here:
            yield f"{name} is not in the schema that comes first in search_path: put its schema first in DATABASE_URL"
        elif not table.owned:
            yield f"{name} belongs to another user of PostgreSQL: put its owner into DATABASE_URL"
        elif table.inherits:
            yield f"{name} inherits, is inherited from or is a partition: ALTER TABLE ... NO INHERIT (or DETACH) first"
        elif table.rule is not None:
            yield f"rule {table.rule} makes something else of what is written into {name}: drop it"
        elif table.typed:
            yield f"{name} is a typed table: ALTER TABLE {table.name} NOT OF first"
        elif table.row_security_forced:
            yield (
                f"row level security is forced on the owner of {name}, which hides its rows: "
                f"ALTER TABLE {table.name} NO FORCE ROW LEVEL SECURITY first"
            )


async def obstacles(connection: Connection, theirs: Theirs, migrations: list[Migration]) -> list[str]:
    """Everything else, once the tables are locked."""
    if not await QUERIES["may_create_here"].value(connection):
        return ["this user of PostgreSQL may not create tables here: GRANT CREATE ON SCHEMA to it"]
    return [
        *_columns(theirs),
        *await _duplicates(connection, theirs),
        *await _dependents(connection, theirs),
        *_references(theirs),
        *await _names(connection, theirs, migrations),
    ]


def _columns(theirs: Theirs) -> Iterator[str]:
    for table in theirs.tables:
        named = {column.name: column for column in theirs.columns_of(table)}
        if missing := [name for name in REQUIRED[table.name] if name not in named]:
            yield (
                f"`{table.name}` has no column {' and no '.join(missing)}, so it isn't the existing system's: "
                "rename it, or use an empty database"
            )
        for name, kind in KNOWN[table.name].items():
            if name not in named:
                continue
            column = named[name]
            if column.generated == _VIRTUAL:
                yield f"{table.name}.{name} is a virtual generated column: replace it by an ordinary one"
            try:
                column.widening(kind)
            except ValueError:
                yield f"{table.name}.{name} is {column.type}, which can't be read as {kind}: change its type first"


async def _duplicates(connection: Connection, theirs: Theirs) -> list[str]:
    """An id that several rows have, where no constraint forbids that."""
    found: list[str] = []
    for table in theirs.tables:
        key = PRIMARY_KEY[table.name]
        numbers = [column.number for column in theirs.known(table).values() if column.name == key]
        if not numbers or any(
            one.table_id == table.table_id and one.kind in "pu" and one.columns == numbers for one in theirs.constraints
        ):
            continue
        statement = f"SELECT {key}::text FROM {table.name} WHERE {key} IS NOT NULL GROUP BY {key} HAVING count(*) > 1"  # noqa: S608 - names from above
        if twice := await connection.fetchval(f"{statement} LIMIT 1"):
            found.append(f"several rows of `{table.name}` have one {key}, such as {twice!r}: leave one of them")
    return found


async def _dependents(connection: Connection, theirs: Theirs) -> list[str]:
    changed = {(table.table_id, number) for table in theirs.tables for number in theirs.known(table)} | theirs.converted
    hindering = await QUERIES["dependents_of_columns"].column(
        connection,
        table_ids=[table_id for table_id, _ in changed],
        numbers=[number for _, number in changed],
        without_triggers=theirs.table_ids,
    )
    hindering += await QUERIES["users_of_row_types"].column(connection, tables=theirs.table_ids)
    return [f"{one} depends on a column that changes: drop it, and make it again afterwards" for one in hindering]


def _references(theirs: Theirs) -> Iterator[str]:
    for reference in kept_references(theirs):
        if not reference.owned:
            yield (
                f"the table {reference.table_name}, whose {reference.name} refers to these, belongs to another user of "
                "PostgreSQL: put one into DATABASE_URL that owns all of them"
            )
        table = next((table for table in theirs.tables if table.table_id == reference.refers_to), None)
        if table is None:
            continue
        known = theirs.known(table)
        names = [known[number].name for number in reference.referred if number in known]
        if len(names) == len(reference.referred) and names != [PRIMARY_KEY[table.name]]:
            yield (
                f"{reference.name} of {reference.table_name} refers to {table.name} ({', '.join(names)}), "
                f"which will not be unique as it is: drop it, or let it refer to {PRIMARY_KEY[table.name]}"
            )


def kept_references(theirs: Theirs) -> list[Reference]:
    """Foreign keys that are made again; those of columns that Darkroom understands give way to its own."""
    ours = {(table.table_id, number) for table in theirs.tables for number in theirs.known(table)}
    return [
        reference
        for reference in theirs.references
        if not any((reference.table_id, number) in ours for number in reference.columns)
    ]


async def _names(connection: Connection, theirs: Theirs, migrations: list[Migration]) -> list[str]:
    ours = sorted({name for migration in migrations for name in _MADE.findall(migration.sql)})
    taken = await QUERIES["names_taken"].column(connection, names=ours, tables=theirs.table_ids)
    return [f"there is {one}, a name that Darkroom needs: rename it" for one in taken]
