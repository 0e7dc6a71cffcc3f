"""No message stops a worker: what is of no use is thrown away, counted and told, and the next one is taken."""

import json
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest
import redis
from msgspec import structs

from actors.broker import WakingBroker
from schema.messages import EDITS, LONGEST_MESSAGE, Keys, Reason, encode_message
from service.database import Pool
from service.health.findings import Health
from service.health.redis import redis as look_at_redis
from service.queue import Queue
from service.queue.thrown_away import ThrownAway
from service.settings import Settings
from tests import lives
from tests.chaos.crew import quick_worker
from tests.keys import EDIT_KEYS, KEYS

OURS = cast("dict[str, Any]", json.loads(encode_message(KEYS, "task_1", 0)[1]))
STRANGER = Keys(KEYS.prefix, "another")


def changed(**fields: object) -> bytes:
    return json.dumps(OURS | fields).encode()


def without(field: str) -> bytes:
    return json.dumps({name: value for name, value in OURS.items() if name != field}).encode()


BAD: list[tuple[Reason, bytes | None]] = [
    (Reason.UNREADABLE, b"not json"),
    (Reason.UNREADABLE, b""),
    (Reason.UNREADABLE, b"\x00\xff\x80\x04pickle"),
    (Reason.UNREADABLE, b'{"later": ' + b"[" * 4000),
    (Reason.UNREADABLE, changed()[:-1]),
    (Reason.UNREADABLE, changed(args=["\ud800"])),
    (Reason.TOO_LONG, changed(args=["x" * LONGEST_MESSAGE])),
    (Reason.TOO_LONG, b"x" * 10_000_000),
    (Reason.MISSING, None),
    (Reason.ANOTHER_SHAPE, b"null"),
    (Reason.ANOTHER_SHAPE, b"[]"),
    (Reason.ANOTHER_SHAPE, b'"task_1"'),
    (Reason.ANOTHER_SHAPE, b"{}"),
    *((Reason.ANOTHER_SHAPE, without(field)) for field in OURS.keys() - {"kwargs", "message_timestamp"}),
    (Reason.ANOTHER_SHAPE, changed(args=[])),
    (Reason.ANOTHER_SHAPE, changed(args=["task_1", "task_2"])),
    (Reason.ANOTHER_SHAPE, changed(args=[7])),
    (Reason.ANOTHER_SHAPE, changed(args={"task_id": "task_1"})),
    (Reason.ANOTHER_SHAPE, changed(args=["nul \0"])),
    (Reason.ANOTHER_SHAPE, changed(args=["x" * 65])),
    (Reason.ANOTHER_SHAPE, changed(args=[""])),
    (Reason.ANOTHER_SHAPE, changed(kwargs={"task_id": "task_1"})),
    (Reason.ANOTHER_SHAPE, changed(kwargs={"batch": 1})),
    (Reason.ANOTHER_SHAPE, changed(options=[])),
    (Reason.ANOTHER_SHAPE, changed(message_timestamp="now")),
    (Reason.ANOTHER_ACTOR, changed(actor_name="deliver")),
    (Reason.ANOTHER_ACTOR, changed(queue_name="default")),
    (Reason.ANOTHER_INSTALLATION, encode_message(STRANGER, "task_1", 0)[1]),
    (Reason.ANOTHER_INSTALLATION, changed(options={"redis_message_id": "task_1.0"})),
]


def put(client: redis.Redis, identity: str | bytes, body: bytes | None) -> None:
    if body is not None:
        client.hset(EDIT_KEYS.messages, identity, body)  # pyright: ignore[reportArgumentType] - bytes are fine
    client.rpush(EDIT_KEYS.waiting, identity)


@pytest.fixture
def client(redis_url: str) -> Generator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as client:
        yield client


@contextmanager
def a_broker(url: str) -> Generator[WakingBroker]:
    broker = WakingBroker(url=url, middleware=[], idle_look=0.01)
    broker.open(KEYS)
    yield broker
    broker.close()


def test_the_next_message_is_taken_whatever_lay_before_it(redis_url: str, client: redis.Redis) -> None:
    expected: dict[bytes, bytes] = {}
    with a_broker(redis_url) as broker:
        consumer = broker.consume(EDITS, prefetch=1)
        for number, (reason, body) in enumerate(BAD):
            put(client, f"odd-{number}", body)
            put(client, *encode_message(KEYS, f"task_{number}", 0))
            message = next(consumer)
            assert message is not None, (reason, body)
            assert message.args == (f"task_{number}",)
            consumer.ack(message)
            expected[reason.encode()] = b"%d" % (int(expected.get(reason.encode(), b"0")) + 1)
            assert client.hgetall(EDIT_KEYS.refused) == expected, body
        assert next(consumer) is None
        assert {key.decode() for key in cast("list[bytes]", client.keys("*"))} == {EDIT_KEYS.workers, EDIT_KEYS.refused}
    assert 0 < client.ttl(EDIT_KEYS.refused) <= 3600


def test_only_odd_ones_end_in_a_wait_and_not_in_a_circle(redis_url: str, client: redis.Redis) -> None:
    with a_broker(redis_url) as broker:
        for number, (_, body) in enumerate(BAD):
            put(client, f"odd-{number}", body)
        assert next(broker.consume(EDITS, prefetch=8)) is None
        assert broker.hindrance is None
    assert client.llen(EDIT_KEYS.waiting) == client.hlen(EDIT_KEYS.messages) == 0


@pytest.mark.parametrize("identity", [b"\xff\xfe", b"", b"a\nb", "\N{SNOWMAN}".encode(), b"x" * 100_000])
def test_an_id_may_be_any_bytes(redis_url: str, client: redis.Redis, identity: bytes) -> None:
    with a_broker(redis_url) as broker:
        consumer = broker.consume(EDITS, prefetch=2)
        put(client, identity, b"not json")
        assert next(consumer) is None
        put(client, identity, changed())
        message = next(consumer)
        assert message is not None
        consumer.ack(message)
    assert client.hlen(EDIT_KEYS.messages) == 0


def test_fields_of_a_later_version_are_left_alone(redis_url: str, client: redis.Redis) -> None:
    with a_broker(redis_url) as broker:
        put(client, "task_1.0", changed(trace="abc", options=OURS["options"] | {"priority": 3}))
        message = next(broker.consume(EDITS))
        assert message is not None
        assert message.args == ("task_1",)


@pytest.mark.parametrize("kind", ["set", "rpush", "zadd"])
def test_what_else_lies_under_a_dead_workers_name_keeps_nobody_from_messages(
    redis_url: str, client: redis.Redis, kind: str
) -> None:
    put_it: dict[str, Callable[[str], object]] = {
        "set": lambda name: client.set(name, "x"),
        "rpush": lambda name: client.rpush(name, "x"),
        "zadd": lambda name: client.zadd(name, {"x": 1}),
    }
    client.zadd(EDIT_KEYS.workers, {"dead": 1, "dead too": 1})
    put_it[kind](EDIT_KEYS.held_by + "dead")
    put(client, *encode_message(KEYS, "task_1", 0))
    client.lpop(EDIT_KEYS.waiting)
    client.sadd(EDIT_KEYS.held_by + "dead too", "task_1.0")
    with a_broker(redis_url) as broker:
        consumer = broker.consume(EDITS)
        assert next(consumer) is None
        message = next(consumer)
        assert message is not None
        assert message.args == ("task_1",)
    assert client.exists(EDIT_KEYS.held_by + "dead")


def test_each_reason_is_logged_once_a_minute(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [100.0]
    monkeypatch.setattr("service.queue.thrown_away.time.monotonic", lambda: clock[0])
    thrown = ThrownAway()
    for _ in range(5):
        thrown.tell(Reason.UNREADABLE, b"a\x1b[31m")
    thrown.tell(Reason.MISSING, b"b")
    clock[0] += 61
    thrown.tell(Reason.UNREADABLE, b"c" * 1000)
    lines = [line for line in capsys.readouterr().out.splitlines() if "thrown away" in line]
    assert len(lines) == 3
    assert "messages=5" in lines[2]
    assert not any("a\x1b[31m" in line or "c" * 100 in line for line in lines)


async def messages_finding(settings: Settings) -> tuple[Health, str]:
    found = {finding.check: finding async for finding in look_at_redis(settings, KEYS)}
    return found["messages"].health, found["messages"].message + (found["messages"].remedy or "")


async def test_what_others_wrote_into_the_count_is_passed_over(queue: Queue) -> None:
    await queue.count_refused(Reason.NO_TASK)
    await queue.redis.hset(EDIT_KEYS.refused, mapping={"a\x1b[31m": "1", "b": "many"})  # pyright: ignore[reportGeneralTypeIssues]
    assert await queue.refused() == {Reason.NO_TASK: 1}


async def test_the_doctor_tells_what_was_thrown_away(settings: Settings, queue: Queue) -> None:
    assert await messages_finding(settings) == (Health.OK, "none was thrown away in the last hour")
    await queue.count_refused(Reason.NO_TASK)
    health, words = await messages_finding(settings)
    assert (health, "1 naming no task" in words) == (Health.UNKNOWN, True)
    await queue.count_refused(Reason.UNREADABLE)
    assert (await messages_finding(settings))[0] is Health.WRONG
    await queue.count_refused(Reason.ANOTHER_INSTALLATION)
    health, words = await messages_finding(settings)
    assert (health, "REDIS_PREFIX" in words) == (Health.WRONG, True)


async def test_a_worker_counts_what_names_no_task_and_goes_on(
    settings: Settings, queue: Queue, pool: Pool, tmp_path: Path
) -> None:
    with quick_worker(settings, tmp_path / "worker.log"):
        await queue.send([("task_of_nobody", 0)])

        async def counted() -> bool:
            return await queue.refused() == {Reason.NO_TASK: 1}

        await lives.until(counted)
        async with pool.acquire() as connection:
            task = await lives.create(connection, await lives.add_user(connection))
        await queue.send([(task.task_id, task.message_no)])

        async def taken() -> bool:
            return (await lives.get(pool, task.task_id)).attempts > 0

        await lives.until(taken)
    log = (tmp_path / "worker.log").read_text()
    assert "critical" not in log
    assert "task_of_nobody" in log


async def test_two_installations_with_one_prefix_tell_of_each_other(redis_url: str, settings: Settings) -> None:
    theirs = Queue(redis_url, structs.replace(KEYS, installation="another"))
    await theirs.send([("task_1", 0)])
    with a_broker(redis_url) as broker:
        assert next(broker.consume(EDITS)) is None
    assert await theirs.length() == 0
    health, words = await messages_finding(settings)
    assert health is Health.WRONG
    assert "1 of another installation" in words
    await theirs.close()
