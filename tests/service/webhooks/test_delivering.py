"""Deliveries by a given clock: the schedule of days, receivers in peace, a few at a time, one outcome per claim."""

from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from schema.models.webhooks import SCHEDULE, DeliveryRecord, DeliveryStatus, delivery_of
from service.database import Connection, Pool
from service.queue import Queue
from service.tasks import lifecycle, retention
from service.webhooks import delivering, store
from service.webhooks.announcing import EACH, announce_due, sweep
from service.webhooks.calling import Answer
from service.webhooks.delivering import (
    FIRST_PEACE,
    JITTER,
    LONGEST_PEACE,
    MOST_AT_ONCE,
    MOST_OF_A_USER,
    SICK_FROM,
    Deliverer,
    claim,
    settle,
)
from tests import lives
from tests.service.webhooks.conftest import deliveries, told
from tests.service.webhooks.receiver import Receiver

HOST = "hooks.example.com"
URL = f"https://{HOST}/hook"
FAILED = Answer(500, "answered 500")
TAKEN = Answer(204)


async def the_only(connection: Connection) -> DeliveryRecord:
    (delivery,) = await deliveries(connection)
    return delivery


async def attempt(pool: Pool, answer: Answer, now: datetime, delivery_id: str | None = None) -> DeliveryRecord | None:
    """The receiver's next delivery, and this came of it; None when there was nothing to be done."""
    claimed = await claim(pool, HOST, delivery_id, now=now)
    return claimed and await settle(pool, claimed, answer, now=now)


async def test_the_whole_schedule_of_days(pool: Pool, connection: Connection, user_id: str) -> None:
    await told(pool, user_id, URL)
    now = began = (await the_only(connection)).created_at
    for n, wait in enumerate(SCHEDULE, 1):
        after = await attempt(pool, FAILED, now)
        assert after is not None
        assert (after.status, after.attempts, after.last_status, after.ended_at) == ("waiting", n, 500, None)
        assert after.next_attempt_at is not None
        assert wait <= after.next_attempt_at - now <= wait * (1 + JITTER)
        assert await attempt(pool, FAILED, after.next_attempt_at - timedelta(microseconds=1)) is None
        now = after.next_attempt_at
    last = await attempt(pool, FAILED, now)
    assert last is not None
    assert (last.status, last.attempts, last.ended_at, last.next_attempt_at) == ("failed", len(SCHEDULE) + 1, now, None)
    assert timedelta(days=3) < now - began < timedelta(days=4)
    # Asked for again, it begins anew.
    assert await store.redeliver(connection, user_id, last.delivery_id)
    again = await claim(pool, HOST, None)
    assert again is not None
    assert (again.tries, again.attempts, again.event_id) == (1, len(SCHEDULE) + 2, last.event_id)


@pytest.mark.parametrize(
    ("asked", "waits"),
    [
        (timedelta(seconds=-9), SCHEDULE[0]),
        (timedelta(hours=1), timedelta(hours=1)),
        (timedelta(days=365), delivering.LONGEST_PAUSE),
    ],
)
async def test_who_asks_for_a_longer_pause_has_it(
    pool: Pool, connection: Connection, user_id: str, asked: timedelta, waits: timedelta
) -> None:
    await told(pool, user_id, URL)
    now = (await the_only(connection)).created_at
    after = await attempt(pool, Answer(503, "answered 503", pause=asked), now)
    assert after is not None
    assert after.next_attempt_at is not None
    assert waits <= after.next_attempt_at - now <= waits * (1 + JITTER)


@pytest.mark.parametrize(
    ("answer", "status"), [(TAKEN, DeliveryStatus.DELIVERED), (Answer(410, "answered 410"), DeliveryStatus.GONE)]
)
async def test_an_end_is_an_end_and_late_claims_change_nothing(
    pool: Pool, connection: Connection, user_id: str, answer: Answer, status: DeliveryStatus
) -> None:
    await told(pool, user_id, URL)
    now = (await the_only(connection)).created_at
    lost = await claim(pool, HOST, None, now=now)
    assert lost is not None
    assert await claim(pool, HOST, None, now=now) is None
    later = now + delivering.LEASE
    held = await claim(pool, HOST, None, now=later)
    assert held is not None
    assert await settle(pool, lost, FAILED, now=later) is None
    settled = await settle(pool, held, answer, now=later)
    assert settled is not None
    assert (settled.status, settled.ended_at) == (status, later)
    assert await settle(pool, lost, FAILED, now=later) is None
    assert await the_only(connection) == settled
    assert await claim(pool, HOST, None, now=later + timedelta(days=9)) is None


async def test_a_sick_receiver_is_left_in_peace_and_its_others_cost_no_attempt(
    pool: Pool, connection: Connection, user_id: str
) -> None:
    for _ in range(SICK_FROM + 4):
        await told(pool, user_id, URL)
    now = (await deliveries(connection))[-1].created_at
    for _ in range(SICK_FROM):
        assert await attempt(pool, FAILED, now)
    assert await claim(pool, HOST, None, now=now) is None
    rows = await deliveries(connection)
    assert sorted(row.attempts for row in rows) == [0] * 4 + [1] * SICK_FROM
    again = min(row.next_attempt_at for row in rows if row.next_attempt_at)
    assert again - now >= FIRST_PEACE
    # One at a time then, and twice as long in peace after each further failure, up to a bound.
    now = max(row.next_attempt_at for row in rows if row.next_attempt_at and not row.attempts)
    probe = await claim(pool, HOST, None, now=now)
    assert probe is not None
    assert await claim(pool, HOST, None, now=now) is None
    assert await settle(pool, probe, FAILED, now=now)
    peace: dict[str, Any] = {"sick": SICK_FROM, "first": FIRST_PEACE, "longest": LONGEST_PEACE, "now": now}
    assert await connection.fetchval("SELECT paused_until FROM webhook_hosts") == now + 2 * FIRST_PEACE
    until = [await store.receiver_failed(connection, user_id, HOST, **peace) for _ in range(20)]
    assert (until[0], until[-1]) == (now + 4 * FIRST_PEACE, now + LONGEST_PEACE)
    # Once it is well, what waited only for that comes at once.
    now += LONGEST_PEACE
    well = await attempt(pool, TAKEN, now)
    assert well is not None
    assert well.status == "delivered"
    assert await connection.fetch("SELECT FROM webhook_hosts") == []
    untried = [row for row in await deliveries(connection) if not row.attempts]
    assert untried
    assert all(row.next_attempt_at is not None and row.next_attempt_at <= now for row in untried)


async def test_what_waits_for_a_sick_receiver_comes_once_one_is_asked_for_again_and_taken(
    pool: Pool, connection: Connection, user_id: str
) -> None:
    for _ in range(SICK_FROM + 2):
        await told(pool, user_id, URL)
    now = (await deliveries(connection))[-1].created_at
    for _ in range(SICK_FROM):
        assert await attempt(pool, FAILED, now)
    failed = next(row for row in await deliveries(connection) if row.attempts)
    in_peace = await connection.fetch("SELECT * FROM webhook_hosts")
    assert await store.redeliver(connection, await lives.add_user(connection), failed.delivery_id) is None
    assert await connection.fetch("SELECT * FROM webhook_hosts") == in_peace
    assert await store.redeliver(connection, user_id, failed.delivery_id)
    now = await connection.fetchval("SELECT now()")
    well = await attempt(pool, TAKEN, now, failed.delivery_id)
    assert well is not None
    assert well.status == "delivered"
    untried = [row for row in await deliveries(connection) if not row.attempts]
    assert [row.next_attempt_at is not None and row.next_attempt_at <= now for row in untried] == [True, True]


async def test_what_falls_due_while_its_receiver_is_in_peace_waits(
    pool: Pool, connection: Connection, user_id: str
) -> None:
    for _ in range(SICK_FROM):
        await told(pool, user_id, URL)
    now = (await deliveries(connection))[-1].created_at
    for _ in range(SICK_FROM):
        assert await attempt(pool, FAILED, now)
    new = delivery_of((await told(pool, user_id, URL)).task_id)
    assert await claim(pool, HOST, new, now=now + FIRST_PEACE - timedelta(microseconds=1)) is None
    assert await claim(pool, HOST, new, now=now + FIRST_PEACE)


async def test_a_receivers_peace_moves_neither_what_is_under_way_nor_anything_before_its_own_time(
    pool: Pool, connection: Connection, user_id: str
) -> None:
    for _ in range(2):
        await told(pool, user_id, URL)
    now = (await deliveries(connection))[-1].created_at
    held = await claim(pool, HOST, None, now=now)
    assert held is not None
    until = now + LONGEST_PEACE
    await store.postpone(connection, user_id, HOST, until, apart=timedelta(0))
    times = {row.delivery_id: row.next_attempt_at for row in await deliveries(connection)}
    assert times.pop(held.delivery_id) == held.next_attempt_at
    assert list(times.values()) == [until]
    due = now + FIRST_PEACE
    await connection.execute("UPDATE webhook_deliveries SET due_at = $1", due)
    await store.bring_forward(connection, user_id, HOST, now)
    rows = {row.delivery_id: row.next_attempt_at for row in await deliveries(connection)}
    assert rows == {held.delivery_id: held.next_attempt_at, **dict.fromkeys(times, due)}


async def test_what_is_still_to_be_told_is_not_forgotten(pool: Pool, connection: Connection, user_id: str) -> None:
    """Nor what somebody asks for again in the moment in which it is forgotten."""
    await told(pool, user_id, URL)
    await connection.execute("UPDATE webhook_deliveries SET forget_at = now()")
    waiting = await the_only(connection)
    await sweep(pool, limit=10)
    await store.forget_deliveries(connection, [waiting.delivery_id])
    assert await store.deliveries_to_forget(connection, limit=10) == []
    assert await attempt(pool, TAKEN, waiting.created_at)
    await sweep(pool, limit=10)
    assert await deliveries(connection) == []


async def test_a_receiver_gets_a_few_at_a_time_and_others_theirs(
    pool: Pool, connection: Connection, user_id: str
) -> None:
    for _ in range(MOST_AT_ONCE + 2):
        await told(pool, user_id, URL)
    other = await told(pool, user_id, "https://other.example.com/")
    now = (await deliveries(connection))[-1].created_at
    taken = [await claim(pool, HOST, None, now=now) for _ in range(MOST_AT_ONCE + 2)]
    assert [one is not None for one in taken] == [True] * MOST_AT_ONCE + [False] * 2
    assert await claim(pool, "other.example.com", delivery_of(other.task_id), now=now)


async def test_a_user_who_keeps_a_receiver_busy_leaves_it_to_others(
    pool: Pool, connection: Connection, queue: Queue, user_id: str
) -> None:
    """Of a service for hooks many have an address each, and one may answer slowly to each of thousands."""
    theirs = [await told(pool, user_id, URL) for _ in range(EACH + MOST_AT_ONCE + 1)]
    assert await announce_due(pool, queue, limit=100) == EACH
    await connection.execute("UPDATE webhook_deliveries SET announced_at = now() - interval '1 minute'")
    other = await told(pool, await lives.add_user(connection), URL)
    now = (await deliveries(connection))[-1].created_at
    taken = [await claim(pool, HOST, delivery_of(task.task_id), now=now) for task in theirs[: MOST_AT_ONCE + 1]]
    assert [one is not None for one in taken] == [True] * MOST_AT_ONCE + [False]
    mine = await claim(pool, HOST, None, now=now)
    assert mine is not None
    assert mine.delivery_id == delivery_of(other.task_id)
    assert await settle(pool, mine, FAILED, now=now)
    await connection.execute("UPDATE webhook_deliveries SET next_attempt_at = now() WHERE user_id <> $1", user_id)
    assert await announce_due(pool, queue, limit=100) == EACH
    announced = "SELECT announced_at IS NOT NULL FROM webhook_deliveries WHERE delivery_id = $1"
    assert await connection.fetchval(announced, mine.delivery_id)


async def test_a_user_of_many_receivers_leaves_threads_to_others(
    pool: Pool, connection: Connection, user_id: str
) -> None:
    theirs = [await told(pool, user_id, f"https://r{n}.example.com/") for n in range(MOST_OF_A_USER + 2)]
    other = await told(pool, await lives.add_user(connection), "https://r0.example.com/")
    now = (await deliveries(connection))[-1].created_at
    hosts = [f"r{n}.example.com" for n in range(len(theirs))]
    taken = [
        await claim(pool, host, delivery_of(task.task_id), now=now) for host, task in zip(hosts, theirs, strict=True)
    ]
    assert [one is not None for one in taken] == [True] * MOST_OF_A_USER + [False] * 2
    assert await claim(pool, "r0.example.com", delivery_of(other.task_id), now=now)
    assert taken[0] is not None
    assert await settle(pool, taken[0], TAKEN, now=now)
    assert await claim(pool, hosts[-1], delivery_of(theirs[-1].task_id), now=now)


async def test_what_is_due_is_announced_and_again_when_nobody_came(
    pool: Pool, connection: Connection, queue: Queue, user_id: str
) -> None:
    for _ in range(2):
        await told(pool, user_id, URL)
    assert await announce_due(pool, queue, limit=100) == 2
    assert await announce_due(pool, queue, limit=100) == 0
    await connection.execute("UPDATE webhook_deliveries SET announced_at = announced_at - interval '1 minute'")
    assert await announce_due(pool, queue, limit=100) == 2
    keys = queue.keys.queue("deliveries")
    assert await queue.redis.llen(keys.waiting) == 2  # pyright: ignore[reportGeneralTypeIssues]


async def test_who_takes_what_is_announced_at_once_leaves_it_as_it_was_settled(
    pool: Pool, connection: Connection, queue: Queue, user_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its next attempt was put off otherwise, since its message seemed to be on its way still."""
    task = await told(pool, user_id, URL)

    async def taken(_: object) -> None:
        delivery = await claim(pool, HOST, delivery_of(task.task_id))
        assert delivery is not None
        assert await settle(pool, delivery, FAILED)

    monkeypatch.setattr(queue, "send_deliveries", taken)
    assert await announce_due(pool, queue, limit=100) == 1
    assert await connection.fetchval("SELECT announced_at FROM webhook_deliveries") is None


async def test_many_receivers_that_do_not_get_on_hide_no_other(
    pool: Pool, connection: Connection, queue: Queue, user_id: str
) -> None:
    for host in ("a", "b"):
        await told(pool, user_id, f"https://{host}.example.com/")
    assert await announce_due(pool, queue, limit=2) == 2
    await connection.execute("UPDATE webhook_deliveries SET announced_at = announced_at - interval '1 minute'")
    new = await told(pool, user_id, "https://z.example.com/")
    assert await announce_due(pool, queue, limit=1) == 1
    announced = await connection.fetchval(
        "SELECT delivery_id FROM webhook_deliveries ORDER BY announced_at DESC LIMIT 1"
    )
    assert announced == delivery_of(new.task_id)


async def test_one_message_has_all_that_is_due_delivered(
    pool: Pool, connection: Connection, deliverer: Deliverer, receiver: Receiver, user_id: str
) -> None:
    first, *_ = [await told(pool, user_id, receiver.url) for _ in range(3)]
    await deliverer.take(delivery_of(first.task_id))
    assert [row.status for row in await deliveries(connection)] == ["delivered"] * 3
    assert len({came.headers["webhook-id"] for came in receiver.came}) == 3


async def test_it_is_signed_by_the_databases_clock(
    pool: Pool, connection: Connection, deliverer: Deliverer, receiver: Receiver, user_id: str
) -> None:
    """Receivers refuse what is minutes old, or from the future, and a worker's machine may be that far off."""
    await told(pool, user_id, receiver.url)
    waiting = await the_only(connection)
    now = waiting.created_at + timedelta(hours=2)
    claimed = await claim(pool, waiting.host, None, now=now)
    assert claimed is not None
    await deliverer.attempt(claimed, now=now)
    assert receiver.came[0].headers["webhook-timestamp"] == str(int(now.timestamp()))


BATCH = """
WITH batch AS (
    INSERT INTO batches (batch_id, user_id, total, unfinished, webhook_url)
    SELECT 'batch_a', user_id, 1, 1, webhook_url FROM tasks WHERE task_id = $1
)
UPDATE tasks SET batch_id = 'batch_a', webhook_url = NULL WHERE task_id = $1
"""


@pytest.mark.parametrize("of", ["task", "batch"])
@pytest.mark.parametrize("claimed_before", [True, False], ids=["under way", "waiting"])
async def test_what_went_before_it_was_told_is_told_as_it_was(
    pool: Pool,
    connection: Connection,
    deliverer: Deliverer,
    receiver: Receiver,
    user_id: str,
    of: str,
    claimed_before: bool,
) -> None:
    task = await lives.create(connection, user_id, webhook_url=receiver.url)
    if of == "batch":
        await connection.execute(BATCH, task.task_id)
    await lifecycle.complete_task(pool, await lives.claim(pool, task.task_id), lives.a_result(), [])
    waiting = await the_only(connection)
    claimed = await claim(pool, waiting.host, None) if claimed_before else None
    assert await retention.delete_task(pool, user_id, task.task_id)
    claimed = claimed or await claim(pool, waiting.host, None)
    assert claimed is not None
    after = await deliverer.attempt(claimed)
    assert after is not None
    assert after.status == "delivered"
    data = msgspec.json.decode(receiver.came[0].body)["data"]
    assert data[f"{of}_id"] == (task.task_id if of == "task" else "batch_a")
    assert (data["status"] == "done") if of == "task" else (data["total"] == 1 and data["ended_at"].endswith("Z"))


@pytest.mark.parametrize("step", ["call", "settle"])
async def test_what_fails_unexpectedly_is_a_failed_attempt_and_ends(
    pool: Pool,
    connection: Connection,
    deliverer: Deliverer,
    user_id: str,
    step: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also where what came back can't be written down; nobody's receiver is blamed for it."""
    await told(pool, user_id, URL)

    async def torn(*_: object, **__: object) -> Answer:
        if step == "call":
            raise ValueError("torn")
        return Answer(500, "nobody can keep a \0")

    monkeypatch.setattr(delivering, "call", torn)
    now = (await the_only(connection)).created_at
    for n in range(1, len(SCHEDULE) + 2):
        claimed = await claim(pool, HOST, None, now=now)
        assert claimed is not None
        after = await deliverer.attempt(claimed, now=now)
        assert after is not None
        assert (after.attempts, after.last_error) == (n, "not sent: something went wrong here")
        now = after.next_attempt_at or now
    assert (await the_only(connection)).status == "failed"
    assert await connection.fetchval("SELECT count(*) FROM webhook_hosts") == 0
