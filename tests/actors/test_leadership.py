"""One worker does the chores for all; whoever it is may die, lose touch or stop, and another goes on."""

import asyncio
import signal
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, ExitStack
from datetime import UTC, datetime, timedelta

import pytest
from msgspec import structs

from actors.maintenance import leadership, lost_leases, lost_messages
from actors.maintenance.chores import Chore, keep_at
from actors.maintenance.ground import ChoreRules, Ground
from actors.maintenance.leadership import Leadership
from service.database import Connection, Pool, open_pool
from service.database.leading import CHORES, leader
from service.files.storage import Storage
from service.queue import Queue
from service.settings import Settings
from service.tasks import dispatch, lifecycle, store
from service.tasks.dispatch import Dispatcher
from service.webhooks.secrets import Seal
from tests import lives
from tests.conftest import SECRET_KEY
from tests.factories import add_task
from tests.running import running_worker
from tests.service.http.proxy import proxied

WAITING = 2000
PAGE = 200


class Candidate:
    """Stands for election; `working` is whether its work runs at the moment."""

    def __init__(self, pool: Pool, name: str) -> None:
        self.name = name
        self.election = Leadership(pool, name)
        self.working = False
        self.running = asyncio.create_task(self.election.run(self._work))

    async def _work(self) -> None:
        self.working = True
        try:
            await asyncio.Event().wait()
        finally:
            self.working = False

    async def end(self) -> None:
        self.running.cancel()
        await asyncio.wait({self.running})


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leadership, "LOOK_EVERY", 0.05)
    monkeypatch.setattr(leadership, "LEASE", timedelta(seconds=1))


@pytest.fixture
async def candidates(pool: Pool) -> AsyncGenerator[list[Candidate]]:
    those = [Candidate(pool, f"worker {n}") for n in range(4)]
    yield those
    for one in those:
        await one.end()


async def until_one_works(candidates: list[Candidate]) -> Candidate:
    async def one() -> bool:
        return sum(candidate.working for candidate in candidates) == 1

    await lives.until(one)
    return next(candidate for candidate in candidates if candidate.working)


async def test_one_leads_for_as_long_as_it_lives(candidates: list[Candidate], connection: Connection) -> None:
    first = await until_one_works(candidates)
    for _ in range(30):
        await asyncio.sleep(0.05)
        assert [candidate for candidate in candidates if candidate.working] == [first]
    assert await leader(connection, CHORES) == first.name


async def test_whoever_resigns_is_replaced_at_once(candidates: list[Candidate]) -> None:
    first = await until_one_works(candidates)
    first.election.resign()
    await asyncio.wait({first.running})
    assert not first.working
    others = [candidate for candidate in candidates if candidate is not first]

    async def replaced() -> bool:
        return any(candidate.working for candidate in others)

    assert await lives.until(replaced) < 0.8, "it took the lease's end"


async def test_who_loses_the_lead_stops(candidates: list[Candidate], connection: Connection) -> None:
    first = await until_one_works(candidates)
    await connection.execute("UPDATE leaders SET holder = 'a stranger', expires_at = now() + interval '1 hour'")

    async def stopped() -> bool:
        return not first.working

    await lives.until(stopped)
    assert not any(candidate.working for candidate in candidates)


async def test_who_can_not_reach_the_database_stops_before_another_begins(
    candidates: list[Candidate], settings: Settings
) -> None:
    for one in candidates:
        await one.end()
    with proxied(settings.database_url) as proxy:
        cut_off = await open_pool(structs.replace(settings, database_url=proxy.url))
        first = Candidate(cut_off, "cut off")
        await until_one_works([first])
        pool = await open_pool(settings)
        second = Candidate(pool, "near")
        await asyncio.to_thread(proxy.shut)

        async def replaced() -> bool:
            assert not (first.working and second.working)
            return second.working

        await lives.until(replaced)
        assert first.election.shaken(10)
        assert not second.election.shaken(10)
        await asyncio.to_thread(proxy.let_through)
        await first.end()
        await second.end()
        cut_off.terminate()
        await pool.close()


async def test_after_the_database_took_no_writes_holders_get_one_lease_to_write_their_outcome(
    pool: Pool, connection: Connection, queue: Queue, settings: Settings
) -> None:
    user_id = await lives.add_user(connection)
    await lives.create(connection, user_id)
    held = await lives.claim(pool)
    await connection.execute("UPDATE tasks SET lease_expires_at = now() - interval '1 hour'")
    away = True
    rules = ChoreRules(max_attempts=3, task_retention=None, upload_retention=None)
    storage = Storage.made(settings.storage_url)
    ground = Ground(
        pool,
        queue,
        storage,
        Dispatcher(pool, queue),
        rules,
        Seal([SECRET_KEY]),
        shaken=lambda seconds: away and seconds == 10,
    )
    later = datetime.now(UTC) + timedelta(hours=1)
    await lost_leases.recover(ground, now=later)
    assert await lifecycle.is_held(pool, held)
    away = False
    await lost_leases.recover(ground, now=later)
    assert not await lifecycle.is_held(pool, held)


async def test_of_four_workers_one_pages_through_all_waiting_tasks(
    pool: Pool, connection: Connection, queue: Queue, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    user_id = await lives.add_user(connection)
    template = await add_task(connection, user_id, updated_at=lives.today(), dispatched_at=lives.today())
    await connection.execute(
        "INSERT INTO tasks (task_id, user_id, mode, source_image, dispatched_at, updated_at, created_at) "
        "SELECT 'task_' || n, user_id, mode, source_image, dispatched_at, updated_at, created_at "
        "FROM tasks, generate_series(2, $2) AS n WHERE task_id = $1",
        template.task_id,
        WAITING,
    )
    await queue.send([(row["task_id"], 0) for row in await connection.fetch("SELECT task_id FROM tasks")])
    pages = 0
    rounds = 0
    dispatched_tasks = store.dispatched_tasks

    async def counted(*args: object, **kwargs: object) -> object:
        nonlocal pages
        pages += 1
        return await dispatched_tasks(*args, **kwargs)  # pyright: ignore[reportArgumentType]

    async def look(ground: Ground) -> None:
        nonlocal rounds
        await lost_messages.send_again(ground)
        rounds += 1

    monkeypatch.setattr(dispatch.store, "dispatched_tasks", counted)
    rules = ChoreRules(max_attempts=3, task_retention=None, upload_retention=None)
    storage = Storage.made(settings.storage_url)
    async with AsyncExitStack() as ends:
        for n in range(4):
            ground = Ground(pool, queue, storage, Dispatcher(pool, queue), rules, Seal([SECRET_KEY]), batch=PAGE)
            election = Leadership(pool, f"worker {n}")
            chores = (Chore("lost messages", 60.0, look),)
            running = asyncio.create_task(election.run(lambda ground=ground, chores=chores: keep_at(ground, chores)))
            ends.push_async_callback(asyncio.wait, {running})
            ends.callback(running.cancel)

        async def looked() -> bool:
            return rounds == 1

        await lives.until(looked)
        await asyncio.sleep(0.3)
        # Before they end: one after the other may lead then, and begin.
        assert (rounds, pages) == (1, WAITING // PAGE + 1)


async def test_a_killed_leaders_chores_go_on_within_ten_seconds(settings: Settings, connection: Connection) -> None:
    """Real processes. What is lost with the leader is found by its successor."""
    user_id = await lives.add_user(connection)
    with ExitStack() as workers:
        processes = [workers.enter_context(running_worker(settings)) for _ in range(2)]

        async def led() -> bool:
            return await leader(connection, CHORES) is not None

        await lives.until(led, within=30)
        holder = await leader(connection, CHORES)
        killed = next(process for process in processes if f":{process.pid}:" in str(holder))
        killed.send_signal(signal.SIGKILL)
        task = await add_task(connection, user_id, updated_at=lives.today())

        async def dispatched_or_beyond() -> bool:
            return bool(
                await connection.fetchval(
                    "SELECT dispatched_at IS NOT NULL OR status <> 'pending' FROM tasks WHERE task_id = $1",
                    task.task_id,
                )
            )

        assert await lives.until(dispatched_or_beyond, within=20) < 10
        successor = next(process for process in processes if process is not killed)
        assert f":{successor.pid}:" in str(await leader(connection, CHORES))
        successor.send_signal(signal.SIGTERM)

        async def handed_over() -> bool:
            return await leader(connection, CHORES) is None

        assert await lives.until(handed_over) < 3
