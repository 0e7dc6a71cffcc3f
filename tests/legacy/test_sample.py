"""The sample of old data: the same every time, laid out as the old system does it, and broken where it says so."""

import json
import re
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
import redis
from msgspec import Struct
from PIL import Image

from schema.models.edits import Mode
from schema.models.tasks import TaskStatus
from tests.legacy.sample import EPOCH, Expected, Sample, generate
from tests.legacy.sampling.breakage import Breakage, Fate
from tests.legacy.sampling.damage_to_tasks import DAMAGE_TO_TASKS
from tests.legacy.sampling.damage_to_users import DAMAGE_TO_USERS

Texts = dict[bytes, bytes]

SAMPLE = Sample(tasks=2_000, users=200)
SOUND = Sample(tasks=1_000, users=100, breakage=0)
TASK_ID = re.compile(r"task_(\d{10}|\d{8})_[a-z0-9]{6}")
FILE_ID = re.compile(r"(file_\d{10}|img_\d{8})_[a-z0-9]{6}")
USER_ID = re.compile(r"usr_[0-9a-f]{16}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
CONFIG_NUMBERS = ("blend_strength", "edge_blur", "smoothness")
NOW = datetime.fromtimestamp(EPOCH, UTC).replace(tzinfo=None)
LONG_AGO = timedelta(days=4)
WITHOUT_RECORD = {kind for kind, damage in DAMAGE_TO_TASKS.items() if damage.fate is Fate.REPORTED}


class Redis(Struct, frozen=True):
    """All that is in a Redis."""

    values: dict[str, bytes | Texts]
    queue: Counter[str]
    processing: set[str]
    lifetimes: list[int]
    """Seconds, of the tasks that have a TTL."""

    def starting(self, beginning: str) -> dict[str, bytes | Texts]:
        return {key[len(beginning) :]: value for key, value in self.values.items() if key.startswith(beginning)}


@pytest.fixture
def client(redis_url: str) -> "redis.Redis":
    return redis.Redis.from_url(redis_url)


def everything_in(client: "redis.Redis", prefix: str = "formy:") -> Redis:
    keys = cast("list[bytes]", client.keys("*"))
    kinds = _of_each(client, "TYPE", keys)
    assert set(kinds.values()) == {b"hash", b"string", b"list", b"set"}
    hashes = [key for key, kind in kinds.items() if kind == b"hash"]
    values = _of_each(client, "GET", [key for key, kind in kinds.items() if kind == b"string"])
    values |= _of_each(client, "HGETALL", hashes)
    lifetimes = [seconds for seconds in _of_each(client, "TTL", hashes).values() if seconds > 0]
    queue = cast("list[bytes]", client.lrange(f"{prefix}task:queue", 0, -1))
    processing = cast("set[bytes]", client.smembers(f"{prefix}task:processing"))
    client.close()
    values = {key.decode(): value for key, value in values.items()}
    return Redis(values, Counter(name.decode() for name in queue), {name.decode() for name in processing}, lifetimes)


def _of_each(client: "redis.Redis", command: str, keys: list[bytes]) -> dict[bytes, Any]:
    pipeline = client.pipeline(transaction=False)
    for key in keys:
        pipeline.execute_command(command, key)
    return dict(zip(keys, pipeline.execute(), strict=True))


def is_sound(check: Callable[[], bool]) -> bool:
    """Whether a strict reader is content with a record."""
    try:
        return check()
    except (ValueError, TypeError, KeyError, AttributeError, AssertionError):
        return False


def is_sound_task(there: Redis, users: set[str], task_id: str, fields: bytes | Texts) -> bool:
    assert not isinstance(fields, bytes)
    texts = {name.decode(): value.decode() for name, value in fields.items()}
    status = TaskStatus(texts["status"])
    data = json.loads(texts["data"])
    config: Any = data["config"]
    text = json.dumps(config, ensure_ascii=False).encode().decode()
    made = datetime.fromisoformat(texts["created_at"])
    updated = datetime.fromisoformat(texts["updated_at"])
    assert texts["task_id"] == task_id
    assert TASK_ID.fullmatch(task_id)
    assert Mode(data["mode"])
    assert FILE_ID.fullmatch(data["source_image"])
    assert FILE_ID.fullmatch(data.get("reference_image") or data["source_image"])
    assert text.startswith("{")
    assert "list" not in config
    assert not any(isinstance(config.get(name), str) for name in CONFIG_NUMBERS)
    assert "\\u0000" not in text
    assert data["user_id"] in users
    assert 0 < data["credits_consumed"] <= 200
    assert made.tzinfo is None
    assert updated >= made
    assert 0 <= int(texts.get("progress", "0")) <= 100
    assert there.queue[task_id] == (status is TaskStatus.PENDING)
    assert (task_id in there.processing) == (status is TaskStatus.PROCESSING)
    assert status is not TaskStatus.PROCESSING or NOW - updated < LONG_AGO
    assert status is not TaskStatus.DONE or f"/results/{task_id}/output" in json.loads(texts["result"])["output_image"]
    assert status is not TaskStatus.DONE or datetime.fromisoformat(texts["completed_at"])
    assert status is not TaskStatus.FAILED or json.loads(texts["error"])["code"]
    assert status is not TaskStatus.FAILED or datetime.fromisoformat(texts["failed_at"])
    return True


def is_sound_user(there: Redis, user_id: str, copy: bytes | Texts) -> bool:
    assert isinstance(copy, bytes)
    user = json.loads(copy)
    assert USER_ID.fullmatch(user_id)
    assert user["user_id"] == user_id
    assert user["email"] == user["email"].swapcase().swapcase()
    assert not user["email"].isupper()
    assert there.values[f"user:email:{user['email']}"] == copy
    assert f"user:email:old.{user['email']}" not in there.values
    assert user["current_credits"] >= 0
    assert user["total_credits_used"] >= 0
    assert datetime.fromisoformat(user["created_at"]) <= datetime.fromisoformat(user["last_login"])
    return True


def unsound_tasks(there: Redis, prefix: str = "formy:") -> set[str]:
    copies = [copy for copy in there.starting("user:").values() if isinstance(copy, bytes) and copy.endswith(b"}")]
    users = {json.loads(copy)["user_id"] for copy in copies}
    hashes = there.starting(f"{prefix}task:data:")
    named = set(hashes) | set(there.queue) | there.processing
    return {
        task_id
        for task_id in named
        if not is_sound(lambda: is_sound_task(there, users, task_id, hashes.get(task_id, b"")))  # noqa: B023 - at once
    }


def unsound_users(there: Redis) -> set[str]:
    by_id = there.starting("user:id:")
    return {
        user_id
        for user_id, copy in by_id.items()
        if not is_sound(lambda: is_sound_user(there, user_id, copy))  # noqa: B023 - at once
    }


def ids_of(expected: Expected, kinds: set[Breakage]) -> set[str]:
    return {record_id for kind, ids in expected.ids.items() if kind in kinds for record_id in ids}


def test_the_same_sample_is_the_same_byte_for_byte_and_another_seed_is_another(
    client: "redis.Redis", tmp_path: Path
) -> None:
    samples: list[tuple[Expected, Redis]] = []
    for sample in (SAMPLE, SAMPLE, Sample(tasks=2_000, users=200, seed=2)):
        client.flushall()
        expected = generate(client, sample, files=tmp_path)
        samples.append((expected, everything_in(client)))
    assert samples[0][0] == samples[1][0]
    assert samples[0][1].values == samples[1][1].values
    assert samples[0][1].queue == samples[1][1].queue
    assert samples[0][1].processing == samples[1][1].processing
    assert not set(samples[0][1].starting("formy:task:data:")) & set(samples[2][1].starting("formy:task:data:"))


def test_without_breakage_a_strict_reader_finds_nothing_wrong(client: "redis.Redis") -> None:
    heard: list[int] = []
    expected = generate(client, Sample(tasks=4_000, users=100, breakage=0, prefix="old:"), told=heard.append)
    there = everything_in(client, "old:")
    hashes = there.starting("old:task:data:")
    assert heard == [2_000, 4_000]
    assert unsound_tasks(there, "old:") == set()
    assert unsound_users(there) == set()
    assert expected.broken == {}
    assert expected.placeholders == 0
    assert expected.users == len(there.starting("user:id:")) == len(there.starting("user:email:")) == 100
    assert expected.hashes == len(hashes) == sum(expected.tasks.values()) == 4_000
    statuses = Counter(fields[b"status"].decode() for fields in hashes.values() if isinstance(fields, dict))
    assert statuses == expected.tasks
    assert set(statuses) == set(TaskStatus)
    assert expected.queued == there.queue.total() == statuses["pending"]
    assert expected.processing == len(there.processing) == statuses["processing"]


def test_it_has_what_real_data_has(client: "redis.Redis") -> None:
    generate(client, SOUND)
    there = everything_in(client)
    hashes = cast("dict[str, Texts]", there.starting("formy:task:data:"))
    text = b"".join(fields[b"data"] for fields in hashes.values())
    aliases = (b"reference_image", b"target_face_image", b"cloth_image", b"background_image", b"bg_image")
    for alias in (*aliases, b"pose_reference", b"pose_image"):
        assert re.search(b'"config": {[^}]*"%b": "(file|img)_' % alias, text)
    assert {len(name.split("_")[1]) for name in hashes} == {8, 10}
    assert "🌅" in text.decode()
    assert "背景" in text.decode()
    assert b"\\u" not in text
    assert {name[:4] == "usr_" for name in there.starting("user:id:")} == {True, False}
    assert 10 < len(there.lifetimes) < 200
    assert all(300 * 86_400 < lifetime <= 365 * 86_400 for lifetime in there.lifetimes)


def test_every_kind_of_breakage_is_there_and_nothing_else_is_broken(client: "redis.Redis") -> None:
    expected = generate(client, SAMPLE)
    there = everything_in(client)
    assert set(expected.broken) == set(Breakage)
    assert {kind: len(ids) for kind, ids in expected.ids.items()} == expected.broken
    assert unsound_tasks(there) == ids_of(expected, set(DAMAGE_TO_TASKS))
    without_id_key = ids_of(expected, {Breakage.ONLY_EMAIL_KEY})
    # Those aren't found by their id; and a user that only a task's breakage made is among those that are.
    torn = {name for name in there.starting("user:id:") if name.startswith("usr_torn_")}
    assert len(torn) == 1
    assert unsound_users(there) == ids_of(expected, set(DAMAGE_TO_USERS)) - without_id_key | torn
    assert not without_id_key & set(there.starting("user:id:"))


def test_it_counts_what_it_wrote(client: "redis.Redis") -> None:
    expected = generate(client, SAMPLE)
    there = everything_in(client)
    assert expected.hashes == len(there.starting("formy:task:data:"))
    assert expected.queued == there.queue.total()
    assert expected.processing == len(there.processing)
    certain = sum(expected.tasks.values())
    uncertain = sum(count for kind, count in expected.broken.items() if _fate_of_task(kind) not in {None, "imported"})
    assert certain + uncertain == SAMPLE.tasks
    assert {kind: sum(counts.values()) for kind, counts in expected.broken_by_status.items()} == {
        kind: count for kind, count in expected.broken.items() if _fate_of_task(kind)
    }
    assert len(WITHOUT_RECORD) == 2


def test_files_are_real_pictures_but_for_those_it_names(client: "redis.Redis", tmp_path: Path) -> None:
    files = generate(client, SAMPLE, files=tmp_path).files
    assert files is not None
    names = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.*")}
    assert len(names) == files.uploads + files.results
    broken = set(files.not_images) | set(files.truncated)
    assert files.not_images
    assert files.truncated
    assert broken <= names
    assert files.missing
    assert not set(files.missing) & names
    for name in names - broken:
        with Image.open(tmp_path / name) as picture:
            picture.load()
    uploads = {Path(name).stem for name in names if name.startswith("uploads/")}
    assert any(len(users) > 1 for users in files.owners.values())
    assert len(files.unused) == 5
    assert set(files.unused) <= uploads
    assert not set(files.unused) & set(files.owners)


def _fate_of_task(kind: str) -> str | None:
    damage: Any = DAMAGE_TO_TASKS.get(Breakage(kind))
    return damage and damage.fate.value
