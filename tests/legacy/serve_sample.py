"""`make legacy-sample`: a sample of old data in a Valkey of its own, kept in .legacy-sample/, served until Ctrl-C."""

import argparse
import signal
import sys
from pathlib import Path

import redis

from service.embedded.errors import EmbeddedError
from service.embedded.servers import EmbeddedServers
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
        with EmbeddedServers(DIRECTORY, postgres=False) as servers:
            _fill(servers.redis_url, Sample(asked.tasks, max(100, asked.tasks // 100), asked.seed))
            print(f"The old system's Redis is at {servers.redis_url}")
            print(f"  .venv/bin/darkroom legacy import --redis-url {servers.redis_url} --dry-run")
            print(f"Ctrl-C stops it; its data stays in {DIRECTORY}/.", flush=True)
            signal.pause()
    except KeyboardInterrupt:
        print()
    except (EmbeddedError, redis.RedisError) as error:
        sys.exit(f"make legacy-sample: {error}")


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
