"""Real servers for the whole suite: one PostgreSQL, one Valkey, and a migrated database of its own for each test."""

import asyncio
import gc
import os
import shutil
import tempfile
from collections.abc import AsyncGenerator, Generator
from pathlib import Path
from secrets import token_hex

import pytest
import redis
import structlog
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from service.database import Connection, Pool, open_pool
from service.embedded.servers import EmbeddedServers
from service.queue import Queue
from service.settings import Settings
from tests import forking, seeds, versions
from tests.databases import Databases, create, create_migrated, drop, let_sign_in_quickly
from tests.grouping import place_of
from tests.homes import forget_homes, forget_left_behind, make_directory, open_directory
from tests.keys import KEYS
from tests.prepared import TEMPLATE, Preparation
from tests.processes import are_several, pytest_addoption, pytest_runtestloop, pytest_terminal_summary

__all__ = ["pytest_addoption", "pytest_runtestloop", "pytest_terminal_summary"]
"""Hooks; fixtures and the others are found below."""

# A busy machine is no failure: what takes too long is found by benchmarks.
hypothesis_settings.register_profile("darkroom", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("darkroom")

# What is collected stays to the end of the run, so that looking for garbage in it is lost time.
gc.disable()

versions.read_once()

# Tracebacks as they are logged in earnest: with the values of variables, as is the default, each takes half a second.
structlog.configure(
    processors=[
        *structlog.get_config()["processors"][:-1],
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)

SECRET_KEY = "a secret key for tests only and long enough"


PREPARATION = pytest.StashKey[Preparation]()
PLACE = pytest.StashKey[Path]()


def pytest_sessionstart(session: pytest.Session) -> None:
    """What several processes share is made while this one collects tests; all that is temporary goes into memory."""
    forget_left_behind()
    place = session.config.stash[PLACE] = make_directory(quick=True)
    tempfile.tempdir = os.environ["TMPDIR"] = str(place)
    if are_several(session.config):
        forking.begin_server()
        session.config.stash[PREPARATION] = Preparation()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: place_of(item.nodeid))


def pytest_collection_finish(session: pytest.Session) -> None:
    if PREPARATION in session.config.stash:
        session.config.stash[PREPARATION].wait()
    gc.freeze()
    gc.enable()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """What processes shared goes at the end, and what a stack in a test's directory kept elsewhere.

    Of tests that failed, what they wrote stays until the next run.
    """
    forking.end_server()
    if PREPARATION in session.config.stash:
        session.config.stash[PREPARATION].forget()
    forget_homes(session.config._tmp_path_factory.getbasetemp())  # pyright: ignore # noqa: SLF001, PGH003
    if not session.testsfailed:
        shutil.rmtree(session.config.stash[PLACE], ignore_errors=True)


def pytest_report_header() -> str:
    """What makes this run's made-up data again."""
    return seeds.told()


@pytest.fixture(scope="session")
def servers(pytestconfig: pytest.Config) -> Generator[EmbeddedServers]:
    """PostgreSQL and Valkey, from pip, for this process."""
    preparation = pytestconfig.stash.get(PREPARATION, None)
    if preparation is not None:
        with preparation.servers() as running:
            yield running
        return
    with open_directory(quick=True) as directory, EmbeddedServers(directory, durable=False) as running:
        asyncio.run(let_sign_in_quickly(running.database_url))
        yield running


@pytest.fixture(scope="session")
def template(pytestconfig: pytest.Config, servers: EmbeddedServers) -> str:
    """The name of a migrated database, from which those of tests are cloned."""
    if PREPARATION not in pytestconfig.stash:
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
