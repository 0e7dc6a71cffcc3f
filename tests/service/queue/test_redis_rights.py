"""The rights that docs/redis.md lists are all that is needed, and none of them is too many."""

import asyncio
import json
import re
import shlex
import time
from collections.abc import Generator
from pathlib import Path
from typing import cast

import httpx
import pytest
import redis
from msgspec import structs

from schema.models.tasks import TaskStatus
from service.accounts.users import create_user
from service.database import Pool
from service.queue import REDIS_AWAY, Queue
from service.queue.errors import RedisState, trouble_with_redis
from service.settings import Settings
from tests import lives
from tests.chaos.crew import quick_worker
from tests.keys import KEYS
from tests.legacy.sample import Sample, generate
from tests.redis_servers import EVERY_KIND, as_user, redis_server
from tests.running import run_command
from tests.service.http.serving import User, client_of, serving
from tests.service.legacy.moves import Old

ROOT = Path(__file__).parents[3]
PASSWORD = "PASSWORD"
SCRIPTS = sorted((ROOT / "schema" / "scripts").glob("*.lua"))
HANDSHAKE = {"hello", "select", "ping"}


def documented() -> list[str]:
    """The guide's line, the same in both languages, as Redis takes it."""
    (line,) = {
        line
        for guide in ("redis.md", "redis.zh-CN.md")
        for line in re.findall(r"^ACL SETUSER darkroom .*$", (ROOT / "docs" / guide).read_text(), re.MULTILINE)
    }
    return line.split()


def documented_for_the_old() -> list[str]:
    """The line for the reader of the old system's Redis, the same in both languages."""
    lines = {
        line.partition("ACL ")[2]
        for guide in ("switch-over.md", "switch-over.zh-CN.md")
        for line in (ROOT / "docs" / guide).read_text().splitlines()
        if "ACL SETUSER" in line
    }
    (line,) = lines
    return ["ACL", *shlex.split(line)]


def commands_of(text: str) -> set[str]:
    return set(re.findall(r"(?:redis\.p?call|\btry)\('([a-z]+)'", text))


def test_every_command_of_a_script_is_tried_before_work_and_documented() -> None:
    used = set[str]().union(*(commands_of(path.read_text()) for path in SCRIPTS))
    tried = commands_of((ROOT / "schema" / "scripts" / "try_to_work.lua").read_text())
    assert tried == used
    rights = {word.removeprefix("+") for word in documented() if word.startswith("+")}
    assert used <= rights


def test_no_script_asks_for_all_keys() -> None:
    assert len(SCRIPTS) > 5
    for path in SCRIPTS:
        assert not commands_of(path.read_text()) & {"keys", "scan", "flushdb", "flushall", "eval"}


@pytest.fixture(params=EVERY_KIND)
def server(request: pytest.FixtureRequest) -> Generator[str]:
    with redis_server(cast("str", request.param)) as url:
        yield url


@pytest.fixture
def narrow(server: str) -> str:
    """The server, for a user with exactly the documented rights; whatever else is asked for is in its ACL log."""
    with redis.Redis.from_url(server) as client:
        client.execute_command(*documented())
    return as_user(server, "darkroom", PASSWORD)


def refusals(server: str) -> list[str]:
    """What was refused so far, but for what is asked for the sake of a better answer only."""
    with redis.Redis.from_url(server, decode_responses=True) as client:
        log = cast("list[dict[str, str]]", client.acl_log())
    return [entry["object"] for entry in log if not entry["object"].startswith(("client|", "config|", "info"))]


async def test_everything_works_with_exactly_the_documented_rights(
    narrow: str, server: str, settings: Settings, pool: Pool, tmp_path: Path
) -> None:
    here = structs.replace(settings, redis_url=narrow)
    async with pool.acquire() as connection:
        made = await create_user(connection, "somebody@example.com", credits_=1000)
    with quick_worker(here, tmp_path / "worker.log"), serving(here, tmp_path / "api.log") as api:
        async with client_of(api, made.api_key) as http:
            user = User(made.user_id, made.api_key, http)
            tasks = [str((await user.task())["task_id"]) for _ in range(3)]

            async def all_done() -> bool:
                found = [await lives.get(pool, task_id) for task_id in tasks]
                return all(task.status is TaskStatus.DONE for task in found)

            await lives.until(all_done, within=30)
            ready = (await http.get("/readyz")).json()
        assert (ready["status"], ready["redis"], ready["workers"]) == ("ok", "ok", "ok")
        done = await asyncio.to_thread(run_command, "doctor", settings=here)
        assert done.returncode == 0, done.stdout
        assert "unknown eviction" in done.stdout
    assert refusals(server) == []


async def test_each_right_is_needed_and_its_lack_is_named(narrow: str, server: str) -> None:
    rights = [word[1:] for word in documented() if word.startswith("+")]
    with redis.Redis.from_url(server) as client:
        for right in rights:
            if right in HANDSHAKE:
                continue
            client.execute_command("ACL", "SETUSER", "darkroom", f"-{right}")
            client.script_flush()
            queue = Queue(narrow, KEYS)
            with pytest.raises(REDIS_AWAY) as refused:
                await queue.try_to_work()
            trouble = trouble_with_redis(refused.value)
            assert trouble.state is RedisState.FORBIDDEN, (right, trouble)
            assert right.partition("|")[0] in trouble.what, (right, trouble)
            await queue.close()
            client.execute_command("ACL", "SETUSER", "darkroom", f"+{right}")
        queue = Queue(narrow, KEYS)
        await queue.try_to_work()
        await queue.close()
        # What couldn't be deleted, where that was the right that lacked, went by itself.
        await lives.until(lambda: asyncio.to_thread(lambda: client.dbsize() == 0))


@pytest.mark.parametrize("narrower", [["resetkeys", "~dramatiq:*"], ["resetchannels", "&other:*"], ["-lpop"]])
def test_a_worker_that_may_not_work_ends_with_a_line(
    narrow: str, server: str, settings: Settings, narrower: list[str]
) -> None:
    with redis.Redis.from_url(server) as client:
        client.execute_command("ACL", "SETUSER", "darkroom", *narrower)
    ended = run_command("worker", settings=structs.replace(settings, redis_url=narrow))
    assert ended.returncode == 1
    (line,) = [line for line in ended.stderr.splitlines() if line.startswith("darkroom: ")]
    assert line.startswith("darkroom: Redis (REDIS_URL) forbids what Darkroom needs: ")
    assert line.endswith("docs/redis.md lists.")


async def test_a_worker_that_loses_a_right_says_so_and_takes_up_again(
    narrow: str, server: str, settings: Settings, tmp_path: Path
) -> None:
    here = structs.replace(settings, redis_url=narrow)
    with (
        quick_worker(here, tmp_path / "worker.log"),
        serving(here, tmp_path / "api.log") as api,
        redis.Redis.from_url(server) as client,
    ):

        def workers() -> str:
            return httpx.get(f"{api.base_url}/readyz").json()["workers"]

        def becomes(state: str) -> None:
            deadline = time.monotonic() + 30
            while workers() != state:
                assert time.monotonic() < deadline, (tmp_path / "worker.log").read_text()
                time.sleep(0.05)

        await asyncio.to_thread(becomes, "ok")
        client.execute_command("ACL", "SETUSER", "darkroom", "-lpop")
        await asyncio.to_thread(becomes, "none seen")
        found = (await asyncio.to_thread(run_command, "doctor", settings=here)).stdout
        assert re.search(r"wrong +workers: 1 can't take messages: Redis \(REDIS_URL\) forbids what", found), found
        client.execute_command("ACL", "SETUSER", "darkroom", "+lpop")
        await asyncio.to_thread(becomes, "ok")


async def test_the_old_system_is_read_with_exactly_the_documented_rights(
    server: str, settings: Settings, tmp_path: Path
) -> None:
    old = Old(server)
    old.redis.execute_command(*documented_for_the_old())
    generate(old.redis, Sample(tasks=100, users=20))
    task_id = old.task("task_1764915114_a1b2c3", user_id := old.user("usr_1"))
    before = old.dump()
    reader = as_user(server, "darkroom", PASSWORD)
    for command in (["import", "--dry-run"], ["import"], ["verify"]):
        done = await asyncio.to_thread(run_command, "legacy", *command, "--redis-url", reader, settings=settings)
        assert done.returncode == 0, done.stderr
    # What came since is read where it still is.
    later = old.task("task_1764915115_a1b2c3", user_id)
    before |= {key: value for key, value in old.dump().items() if key not in before}
    with serving(settings, tmp_path / "api.log", {"LEGACY_REDIS_URL": reader}) as api:
        token = await asyncio.to_thread(run_command, "user", "key", user_id, settings=settings)
        async with client_of(api, json.loads(token.stdout)["api_key"]) as http:
            for each in (task_id, later):

                async def is_read(task: str = each) -> bool:
                    return (await http.get(f"/api/v1/tasks/{task}")).status_code == 200

                # One that is slow to answer is 503 for a second.
                await lives.until(is_read)
    found = await asyncio.to_thread(run_command, "doctor", settings=settings, extra={"LEGACY_REDIS_URL": reader})
    assert "ok      old redis: answers" in found.stdout
    assert old.dump() == before
    old.close()
    assert refusals(server) == []
