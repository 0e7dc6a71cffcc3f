"""How fast the old data moves over, beside a bare loop that reads it and copies it: `python -m tests.bench.legacy`.

The bare loop reads with pipelined SCAN and HGETALL, then it writes what it read with asyncpg's `copy_records_to_table`
into a table without an index, batch by batch: no judging, accounts, indexes, fingerprints. It runs with redis-py's own
parser, which redis-py has by default, and with hiredis's, which it takes where that is installed, as Darkroom has it.
All run on the same data in one run, the loops before and after each, since a machine's speed changes. Where others want
the same cores, only processor time tells something: that of all processes, the servers' included.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from typing import Any, cast

import psutil
import redis
from msgspec import Struct
from redis._parsers import _HiredisParser, _RESP2Parser  # pyright: ignore[reportPrivateUsage] - no other name has them

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
PARSERS = {"redis-py's parser": _RESP2Parser, "hiredis's": _HiredisParser}
ROOMY = {"shared_buffers": "512MB", "max_wal_size": "4GB"}
"""What a PostgreSQL is given that serves a shop; the embedded one does with a quarter."""
SERVERS = {"postgres": "PostgreSQL", "valkey-server": "Redis", "redis-server": "Redis"}


class Took(Struct, frozen=True):
    """Seconds: on the clock; of the processors, by whose process."""

    seconds: float
    computed: dict[str, float]


def computed_by_servers() -> dict[str, float]:
    """Processor seconds of the servers that this process has started, and of their processes, up to now."""
    found = {"PostgreSQL": 0.0, "Redis": 0.0}
    for process in psutil.Process().children(recursive=True):
        name = SERVERS.get(process.name())
        if name is not None:
            times = process.cpu_times()
            found[name] += times.user + times.system + times.children_user + times.children_system
    return found


def took(began: float, before: dict[str, float], computed: float) -> Took:
    seconds = time.perf_counter() - began
    after = computed_by_servers()
    return Took(seconds, {"itself": computed} | {name: after[name] - before[name] for name in after})


def reader(url: str, parser: type) -> "redis.Redis":
    """A client of the old Redis whose answers this parser reads."""
    return redis.Redis(connection_pool=redis.ConnectionPool.from_url(url, parser_class=parser))


async def bare(settings: Settings, old: "redis.Redis") -> Took:
    """What the bare loop takes."""
    connection = await connect(settings)
    await connection.execute(f"CREATE TABLE bare ({', '.join(f'{name} text' for name in FIELDS)})")
    before, computed, began = computed_by_servers(), time.process_time(), time.perf_counter()
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
    result = took(began, before, time.process_time() - computed)
    await connection.execute("DROP TABLE bare")
    await connection.close()
    return result


def command(settings: Settings, url: str, *arguments: str) -> tuple[Took, float, Any]:
    """What a `darkroom legacy ...` takes, its peak memory in MB, and its answer."""
    before, began = computed_by_servers(), time.perf_counter()
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
    return took(began, before, usage.ru_utime + usage.ru_stime), usage.ru_maxrss / 1024, json.loads(answer)


def run(tasks: int = TASKS, users: int = USERS, *, roomy: bool = False) -> None:
    with own_servers(ROOMY if roomy else None) as (settings, _):
        url = settings.redis_url
        generate(redis.Redis.from_url(url), Sample(tasks=tasks, users=users, breakage=0))
        loops = {name: reader(url, parser) for name, parser in PARSERS.items()}

        def beside() -> dict[str, Took]:
            took = {name: asyncio.run(bare(settings, old)) for name, old in loops.items()}
            for name, one in took.items():
                print(line(f"bare loop, {name}", one, tasks))
            return took

        before = beside()
        for what, arguments in (("import", ["import"]), ("verify", ["verify"]), ("import once more", ["import"])):
            ours, memory, answer = command(settings, url, *arguments)
            print(f"{line(what, ours, tasks)}   peak {memory:4.0f} MB")
            after = beside()
            for name in loops:
                limits = [(one.seconds, sum(one.computed.values())) for one in (before[name], after[name])]
                seconds, computed = (sum(values) / len(values) for values in zip(*limits, strict=True))
                print(
                    f"{what} beside {name}: ratio {seconds / ours.seconds:4.2f}, "
                    f"{computed / sum(ours.computed.values()):4.2f} by processor time"
                )
            before = after
            if what == "import once more":
                assert answer["tasks"].keys() <= {
                    "seen",
                    "unchanged",
                    "quarantined",
                    "remarked",
                    "credits",
                    "by_status",
                }


def line(what: str, result: Took, tasks: int) -> str:
    each = {name: computed * 1e6 / tasks for name, computed in result.computed.items()}
    parts = ", ".join(f"{name} {computed:.0f}" for name, computed in each.items())
    return f"{what:<28}{tasks / result.seconds:7.0f}/s   computes {sum(each.values()):4.0f} µs a task ({parts})"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=TASKS)
    parser.add_argument("--users", type=int, default=USERS)
    parser.add_argument("--roomy", action="store_true", help=f"PostgreSQL with {ROOMY}")
    wanted = parser.parse_args()
    run(wanted.tasks, wanted.users, roomy=wanted.roomy)
