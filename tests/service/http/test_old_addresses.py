"""Paths under which the old system served pictures, and which front ends have stored: owners find theirs still."""

from collections.abc import Generator
from pathlib import Path
from urllib.parse import quote

import pytest

from schema.models.problems import ProblemCode as Code
from service.database import Connection
from service.database.migrations import all_migrations
from service.embedded.servers import EmbeddedServers
from service.files.storage import Storage
from service.files.store import QUERIES
from service.legacy.importing.files import Bringing
from service.settings import Settings
from tests.databases import url_of_database
from tests.service.http.conftest import NewUser
from tests.service.http.pictures import jpeg
from tests.service.http.serving import API, JSON, Api, User, client_of, problem
from tests.service.legacy.moves import SOURCE, Old, as_json, move

OUTPUT, THUMBNAIL = "/results/2025/成图 1.jpg", "/results/t%20.jpg"
UPLOAD = f"/uploads/2025/{SOURCE}.jpg"
SERVED_THERE = "https://old.example.com/results/absolute.jpg?x=1"


@pytest.fixture
def old(servers: EmbeddedServers) -> Generator[Old]:
    opened = Old(url_of_database(servers.redis_url, "6"))
    opened.redis.flushdb()
    yield opened
    opened.redis.flushdb()
    opened.close()


@pytest.fixture
async def owner(api: Api, new_user: NewUser, db: Connection, old: Old, http_settings: Settings, tmp_path: Path) -> User:
    """Somebody whose upload and whose task's pictures were brought along."""
    user = await new_user(api)
    for name in ("results/2025/成图 1.jpg", "results/t .jpg", "results/absolute.jpg", UPLOAD):
        path = tmp_path / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(jpeg())
    pictures: JSON = {"output_image": OUTPUT, "thumbnail": THUMBNAIL, "comparison_image": SERVED_THERE, "metadata": {}}
    old.task(f"task_1764915114_{user.user_id[-6:]}", user.user_id, result=as_json(pictures))
    await move(db, old, files=Bringing(tmp_path, Storage.made(http_settings.storage_url), 10**7))
    return user


@pytest.mark.parametrize(
    "path",
    [
        quote(OUTPUT),
        quote(OUTPUT) + "?width=200&next=https://evil.example",
        THUMBNAIL,
        "/results/absolute.jpg",
        UPLOAD,
        f"/uploads/{SOURCE}",
    ],
)
async def test_the_owner_is_led_to_the_picture(owner: User, path: str) -> None:
    answer = await owner.http.get(path)
    assert answer.status_code == 302, answer.text
    assert answer.headers["location"].startswith(f"{API}/files/file_")
    assert answer.headers["cache-control"] == "private, no-store"
    assert "evil" not in answer.headers["location"]
    assert answer.content == b""
    async with client_of(Api(str(owner.http.base_url), None, Path(), None)) as nobody:  # pyright: ignore[reportArgumentType]
        shown = await nobody.get(answer.headers["location"])
    assert (shown.status_code, shown.headers["content-type"]) == (200, "image/jpeg")
    assert (await owner.http.head(path)).status_code == 302


async def test_others_learn_nothing(owner: User, api: Api, new_user: NewUser) -> None:
    """What is somebody else's and what never was have the same answer; without a token even that isn't told."""
    another = await new_user(api)
    never = ("/results/never.jpg", "/uploads/file_1764915114_never0.jpg")
    for path in (quote(OUTPUT), UPLOAD, *never):
        told = problem(await another.http.get(path), Code.FILE_NOT_FOUND, 404)
        assert told["detail"] == "You have no file that was once at this address."
        async with client_of(api) as nobody:
            problem(await nobody.get(path), Code.UNAUTHORIZED, 401)
    for path in never:
        problem(await owner.http.get(path), Code.FILE_NOT_FOUND, 404)


@pytest.mark.parametrize(
    "path",
    [
        "/results/%00",
        "/results/%ff%fe",
        "/results/" + "a" * 5000,
        "/results//evil.example/a.jpg",
        "/results/%2e%2e/%2e%2e/etc/passwd",
        "/results/%0d%0aLocation:%20https://evil.example",
        "/uploads/'%20OR%201=1--",
    ],
)
async def test_odd_paths_lead_nowhere(owner: User, path: str) -> None:
    answer = await owner.http.get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, Code.FILE_NOT_FOUND)
    assert "location" not in answer.headers


async def test_only_what_was_brought_along_has_an_old_address(owner: User) -> None:
    problem(await owner.http.get(f"/uploads/{await owner.photo()}.jpg"), Code.FILE_NOT_FOUND, 404)


async def test_the_look_up_takes_an_index(db: Connection) -> None:
    async with db.transaction():
        await db.execute("SET LOCAL enable_seqscan = off")
        plan = await db.fetch(f"EXPLAIN {QUERIES['find_brought'].sql}", "usr_1", ["/results/a.jpg"], "file_1")
    told = "\n".join(line[0] for line in plan)
    assert "idx_files_old_address" in told
    assert "Seq Scan" not in told


async def test_what_was_brought_before_has_its_addresses_too(owner: User, db: Connection) -> None:
    """The migration that made room for them fills in what earlier imports brought."""
    addresses = "SELECT file_id, old_address FROM files WHERE user_id = $1 AND task_id IS NOT NULL ORDER BY file_id"
    before = await db.fetch(addresses, owner.user_id)
    assert {row["old_address"] for row in before} == {OUTPUT, THUMBNAIL, "/results/absolute.jpg"}
    (fill,) = [
        statement
        for migration in all_migrations()
        for statement in migration.statements
        if "SET old_address" in statement
    ]
    await db.execute("UPDATE files SET old_address = NULL WHERE user_id = $1", owner.user_id)
    await db.execute(fill)
    assert await db.fetch(addresses, owner.user_id) == before
