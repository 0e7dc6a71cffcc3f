"""`make legacy-sample`: a sample of old data in servers of its own, kept in .legacy-sample/, served until Ctrl-C.

Redis as the old system has it; and PostgreSQL with the tables of deployments that have some: other data, to be adopted.
"""

import argparse
import asyncio
import signal
import sys
from pathlib import Path

import redis

from service.database import connect
from service.embedded.errors import EmbeddedError
from service.embedded.servers import EmbeddedServers
from service.settings import Settings
from tests.legacy.old_tables import OldTables, make_old_tables
from tests.legacy.sample import Sample, write_and_tell

DIRECTORY = Path(".legacy-sample")


def main() -> None:
    parser = argparse.ArgumentParser(prog="make legacy-sample", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--tasks", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    # As Ctrl-C does: the server is stopped, and has written everything.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with EmbeddedServers(DIRECTORY) as servers:
            sample = Sample(asked.tasks, max(100, asked.tasks // 100), asked.seed)
            _fill(servers.redis_url, sample)
            asyncio.run(_make_tables(servers, sample))
            print(f"The old system's Redis is at {servers.redis_url}")
            print(f"  .venv/bin/darkroom legacy import --redis-url {servers.redis_url} --dry-run")
            print(f"Tables of the old system, to be adopted, are at {servers.database_url}")
            print(f"  DATABASE_URL={servers.database_url} .venv/bin/darkroom migrate --adopt")
            print(f"Ctrl-C stops it; its data stays in {DIRECTORY}/.", flush=True)
            signal.pause()
    except KeyboardInterrupt:
        print()
    except (EmbeddedError, redis.RedisError) as error:
        sys.exit(f"make legacy-sample: {error}")


async def _make_tables(servers: EmbeddedServers, sample: Sample) -> None:
    """Tables with as many users and tasks, unless some are there already."""
    storage_url = (servers.directory / "files").as_uri()
    there = Settings(database_url=servers.database_url, redis_url=servers.redis_url, storage_url=storage_url)
    connection = await connect(there)
    try:
        if await connection.fetchval("SELECT to_regclass('users') IS NULL"):
            async with connection.transaction():
                await make_old_tables(connection, OldTables(users=sample.users, tasks=sample.tasks, seed=sample.seed))
    finally:
        await connection.close()


def _fill(url: str, sample: Sample) -> None:
    """Write the sample, unless one is there already."""
    client = redis.Redis.from_url(url)
    try:
        if keys := client.dbsize():
            print(f"{DIRECTORY}/ has a sample already, {keys:,} keys; remove it to have another")
        else:
            try:
                write_and_tell(client, sample, DIRECTORY / "files")
            except BaseException:
                # Half of a sample would pass for a whole one at the next start.
                client.flushall()
                raise
            print(f"Uploads and results of some tasks are in {DIRECTORY}/files (--files {DIRECTORY}/files).")
    finally:
        client.close()


if __name__ == "__main__":
    main()
