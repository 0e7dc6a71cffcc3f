"""Real servers for the whole suite: one PostgreSQL, one Valkey, and a migrated database of its own for each test."""

import asyncio
import gc
from collections.abc import AsyncGenerator, Generator
from pathlib import Path
from secrets import token_hex

import pytest
import redis
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from xdist.remote import Producer

from service.database import Connection, Pool, open_pool
from service.embedded.servers import EmbeddedServers, temporary_servers
from service.queue import Queue
from service.settings import Settings
from tests import seeds
from tests.databases import Databases, create, create_migrated, drop, let_sign_in_quickly
from tests.grouping import Groups, place_of
from tests.homes import forget_homes
from tests.keys import KEYS

TEMPLATE = "darkroom_template"
# A busy machine is no failure: what takes too long is found by benchmarks.
hypothesis_settings.register_profile("darkroom", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("darkroom")

# What is collected stays to the end of the run, so that looking for garbage in it is lost time.
gc.disable()

SECRET_KEY = "a secret key for tests only and long enough"


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Groups:
    return Groups(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: place_of(item.nodeid))


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


def pytest_report_header() -> str:
    """What makes this run's made-up data again."""
    return seeds.told()


@pytest.fixture(scope="session", autouse=True)
def nothing_under_var(tmp_path_factory: pytest.TempPathFactory) -> Generator[None]:
    """What a stack in a test's directory kept elsewhere goes at the end."""
    yield
    forget_homes(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="session")
def servers() -> Generator[EmbeddedServers]:
    """PostgreSQL and Valkey, from pip, for this run."""
    with temporary_servers() as running:
        asyncio.run(let_sign_in_quickly(running.database_url))
        yield running


@pytest.fixture(scope="session")
def template(servers: EmbeddedServers) -> str:
    """The name of a migrated database, from which those of tests are cloned."""
    asyncio.run(create_migrated(servers.database_url, TEMPLATE))
    return TEMPLATE


@pytest.fixture
async def empty_database(servers: EmbeddedServers) -> AsyncGenerator[str]:
    """The URL of a database without any schema."""
    name = f"empty_{token_hex(6)}"
    yield await create(servers.database_url, name)
    await drop(servers.database_url, name)


@pytest.fixture(scope="session")
def databases(servers: EmbeddedServers, template: str) -> Generator[Databases]:
    made = Databases(servers.database_url, template)
    yield made
    made.close()


@pytest.fixture
def database_url(databases: Databases) -> str:
    """The URL of a migrated database without a row, this test's own for now. It may do with it whatever it likes."""
    return databases.take()


@pytest.fixture
def redis_url(servers: EmbeddedServers) -> str:
    """Valkey, empty."""
    client = redis.Redis.from_url(servers.redis_url)
    client.flushall()
    client.close()
    return servers.redis_url


@pytest.fixture
def settings(database_url: str, redis_url: str, tmp_path: Path) -> Settings:
    """Settings for this test's own database, an empty Redis, and an empty directory for files."""
    return Settings(
        database_url=database_url,
        redis_url=redis_url,
        storage_url=(tmp_path / "files").as_uri(),
        secret_keys=(SECRET_KEY,),
    )


@pytest.fixture
async def pool(settings: Settings) -> AsyncGenerator[Pool]:
    opened = await open_pool(settings)
    yield opened
    await opened.close()


@pytest.fixture
async def connection(pool: Pool) -> AsyncGenerator[Connection]:
    async with pool.acquire() as acquired:
        yield acquired


@pytest.fixture
async def queue(redis_url: str) -> AsyncGenerator[Queue]:
    opened = Queue(redis_url, KEYS)
    yield opened
    await opened.close()
