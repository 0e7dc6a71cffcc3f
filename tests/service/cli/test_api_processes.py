"""`darkroom api --processes`: one port, several processes, each replaced when it dies, none left behind."""

import asyncio
import os
import signal
from collections.abc import AsyncGenerator
from pathlib import Path

import httpx
import pytest

from service.database import Pool
from service.presence import recent_processes
from service.settings import Settings
from tests import lives
from tests.running import handed_socket, run_command, running, wait_until_live

SEVERAL = 2


def children(pid: int) -> set[int]:
    """Of a process, as the kernel knows them."""
    return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}


def runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


@pytest.fixture
async def several(settings: Settings, tmp_path: Path, pool: Pool) -> AsyncGenerator[tuple[int, str]]:
    """The parent's pid, once all serve; and where."""

    async def all_signed_in() -> bool:
        async with pool.acquire() as connection:
            return len(await recent_processes(connection)) == SEVERAL

    with handed_socket() as (fd, port):
        arguments = ["api", "--fd", str(fd), "--processes", str(SEVERAL)]
        with running(*arguments, settings=settings, log=tmp_path / "log", pass_fds=[fd]) as parent:
            await asyncio.to_thread(wait_until_live, f"http://127.0.0.1:{port}", parent)
            await lives.until(all_signed_in)
            yield parent.pid, f"http://127.0.0.1:{port}"


async def test_whoever_is_killed_is_replaced_and_a_stop_leaves_nobody(several: tuple[int, str], pool: Pool) -> None:
    parent, url = several
    before = children(parent)
    assert len(before) == SEVERAL
    killed = min(before)
    os.kill(killed, signal.SIGKILL)

    async def replaced() -> bool:
        async with pool.acquire() as connection:
            signed_in = {int(row.process_id.split(":")[2]) for row in await recent_processes(connection)}
        return len(signed_in) == SEVERAL and killed not in signed_in and signed_in == children(parent)

    await lives.until(replaced)
    async with httpx.AsyncClient() as client:
        assert (await client.get(f"{url}/readyz")).status_code == 200
    everybody = children(parent)
    os.kill(parent, signal.SIGTERM)

    async def gone() -> bool:
        return not any(runs(pid) for pid in (parent, *everybody))

    await lives.until(gone)
    async with pool.acquire() as connection:
        assert await recent_processes(connection) == []


async def test_nobody_outlives_the_parent(several: tuple[int, str]) -> None:
    parent, _ = several
    everybody = children(parent)
    os.kill(parent, signal.SIGKILL)

    async def gone() -> bool:
        return not any(runs(pid) for pid in everybody)

    await lives.until(gone)


def test_what_keeps_it_from_serving_is_told_once(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    storage = {"STORAGE_URL": (tmp_path / "file" / "inside").as_uri()}
    answer = run_command("api", "--port", "0", "--processes", "2", settings=settings, extra=storage)
    assert answer.returncode == 1
    assert len([line for line in answer.stderr.splitlines() if line.startswith("darkroom: ")]) == 1
