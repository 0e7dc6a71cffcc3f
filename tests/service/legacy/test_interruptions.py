"""`darkroom legacy import` killed with -9 six times at random points, and then run once through."""

import asyncio
from random import Random

import pytest

from service.accounts.store import unbalanced_users
from service.database import Connection
from service.settings import Settings
from tests import lives
from tests.legacy.sample import Sample, generate
from tests.running import run_command, running
from tests.service.legacy.moves import Old, differences

KILLS = 6
FIRST, LONGER = 0.3, 0.2
"""Seconds until the first kill, at most, and by how many more until each later one."""
SAMPLE = Sample(tasks=12_000, users=2_000, breakage=0.05)


@pytest.mark.parametrize("seed", [20251205])
async def test_an_import_that_is_killed_again_and_again_ends_complete(
    connection: Connection, old: Old, settings: Settings, seed: int
) -> None:
    """The clock starts when an import has begun, so that a slow start is no spared one."""
    expected = generate(old.redis, SAMPLE)
    chance = Random(f"kills of {seed}")  # noqa: S311 - no secret
    command = ("legacy", "import", "--redis-url", old.url, "--take-over")
    hits: list[int] = []
    killed = 0
    for kill in range(KILLS):

        async def begun(imports: int = kill + 1) -> bool:
            return await connection.fetchval("SELECT count(*) FROM legacy_imports") == imports

        with running(*command, settings=settings) as process:  # and killed
            await lives.until(begun, within=30)
            await asyncio.sleep(chance.uniform(0, FIRST + kill * LONGER))
            killed += process.poll() is None
        hits.append(await there(connection))
    print(f"seed {seed}: {killed} killed, with {hits} rows there")
    assert killed > KILLS / 2, "most were killed on their way"
    assert hits == sorted(hits), "what was imported stays"

    through = run_command(*command, settings=settings)
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
