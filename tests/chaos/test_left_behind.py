"""kill -9 in the middle of customers' photos: whoever starts next removes what the dead left, and nothing else."""

import asyncio
import signal
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import urlsplit

from schema.models.tasks import TaskRecord, TaskStatus
from service.accounts.users import create_user
from service.database import Connection, Pool
from service.files.storage import Storage
from service.settings import Settings
from service.workspaces import PREFIX
from tests import lives
from tests.chaos.crew import quick_worker
from tests.factories import add_file
from tests.running import free_port, running, wait_until_live

PHOTO = b"a face"


def photos(temporary: Path, name: str) -> set[Path]:
    """The directories of processes that have such a file."""
    return {path for path in temporary.glob(f"{PREFIX}*") if list(path.rglob(name))}


def reaching(condition: Callable[[], bool]) -> Callable[[], Awaitable[bool]]:
    async def reached() -> bool:
        return condition()

    return reached


async def a_task(connection: Connection, storage: Storage, user_id: str) -> TaskRecord:
    record = await add_file(connection, user_id)
    await storage.put_bytes(record.blob_key, PHOTO, record.content_type)
    return await lives.create(connection, user_id, source_image=record.file_id)


async def test_a_killed_workers_photos_go_when_the_next_one_starts(
    settings: Settings, pool: Pool, connection: Connection, tmp_path: Path
) -> None:
    (temporary := tmp_path / "temporary").mkdir()
    gate, log, extra = tmp_path / "gate", tmp_path / "log", {"TMPDIR": str(temporary)}
    user_id = await lives.add_user(connection)
    storage = Storage.made(settings.storage_url)
    tasks = [await a_task(connection, storage, user_id) for _ in range(2)]
    with (
        quick_worker(settings, log, extra, gate=gate) as living,
        quick_worker(settings, log, extra, gate=gate) as victim,
    ):
        await lives.until(reaching(lambda: len(photos(temporary, "source")) == 2))
        victim.kill()
        victim.wait()
        assert len(photos(temporary, "source")) == 2
        with quick_worker(settings, log, extra, gate=gate) as third:
            assert len(photos(temporary, "source")) == 1
            gate.touch()

            async def done() -> bool:
                found = [await lives.get(pool, task.task_id) for task in tasks]
                return all(task.status is TaskStatus.DONE for task in found)

            await lives.until(done, within=30)
            for process in (living, third):
                process.send_signal(signal.SIGTERM)
                assert await asyncio.to_thread(process.wait, 30) == 0
    assert list(temporary.iterdir()) == []
    await lives.assert_balanced(pool)


async def test_a_killed_apis_half_an_upload_goes_when_the_next_one_starts(
    settings: Settings, connection: Connection, tmp_path: Path
) -> None:
    (temporary := tmp_path / "temporary").mkdir()
    extra = {"TMPDIR": str(temporary)}
    user = await create_user(connection, "somebody@example.com", credits_=0)
    port = free_port()
    head = (
        f"POST /api/v1/uploads HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {user.api_key}\r\n"
        "Content-Type: multipart/form-data; boundary=B\r\nContent-Length: 9999\r\n\r\n"
        '--B\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n'
    )
    with running("api", "--port", str(port), settings=settings, extra=extra) as victim:
        await asyncio.to_thread(wait_until_live, base_url := f"http://127.0.0.1:{port}", victim)
        with socket.create_connection((urlsplit(base_url).hostname, port)) as sender:
            sender.sendall(head.encode() + PHOTO)
            await lives.until(reaching(lambda: len(photos(temporary, "upload-*")) == 1))
            victim.kill()
            victim.wait()
    assert len(photos(temporary, "upload-*")) == 1
    with running("api", "--port", str(port), settings=settings, extra=extra) as successor:
        await asyncio.to_thread(wait_until_live, base_url, successor)
        assert photos(temporary, "upload-*") == set()
        successor.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(successor.wait, 30) == 0
    assert list(temporary.iterdir()) == []
