"""Strips an old database's tables of what can't stay while their columns change, and gives back what can."""

from collections.abc import Iterator
from typing import Final

import asyncpg

from service.database import Connection
from service.legacy.adopting.obstacles import kept_references, refuse
from service.legacy.adopting.theirs import KNOWN, QUERIES, Column, Constraint, TableFacts, Theirs, quoted

_FOREIGN_KEY: Final = "f"
_CHECK: Final = "c"
_PRIMARY: Final = "p"


async def rename_namesakes(
    connection: Connection, tables: list[TableFacts], ours: dict[str, frozenset[str]]
) -> list[str]:
    """Columns of theirs that have a name of ours and another meaning get another name, and keep their values."""
    lines: list[str] = []
    for table in tables:
        columns = await QUERIES["columns_of_tables"].rows(connection, Column, tables=[table.table_id])
        taken = {column.name for column in columns} | ours[table.name]
        for column in columns:
            if column.name in ours[table.name] and column.name not in KNOWN[table.name]:
                name = next(name for n in range(1, len(taken) + 2) if (name := f"{column.name}_old{n}") not in taken)
                await connection.execute(f"ALTER TABLE {table.name} RENAME {quoted(column.name)} TO {name}")
                taken.add(name)
                lines.append(f"renamed {table.name}.{column.name} to {name}: Darkroom means something else by it")
    return lines


async def tell_rows_apart(connection: Connection, theirs: Theirs, by: str) -> None:
    """Say how publications tell rows apart: DEFAULT (by their key), or FULL: without a key they can't change otherwise.

    FULL doesn't stay: PostgreSQL 18 refuses it for tables with generated columns, which ours have.
    """
    for table in theirs.tables:
        await connection.execute(f"ALTER TABLE {table.name} REPLICA IDENTITY {by}")


async def strip(connection: Connection, theirs: Theirs) -> list[str]:
    """Take away foreign keys to the tables, triggers, and what was made of columns that change; a line for each.

    The columns that Darkroom understands are all there afterwards, of their kind's type, nullable, without defaults.
    """
    lines: list[str] = []
    for reference in theirs.references:
        await connection.execute(f"ALTER TABLE {reference.table_name} DROP CONSTRAINT {quoted(reference.name)}")
    lines += await _drop_triggers(connection, theirs)
    lines += await _drop_constraints(connection, theirs)
    lines += await _drop_indexes(connection, theirs)
    for table in theirs.tables:
        lines += await _widen(connection, theirs, table)
    return lines


async def _drop_triggers(connection: Connection, theirs: Theirs) -> list[str]:
    lines: list[str] = []
    for trigger in theirs.triggers:
        table = theirs.table(trigger.table_id).name
        await connection.execute(f"DROP TRIGGER {quoted(trigger.name)} ON {table}")
        lines.append(f"dropped trigger {trigger.name} of {table}")
    for function, only_here in {trigger.function: trigger.only_here for trigger in theirs.triggers}.items():
        if only_here:
            await connection.execute(f"DROP FUNCTION {function}")
            lines.append(f"dropped function {function}, which nothing else used")
        else:
            lines.append(f"kept function {function}, which isn't of these tables alone")
    return lines


async def _drop_constraints(connection: Connection, theirs: Theirs) -> list[str]:
    lines: list[str] = []
    gone = {(reference.table_id, reference.name) for reference in theirs.references}
    for constraint in theirs.constraints:
        table = theirs.table(constraint.table_id)
        if (table.table_id, constraint.name) in gone or not _touches(constraint, set(theirs.known(table))):
            continue
        await connection.execute(f"ALTER TABLE {table.name} DROP CONSTRAINT {quoted(constraint.name)}")
        if constraint.kind == _PRIMARY and not set(constraint.columns) <= set(theirs.known(table)):
            unique = f"UNIQUE{constraint.definition.removeprefix('PRIMARY KEY')}"
            await connection.execute(f"ALTER TABLE {table.name} ADD {unique}")
            lines.append(f"made the primary key of {table.name} a constraint {unique}")
        elif constraint.kind in {_CHECK, _FOREIGN_KEY, "x"}:
            lines.append(f"dropped constraint {constraint.name} of {table.name}: {constraint.definition}")
    return lines


def _touches(constraint: Constraint, known: set[int]) -> bool:
    """Whether it has to go: any primary key; what checks known columns; what makes only known ones unique."""
    if constraint.kind == _PRIMARY:
        return True
    if constraint.kind == "u":
        return set(constraint.columns) <= known
    return not known.isdisjoint(constraint.columns)


async def _drop_indexes(connection: Connection, theirs: Theirs) -> list[str]:
    lines: list[str] = []
    for index in theirs.indexes:
        table = theirs.table(index.table_id)
        known = set(theirs.known(table))
        touched = known & set(index.columns)
        if touched and (index.computed or touched == set(index.columns)):
            await connection.execute(f"DROP INDEX {quoted(index.name)}")
            lines.append(f"dropped index: {index.definition}")
    return lines


async def _widen(connection: Connection, theirs: Theirs, table: TableFacts) -> list[str]:
    lines: list[str] = []
    if table.unlogged:
        await connection.execute(f"ALTER TABLE {table.name} SET LOGGED")
        lines.append(f"made {table.name} a logged table: an unlogged one is empty after a crash")
    columns = theirs.columns_of(table)
    kinds = KNOWN[table.name]
    loosened = [part for column in columns for part in _loosened(column, known=column.name in kinds)]
    there = {column.name: column for column in columns}
    missing = [f"ADD COLUMN {name} {kind}" for name, kind in kinds.items() if name not in there]
    await _alter(connection, table.name, [*loosened, *missing])
    widened = {name: there[name].widening(kind) for name, kind in kinds.items() if name in there}
    await _alter(
        connection,
        table.name,
        [f"ALTER COLUMN {name} TYPE {kinds[name]} USING {using}" for name, using in widened.items() if using]
        + [
            f"ALTER COLUMN {quoted(column.name)} TYPE text"
            for column in columns
            if column.name not in kinds and (column.table_id, column.number) in theirs.converted
        ],
    )
    for column in columns:
        if column.name not in kinds:
            kept = f"kept {table.name}.{column.name}"
            optional = f", which may be null from now on: {_OPTIONAL}" if _must_be_given(column) else ""
            lines.append(kept + optional)
    return lines


_OPTIONAL: Final = "Darkroom's own rows have nothing for it"


def _must_be_given(column: Column) -> bool:
    return column.not_null and not column.has_default and not column.generated


def _loosened(column: Column, *, known: bool) -> Iterator[str]:
    name = quoted(column.name)
    if known:
        if column.identity:
            yield f"ALTER COLUMN {name} DROP IDENTITY"
        elif column.generated:
            yield f"ALTER COLUMN {name} DROP EXPRESSION"
        elif column.has_default:
            yield f"ALTER COLUMN {name} DROP DEFAULT"
    if (known and column.not_null) or (not known and _must_be_given(column)):
        yield f"ALTER COLUMN {name} DROP NOT NULL"


async def _alter(connection: Connection, table: str, parts: list[str]) -> None:
    if parts:
        await connection.execute(f"ALTER TABLE {table} {', '.join(parts)}")


_DANGLES: Final = "refers to rows that would go into quarantine: mend those rows, or drop the constraint"


async def give_back(connection: Connection, theirs: Theirs) -> list[str]:
    """Make the foreign keys to the tables again, their columns text where the ids have become text; a line for each."""
    ours = set(theirs.table_ids)
    others: dict[str, list[str]] = {}
    for reference in theirs.references:
        for number in reference.columns:
            if (reference.table_id, number) in theirs.converted and reference.table_id not in ours:
                part = f"ALTER COLUMN {quoted(theirs.columns[reference.table_id, number].name)} TYPE text"
                parts = others.setdefault(reference.table_name, [])
                if part not in parts:
                    parts.append(part)
    for table, parts in others.items():
        await _alter(connection, table, parts)
    lines: list[str] = []
    for reference in kept_references(theirs):
        statement = f"ALTER TABLE {reference.table_name} ADD CONSTRAINT {quoted(reference.name)} {reference.definition}"
        try:
            await connection.execute(statement)
        except asyncpg.ForeignKeyViolationError:
            refuse([f"{reference.name} of {reference.table_name} {_DANGLES}"])
        lines.append(f"kept {reference.name} of {reference.table_name}")
    return lines
