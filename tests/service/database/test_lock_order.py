"""One order of all row locks: a user, then tasks by their ids, then files by theirs. Looked at in PostgreSQL itself."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from msgspec import Struct

from schema.models.tasks import TaskStatus
from service.accounts import users
from service.database import Connection, Pool
from service.files.service import FileService
from service.files.storage import Storage
from service.legacy.importing.takeover import take_over
from service.legacy.telling import Everybody
from service.tasks import lifecycle, retention, store, submission
from service.tasks.lifecycle import Claim
from tests import lives
from tests.factories import NewFileFactory, add_file, add_task

TABLES = {"users": "user_id", "tasks": "task_id", "files": "file_id"}
"""In the order in which their rows are locked."""

Row = tuple[str, str]


class Scene(Struct, frozen=True):
    """A user with two uploads, two waiting tasks, two elsewhere, one that runs, one that is done, with its pictures."""

    user_id: str
    uploads: list[str]
    waiting: list[str]
    running: Claim
    done: str
    pictures: list[str]
    elsewhere: list[str]

    @property
    def rows(self) -> list[Row]:
        """By what they are, the same in every scene."""
        tasks = (*self.waiting, *self.elsewhere, self.running.task_id, self.done)
        files = (*self.uploads, *self.pictures)
        return [("users", self.user_id), *(("tasks", one) for one in tasks), *(("files", one) for one in files)]

    def before(self, row: Row) -> set[Row]:
        """What may be locked by whoever waits for this one. Ids of one millisecond are in no order that is foreseen."""
        tables = list(TABLES)
        return {one for one in self.rows if (tables.index(one[0]), one[1]) < (tables.index(row[0]), row[1])}


async def a_scene(connection: Connection) -> Scene:
    user_id = await lives.add_user(connection)
    uploads = sorted([(await add_file(connection, user_id)).file_id for _ in range(2)])
    waiting = sorted([(await add_task(connection, user_id)).task_id for _ in range(2)])
    running = await add_task(connection, user_id, TaskStatus.PROCESSING, credits_consumed=lives.PRICE)
    done = await add_task(connection, user_id, TaskStatus.DONE)
    pictures = sorted([(await add_file(connection, user_id, task_id=done.task_id)).file_id for _ in range(2)])
    theirs: dict[str, Any] = {"elsewhere": True, "legacy_fingerprint": b"theirs"}
    elsewhere = sorted([(await add_task(connection, user_id, **theirs)).task_id for _ in range(2)])
    return Scene(user_id, uploads, waiting, Claim(running), done.task_id, pictures, elsewhere)


async def create(pool: Pool, scene: Scene) -> object:
    """Its inputs are named against their order."""
    async with pool.acquire() as connection:
        wanted = await lives.an_order(
            connection, scene.user_id, source_image=scene.uploads[1], reference_image=scene.uploads[0]
        )
    return await submission.submit(pool, wanted, max_pending=10)


async def delete_file(pool: Pool, scene: Scene) -> object:
    with TemporaryDirectory() as directory:
        storage = Storage.open(Path(directory).as_uri())
        return await FileService(pool, storage, max_bytes=1, max_pixels=1).delete(scene.user_id, scene.uploads[0])


async def complete(pool: Pool, scene: Scene) -> object:
    made = [NewFileFactory.build(user_id=scene.user_id, task_id=scene.running.task_id)]
    return await lifecycle.complete_task(pool, scene.running, lives.a_result(), made)


async def complete_together(pool: Pool, scene: Scene) -> object:
    made = [NewFileFactory.build(user_id=scene.user_id, task_id=scene.running.task_id)]
    async with pool.acquire() as connection:
        several = [store.Made(scene.running.task_id, scene.running.lease_token, lives.a_result(), made)]
        return await store.complete_tasks(connection, several)


async def erase(pool: Pool, scene: Scene) -> object:
    async with pool.acquire() as connection:
        return await users.erase_user(connection, scene.user_id)


async def grant(pool: Pool, scene: Scene) -> object:
    async with pool.acquire() as connection:
        return await users.grant(connection, scene.user_id, 1, None)


async def mark_dispatched(pool: Pool, scene: Scene) -> object:
    """Named against their order."""
    async with pool.acquire() as connection:
        return await store.mark_dispatched(connection, [(one, 0) for one in reversed(scene.waiting)])


async def mark_lost(pool: Pool, scene: Scene) -> object:
    async with pool.acquire() as connection:
        return await store.mark_lost_messages(connection, [(one, 0) for one in reversed(scene.waiting)])


async def claim(pool: Pool, scene: Scene) -> object:
    return await lifecycle.claim(pool, scene.waiting[0], worker_id="worker", modes=lives.EVERY_MODE)


async def take_over_tasks(pool: Pool, _: Scene) -> object:
    """From the old system's workers, everybody's."""
    async with pool.acquire() as connection:
        return await take_over(connection, Everybody())


OPERATIONS: dict[str, Callable[[Pool, Scene], Awaitable[object]]] = {
    "create": create,
    "claim": claim,
    "cancel what waits": lambda pool, scene: lifecycle.cancel_task(pool, scene.user_id, scene.waiting[1]),
    "cancel what runs": lambda pool, scene: lifecycle.cancel_task(pool, scene.user_id, scene.running.task_id),
    "complete": complete,
    "complete together": complete_together,
    "fail": lambda pool, scene: lifecycle.fail_task(pool, scene.running, lives.FAILURE),
    "give back": lambda pool, scene: lifecycle.give_back(pool, scene.running),
    "delete a task": lambda pool, scene: retention.delete_task(pool, scene.user_id, scene.done),
    "delete a file": delete_file,
    "erase": erase,
    "grant": grant,
    "mark dispatched": mark_dispatched,
    "mark lost": mark_lost,
    "take over": take_over_tasks,
}


WAIT_FOR_NOBODY = {"claim", "complete together"}


async def held(connection: Connection, rows: list[Row]) -> set[Row]:
    """Those that some other session has locked, or deleted."""
    free: set[Row] = set()
    for table, column in TABLES.items():
        ids = [one for name, one in rows if name == table]
        found = await connection.fetch(
            f"SELECT {column} FROM {table} WHERE {column} = ANY ($1) FOR UPDATE SKIP LOCKED",  # noqa: S608 - from above
            ids,
        )
        free |= {(table, row[0]) for row in found}
    return set(rows) - free


@pytest.mark.parametrize("name", OPERATIONS)
async def test_whoever_waits_for_a_row_holds_earlier_ones_only(pool: Pool, name: str) -> None:
    waited: list[Row] = []
    async with pool.acquire() as holder, pool.acquire() as looker:
        for place in range(len((await a_scene(looker)).rows)):
            scene = await a_scene(looker)
            table, key = row = scene.rows[place]
            async with holder.transaction():
                statement = f"SELECT FROM {table} WHERE {TABLES[table]} = $1 FOR UPDATE"
                await holder.execute(statement, key)
                running = asyncio.ensure_future(OPERATIONS[name](pool, scene))

                async def stands_still(running: asyncio.Future[object] = running) -> bool:
                    return running.done() or await looker.fetchval(
                        "SELECT count(*) > 0 FROM pg_stat_activity "
                        "WHERE datname = current_database() AND wait_event_type = 'Lock'"
                    )

                await lives.until(stands_still)
                if not running.done():
                    waited.append(row)
                    late = await held(looker, scene.rows) - {row} - scene.before(row)
                    assert late == set(), f"{name} waits for {row} and holds {late}"
            await running
    assert waited or name in WAIT_FOR_NOBODY, "it has met no lock"
