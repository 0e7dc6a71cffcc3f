"""Create and read, beside a bare Litestar route that runs the same statement: `python -m tests.bench.api`.

A first page of twenty finished tasks stands beside the bare route's read of one.
"""

import asyncio

import msgspec

from schema.identifiers import new_id
from service.accounts.users import create_user
from service.database import connect
from service.files import store as files
from service.files.store import NewFile
from service.settings import Settings
from tests.bench.beside import SECONDS, Pair, Round, one_round, show, side_by_side
from tests.bench.command import command
from tests.bench.load import arrivals, load, request

USERS = 500
ROUNDS = 3


LISTED = 40
"""Finished tasks that each user has when pages of them are asked for."""

FINISHED = """
INSERT INTO tasks (
       task_id, user_id, status, mode, source_image, result, created_at, updated_at, started_at, completed_at)
SELECT 'task_' || $2 || '_' || n, $1, 'done', 'BACKGROUND_CHANGE', $3,
       jsonb_build_object(
           'output_file_id', $3::text, 'thumbnail_file_id', $3::text, 'comparison_file_id', null,
           'metadata', '{}'::jsonb),
       moment, moment, moment, moment
  FROM generate_series(1, $4::integer) AS n, LATERAL (SELECT now() - n * interval '1 minute') AS at (moment)
"""


class Caller(msgspec.Struct, frozen=True):
    """A user of the benchmark and a file of theirs."""

    user_id: str
    api_key: str
    file_id: str


async def make_callers(settings: Settings) -> list[Caller]:
    connection = await connect(settings)
    callers: list[Caller] = []
    for number in range(USERS):
        user = await create_user(connection, f"bench{number}@example.com", credits_=100_000_000)
        file_id = new_id("file")
        new = NewFile(
            file_id=file_id,
            user_id=user.user_id,
            task_id=None,
            purpose=None,
            filename="bench.jpg",
            blob_key=file_id,
            sha256="0" * 64,
            content_type="image/jpeg",
            size=1,
            width=100,
            height=100,
        )
        await files.add_file(connection, new)
        callers.append(Caller(user.user_id, user.api_key, file_id))
    await connection.execute("ANALYZE")
    await connection.close()
    return callers


def creates(callers: list[Caller], *, bare: bool) -> list[bytes]:
    """One request a user, as each server wants to know its user."""
    return [
        request(
            "POST",
            "/api/v1/tasks",
            {"Content-Type": "application/json", **_identity(caller, bare=bare)},
            msgspec.json.encode({"mode": "BACKGROUND_CHANGE", "source_image": caller.file_id, "config": {}}),
        )
        for caller in callers
    ]


async def reads(settings: Settings, callers: list[Caller], *, bare: bool) -> list[bytes]:
    connection = await connect(settings)
    rows = await connection.fetch("SELECT DISTINCT ON (user_id) user_id, task_id FROM tasks")
    await connection.close()
    tasks = {row["user_id"]: row["task_id"] for row in rows}
    return [
        request("GET", f"/api/v1/tasks/{tasks[caller.user_id]}", _identity(caller, bare=bare))
        for caller in callers
        if caller.user_id in tasks
    ]


def pages(callers: list[Caller]) -> list[bytes]:
    return [request("GET", "/api/v1/tasks?page_size=20", _identity(caller, bare=False)) for caller in callers]


def _identity(caller: Caller, *, bare: bool) -> dict[str, str]:
    return {"X-User": caller.user_id} if bare else {"Authorization": f"Bearer {caller.api_key}"}


async def compare(pair: Pair, callers: list[Caller]) -> None:
    for number in (16, 1):
        for name in ("create", "read"):
            rounds: tuple[list[Round], list[Round]] = ([], [])
            for _ in range(ROUNDS):
                for server, is_bare in ((pair.ours, False), (pair.bare, True)):
                    if name == "create":
                        await empty(pair.settings)
                        what, expected = creates(callers, bare=is_bare), 201
                    else:
                        what, expected = await reads(pair.settings, callers, bare=is_bare), 200
                    rounds[is_bare].append(await one_round(server, what, callers=number, expected=expected))
            show(f"{name}, {number} callers", *rounds)
    await first_pages(pair, callers)
    await at_half_its_rate(pair, callers)


async def first_pages(pair: Pair, callers: list[Caller]) -> None:
    await empty(pair.settings)
    connection = await connect(pair.settings)
    for number, caller in enumerate(callers):
        await connection.execute(FINISHED, caller.user_id, str(number), caller.file_id, LISTED)
    await connection.execute("VACUUM ANALYZE tasks")
    await connection.close()
    rounds: tuple[list[Round], list[Round]] = ([], [])
    for _ in range(ROUNDS):
        rounds[0].append(await one_round(pair.ours, pages(callers), callers=16, expected=200))
        one_each = await reads(pair.settings, callers, bare=True)
        rounds[1].append(await one_round(pair.bare, one_each, callers=16, expected=200))
    show("first page, 16 callers", *rounds)


async def at_half_its_rate(pair: Pair, callers: list[Caller]) -> None:
    """Creates that come whether or not those before have been answered, at half of what Darkroom takes."""
    await empty(pair.settings)
    full = await load(pair.ours.port, creates(callers, bare=False), callers=16, seconds=SECONDS, expected=201)
    for who, server, is_bare in (("darkroom", pair.ours, False), ("bare route", pair.bare, True)):
        await empty(pair.settings)
        what, rate = creates(callers, bare=is_bare), full.per_second / 2
        seen = await arrivals(server.port, what, per_second=rate, seconds=SECONDS, expected=201)
        print(f"{'create, open loop':28} {who:11} {rate:8.0f}/s   p50 {seen.p50:6.2f} ms   p99 {seen.p99:6.2f} ms")


async def empty(settings: Settings) -> None:
    """Each round begins with the same tables: nothing waits, nothing is bloated."""
    connection = await connect(settings)
    await connection.execute("TRUNCATE tasks, credit_ledger")
    await connection.execute("VACUUM ANALYZE users")
    await connection.close()


def run() -> None:
    with side_by_side() as pair:
        # Once the API has made its storage: an empty one beside rows of files it would refuse.
        callers = asyncio.run(make_callers(pair.settings))
        asyncio.run(compare(pair, callers))


if __name__ == "__main__":
    command(run, __doc__)
