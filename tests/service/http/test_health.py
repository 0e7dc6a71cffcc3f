"""/livez, /readyz and /metrics."""

from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import httpx
import pytest

from schema.models.problems import ProblemCode as Code
from service.database import Connection
from service.embedded.servers import EmbeddedServers
from service.settings import Settings
from service.tasks.workers import forget_worker, see_worker
from tests import lives
from tests.databases import FULL_DISK, ROOM_AGAIN
from tests.service.database.test_away import AWAY, DEFECTS
from tests.service.http.conftest import Fragile
from tests.service.http.looking import credits_of
from tests.service.http.serving import API, JSON, PHOTO, User, client_of, problem

FINE = {"database": "ok", "schema": "ok", "storage": "ok", "redis": "ok", "workers": "ok"}


async def ready(client: httpx.AsyncClient, status: int) -> JSON:
    answer = await client.get("/readyz")
    assert answer.status_code == status, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return answer.json()


async def test_a_living_process_says_so(anonymous: httpx.AsyncClient) -> None:
    answer = await anonymous.get("/livez")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


async def test_the_line_and_the_workers_are_told_to_prometheus(
    anonymous: httpx.AsyncClient, user: User, db: Connection
) -> None:
    await user.task()
    await see_worker(db, "worker-a", slots=2, modes=[])
    answer = await anonymous.get("/metrics")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    told = dict(line.rsplit(" ", 1) for line in answer.text.splitlines() if not line.startswith("#"))
    waiting = await db.fetchval("SELECT count(*) FROM tasks WHERE status = 'pending' AND NOT elsewhere")
    pending = [float(value) for name, value in told.items() if name.startswith("darkroom_tasks") and "pending" in name]
    assert (len(pending), sum(pending)) == (3, waiting)
    assert (float(told["darkroom_workers"]), float(told["darkroom_worker_slots"])) == (1, 2)
    await forget_worker(db, "worker-a")


async def test_with_a_worker_everything_is_fine(anonymous: httpx.AsyncClient, db: Connection) -> None:
    await see_worker(db, "worker-a", slots=1, modes=[])
    assert await ready(anonymous, 200) == {"status": "ok", **FINE}
    await forget_worker(db, "worker-a")


async def test_without_a_worker_it_is_degraded(anonymous: httpx.AsyncClient, db: Connection) -> None:
    degraded = {**FINE, "status": "degraded", "workers": "none seen"}
    assert await ready(anonymous, 200) == degraded
    await see_worker(db, "worker-a", slots=1, modes=[])
    await db.execute("UPDATE workers SET seen_at = now() - interval '1 minute'")
    assert await ready(anonymous, 200) == degraded
    await forget_worker(db, "worker-a")


async def test_without_redis_it_is_degraded(fragile: Fragile) -> None:
    async with client_of(fragile.api) as client:
        fragile.redis.shut()
        told = await ready(client, 200)
        assert (told["status"], told["redis"], told["database"]) == ("degraded", "away", "ok")
        fragile.redis.let_through()
        assert (await ready(client, 200))["redis"] == "ok"


async def test_without_postgresql_it_is_unavailable_and_alive(fragile: Fragile) -> None:
    async with client_of(fragile.api) as client:
        fragile.database.shut()
        told = await ready(client, 503)
        assert (told["status"], told["database"], told["redis"]) == ("unavailable", "away", "ok")
        assert (await client.get("/livez")).status_code == 200
        fragile.database.let_through()
        assert (await ready(client, 200))["database"] == "ok"


async def test_on_an_older_schema_it_is_unavailable(anonymous: httpx.AsyncClient, db: Connection) -> None:
    newest = await db.fetchrow(
        "DELETE FROM schema_migrations WHERE version = (SELECT max(version) FROM schema_migrations) RETURNING *"
    )
    assert newest is not None
    try:
        told = await ready(anonymous, 503)
        assert (told["status"], told["schema"], told["database"]) == ("unavailable", "outdated", "ok")
    finally:
        await db.execute("INSERT INTO schema_migrations VALUES ($1, $2, $3, $4)", *newest)
    assert (await ready(anonymous, 200))["schema"] == "ok"


async def test_a_database_that_refuses_connections_is_away(
    anonymous: httpx.AsyncClient, user: User, http_settings: Settings, servers: EmbeddedServers
) -> None:
    await user.photo()
    name = urlsplit(http_settings.database_url).path.removeprefix("/")
    admin = await asyncpg.connect(servers.database_url)
    await admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    await admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name)
    try:
        # The first connections may be found broken only when they are used.
        await until_ready(anonymous, 503)
        told = await ready(anonymous, 503)
        assert (told["status"], told["database"]) == ("unavailable", "away")
        problem(await user.create(), Code.SERVICE_UNAVAILABLE, 503)
    finally:
        await admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        await admin.close()
    assert (await ready(anonymous, 200))["database"] == "ok"
    assert (await user.http.get(f"{API}/tasks/stats")).json()["total"] == 0
    assert (await user.me())["current_credits"] == 10_000


@asynccontextmanager
async def read_only(servers: EmbeddedServers, url: str) -> AsyncGenerator[None]:
    """The database answers and takes no writes, as on a standby or a host's full disk.

    Sessions that begin meanwhile never will, as those of a server that another has succeeded.
    """
    name = urlsplit(url).path.removeprefix("/")
    admin = await asyncpg.connect(servers.database_url)
    await admin.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    await admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name)
    try:
        yield
    finally:
        await admin.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
        await admin.close()


async def until_ready(client: httpx.AsyncClient, status: int) -> None:
    """Those who ask too often get the look before."""

    async def is_so() -> bool:
        return (await client.get("/readyz")).status_code == status

    await lives.until(is_so)


async def test_a_full_disk_of_the_database_is_named_once_something_found_no_room(
    anonymous: httpx.AsyncClient, user: User, http_settings: Settings
) -> None:
    """And until there is room again, whether or not anybody tries."""
    await user.photo()
    operator = await asyncpg.connect(http_settings.database_url)
    await operator.execute(FULL_DISK)
    problem(await user.create(), Code.SERVICE_UNAVAILABLE, 503)
    await until_ready(anonymous, 503)
    assert (await ready(anonymous, 503))["database"] == "read-only"
    await operator.execute(ROOM_AGAIN)
    await operator.close()
    await until_ready(anonymous, 200)
    assert (await user.create()).status_code == 201


async def test_a_database_that_takes_no_writes_is_named_and_still_read(
    anonymous: httpx.AsyncClient, user: User, http_settings: Settings, servers: EmbeddedServers
) -> None:
    photo = await user.photo()
    task = await user.create()
    async with read_only(servers, http_settings.database_url):
        await until_ready(anonymous, 503)
        told = await ready(anonymous, 503)
        assert (told["status"], told["database"], told["schema"]) == ("unavailable", "read-only", "ok")
        task_id = task.json()["task_id"]
        for refused in (
            await user.create(),
            await user.upload(PHOTO),
            await user.http.post(f"{API}/tasks/{task_id}/cancel"),
            await user.http.delete(f"{API}/files/{photo}"),
            # What a stream would say is put in order first.
            await user.http.get(f"{API}/tasks/events"),
            await user.http.get(f"{API}/tasks/{task_id}/events"),
        ):
            problem(refused, Code.SERVICE_UNAVAILABLE, 503)
            assert int(refused.headers["retry-after"]) > 0
        for path in ("tasks", f"tasks/{task_id}", "tasks/stats", f"files/{photo}", "me"):
            answer = await user.http.get(f"{API}/{path}")
            assert answer.status_code == 200, (path, answer.text)
    await until_ready(anonymous, 200)
    assert (await ready(anonymous, 200))["database"] == "ok"
    # A session that takes no writes is found by one, and is nobody's then.
    tried = [(await user.create()).status_code for _ in range(http_settings.database_pool_size + 1)]
    assert tried[-1] == 201, tried


async def test_whatever_the_database_says_no_with_when_it_is_away_is_503(user: User, db: Connection) -> None:
    """A table of codes and words, each said in the middle of a create; a defect stays a 500."""
    await user.photo()
    await db.execute(
        "CREATE TABLE said (code text, words text);"
        "CREATE FUNCTION say() RETURNS trigger LANGUAGE plpgsql AS $$ DECLARE one said; BEGIN "
        "SELECT * INTO one FROM said; RAISE EXCEPTION USING ERRCODE = one.code, MESSAGE = one.words; END $$;"
        "CREATE TRIGGER say BEFORE INSERT ON tasks FOR EACH ROW EXECUTE FUNCTION say()"
    )
    try:
        for code, words, expected in (
            *((code, words, Code.SERVICE_UNAVAILABLE) for code, words, _ in AWAY),
            *((code, words, Code.INTERNAL_ERROR) for code, words in DEFECTS if code.startswith("XX")),
        ):
            await db.execute("DELETE FROM said")
            await db.execute("INSERT INTO said VALUES ($1, $2)", code, words)
            answer = await user.create()
            problem(answer, expected, 503 if expected is Code.SERVICE_UNAVAILABLE else 500)
            assert ("retry-after" in answer.headers) == (expected is Code.SERVICE_UNAVAILABLE)
            assert words not in answer.text
    finally:
        await db.execute("DROP TRIGGER say ON tasks; DROP FUNCTION say; DROP TABLE said")


@pytest.mark.parametrize(
    ("change", "back"),
    [
        ("ALTER TABLE credit_ledger RENAME TO gone", "ALTER TABLE gone RENAME TO credit_ledger"),
        ("ALTER TABLE tasks RENAME mode TO gone", "ALTER TABLE tasks RENAME gone TO mode"),
        ("ALTER SCHEMA public RENAME TO gone", "ALTER SCHEMA gone RENAME TO public"),
    ],
)
async def test_what_somebody_changes_below_us_is_503_until_it_is_changed_back(
    user: User, db: Connection, change: str, back: str
) -> None:
    """As while a dump is restored: nothing of it is the client's fault, and it passes."""
    await user.photo()
    before = await credits_of(db, user)
    await db.execute(change)
    try:
        answer = await user.create()
        problem(answer, Code.SERVICE_UNAVAILABLE, 503)
        assert "retry-after" in answer.headers
        assert "gone" not in answer.text
    finally:
        await db.execute(back)
    assert await credits_of(db, user) == before
    assert (await user.create()).status_code == 201


@contextmanager
def storage_away(settings: Settings) -> Generator[None]:
    """The directory of the files is gone, and a file stands in its place: a directory would be made anew."""
    directory = Path(urlsplit(settings.storage_url).path)
    aside = directory.with_name("aside")
    directory.rename(aside)
    directory.write_bytes(b"")
    try:
        yield
    finally:
        directory.unlink()
        aside.rename(directory)


async def test_without_its_storage_it_is_unavailable(
    anonymous: httpx.AsyncClient, user: User, http_settings: Settings
) -> None:
    photo = await user.photo()
    with storage_away(http_settings):
        told = await ready(anonymous, 503)
        assert (told["status"], told["storage"], told["database"]) == ("unavailable", "away", "ok")
        problem(await user.upload(PHOTO), Code.SERVICE_UNAVAILABLE, 503)
        problem(await user.http.get(f"{API}/files/{photo}"), Code.SERVICE_UNAVAILABLE, 503)
    assert (await ready(anonymous, 200))["storage"] == "ok"
    assert (await user.http.get(f"{API}/files/{photo}")).content == PHOTO
