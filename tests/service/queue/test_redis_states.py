"""A Redis that answers and yet can't be used: told at once, by /readyz, by the doctor and by whoever starts."""

import asyncio
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import redis
from msgspec import structs
from redis.exceptions import BusyLoadingError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError

from schema.messages import DELIVERIES
from schema.models.tasks import TaskStatus
from service.accounts.users import create_user
from service.database import Pool
from service.queue import REDIS_AWAY, Queue
from service.queue.errors import CLUSTER, RedisState, trouble_with_redis
from service.settings import Settings
from tests import lives
from tests.chaos.crew import quick_worker
from tests.keys import EDIT_KEYS, KEYS
from tests.redis_servers import EVERY_KIND, debians_redis, needs_debians, redis_server
from tests.running import free_port, run_command
from tests.service.http.serving import Api, User, client_of, serving

Client = redis.Redis


@contextmanager
def full(client: Client) -> Generator[None]:
    client.config_set("maxmemory", "1")
    yield
    client.config_set("maxmemory", "0")


@contextmanager
def a_replica(client: Client) -> Generator[None]:
    client.execute_command("REPLICAOF", "127.0.0.1", "1")
    yield
    client.execute_command("REPLICAOF", "NO", "ONE")


@contextmanager
def without_its_replicas(client: Client) -> Generator[None]:
    client.config_set("min-replicas-to-write", "1")
    yield
    client.config_set("min-replicas-to-write", "0")


@contextmanager
def another_list(client: Client) -> Generator[None]:
    client.set(EDIT_KEYS.waiting, "something else")
    yield
    client.delete(EDIT_KEYS.waiting)


@contextmanager
def another_hash(client: Client) -> Generator[None]:
    """In the other queue: webhooks would wait for ever."""
    messages = KEYS.queue(DELIVERIES).messages
    client.rpush(messages, "something else")
    yield
    client.delete(messages)


STATES: dict[Callable[[Client], object], tuple[str, str, str]] = {
    full: ("redis", "is full", "maxmemory"),
    a_replica: ("redis", "read-only replica", "primary"),
    without_its_replicas: ("redis", "too few replicas", "replicas"),
    another_list: ("queue", "something else under a name", "REDIS_PREFIX"),
    another_hash: ("queue", "something else under a name", "REDIS_PREFIX"),
}
"""Each with the check that is wrong, its words, and words of its remedy."""


@pytest.fixture(params=EVERY_KIND)
def server(request: pytest.FixtureRequest) -> Generator[str]:
    with redis_server(request.param) as url:
        yield url


def readiness(api: Api) -> tuple[str, str]:
    answer = httpx.get(f"{api.base_url}/readyz")
    assert answer.status_code == 200
    return answer.json()["status"], answer.json()["redis"]


async def test_every_state_is_told_at_once_and_no_longer_than_it_lasts(
    server: str, settings: Settings, tmp_path: Path
) -> None:
    here = structs.replace(settings, redis_url=server)
    with (
        quick_worker(here, tmp_path / "worker.log"),
        serving(here, tmp_path / "api.log") as api,
        redis.Redis.from_url(server) as client,
    ):
        for state, (check, words, remedy) in STATES.items():
            await lives.until(lambda: asyncio.to_thread(lambda: readiness(api) == ("ok", "ok")))
            with state(client):  # pyright: ignore[reportGeneralTypeIssues, reportUnknownVariableType]
                began = time.monotonic()
                await lives.until(lambda: asyncio.to_thread(lambda: readiness(api) == ("degraded", "unusable")))
                assert time.monotonic() - began < 2
                found = (await asyncio.to_thread(run_command, "doctor", settings=here)).stdout
                (line,) = [line for line in found.splitlines() if line.startswith(f"wrong   {check}: ")]
                assert words in line, found
                assert remedy in found.partition(line)[2].splitlines()[1], found


async def test_a_worker_goes_on_where_redis_is_full(
    server: str, settings: Settings, pool: Pool, tmp_path: Path
) -> None:
    """It makes room: what waits is taken, and acknowledged. Also when it starts only then."""
    here = structs.replace(settings, redis_url=server)
    async with pool.acquire() as connection:
        made = await create_user(connection, "somebody@example.com", credits_=1000)
    with serving(here, tmp_path / "api.log") as api, redis.Redis.from_url(server) as client:
        async with client_of(api, made.api_key) as http:
            user = User(made.user_id, made.api_key, http)
            tasks = [str((await user.task())["task_id"]) for _ in range(3)]
            await lives.until(lambda: asyncio.to_thread(lambda: client.llen(EDIT_KEYS.waiting) == len(tasks)))
        with full(client), quick_worker(here, tmp_path / "worker.log"):

            async def all_done() -> bool:
                found = [await lives.get(pool, task_id) for task_id in tasks]
                return all(task.status is TaskStatus.DONE for task in found)

            await lives.until(all_done, within=30)
            await lives.until(lambda: asyncio.to_thread(lambda: client.hlen(EDIT_KEYS.messages) == 0))


@needs_debians
@pytest.mark.parametrize("command", ["worker", "api"])
def test_a_cluster_is_refused_at_start(settings: Settings, command: str) -> None:
    with debians_redis(cluster_enabled="yes", cluster_port=str(free_port())) as url:
        here = structs.replace(settings, redis_url=url)
        ended = run_command(command, *(["--port", "0"] if command == "api" else []), settings=here)
        assert ended.returncode == 1
        (line,) = [line for line in ended.stderr.splitlines() if line.startswith("darkroom: ")]
        assert line == f"darkroom: {CLUSTER}"
        assert "wrong   redis: Redis (REDIS_URL) is a cluster" in run_command("doctor", settings=here).stdout


@needs_debians
async def test_a_cluster_that_does_not_tell_is_one_all_the_same() -> None:
    """Where INFO is forbidden: its answers to what we need tell."""
    with debians_redis(cluster_enabled="yes", cluster_port=str(free_port())) as url:
        with redis.Redis.from_url(url) as client:
            client.execute_command("ACL", "SETUSER", "default", "-info")
        queue = Queue(url, KEYS)
        assert not await queue.is_cluster()
        for attempt in (queue.try_to_send, queue.try_to_work):
            with pytest.raises(REDIS_AWAY) as refused:
                await attempt()
            assert trouble_with_redis(refused.value) is CLUSTER
        await queue.close()


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (BusyLoadingError("Redis is loading the dataset in memory", status_code="LOADING"), RedisState.LOADING),
        (ResponseError("MISCONF Redis is configured to save RDB snapshots, but it can't"), RedisState.UNSAVED),
        (ResponseError("MASTERDOWN Link with MASTER is down"), RedisState.READ_ONLY),
        (ResponseError("MOVED 3999 127.0.0.1:6381"), RedisState.CLUSTER),
        (ResponseError("CLUSTERDOWN Hash slot not served"), RedisState.CLUSTER),
        (ResponseError("unknown command 'EVALSHA'"), RedisState.REFUSED),
        (ConnectionRefusedError(), RedisState.AWAY),
        (RedisConnectionError("max number of clients reached"), RedisState.AWAY),
        (TimeoutError(), RedisState.AWAY),
    ],
)
def test_what_redis_says_is_told_in_our_words(error: Exception, state: RedisState) -> None:
    trouble = trouble_with_redis(error)
    assert trouble.state is state
    assert trouble.what
    assert trouble.remedy


def test_a_redis_that_is_full_of_clients_is_not_told_to_be_down() -> None:
    """As Redis and as hosts of it say so."""
    for words in ("max number of clients reached", "ERR max concurrent connections exceeded"):
        for kind in (RedisConnectionError, ResponseError):
            assert "no connection left" in str(trouble_with_redis(kind(words)))
