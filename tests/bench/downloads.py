"""A photo by its signed URL, beside a bare Litestar route that sends one: `python -m tests.bench.downloads`."""

import asyncio
import hashlib
import os
from datetime import UTC, datetime

from schema.identifiers import new_id
from service.accounts.users import create_user
from service.database import connect
from service.files import store as files
from service.files.storage import Storage
from service.files.store import NewFile
from service.files.urls import FileUrls
from service.settings import Settings
from tests.bench.beside import PHOTO_BYTES, Pair, Round, one_round, show, side_by_side
from tests.bench.command import command
from tests.bench.load import request

FILES = 100
ROUNDS = 3


async def signed_urls(settings: Settings) -> list[str]:
    """Of as many photos."""
    storage = Storage.made(settings.storage_url)
    urls = FileUrls(settings.secret_keys, None, storage)
    connection = await connect(settings)
    user = await create_user(connection, "bench@example.com", credits_=0)
    made: list[str] = []
    for number in range(FILES):
        content = os.urandom(PHOTO_BYTES)
        file_id = new_id("file")
        new = NewFile(
            file_id=file_id,
            user_id=user.user_id,
            task_id=None,
            purpose=None,
            filename=f"{number}.jpg",
            blob_key=file_id,
            sha256=hashlib.sha256(content).hexdigest(),
            content_type="image/jpeg",
            size=PHOTO_BYTES,
            width=1000,
            height=1000,
        )
        await storage.put_bytes(new.blob_key, content, new.content_type)
        await files.add_file(connection, new)
        made.append(urls.url(file_id, new.blob_key, now=datetime.now(UTC)))
    await connection.close()
    return made


async def compare(pair: Pair) -> None:
    urls = await signed_urls(pair.settings)
    ours = [request("GET", url, {}) for url in urls]
    bare = [request("GET", "/photo", {})]
    for callers in (16, 1):
        rounds: tuple[list[Round], list[Round]] = ([], [])
        for _ in range(ROUNDS):
            rounds[0].append(await one_round(pair.ours, ours, callers=callers, expected=200))
            rounds[1].append(await one_round(pair.bare, bare, callers=callers, expected=200))
        show(f"download, {callers} callers", *rounds)


def run() -> None:
    with side_by_side() as pair:
        asyncio.run(compare(pair))


if __name__ == "__main__":
    command(run, __doc__)
