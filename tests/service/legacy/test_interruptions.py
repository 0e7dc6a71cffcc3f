"""`darkroom legacy import` killed with -9 ten times at random points, and then run once through."""

import asyncio
import subprocess
import sys
from asyncio.subprocess import Process
from random import Random

import pytest

from service.accounts.store import unbalanced_users
from service.database import Connection
from service.settings import Settings
from tests import lives
from tests.legacy.sample import Sample, generate
from tests.running import environment, run_command
from tests.service.legacy.moves import Old, differences

KILLS = 10
SAMPLE = Sample(tasks=12_000, users=3_000, breakage=0.05)


@pytest.mark.parametrize("seed", [20251205])
async def test_an_import_that_is_killed_again_and_again_ends_complete(
    connection: Connection, old: Old, settings: Settings, seed: int
) -> None:
    """Points are counted in tasks that are there, so that a slow machine is hit as often on its way as a quick one."""
    expected = generate(old.redis, SAMPLE)
    chance = Random(f"kills of {seed}")  # noqa: S311 - no secret
    command = [sys.executable, "-m", "service.cli.main", "legacy", "import", "--redis-url", old.url, "--take-over"]
    hits: list[int] = []
    for kill in range(KILLS):
        process = await asyncio.create_subprocess_exec(
            *command, env=environment(settings), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        # In the users, in the tasks, or in what comes after them.
        until = chance.randrange(0, SAMPLE.tasks + SAMPLE.users) * (kill + 1) // KILLS

        async def hit(until: int = until, process: Process = process) -> bool:
            return await there(connection) >= until or process.returncode is not None

        await lives.until(hit, within=30)
        await asyncio.sleep(chance.uniform(0, 0.1))
        if process.returncode is None:
            process.kill()
        hits.append(await there(connection))
        await process.wait()
    print(f"seed {seed}: killed with {hits} rows there")
    assert hits == sorted(hits), "what was imported stays"
    assert len({hit for hit in hits if hit > 0}) >= 3, "it was killed on its way"

    through = run_command("legacy", "import", "--redis-url", old.url, "--take-over", settings=settings)
    assert through.returncode == 0, through.stderr
    assert await connection.fetchval("SELECT count(*) FROM users WHERE is_placeholder") == expected.placeholders
    rows = await connection.fetchval("SELECT count(*) FROM tasks")
    kept = await connection.fetchval("SELECT count(*) FROM legacy_quarantine WHERE kind = 'task'")
    assert rows + kept == expected.hashes
    assert await connection.fetchval("SELECT count(*) FROM tasks WHERE elsewhere AND user_id IS NOT NULL") == 0
    assert await connection.fetch("SELECT user_id FROM credit_ledger GROUP BY user_id HAVING count(*) > 1") == []
    assert await unbalanced_users(connection, 10) == []
    assert await differences(connection, old) == {}
    verified = run_command("legacy", "verify", "--redis-url", old.url, settings=settings)
    assert verified.returncode == 0, verified.stdout


async def there(connection: Connection) -> int:
    """How many users and tasks are imported."""
    return await connection.fetchval("SELECT (SELECT count(*) FROM users) + (SELECT count(*) FROM tasks)")
