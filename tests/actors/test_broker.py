"""A real Dramatiq worker on the waking broker: quick when something arrives, else quiet; nothing gets lost."""

import asyncio
import os
import queue as queues
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from statistics import median
from typing import cast
from urllib.parse import urlsplit

import dramatiq
import pytest
import redis
from dramatiq import MessageProxy, Worker
from msgspec import structs

from actors.broker import BEAT_EVERY, IDLE_LOOK, WakingBroker
from actors.worker import stop_signals
from schema.messages import ACTORS, EDIT_ACTOR, EDITS, encode_message
from service.database import connect
from service.queue import Queue
from service.settings import Settings
from tests.keys import EDIT_KEYS, KEYS
from tests.lives import PATIENCE
from tests.running import nobodys_port, run_command, running_worker
from tests.service.http.proxy import Proxy, proxied

SEVERAL = 8
QUICK = 0.3
"""Seconds: far below the look that an idle worker takes once a second, far above what a wake-up takes."""


def opened(url: str, idle_look: float = IDLE_LOOK) -> WakingBroker:
    broker = WakingBroker(url=url, middleware=[], idle_look=idle_look)
    broker.open(KEYS)
    return broker


def named(message: MessageProxy | None) -> str:
    """The task that a message names, which must be there."""
    assert message is not None
    return message.args[0]


class Taker:
    """A worker process's half of Dramatiq, in this process; its actor notes what it takes, and does what it is told."""

    def __init__(
        self,
        url: str,
        slots: int = 1,
        action: Callable[[str], object] | None = None,
        *,
        idle_look: float = IDLE_LOOK,
    ) -> None:
        self.broker = opened(url, idle_look)
        self.taken: queues.Queue[tuple[str, float]] = queues.Queue()

        @dramatiq.actor(broker=self.broker, actor_name=EDIT_ACTOR, queue_name=EDITS)
        def take(task_id: str) -> None:
            self.taken.put((task_id, time.monotonic()))
            if action is not None:
                action(task_id)

        self.take = take
        self.worker = Worker(self.broker, queues={EDITS}, worker_threads=slots)
        self.worker.queue_prefetch = slots

    def next(self, within: float = PATIENCE) -> tuple[str, float]:
        """The next task that was taken, and when."""
        return self.taken.get(timeout=within)

    def stop(self) -> None:
        self.broker.stop_fetching()
        self.worker.stop(timeout=10_000)
        self.broker.close()


@contextmanager
def taker(
    url: str, slots: int = 1, action: Callable[[str], object] | None = None, *, idle_look: float = IDLE_LOOK
) -> Generator[Taker]:
    made = Taker(url, slots, action, idle_look=idle_look)
    made.worker.start()
    try:
        yield made
    finally:
        made.stop()


@pytest.fixture
def client(redis_url: str) -> Generator[redis.Redis]:
    client = redis.Redis.from_url(redis_url)
    yield client
    client.close()


def until(condition: Callable[[], bool], within: float = PATIENCE) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.005)


def listening(client: redis.Redis) -> bool:
    counts = cast("list[tuple[bytes, int]]", client.pubsub_numsub(KEYS.wake))
    return counts[0][1] > 0


def send(client: redis.Redis, *task_ids: str, wake: bool = True) -> None:
    """What the service's queue does, from this thread."""
    for task_id in task_ids:
        identity, body = encode_message(KEYS, task_id, 0)
        client.hset(EDIT_KEYS.messages, identity, body)  # pyright: ignore[reportArgumentType] - bytes are fine
        client.rpush(EDIT_KEYS.waiting, identity)
    if wake:
        client.publish(KEYS.wake, EDITS)


def test_an_idle_worker_wakes_on_arrival(redis_url: str, client: redis.Redis) -> None:
    waits: list[float] = []
    with taker(redis_url) as worker:
        until(lambda: listening(client))
        for number in range(SEVERAL):
            sent = time.monotonic()
            send(client, f"task_{number}")
            task_id, taken = worker.next()
            assert task_id == f"task_{number}"
            waits.append(taken - sent)
    assert median(waits) < QUICK


async def test_the_services_queue_wakes_it(redis_url: str, client: redis.Redis, queue: Queue) -> None:
    with taker(redis_url) as worker:
        await asyncio.to_thread(until, lambda: listening(client))
        sent = time.monotonic()
        await queue.send([("task_1", 0), ("task_2", 0)])
        first, second = [await asyncio.to_thread(worker.next) for _ in range(2)]
        assert (first[0], second[0]) == ("task_1", "task_2")
        assert first[1] - sent < QUICK
        # Both are acknowledged: nothing of them is left.
        await asyncio.to_thread(until, lambda: client.hlen(EDIT_KEYS.messages) == 0)


def commands(client: redis.Redis) -> Counter[str]:
    """How often each command ran so far; those inside of scripts are counted too."""
    stats = cast("dict[str, dict[str, int]]", client.info("commandstats"))
    return Counter({name: each["calls"] for name, each in stats.items() if name != "cmdstat_info"})


def test_an_idle_worker_is_quiet(redis_url: str, client: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    # Every look also says that the worker lives, and looks for dead ones: the most that a look costs.
    monkeypatch.setattr("actors.broker.BEAT_EVERY", 0.0)
    with taker(redis_url, slots=2) as worker:
        until(lambda: listening(client))
        send(client, "task_1")
        worker.next()
        until(lambda: client.hlen(EDIT_KEYS.messages) == 0)
        seconds = 2.0
        before = commands(client)
        time.sleep(seconds)  # the rate of an idle time is what is measured
        ran = commands(client) - before
    looks = ran["cmdstat_evalsha"]
    assert 1 <= looks <= seconds / IDLE_LOOK + 1
    assert ran.total() <= 5 * looks


def test_a_whole_worker_is_as_quiet(settings: Settings, client: redis.Redis) -> None:
    """Whoever is billed by the command pays for the looks at webhooks' queue as well; they come with signs of life."""
    with running_worker(settings):
        # The first look at each queue says that the worker lives.
        alive = [KEYS.queue(name).workers for name in ACTORS]
        until(lambda: client.exists(*alive) == len(alive))
        seconds = 5.0
        before = commands(client)
        time.sleep(seconds)  # the rate of an idle time is what is measured
        ran = commands(client) - before
    assert ran["cmdstat_evalsha"] <= seconds / IDLE_LOOK + 1 + seconds / BEAT_EVERY + 1


def test_a_busy_workers_throughput_does_not_hang_on_polls(redis_url: str, client: redis.Redis) -> None:
    """With as many messages as slots, each is fetched when a slot becomes free: 4 x 50 ms at a time."""
    jobs, slots, job = 60, 4, 0.05
    send(client, *(f"task_{n}" for n in range(jobs)), wake=False)
    with taker(redis_url, slots, lambda _: time.sleep(job)) as worker:
        times = [worker.next()[1] for _ in range(jobs)]
    ideal = (jobs / slots - 1) * job
    assert times[-1] - times[0] < ideal * 2


def test_a_missed_wake_up_is_made_up_for_within_a_second(redis_url: str, client: redis.Redis) -> None:
    with taker(redis_url) as worker:
        until(lambda: listening(client))
        sent = time.monotonic()
        send(client, "task_1", wake=False)
        assert worker.next()[1] - sent < IDLE_LOOK + 1


def test_a_worker_that_looks_seldom_is_woken_all_the_same(redis_url: str, client: redis.Redis) -> None:
    """It asks for little, counts as living until three looks were missed, and stops at once."""
    seconds = 60.0
    with taker(redis_url, idle_look=seconds) as worker:
        until(lambda: listening(client))
        sent = time.monotonic()
        send(client, "task_1")
        assert worker.next()[1] - sent < QUICK
        until(lambda: client.hlen(EDIT_KEYS.messages) == 0)
        dead_at = cast("float", client.zscore(EDIT_KEYS.workers, worker.broker.worker)) / 1000
        assert abs(dead_at - time.time() - 3 * seconds) < PATIENCE
        time.sleep(IDLE_LOOK)  # its last look, at the free slot
        before = commands(client)
        time.sleep(2 * IDLE_LOOK)  # the time in which another would have looked
        assert (commands(client) - before)["cmdstat_evalsha"] == 0
        stopping = time.monotonic()
    assert time.monotonic() - stopping < PATIENCE


def test_each_queue_has_a_bell(redis_url: str) -> None:
    """One queue's consumer must not sleep through because another one was quicker to wake."""
    broker = WakingBroker(url=redis_url, middleware=[])
    edits, others = broker.bell("edits"), broker.bell("others")
    assert edits is not others
    assert broker.bell("edits") is edits
    broker.close()


def test_a_stopped_worker_leaves_everything_that_waits(redis_url: str, client: redis.Redis) -> None:
    go_on = threading.Event()
    with taker(redis_url, 1, lambda _: go_on.wait(PATIENCE)) as worker:
        send(client, "task_1", "task_2", "task_3")
        assert worker.next()[0] == "task_1"
        worker.broker.stop_fetching()
        stopping = threading.Thread(target=worker.worker.stop, args=(10_000,))
        stopping.start()
        go_on.set()
        stopping.join(PATIENCE)
        assert worker.taken.empty()
        assert client.lrange(EDIT_KEYS.waiting, 0, -1) == [b"task_2.0", b"task_3.0"]
        assert client.hlen(EDIT_KEYS.messages) == 2
        assert client.keys(f"{EDIT_KEYS.held_by}*") == []


def test_a_worker_that_stops_fetches_nothing_more_but_says_that_it_lives(redis_url: str, client: redis.Redis) -> None:
    """Other workers take what comes while it finishes its last edit, and don't take it for dead."""
    go_on = threading.Event()
    with taker(redis_url, 2, lambda _: go_on.wait(PATIENCE)) as stopping:
        send(client, "task_1")
        stopping.next()
        stopping.broker.stop_fetching()
        beat = client.zscore(EDIT_KEYS.workers, stopping.broker.worker)
        with taker(redis_url) as other:
            until(lambda: client.pubsub_numsub(KEYS.wake)[0][1] == 2)  # pyright: ignore[reportIndexIssue, reportArgumentType, reportUnknownArgumentType, reportUnknownLambdaType]
            send(client, "task_2", "task_3")
            assert {other.next()[0], other.next()[0]} == {"task_2", "task_3"}
        until(lambda: client.zscore(EDIT_KEYS.workers, stopping.broker.worker) != beat)
        assert stopping.taken.empty()
        go_on.set()


def test_messages_of_a_dead_worker_come_back(
    redis_url: str, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.broker.DEAD_AFTER", 0.1)
    monkeypatch.setattr("actors.broker.BEAT_EVERY", 0.05)
    send(client, "task_1", wake=False)
    dead = opened(redis_url, idle_look=0.01)
    assert named(next(dead.consume(EDITS, prefetch=1))) == "task_1"
    dead.close()
    with taker(redis_url, idle_look=0.05) as worker:
        assert worker.next()[0] == "task_1"
    assert client.hlen(EDIT_KEYS.messages) == 0


def test_messages_that_were_lost_on_their_way_to_us_come_back(redis_url: str, client: redis.Redis) -> None:
    """Redis counts them as ours; the connection broke before they arrived."""
    broker = opened(redis_url)
    send(client, "task_1", wake=False)
    assert named(next(broker.consume(EDITS, prefetch=1))) == "task_1"
    assert client.llen(EDIT_KEYS.waiting) == 0
    assert named(next(broker.consume(EDITS, prefetch=1))) == "task_1"
    broker.close()


@pytest.fixture
def proxy(redis_url: str) -> Generator[Proxy]:
    with proxied(redis_url) as proxy:
        yield proxy


def test_a_lost_connection_is_made_again(
    redis_url: str, client: redis.Redis, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis was away, and what arrived meanwhile is taken when it is back; then wake-ups work as before."""
    monkeypatch.setattr("actors.broker.LOOK_AGAIN_AFTER", 0.1)
    monkeypatch.setattr("actors.broker.SUBSCRIBE_AGAIN_AFTER", 0.1)
    assert redis_url != proxy.url
    with taker(proxy.url) as worker:
        until(lambda: listening(client))
        proxy.shut()
        until(lambda: not listening(client))
        send(client, "task_1")
        proxy.let_through()
        assert worker.next()[0] == "task_1"
        until(lambda: listening(client))
        sent = time.monotonic()
        send(client, "task_2")
        assert worker.next()[1] - sent < QUICK


def test_an_acknowledgement_that_redis_refuses_is_tried_again(
    redis_url: str, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Missing rights stand for whatever passes: a Redis that is full, or read-only while another takes over."""
    monkeypatch.setattr("dramatiq.worker.POST_PROCESS_MESSAGE_RETRY_DELAY_SECS", 0.1)
    monkeypatch.setattr("actors.broker.LOOK_AGAIN_AFTER", 0.1)
    client.execute_command("ACL", "LOG", "RESET")
    client.execute_command("ACL", "SETUSER", "weak", "reset", "on", ">secret", "~*", "&*", "+@all")
    parts = urlsplit(redis_url)
    url = parts._replace(netloc=f"weak:secret@{parts.netloc.rpartition('@')[2]}").geturl()
    refused = threading.Event()

    def refuse(_: str) -> None:
        client.execute_command("ACL", "SETUSER", "weak", "-@scripting")
        refused.set()

    try:
        with taker(url, action=refuse) as worker:
            send(client, "task_1")
            assert worker.next()[0] == "task_1"
            assert refused.wait(PATIENCE)
            until(lambda: len(cast("list[object]", client.execute_command("ACL", "LOG"))) > 0)
            assert client.hlen(EDIT_KEYS.messages) == 1
            client.execute_command("ACL", "SETUSER", "weak", "+@scripting")
            until(lambda: client.hlen(EDIT_KEYS.messages) == 0)
    finally:
        client.execute_command("ACL", "DELUSER", "weak")
        client.execute_command("ACL", "LOG", "RESET")


def test_a_redis_that_says_nothing_counts_as_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """No farewell came; the answer doesn't either."""
    monkeypatch.setattr("actors.broker.REDIS_SILENCE", 0.1)
    with socket_that_says_nothing() as port:
        broker = opened(f"redis://127.0.0.1:{port}/0", idle_look=0.01)
        assert next(broker.consume(EDITS)) is None
        assert "can't be reached" in (broker.hindrance or "")
        broker.close()


@contextmanager
def socket_that_says_nothing() -> Generator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def one_line(text: str) -> str:
    """The command's own line, which is the only one that isn't a line of the log."""
    (line,) = [line for line in text.splitlines() if line.startswith("darkroom: ")]
    assert "Traceback" not in text
    return line


def test_a_worker_without_its_database_dies_with_one_line(settings: Settings) -> None:
    nowhere = structs.replace(settings, database_url=f"postgresql://postgres:x@127.0.0.1:{nobodys_port()}/postgres")
    ended = run_command("worker", settings=nowhere)
    assert ended.returncode == 1
    assert one_line(ended.stderr).startswith("darkroom: PostgreSQL (DATABASE_URL) can't be reached")


def test_a_worker_without_redis_dies_with_one_line(settings: Settings) -> None:
    ended = run_command("worker", settings=structs.replace(settings, redis_url=f"redis://127.0.0.1:{nobodys_port()}/0"))
    assert ended.returncode == 1
    assert one_line(ended.stderr).startswith("darkroom: Redis (REDIS_URL) can't be reached")


def test_a_worker_that_the_database_does_not_let_in_dies_with_one_line(settings: Settings) -> None:
    wrong = settings.database_url.replace("postgresql://postgres:", "postgresql://postgres:wrong")
    ended = run_command("worker", settings=structs.replace(settings, database_url=wrong))
    assert ended.returncode == 1
    assert "DATABASE_URL" in one_line(ended.stderr)


async def test_a_worker_on_an_older_schema_names_the_command(settings: Settings) -> None:
    connection = await connect(settings)
    (newest,) = await connection.fetch("SELECT * FROM schema_migrations ORDER BY version DESC LIMIT 1")
    await connection.execute("DELETE FROM schema_migrations WHERE version = $1", newest["version"])
    try:
        ended = await asyncio.to_thread(run_command, "worker", settings=settings)
    finally:
        await connection.execute("INSERT INTO schema_migrations VALUES ($1, $2, $3, $4)", *newest.values())
        await connection.close()
    assert ended.returncode == 1
    assert one_line(ended.stderr).endswith("Run: darkroom migrate")
    assert newest["name"] in ended.stderr


def test_a_worker_signs_on_and_off_and_ends_in_peace(settings: Settings) -> None:
    with running_worker(settings) as process:
        process.terminate()
        assert process.wait(PATIENCE * 3) == 0


def test_a_worker_hears_a_signal_that_does_not_interrupt_its_wait() -> None:
    """As one that comes just before it begins to wait, which no test can time: here another thread takes it."""
    with stop_signals() as asked_to_stop:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        try:
            taker = threading.Thread(target=lambda: signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM}))
            os.kill(os.getpid(), signal.SIGTERM)
            taker.start()
            asked_to_stop.settimeout(PATIENCE)
            assert asked_to_stop.recv(1) == bytes([signal.SIGTERM])
            taker.join()
        finally:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
