"""What was undone as a whole is tried again, also on databases whose transactions are stricter by default."""

import ast
import asyncio
import random
from collections.abc import AsyncGenerator
from pathlib import Path

import asyncpg
import pytest
from msgspec import structs

from schema.models.problems import ProblemCode
from schema.models.tasks import TaskStatus
from service.accounts import users
from service.database import UNAVAILABLE, Connection, Pool, open_pool, transactions
from service.database.pool import PlainConnection
from service.database.transactions import transactional
from service.refusals import Refused
from service.settings import Settings
from service.tasks import lifecycle, submission
from tests import lives
from tests.service.http.proxy import proxied

ROOT = Path(transactions.__file__).parents[2]

OPENS_ITS_OWN = {
    "service/database/transactions.py": "the one place",
    "service/database/statements.py": "a lone statement's, tried again by the same function",
    "service/sparing.py": "one row's of a chore; the next round tries again",
    "service/legacy/unhurried.py": "a move's long statements; a move that ends is run again as a whole",
    "service/database/migrations.py": "a migration's, with the lock on migrating; tried again by the same function",
    "service/health/database.py": "a look of the doctor's, which doesn't wait for who holds a table",
}


async def test_whoever_is_cancelled_while_the_database_says_nothing_goes_soon(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By itself asyncpg would wait for an answer to its ROLLBACK for ever."""
    monkeypatch.setattr(transactions, "UNDO_WITHIN", 0.2)
    silent = asyncio.Event()

    @transactional
    async def work(connection: Connection) -> None:
        await asyncio.to_thread(proxy.fall_silent)
        silent.set()
        await connection.execute("SELECT 1")

    with proxied(settings.database_url) as proxy:
        pool = await open_pool(structs.replace(settings, database_url=proxy.url))
        working = asyncio.ensure_future(work(pool))
        await silent.wait()
        working.cancel()
        await asyncio.wait({working}, timeout=lives.PATIENCE)
        assert working.cancelled()
        await asyncio.to_thread(proxy.let_through)
        await pool.close()


@pytest.mark.parametrize("broken_off", ["BEGIN", "COMMIT"])
async def test_whoever_is_cancelled_at_either_end_leaves_no_transaction_open(
    connection: Connection, monkeypatch: pytest.MonkeyPatch, broken_off: str
) -> None:
    """The pool of asyncpg undoes it too, and has the log say that somebody forgot to."""

    @transactional
    async def work(where: Connection) -> None:
        await where.execute("CREATE TEMPORARY TABLE made () ON COMMIT DROP")

    async def execute(self: PlainConnection, query: str, *args: object) -> str:
        if query == "COMMIT" and broken_off == "COMMIT":
            raise asyncio.CancelledError
        done = await whole(self, query, *args)
        if query.startswith("BEGIN") and broken_off == "BEGIN":
            raise asyncio.CancelledError
        return done

    whole = PlainConnection.execute
    monkeypatch.setattr(PlainConnection, "execute", execute)
    with pytest.raises(asyncio.CancelledError):
        await work(connection)
    assert not connection.is_in_transaction()


async def test_trying_again_leaves_the_dice_of_others_alone() -> None:
    """What tests roll from a seed would otherwise differ by how often two transactions happened to meet."""
    seen: list[int] = []

    async def undone_once() -> None:
        seen.append(len(seen))
        if len(seen) == 1:
            raise asyncpg.DeadlockDetectedError

    before = random.getstate()
    await transactions.insist(undone_once)
    assert seen == [0, 1]
    assert random.getstate() == before


def test_transactions_are_opened_in_one_place() -> None:
    def opens(path: Path) -> bool:
        calls = (ast.unparse(node.func) for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))
        return any(called.rpartition(".")[2] == "transaction" for called in calls)

    rooms = [path for room in ("service", "actors") for path in (ROOT / room).rglob("*.py")]
    assert {str(path.relative_to(ROOT)) for path in rooms if opens(path)} == set(OPENS_ITS_OWN)


@pytest.mark.parametrize("error", transactions.PASSING)
async def test_what_passes_is_tried_again_whole(pool: Pool, error: type[Exception]) -> None:
    tried: list[int] = []

    @transactional
    async def operation(connection: Connection) -> int:
        await connection.execute("INSERT INTO users (user_id) VALUES ('usr_once')")
        tried.append(len(tried))
        if len(tried) < 3:
            raise error("undone")
        return await connection.fetchval("SELECT count(*) FROM users")

    assert await operation(pool) == 1
    assert tried == [0, 1, 2]


async def test_it_is_not_tried_for_ever_and_not_for_what_stays(pool: Pool) -> None:
    tried: list[type[Exception]] = []

    @transactional
    async def operation(_: Connection, error: type[Exception]) -> None:
        tried.append(error)
        raise error("undone")

    with pytest.raises(asyncpg.SerializationError):
        await operation(pool, asyncpg.SerializationError)
    assert len(tried) == transactions.TRIES
    with pytest.raises(asyncpg.CheckViolationError):
        await operation(pool, asyncpg.CheckViolationError)
    assert len(tried) == transactions.TRIES + 1


async def test_two_that_stand_against_each_other_both_succeed(connection: Connection, pool: Pool) -> None:
    """A real deadlock: each has one user's row and asks for the other's."""
    mine, yours = [await lives.add_user(connection) for _ in range(2)]
    both = asyncio.Barrier(2)
    met: set[str] = set()

    @transactional
    async def swap(connection: Connection, first: str, second: str) -> None:
        await users.grant(connection, first, 1, None)
        if first not in met:
            met.add(first)
            await both.wait()
        await users.grant(connection, second, 1, None)

    await asyncio.gather(swap(pool, mine, yours), swap(pool, yours, mine))
    assert await lives.balance(pool, mine) == await lives.balance(pool, yours) == lives.CREDITS + 2
    await lives.assert_balanced(pool)


@pytest.fixture(params=["repeatable read", "serializable"])
async def strict_pool(
    request: pytest.FixtureRequest, connection: Connection, settings: Settings
) -> AsyncGenerator[Pool]:
    """A pool of a database whose transactions are this strict if nobody says otherwise."""
    name = await connection.fetchval("SELECT current_database()")
    await connection.execute(f"ALTER DATABASE {name} SET default_transaction_isolation = '{request.param}'")
    opened = await open_pool(settings)
    yield opened
    await opened.close()


async def test_a_strict_database_refuses_nobody(strict_pool: Pool, connection: Connection) -> None:
    """Fifty at once create, cancel and claim: every one succeeds, and the ledger is exact."""
    async with strict_pool.acquire() as one:
        assert await one.fetchval("SHOW default_transaction_isolation") != "read committed"
    user_id = await lives.add_user(connection, 100 * lives.PRICE)
    wanted = [await lives.an_order(connection, user_id) for _ in range(50)]
    made = await asyncio.gather(*(submission.submit(strict_pool, one, max_pending=1000) for one in wanted))
    task_ids = [one.task.task_id for one in made]

    async def claim(task_id: str) -> str | None:
        taken = await lifecycle.claim(strict_pool, task_id, worker_id="worker", modes=lives.EVERY_MODE)
        return taken.claim and taken.claim.task_id

    claims, cancelled = await asyncio.gather(
        asyncio.gather(*(claim(one) for one in task_ids[:25])),
        asyncio.gather(*(lifecycle.cancel_task(strict_pool, user_id, one) for one in task_ids[25:])),
    )
    claimed = [one for one in claims if one is not None]
    assert len(claimed) == len(set(claimed)) == 25
    assert [task and task.status for task in cancelled] == [TaskStatus.CANCELLED] * 25
    await lives.assert_balanced(strict_pool)


async def test_how_many_may_wait_is_exact_in_a_strict_database(strict_pool: Pool, connection: Connection) -> None:
    user_id = await lives.add_user(connection, 100 * lives.PRICE)

    wanted = [await lives.an_order(connection, user_id) for _ in range(20)]
    answers = await asyncio.gather(
        *(submission.submit(strict_pool, one, max_pending=7) for one in wanted), return_exceptions=True
    )
    refused = [one for one in answers if isinstance(one, Refused)]
    assert {one.code for one in refused} == {ProblemCode.TOO_MANY_PENDING_TASKS}
    assert len(refused) == 13


async def test_erasing_a_user_who_creates_and_cancels(connection: Connection, pool: Pool) -> None:
    """Four clients at once, all the time: the erasure succeeds, and later ones learn that there is no account."""
    for _ in range(8):
        user_id = await lives.add_user(connection, 10**6)
        photo = (await lives.an_order(connection, user_id)).tasks[0].source_image

        async def client(user_id: str = user_id, photo: str = photo) -> ProblemCode:
            try:
                while True:
                    async with pool.acquire() as one:
                        wanted = await lives.an_order(one, user_id, source_image=photo)
                    made = await submission.submit(pool, wanted, max_pending=10**6)
                    await lifecycle.cancel_task(pool, user_id, made.task.task_id)
            except Refused as refused:
                return refused.code

        clients = [asyncio.ensure_future(client()) for _ in range(4)]
        await lives.until(lambda user_id=user_id: _has_tasks(connection, user_id))
        await users.erase_user(connection, user_id)
        assert await asyncio.gather(*clients) == [ProblemCode.UNAUTHORIZED] * 4
        assert not await _has_tasks(connection, user_id)
    deadlocks = await connection.fetchval("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
    assert deadlocks == 0


async def _has_tasks(connection: Connection, user_id: str) -> bool:
    return await connection.fetchval("SELECT count(*) > 3 FROM tasks WHERE user_id = $1", user_id)


async def test_what_somebody_holds_who_vanished_in_the_midst_is_free_again(
    settings: Settings, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their machine died, say: nobody tells the server, whose kernel would notice after two hours."""
    monkeypatch.setattr(transactions, "ABANDONED_AFTER", 1)
    user_id = await lives.add_user(connection)
    theirs = await open_pool(settings)

    async def hold() -> None:
        async with theirs.acquire() as held, transactions.transaction(held):
            await held.execute("SELECT FROM users WHERE user_id = $1 FOR UPDATE", user_id)
            async with asyncio.timeout(20):
                await connection.execute("UPDATE users SET username = 'ada' WHERE user_id = $1", user_id)
            free.set()
            await held.execute("SELECT 1")

    free = asyncio.Event()
    with pytest.raises(UNAVAILABLE):
        await hold()
    assert free.is_set()
    async with theirs.acquire() as again:
        assert await again.fetchval("SHOW idle_in_transaction_session_timeout") == "0"
    await theirs.close()
