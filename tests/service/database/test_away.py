"""What counts as "the database is away", and what it says about that: a table, and the ways it comes."""

import asyncio
import gc
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from secrets import token_hex
from urllib.parse import urlsplit

import asyncpg
import pytest
from msgspec import structs

from service.database import Connection, Pool, connect, open_pool
from service.database.away import UNAVAILABLE, DatabaseAway, is_lost, told, trouble_with_postgres
from service.settings import Settings
from tests.service.http.proxy import proxied


def an_error(code: str, words: str, severity: str = "ERROR") -> asyncpg.PostgresError:
    """As asyncpg makes it of what the server says."""
    error = asyncpg.PostgresError.new({"S": severity, "V": severity, "C": code, "M": words})
    assert isinstance(error, asyncpg.PostgresError)
    return error


AWAY = [
    ("25006", "cannot execute UPDATE in a read-only transaction", "read-only"),
    ("25P03", "terminating connection due to idle-in-transaction timeout", "can't be reached"),
    ("08006", "server conn crashed?", "can't be reached"),
    ("08P01", "query_wait_timeout", "no connection left"),
    ("08P01", "no more connections allowed (max_client_conn)", "no connection left"),
    ("08P01", "server login failed: FATAL password authentication failed", "can't sign in"),
    ("08P01", "pgbouncer cannot connect to server", "can't sign in"),
    ("08P01", "no such database: dark", "no such project"),
    ("XX000", "Tenant or user not found", "no such project"),
    ("XX000", "(ENOTFOUND) tenant/user postgres.abc not found", "no such project"),
    ("XX000", "(EMAXCONN) max client connections reached, limit: 200", "no connection left"),
    (
        "XX000",
        "MaxClientsInSessionMode: max clients reached - in Session mode max clients are limited",
        "no connection",
    ),
    ("XX000", "(ECHECKOUTTIMEOUT) unable to check out connection from the pool after 60000ms", "no connection left"),
    ("XX000", "(EDBHANDLEREXITED) connection to database closed. Check logs for more details", "can't be reached"),
    ("XX000", "Couldn't connect to compute node", "can't be reached"),
    ("XX000", "The endpoint has been disabled. Enable it using API and retry.", "can't be reached"),
    ("53000", "insufficient resources", "another resource"),
    ("53100", "could not extend file: No space left on device", "disk is full"),
    ("53200", "out of shared memory", "out of memory"),
    ("53300", "sorry, too many clients already", "no connection left"),
    ("53300", "remaining connection slots are reserved", "no connection left"),
    ("53999", "a code of a later version", "another resource"),
    ("55P03", "canceling statement due to lock timeout", "holds a table"),
    ("57014", "canceling statement due to statement timeout", "statement_timeout"),
    ("57P01", "terminating connection due to administrator command", "can't be reached"),
    ("57P02", "terminating connection because of crash of another server process", "can't be reached"),
    ("57P03", "the database system is starting up", "starting"),
    ("57P04", "database was dropped", "can't be reached"),
    ("57P05", "terminating connection due to idle-session timeout", "can't be reached"),
    ("57P09", "a code of a later version", "can't be reached"),
    ("58000", "could not get connection from the pool", "can't be reached"),
    ("58030", "could not write to file: Input/output error", "can't be reached"),
    ("28P01", "password authentication failed", "refuses the user"),
    ("3D000", "database does not exist", "no such database"),
    ("55000", "database is not currently accepting connections", "can't be reached"),
    ("40P01", "deadlock detected", "can't be reached"),
    ("40001", "could not serialize access due to concurrent update", "can't be reached"),
    ("42501", "permission denied for table tasks", "use Darkroom's tables"),
    ("3F000", "schema does not exist", "is gone"),
    ("42P01", 'relation "tasks" does not exist', "is gone"),
    ("42703", "column does not exist", "is gone"),
    ("42883", "function submit_tasks() does not exist", "is gone"),
    ("42704", "type does not exist", "is gone"),
    ("42P10", "there is no unique or exclusion constraint matching the ON CONFLICT specification", "is gone"),
]
DEFECTS = [
    ("42601", "syntax error"),
    ("22003", "integer out of range"),
    ("23505", "duplicate key value"),
    ("25P02", "current transaction is aborted"),
    ("0A000", "cached plan must not change result type"),
    ("XX000", "cache lookup failed for type 12345"),
    ("XX001", "invalid page in block 7"),
    ("XX002", "index is corrupted"),
]


@pytest.mark.parametrize(("code", "words", "reason"), AWAY)
def test_away_is_told_and_explained(code: str, words: str, reason: str) -> None:
    error = told(an_error(code, words))
    assert isinstance(error, UNAVAILABLE)
    trouble = trouble_with_postgres(error)
    assert trouble is not None
    assert reason.lower() in str(trouble).lower()
    assert words not in str(trouble)
    assert trouble.remedy


@pytest.mark.parametrize(("code", "words"), DEFECTS)
def test_a_defect_stays_what_it_is(code: str, words: str) -> None:
    error = an_error(code, words)
    assert told(error) is error
    assert not isinstance(error, UNAVAILABLE)
    assert trouble_with_postgres(error) is None


@pytest.mark.parametrize(("code", "words"), DEFECTS)
def test_what_ends_the_session_is_away_whatever_its_code(code: str, words: str) -> None:
    assert isinstance(told(an_error(code, words, "FATAL")), DatabaseAway)


def test_who_may_not_connect_finds_the_database_away() -> None:
    for code in ("42501", "XX000"):
        assert isinstance(told(an_error(code, "permission denied for database"), connecting=True), DatabaseAway)


@pytest.mark.parametrize(
    ("error", "lost"),
    [
        (an_error("53100", "disk full"), False),
        (an_error("XX000", "max clients reached"), False),
        (an_error("57P01", "terminating connection", "FATAL"), True),
        (an_error("XX000", "(EDBHANDLEREXITED) connection to database closed", "FATAL"), True),
        (asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation"), True),
        (asyncpg.InterfaceError("connection is closed"), True),
        (ConnectionResetError(), True),
        (TimeoutError(), True),
    ],
)
def test_what_a_server_has_undone_isn_t_lost(error: Exception, lost: bool) -> None:
    assert is_lost(told(error)) is lost


def test_a_code_that_no_server_said_is_told_to_nobody() -> None:
    trouble = trouble_with_postgres(asyncpg.ConnectionDoesNotExistError("connection was closed"))
    assert "broke off" in str(trouble)
    assert "08003" not in str(trouble)


async def test_every_way_to_ask_tells_it(connection: Connection) -> None:
    await connection.execute(
        "CREATE FUNCTION pg_temp.say(code text, words text) RETURNS integer LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION USING ERRCODE = code, MESSAGE = words; END $$"
    )
    ask = "SELECT pg_temp.say($1, $2)"
    for code, words, _ in AWAY:
        for way in (connection.execute, connection.fetch, connection.fetchrow, connection.fetchval):
            with pytest.raises(UNAVAILABLE):
                await way(ask, code, words)
        with pytest.raises(UNAVAILABLE):
            await connection.executemany(ask, [(code, words)])


@pytest.fixture
async def narrow(settings: Settings) -> AsyncGenerator[Settings]:
    """Settings of a user who may have two connections."""
    name = f"narrow_{token_hex(4)}"
    admin = await connect(settings)
    await admin.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'narrow' CONNECTION LIMIT 2")
    url = urlsplit(settings.database_url)
    place = url.netloc.rpartition("@")[2]
    yield structs.replace(
        settings, database_url=url._replace(netloc=f"{name}:narrow@{place}").geturl(), database_pool_size=10
    )
    await admin.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1 AND pid <> pg_backend_pid()", name
    )
    await admin.execute(f"DROP ROLE {name}")
    await admin.close()


async def brief(pool: Pool) -> int:
    async with pool.acquire() as connection:
        return await connection.fetchval("SELECT 1 FROM pg_sleep(0.005)")


async def test_who_gets_no_further_connection_waits_for_an_open_one(narrow: Settings) -> None:
    pool = await open_pool(narrow)
    for _ in range(3):
        assert await asyncio.gather(*(brief(pool) for _ in range(60))) == [1] * 60
    await pool.close()


async def test_a_connection_that_came_back_while_another_was_refused_is_taken_at_once(
    narrow: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody releases one after that: whoever went to wait for it would wait for nothing."""
    pool = await open_pool(narrow)
    asked, refused = asyncio.Event(), asyncio.Event()

    async def refuse(_: Pool) -> None:
        asked.set()
        await refused.wait()
        raise an_error("53300", "sorry, too many clients already")

    monkeypatch.setattr(Pool, "_get_new_connection", refuse)
    async with asyncio.timeout(2), pool.acquire():
        second = asyncio.create_task(brief(pool))
        await asked.wait()
    refused.set()
    async with asyncio.timeout(2):
        assert await second == 1
    await pool.close()


async def test_who_is_cancelled_while_the_database_says_nothing_is_cancelled(settings: Settings) -> None:
    """And not told that it is away, by when the connection couldn't be given back: loops go on after that."""
    with proxied(settings.database_url) as proxy:
        pool = await open_pool(structs.replace(settings, database_url=proxy.url))

        async def ask() -> None:
            async with pool.acquire(timeout=0.3) as connection:
                asking.set()
                await connection.fetchval("SELECT 1")

        asking = asyncio.Event()
        await asyncio.to_thread(proxy.fall_silent)
        work = asyncio.create_task(ask())
        await asking.wait()
        await asyncio.sleep(0)
        work.cancel()
        async with asyncio.timeout(5):
            await asyncio.wait({work})
        assert work.cancelled()
        await asyncio.to_thread(proxy.let_through)
        assert await brief(pool) == 1
        await pool.close()


async def test_who_stops_waiting_for_a_connection_to_be_given_back_leaves_no_traceback(settings: Settings) -> None:
    """The database says nothing: who is cancelled twice doesn't hear that it can't be, and nobody else needs to."""
    said: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: said.append(str(context["message"])))
    with proxied(settings.database_url) as proxy:
        pool = await open_pool(structs.replace(settings, database_url=proxy.url))
        asking = asyncio.Event()

        async def ask() -> None:
            async with pool.acquire(timeout=0.3) as connection:
                asking.set()
                await connection.fetchval("SELECT 1")

        await asyncio.to_thread(proxy.fall_silent)
        work = asyncio.create_task(ask())
        await asking.wait()
        for _ in range(2):
            await asyncio.sleep(0.05)
            work.cancel()
        await asyncio.wait({work})
        assert work.cancelled()
        await asyncio.sleep(0.6)  # by now it was given up, which nobody is told
        gc.collect()
        assert said == []
        await asyncio.to_thread(proxy.let_through)
        assert await brief(pool) == 1
        await pool.close()


async def test_without_any_open_connection_nobody_waits(narrow: Settings, connection: Connection) -> None:
    role = urlsplit(narrow.database_url).username
    pool = await open_pool(narrow)
    other = await connect(narrow)
    async with pool.acquire() as last:
        waiting = [asyncio.create_task(brief(pool)) for _ in range(5)]
        await asyncio.wait(waiting, timeout=0.1)
        assert not any(one.done() for one in waiting)
        await connection.execute(f"ALTER ROLE {role} CONNECTION LIMIT 0")
        last.terminate()
    async with asyncio.timeout(2):
        answers = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(answer) for answer in answers} == {asyncpg.TooManyConnectionsError}
    await other.close()
    await connection.execute(f"ALTER ROLE {role} CONNECTION LIMIT 2")
    assert await brief(pool) == 1
    await pool.close()


async def test_whoever_waits_in_line_waits_no_longer_than_for_any_connection(narrow: Settings) -> None:
    pool = await open_pool(narrow)
    async with AsyncExitStack() as held:
        for _ in range(2):
            await held.enter_async_context(pool.acquire())
        with pytest.raises(TimeoutError):
            async with pool.acquire(timeout=0.05):
                raise AssertionError("nobody gave it back")
    assert await brief(pool) == 1
    await pool.close()
