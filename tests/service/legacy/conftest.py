"""A database in which Darkroom has never been; and a Redis of the old system."""

from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import pytest

from service.database import Connection, connect
from service.settings import Settings
from tests.conftest import SECRET_KEY
from tests.databases import url_of_database
from tests.service.legacy.moves import Old

OLD_DATABASE = 3
ANOTHER_DATABASE = 4


@pytest.fixture
def theirs(empty_database: str, redis_url: str, tmp_path: Path) -> Settings:
    """Settings for a database without anything."""
    return Settings(
        database_url=empty_database,
        redis_url=redis_url,
        storage_url=(tmp_path / "files").as_uri(),
        secret_keys=(SECRET_KEY,),
    )


@pytest.fixture
async def db(theirs: Settings) -> AsyncGenerator[Connection]:
    connection = await connect(theirs)
    yield connection
    await connection.close()


@pytest.fixture
def old(redis_url: str) -> Generator[Old]:
    """The old system's Redis, without anything: a database of its own on the tests' server."""
    opened = Old(url_of_database(redis_url, str(OLD_DATABASE)))
    yield opened
    opened.close()


@pytest.fixture
def other(redis_url: str) -> Generator[Old]:
    """Another Redis than the one imported from, without anything."""
    opened = Old(url_of_database(redis_url, str(ANOTHER_DATABASE)))
    opened.redis.flushdb()
    yield opened
    opened.redis.flushdb()
    opened.close()
