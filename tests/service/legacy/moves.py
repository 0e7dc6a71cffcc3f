"""An old Redis to move from, record by record, and what a move makes of it."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, cast

import asyncpg
import msgspec
import redis
from msgspec import Struct

from service.database import Connection
from service.legacy.exporting.target import LegacyTarget
from service.legacy.moving import Wishes, import_everything, verify_everything
from service.legacy.source import LegacyRedis
from service.legacy.telling import Finding
from service.legacy.wayback import Return, export_everything

PREFIX = "formy:"
SOURCE = "file_1764915114_a1b2c3"
CREATED = "2025-12-05T06:11:54.123456"
UPDATED = "2025-12-05T06:12:04.5"
PRICE = 40
TABLES = (
    "users",
    "tasks",
    "credit_ledger",
    "files",
    "blob_removals",
    "legacy_quarantine",
    "legacy_remarks",
    "legacy_tombstones",
)
"""All that an import may write, but for the list of imports."""

JSON = dict[str, Any]


class Old:
    """The old system's Redis, written to as the old system does it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.redis = redis.Redis.from_url(url)

    def close(self) -> None:
        self.redis.close()

    def user(
        self, user_id: str, *, email: str | None = None, copies: Iterable[str] = ("id", "email"), **said: Any
    ) -> str:
        """A user under both keys; `said` wins. Their id."""
        copy = user_json(user_id, email=email or f"{user_id}@example.com") | said
        if "id" in copies:
            self.redis.set(f"user:id:{user_id}", as_json(copy))
        if "email" in copies:
            self.redis.set(f"user:email:{copy['email']}", as_json(copy))
        return user_id

    def task(
        self,
        task_id: str,
        user_id: str | None = None,
        status: str = "done",
        *,
        queued: bool | None = None,
        data: JSON | None = None,
        **fields: Any,
    ) -> str:
        """A task's hash, in the lists where its status belongs. None among `fields` takes one away. Its id."""
        hash_ = task_hash(task_id, user_id, status, data=data, **fields)
        self.put(f"{PREFIX}task:data:{task_id}".encode(), hash_)
        if status == "pending" and queued is not False:
            self.redis.rpush(f"{PREFIX}task:queue", task_id)
        if status == "processing" and queued is not False:
            self.redis.sadd(f"{PREFIX}task:processing", task_id)
        return task_id

    def put(self, key: bytes, fields: Mapping[Any, Any]) -> None:
        """A hash, and nothing that it had before."""
        self.redis.delete(key)
        self.redis.hset(key, mapping=dict(fields))  # pyright: ignore[reportArgumentType] - bytes do as well

    def queue(self) -> list[str]:
        """The waiting ids, the next one first."""
        return [one.decode() for one in cast("list[bytes]", self.redis.lrange(f"{PREFIX}task:queue", 0, -1))]

    def change(self, task_id: str, **fields: str) -> None:
        """Write some fields of a task's hash."""
        self.redis.hset(f"{PREFIX}task:data:{task_id}", mapping=cast("Any", fields))

    def dump(self) -> dict[bytes, tuple[bytes, int]]:
        """Every key with its serialised value and when it expires."""
        keys = sorted(cast("list[bytes]", self.redis.keys("*")))
        pipeline = self.redis.pipeline(transaction=False)
        for key in keys:
            pipeline.dump(key)
            pipeline.execute_command("PEXPIRETIME", key)
        answers = pipeline.execute()
        return dict(zip(keys, zip(answers[::2], answers[1::2], strict=True), strict=True))


def as_json(value: Any) -> str:
    """As the old system writes it."""
    return json.dumps(value, ensure_ascii=False)


def user_json(user_id: str, **said: Any) -> JSON:
    return {
        "user_id": user_id,
        "email": f"{user_id}@example.com",
        "username": "小明 😀",
        "avatar": None,
        "created_at": "2025-01-02T03:04:05.678901",
        "last_login": "2025-12-01T10:00:00",
        "is_active": True,
        "signup_bonus_granted": True,
        "password_hash": "$2b$12$abcdefghijklmnopqrstuv",
        "has_password": True,
        "current_plan_id": "pro",
        "current_credits": 100,
        "plan_renew_at": "2026-01-01T00:00:00",
        "total_credits_used": 300,
    } | said


def task_hash(
    task_id: str, user_id: str | None, status: str, *, data: JSON | None = None, **fields: Any
) -> dict[str, str | bytes]:
    said: JSON = {
        "mode": "BACKGROUND_CHANGE",
        "source_image": SOURCE,
        "reference_image": None,
        "config": {"quality": "high"},
        "user_id": user_id,
        "credits_consumed": PRICE,
    }
    hash_: JSON = {
        "task_id": task_id,
        "status": status,
        "data": as_json(said | (data or {})),
        "created_at": CREATED,
        "updated_at": UPDATED,
    }
    if status == "done":
        result = {
            "output_image": "/results/o.jpg",
            "thumbnail": "/results/t.jpg",
            "metadata": {"width": 8, "说明": "好"},
        }
        hash_ |= {"result": as_json(result), "progress": "100", "completed_at": UPDATED}
    if status == "failed":
        error = {"code": "FACE_NOT_FOUND", "message": "未检测到人脸", "details": {"faces": 0}}
        hash_ |= {"error": as_json(error), "failed_at": UPDATED}
    return {name: value for name, value in (hash_ | fields).items() if value is not None}


class Heard:
    """Hears what an import or a comparison tells."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self.phases: list[str] = []
        self.advanced = 0

    def phase(self, name: str, total: int | None) -> None:  # noqa: ARG002 - what listeners are told
        self.phases.append(name)

    def advance(self, records: int) -> None:
        self.advanced += records

    def find(self, finding: Finding) -> None:
        self.findings.append(finding)

    def of(self, record_id: str) -> list[str]:
        """What was found about a record: `what: reason`."""
        return [f"{one.what}: {why}" for one in self.findings if one.record_id == record_id for why in one.reasons]


class Move(Struct, frozen=True):
    """What an import or a comparison answered, as JSON, and what it found on its way."""

    summary: JSON
    heard: Heard


async def move(connection: Connection, old: Old, **wishes: Any) -> Move:
    """`darkroom legacy import`."""
    heard = Heard()
    source = LegacyRedis(old.url, wishes.setdefault("prefix", PREFIX))
    try:
        summary = await import_everything(connection, source, Wishes(**wishes), heard)
    finally:
        source.close()
    return Move(msgspec.to_builtins(summary), heard)


async def compare(connection: Connection, old: Old, *, timezone: str | None = None, accept: str | None = None) -> Move:
    """`darkroom legacy verify`."""
    heard = Heard()
    source = LegacyRedis(old.url, PREFIX)
    try:
        summary = await verify_everything(connection, source, timezone, heard, accept=accept)
    finally:
        source.close()
    return Move(msgspec.to_builtins(summary), heard)


def address_of(file_id: str) -> str:
    return f"https://pictures.example/{file_id}"


async def back(connection: Connection, to: Old, **wishes: object) -> Move:
    """`darkroom legacy export`."""
    heard = Heard()
    target = LegacyTarget(to.url, PREFIX)
    said = Return(**({"address_of": address_of} | wishes))  # pyright: ignore[reportArgumentType] - what a test wants
    try:
        summary = await export_everything(connection, target, said, heard)
    finally:
        target.close()
    return Move(msgspec.to_builtins(summary), heard)


async def differences(connection: Connection, old: Old) -> dict[str, list[str]]:
    """What a comparison finds, by record."""
    compared = await compare(connection, old)
    found = {finding.record_id: list(finding.reasons) for finding in compared.heard.findings}
    assert compared.summary["differences"] == len(found)
    assert compared.summary["equal"] is (not found)
    return found


async def contents(connection: Connection) -> dict[str, list[asyncpg.Record]]:
    """Every row that an import may write."""
    return {table: await connection.fetch(f"SELECT * FROM {table} ORDER BY 1, 2") for table in TABLES}  # noqa: S608


async def row(connection: Connection, task_id: str) -> asyncpg.Record:
    found = await connection.fetchrow("SELECT * FROM tasks WHERE task_id = $1", task_id)
    assert found is not None
    return found


async def account(connection: Connection, user_id: str) -> asyncpg.Record:
    found = await connection.fetchrow("SELECT * FROM users WHERE user_id = $1", user_id)
    assert found is not None
    return found
