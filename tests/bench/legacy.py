"""How fast the old data moves over, beside a bare loop that reads it and copies it: `python -m tests.bench.legacy`.

The bare loop reads with pipelined SCAN and HGETALL and redis-py's own parser, then writes what it read with binary COPY
into a table without an index, batch by batch: no judging, accounts, indexes, fingerprints. All of them in one run,
on the same data; the loop before and after each, since a machine's speed changes.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from typing import Any, cast

import redis
from redis._parsers import _RESP2Parser

from service.database import connect
from service.settings import Settings
from tests.bench.place import own_servers
from tests.legacy.sample import Sample, generate
from tests.running import environment

TASKS = 1_000_000
USERS = 10_000
BATCH = 1000
FIELDS = ("task_id", "status", "data", "created_at", "updated_at", "progress", "current_step", "result", "error")
NAMES = [name.encode() for name in FIELDS]


async def bare(settings: Settings, old: "redis.Redis") -> float:
    """Seconds that the bare loop takes."""
    connection = await connect(settings)
    await connection.execute(f"CREATE TABLE bare ({', '.join(f'{name} text' for name in FIELDS)})")
    began = time.perf_counter()
    cursor = 0
    while True:
        cursor, keys = cast("tuple[int, list[bytes]]", old.scan(cursor, match="formy:task:data:*", count=BATCH))
        pipeline = old.pipeline(transaction=False)
        for key in keys:
            pipeline.hgetall(key)
        hashes: list[dict[bytes, bytes]] = pipeline.execute()
        rows = [[None if (value := one.get(name)) is None else value.decode() for name in NAMES] for one in hashes]
        await connection.copy_records_to_table("bare", records=rows, columns=FIELDS)
        if cursor == 0:
            break
    took = time.perf_counter() - began
    await connection.execute("DROP TABLE bare")
    await connection.close()
    return took


def command(settings: Settings, url: str, *arguments: str) -> tuple[float, float, float, Any]:
    """Seconds, its own processor seconds and peak memory in MB of a `darkroom legacy ...`, and its answer."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "service.cli.main", "legacy", *arguments, "--redis-url", url],
        env=environment(settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    answer = process.stdout.read()
    process.stdout.close()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, answer[:1000]
    return time.perf_counter() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, json.loads(answer)


def run(tasks: int = TASKS, users: int = USERS) -> None:
    with own_servers() as (settings, _):
        old = redis.Redis.from_url(settings.redis_url, parser_class=_RESP2Parser)
        generate(old, Sample(tasks=tasks, users=users, breakage=0))
        before = asyncio.run(bare(settings, old))
        for what, arguments in (("import", ["import"]), ("verify", ["verify"]), ("import once more", ["import"])):
            took, computed, memory, answer = command(settings, settings.redis_url, *arguments)
            after = asyncio.run(bare(settings, old))
            limit, before = (before + after) / 2, after
            print(f"bare loop, {tasks:,} tasks                 {tasks / limit:7.0f}/s")
            print(
                f"{what + f', {tasks:,} tasks, {users:,} users':<42}{tasks / took:7.0f}/s   "
                f"ratio {limit / took:4.2f}   peak {memory:4.0f} MB   computes {computed * 1e6 / tasks:4.0f} µs a task"
            )
            if what == "import once more":
                assert answer["tasks"].keys() <= {
                    "seen",
                    "unchanged",
                    "quarantined",
                    "remarked",
                    "credits",
                    "by_status",
                }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=TASKS)
    parser.add_argument("--users", type=int, default=USERS)
    wanted = parser.parse_args()
    run(wanted.tasks, wanted.users)
