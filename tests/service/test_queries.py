"""Every named statement is prepared on the real schema, so that a typo in one fails here and not at night."""

from importlib.resources import files

import pytest

from service.database import Connection
from service.statements import Query, load_queries

TABLES = sorted(
    file.name.removesuffix(".sql")
    for file in files("schema").joinpath("queries").iterdir()
    if file.name.endswith(".sql")
)
ALL = [query for table in TABLES for query in load_queries(table).values()]


@pytest.mark.parametrize("query", ALL, ids=lambda query: query.name)
async def test_a_statement_prepares(connection: Connection, query: Query) -> None:
    for text in query.texts.values():
        prepared = await connection.prepare(text.sql)
        assert len(prepared.get_parameters()) == len(text.parameters)


def test_names_are_unique() -> None:
    names = [query.name for query in ALL]
    assert len(names) == len(set(names))
