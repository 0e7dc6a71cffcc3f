"""`darkroom api` that can't start: exit 1 and one line that says why, whatever it is that isn't there."""

import asyncio
import signal
import socket
from collections.abc import Generator
from pathlib import Path
from secrets import token_hex
from urllib.parse import urlsplit

import pytest
from msgspec import structs

from service.database import Pool
from service.settings import Settings
from tests import lives
from tests.running import run_command, running

HIDDEN = "hunter2"


@pytest.fixture
def port() -> Generator[int]:
    """A port that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield taken.getsockname()[1]


def refused(settings: Settings, *options: str, **extra: str) -> str:
    """The one line with which the API ends."""
    answer = run_command("api", "--port", "0", *options, settings=settings, extra=extra)
    assert answer.returncode == 1, answer.stderr
    assert "Traceback" not in answer.stderr
    assert HIDDEN not in answer.stderr + answer.stdout
    lines = [line for line in answer.stderr.splitlines() if line.startswith("darkroom: ")]
    assert lines == answer.stderr.splitlines()[-1:]
    return lines[0].removeprefix("darkroom: ")


def as_somebody(settings: Settings, user: str) -> Settings:
    """The same database for another role."""
    parts = urlsplit(settings.database_url)
    host = parts.netloc.rpartition("@")[2]
    return structs.replace(settings, database_url=parts._replace(netloc=f"{user}:{HIDDEN}@{host}").geturl())


@pytest.mark.parametrize("connections", [0, 1])
async def test_without_a_connection_left(settings: Settings, pool: Pool, connections: int) -> None:
    """With one left, the pool's first connection is made, and its second is refused."""
    role = f"few_{token_hex(4)}"
    async with pool.acquire() as connection:
        await connection.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{HIDDEN}' CONNECTION LIMIT {connections}")
        await connection.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")
    try:
        said = await asyncio.to_thread(refused, as_somebody(settings, role))
    finally:
        async with pool.acquire() as connection:
            await connection.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")
    assert said.startswith("PostgreSQL (DATABASE_URL) has no connection left for us")


async def test_a_wrong_password(settings: Settings) -> None:
    said = await asyncio.to_thread(refused, as_somebody(settings, "nobody"))
    assert said == "PostgreSQL refuses the user or password. Correct DATABASE_URL."


def test_a_schema_that_is_not_there(settings: Settings, empty_database: str) -> None:
    assert "darkroom migrate" in refused(structs.replace(settings, database_url=empty_database))


def test_a_storage_that_can_not_be_used(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    said = refused(structs.replace(settings, storage_url=(tmp_path / "file" / "inside").as_uri()))
    assert "can't be used" in said


def test_a_temporary_directory_that_is_not_there(settings: Settings, tmp_path: Path) -> None:
    program = "import tempfile; tempfile.tempdir = '/nowhere'"
    (tmp_path / "sitecustomize.py").write_text(program)
    assert refused(settings, PYTHONPATH=str(tmp_path)).startswith("TMPDIR: ")


def test_a_port_that_is_taken(settings: Settings, port: int) -> None:
    assert refused(settings, "--port", str(port)).startswith(f"Port {port} on 127.0.0.1 is taken")


def test_a_socket_that_was_not_handed_down(settings: Settings) -> None:
    assert refused(settings, "--fd", "99").startswith("--fd 99 ")


async def test_asked_to_stop_while_it_starts_it_ends_in_order(settings: Settings, pool: Pool, tmp_path: Path) -> None:
    with running("api", "--port", "0", settings=settings, log=tmp_path / "log") as process:
        async with pool.acquire() as holder, pool.acquire() as watcher:
            async with holder.transaction():
                await holder.execute("LOCK TABLE schema_migrations IN ACCESS EXCLUSIVE MODE")
                await lives.until_blocked(watcher)
                process.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(process.wait, 10) == 0
    assert "Traceback" not in (tmp_path / "log").read_text()
