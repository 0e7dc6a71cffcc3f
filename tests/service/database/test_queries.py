"""Every named statement is prepared on the real schema, so that a typo in one fails here and not at night."""

from importlib.resources import files

import asyncpg

from service.database import Connection
from service.database.statements import load_queries

TABLES = sorted(
    file.name.removesuffix(".sql")
    for file in files("schema").joinpath("queries").iterdir()
    if file.name.endswith(".sql")
)
ALL = [query for table in TABLES for query in load_queries(table).values()]


async def test_every_statement_prepares(connection: Connection) -> None:
    wrong: list[str] = []
    for query in ALL:
        for text in query.texts.values():
            try:
                prepared = await connection.prepare(text.sql)
            except asyncpg.PostgresError as error:
                wrong.append(f"{query.name}: {error}")
            else:
                if len(prepared.get_parameters()) != len(text.parameters):
                    wrong.append(f"{query.name}: {len(prepared.get_parameters())} parameters")
    assert wrong == []


def test_names_are_unique() -> None:
    names = [query.name for query in ALL]
    assert len(names) == len(set(names))
