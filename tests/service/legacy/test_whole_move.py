"""The whole move while everybody works: the old system and this one, sign-ins, sales, tasks; there, over, and back.

Whatever comes when, every balance is what was sold, granted and spent, to the credit. THOROUGH=1 lets it live for five
minutes with an import of the accounts each second; otherwise they follow each other for a moment.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Final, cast

from service.accounts import users as accounts
from service.database import Connection, Pool
from service.database.migrations import migrate
from service.settings import Settings
from service.tasks import lifecycle
from tests import lives
from tests.seeds import SEED, THOROUGH
from tests.service.legacy.moves import PRICE, Old, as_json, back, differences, move, user_json

USERS: Final = 12
BEFORE: Final = 60 if THOROUGH else 3
AFTER: Final = 300 if THOROUGH else 6
"""Imports before the switch, and of the accounts alone after it."""
PAUSE: Final = 1.0 if THOROUGH else 0.0

BONUS: Final = 100


class Life:
    """Everybody's work, and what everybody owns by it."""

    def __init__(self, pool: Pool, old: Old) -> None:
        self._pool = pool
        self._old = old
        self._random = Random(SEED)  # noqa: S311 - what comes when
        self._now = datetime(2025, 12, 5, tzinfo=UTC)
        self._numbers = 0
        self._remembered: dict[str, dict[str, Any]] = {}
        """What the old sign-in knows of users: after the switch, nothing new."""
        self.owned: dict[str, int] = {}
        self.done = 0
        for _ in range(USERS):
            self.sign_up()

    def sign_up(self) -> None:
        """At the old system, before and after the switch."""
        user_id = f"usr_{self._number():06}"
        self.owned[user_id] = BONUS
        self._remembered[user_id] = user_json(user_id, current_credits=BONUS, total_credits_used=0)
        self._write(user_id, "id", "email")

    def sign_in(self) -> None:
        """It writes what it remembers under one of the two keys."""
        user_id = self._somebody()
        self._now += timedelta(minutes=1)
        self._remembered[user_id]["last_login"] = self._now.replace(tzinfo=None).isoformat()
        self._write(user_id, self._random.choice(["id", "email"]))

    def sell_there(self) -> None:
        user_id = self._somebody()
        self._change_there(user_id, 500, used=0)

    def create_there(self) -> None:
        user_id = self._somebody()
        if self.owned[user_id] >= PRICE:
            self._old.task(f"task_17649{self._number():05}_aaaaaa", user_id, "pending")
            self._change_there(user_id, -PRICE, used=PRICE)

    def work_there(self) -> None:
        """An old worker ends a task, or gives its credits back."""
        if not (queue := self._old.queue()):
            return
        task_id = queue[0]
        self._old.redis.lpop("formy:task:queue")
        data = cast("bytes", self._old.redis.hget(f"formy:task:data:{task_id}", "data"))
        user_id = json.loads(data)["user_id"]
        failed = self._random.random() < 0.3
        self._old.task(task_id, user_id, "failed" if failed else "done")
        if failed:
            self._change_there(user_id, PRICE, used=-PRICE)

    def _change_there(self, user_id: str, credits_: int, *, used: int) -> None:
        self.owned[user_id] += credits_
        self._remembered[user_id]["current_credits"] += credits_
        self._remembered[user_id]["total_credits_used"] += used
        self._write(user_id, "id", "email")

    def _write(self, user_id: str, *copies: str) -> None:
        copy = self._remembered[user_id]
        for kind in copies:
            self._old.redis.set(f"user:{kind}:{user_id if kind == 'id' else copy['email']}", as_json(copy))

    async def sell_here(self) -> None:
        user_id = self._somebody()
        async with self._pool.acquire() as connection:
            if await connection.fetchval("SELECT count(*) FROM users WHERE user_id = $1", user_id):
                await accounts.grant(connection, user_id, 500, "sold")
                self.owned[user_id] += 500

    async def sell_in_sql(self) -> None:
        """What a sign-in with adopted tables does."""
        user_id = self._somebody()
        async with self._pool.acquire() as connection:
            statement = "UPDATE users SET current_credits = current_credits + 70 WHERE user_id = $1"
            if await connection.execute(statement, user_id) == "UPDATE 1":
                self.owned[user_id] += 70

    async def create_here(self) -> None:
        user_id = self._somebody()
        async with self._pool.acquire() as connection:
            have = await connection.fetchval("SELECT current_credits FROM users WHERE user_id = $1", user_id)
            if have is not None and have >= PRICE:
                await lives.create(connection, user_id)
                self.owned[user_id] -= lives.PRICE

    async def work_here(self) -> None:
        taken = await lifecycle.claim(self._pool, "task_of_a_message", worker_id="worker", modes=lives.EVERY_MODE)
        if taken.claim is None:
            return
        task = taken.claim.task
        if self._random.random() < 0.7:
            await lifecycle.complete_task(self._pool, taken.claim, lives.a_result(), [])
        else:
            await lifecycle.fail_task(self._pool, taken.claim, lives.FAILURE)
            self.owned[task.user_id or ""] += task.credits_consumed

    def _somebody(self) -> str:
        return self._random.choice(list(self.owned))

    def _number(self) -> int:
        self._numbers += 1
        return self._numbers

    @asynccontextmanager
    async def going_on(self, *works: Callable[[], Awaitable[None] | None]) -> AsyncGenerator[None]:
        """Meanwhile, one thing after the other."""
        stopped = asyncio.Event()

        async def live() -> None:
            while not stopped.is_set():
                if (working := self._random.choice(works)()) is not None:
                    await working
                self.done += 1
                await asyncio.sleep(PAUSE / 100)

        living = asyncio.create_task(live())
        try:
            yield
        finally:
            stopped.set()
            await living


async def balances(connection: Connection) -> dict[str, int]:
    return dict(await connection.fetch("SELECT user_id, current_credits FROM users"))


async def test_every_balance_is_what_was_sold_granted_and_spent(
    connection: Connection, pool: Pool, old: Old, other: Old, theirs: Settings, db: Connection
) -> None:
    life = Life(pool, old)
    at_the_old_one = (life.sign_in, life.sell_there, life.create_there, life.work_there)
    async with life.going_on(life.sign_up, *at_the_old_one, *at_the_old_one):
        for _ in range(BEFORE):
            await move(connection, old)
            await asyncio.sleep(PAUSE)
    async with life.going_on(life.sign_in, life.sign_up):
        switched = await move(connection, old, take_over=True)
    assert switched.summary["left_with_the_old_system"]["owned"] == 0
    here = (life.sell_here, life.sell_in_sql, life.create_here, life.work_here, life.sign_in)
    async with life.going_on(life.sign_up, *here, *here):
        for _ in range(AFTER):
            await move(connection, old, users_only=True)
            await asyncio.sleep(PAUSE)
    await move(connection, old, users_only=True)
    assert life.done > BEFORE + AFTER
    assert await balances(connection) == life.owned
    await lives.assert_ledgers(connection)
    await move(connection, old)
    assert await differences(connection, old) == {}

    for key, (value, _) in old.dump().items():
        other.redis.restore(key, 0, value)
    assert (await back(connection, other)).summary["users"]["conflict"] == 0
    again = (await move(connection, other)).summary
    assert [again[kind].get("unchanged", 0) for kind in ("users", "tasks")] == [
        again[kind]["seen"] for kind in ("users", "tasks")
    ]
    assert await balances(connection) == life.owned
    await migrate(theirs)
    await move(db, other)
    assert await balances(db) == life.owned
    await lives.assert_ledgers(db)
