"""Running APIs, started once for all tests of the HTTP face, on one database; each test has users of its own."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import AsyncExitStack
from pathlib import Path
from secrets import token_hex

import httpx
import pytest
import redis.asyncio as aioredis
from msgspec import Struct, structs

from schema.models.edits import Mode
from service.accounts.users import create_user
from service.database import Connection, connect
from service.embedded.servers import EmbeddedServers
from service.settings import Settings
from tests.databases import create, drop, url_of_database
from tests.service.http.proxy import Proxy, proxied
from tests.service.http.serving import Api, User, client_of, serving

SECRET_KEYS = ("the key that signs and is of a good length", "an older key that still verifies what it signed")

REDIS_DATABASE = 1
"""Not the one that other tests empty and let workers listen at."""


@pytest.fixture(scope="session")
def http_settings(
    servers: EmbeddedServers, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Generator[Settings]:
    """A database for all APIs here, and a directory for their files."""
    name = f"http_{token_hex(6)}"

    yield Settings(
        database_url=asyncio.run(create(servers.database_url, name, template)),
        redis_url=url_of_database(servers.redis_url, str(REDIS_DATABASE)),
        storage_url=tmp_path_factory.mktemp("http_files").as_uri(),
        secret_keys=SECRET_KEYS,
    )
    asyncio.run(drop(servers.database_url, name))


@pytest.fixture(scope="session")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("http_logs")


@pytest.fixture(scope="session")
def api(http_settings: Settings, logs: Path) -> Generator[Api]:
    """The API with every mode available, and with the limits as they are by default, but for requests a minute."""
    with serving(http_settings, logs / "api.log", {"RATE_LIMIT_PER_MINUTE": "100000"}) as running:
        yield running


@pytest.fixture(scope="session")
def strict_api(http_settings: Settings, logs: Path) -> Generator[Api]:
    """The API with a single mode, few waiting tasks a user, large uploads, a public address, CORS and JSON logs."""
    extra = {
        "MAX_PENDING_PER_USER": "5",
        "MAX_UPLOAD_BYTES": str(30 * 2**20),
        "RATE_LIMIT_PER_MINUTE": "0",
        "CORS_ORIGINS": "https://app.example.com",
        "PUBLIC_URL": "https://photos.example.com",
        "LOG_FORMAT": "json",
    }
    with serving(http_settings, logs / "strict.log", extra, modes=[Mode.BACKGROUND_CHANGE]) as running:
        yield running


class Fragile(Struct, frozen=True):
    """An API whose database and Redis can be taken away, and that allows 20 requests a minute."""

    api: Api
    database: Proxy
    redis: Proxy


@pytest.fixture(scope="session")
def fragile_session(http_settings: Settings, logs: Path) -> Generator[Fragile]:
    with proxied(http_settings.database_url) as database, proxied(http_settings.redis_url) as redis:
        settings = structs.replace(http_settings, database_url=database.url, redis_url=redis.url)
        with serving(settings, logs / "fragile.log", {"RATE_LIMIT_PER_MINUTE": "20"}) as running:
            yield Fragile(running, database, redis)


@pytest.fixture
def fragile(fragile_session: Fragile) -> Generator[Fragile]:
    yield fragile_session
    fragile_session.database.let_through()
    fragile_session.redis.let_through()


@pytest.fixture
async def db(http_settings: Settings) -> AsyncGenerator[Connection]:
    """The APIs' database, to be looked at and to be prepared."""
    connection = await connect(http_settings)
    yield connection
    await connection.close()


@pytest.fixture
async def redis_client(http_settings: Settings) -> AsyncGenerator[aioredis.Redis]:
    client = aioredis.Redis.from_url(http_settings.redis_url)
    yield client
    await client.aclose()


NewUser = Callable[..., Awaitable[User]]


@pytest.fixture
async def new_user(api: Api, db: Connection) -> AsyncGenerator[NewUser]:
    """Makes users: with these credits, talking to this API."""
    async with AsyncExitStack() as clients:

        async def make(at: Api = api, *, credits_: int = 10_000) -> User:
            made = await create_user(db, f"{token_hex(8)}@example.com", credits_=credits_)
            client = await clients.enter_async_context(client_of(at, made.api_key))
            return User(made.user_id, made.api_key, client)

        yield make


@pytest.fixture
async def user(new_user: NewUser) -> User:
    """Somebody with 10,000 credits."""
    return await new_user()


@pytest.fixture
async def anonymous(api: Api) -> AsyncGenerator[httpx.AsyncClient]:
    """Somebody without a token."""
    async with client_of(api) as client:
        yield client
