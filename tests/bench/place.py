"""Where a benchmark runs: durable servers of its own with an empty database, gone afterwards."""

import asyncio
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

from service.database.migrations import migrate
from service.embedded.servers import EmbeddedServers
from service.settings import Settings
from tests.homes import open_directory


@contextmanager
def own_servers(postgres_options: Mapping[str, str] | None = None) -> Generator[tuple[Settings, Path]]:
    """Settings for them, and a directory for what else there is."""
    with open_directory() as directory, EmbeddedServers(directory, postgres_options=postgres_options) as servers:
        settings = Settings(
            database_url=servers.database_url,
            redis_url=servers.redis_url,
            storage_url=(directory / "files").as_uri(),
            secret_keys=("a secret key for benchmarks",),
        )
        asyncio.run(migrate(settings))
        yield settings, directory
