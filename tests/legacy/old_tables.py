"""The existing system's PostgreSQL tables with seeded rows: sound ones, and every kind of oddity if wanted."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final
from uuid import UUID

from msgspec import Struct

from schema.identifiers import is_id
from service.database import Connection

NEWEST: Final = datetime(2025, 12, 5, 6, 11, 54)  # noqa: DTZ001 - the old columns have no zone
MODES: Final = ("HEAD_SWAP", "BACKGROUND_CHANGE", "POSE_CHANGE")
PRICES: Final = {"HEAD_SWAP": 40, "BACKGROUND_CHANGE": 30, "POSE_CHANGE": 50}
PASSWORD_HASH: Final = "$2b$12$C6UzMDM.H6dfI/f/IKcEe.5T1Yx9vV9v5r1x5nJx6l7e2m8bq0y1a"
JSONB_VERSION: Final = b"\x01"


class OldTables(Struct, frozen=True, kw_only=True):
    """Which of the deployments' tables to make, and with how many rows."""

    users: int = 20
    tasks: int = 200
    user_id_type: str = "uuid"
    """`uuid` or `varchar(50)`; of `users` alone: `tasks.user_id` is `uuid` in both, as LEGACY's deployments have it."""
    has_processing_time: bool = True
    odd: bool = True
    """Whether some rows are as they should not be."""
    seed: int = 1
    only: str | None = None
    """`users` or `tasks`, where there is just one of the two."""

    @property
    def foreign_key(self) -> bool:
        return self.user_id_type == "uuid" and self.only is None


class Written(Struct, frozen=True):
    """What was put in."""

    users: int
    tasks: int
    unfit: int
    """Tasks that can't stay tasks."""
    credits: int
    """The sum of the balances that aren't negative."""


TOUCH = """
CREATE FUNCTION update_updated_at_column() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at = now();
    RETURN NEW;
END
$$;
"""
USERS = """
CREATE TABLE users (
    user_id {user_id_type} PRIMARY KEY{id_default},
    email VARCHAR(255) UNIQUE,
    username VARCHAR(100),
    avatar TEXT,
    password_hash VARCHAR(255),
    has_password BOOLEAN DEFAULT FALSE,
    is_active BOOLEAN DEFAULT TRUE,
    current_plan_id VARCHAR(50),
    current_credits INTEGER DEFAULT 100,
    total_credits_used INTEGER DEFAULT 0,
    plan_renew_at TIMESTAMP,
    signup_bonus_granted BOOLEAN DEFAULT FALSE,
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    last_login TIMESTAMP,
    updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    locale VARCHAR(10)
);
CREATE INDEX idx_users_email ON users (email);
CREATE INDEX idx_users_created ON users (created_at);
CREATE TRIGGER update_users_updated_at BEFORE UPDATE ON users
    FOR EACH ROW EXECUTE FUNCTION update_updated_at_column();
"""
TASKS = """
CREATE TABLE tasks (
    task_id VARCHAR(50) PRIMARY KEY,
    user_id UUID{reference},
    status VARCHAR(20) NOT NULL DEFAULT 'pending',
    mode VARCHAR(50),
    progress INTEGER DEFAULT 0,
    current_step VARCHAR(100),
    source_image TEXT,
    reference_image TEXT,
    config JSONB DEFAULT '{{}}'::jsonb,
    result JSONB,
    error JSONB,
    credits_consumed INTEGER DEFAULT 0,
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    completed_at TIMESTAMP,
    failed_at TIMESTAMP,
    {processing_time}
    request_ip VARCHAR(45) NOT NULL,
    CONSTRAINT tasks_progress_check CHECK (progress >= -1)
);
CREATE INDEX idx_tasks_user_id ON tasks (user_id);
CREATE INDEX idx_tasks_user_status ON tasks (user_id, status);
CREATE INDEX idx_tasks_user_created ON tasks (user_id, created_at DESC);
CREATE INDEX idx_tasks_status ON tasks (status);
CREATE INDEX idx_tasks_request_ip ON tasks (request_ip);
CREATE TRIGGER update_tasks_updated_at BEFORE UPDATE ON tasks
    FOR EACH ROW EXECUTE FUNCTION update_updated_at_column();
"""
ORDERS = """
CREATE TABLE orders (
    order_id integer PRIMARY KEY,
    user_id {user_id_type} NOT NULL REFERENCES users (user_id) ON DELETE CASCADE,
    cents integer
);
CREATE INDEX idx_orders_user ON orders (user_id);
"""

Row = dict[str, Any]


async def make_old_tables(connection: Connection, old: OldTables) -> Written:
    """Make the tables as the existing system's own scripts do, and fill them."""
    # COPY is binary: there the connection's own codec for jsonb, which is text, doesn't do.
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        encoder=lambda value: JSONB_VERSION + json.dumps(value, ensure_ascii=False).encode(),
        decoder=lambda data: json.loads(data.removeprefix(JSONB_VERSION)),
        format="binary",
    )
    rng = Random(old.seed)  # noqa: S311 - data, not secrets
    ids = [UUID(int=rng.getrandbits(128), version=4) for _ in range(old.users)]
    await connection.execute(TOUCH)
    users = [_user(rng, old, n, user_id) for n, user_id in enumerate(ids)] if old.only != "tasks" else []
    if old.only != "tasks":
        default = " DEFAULT gen_random_uuid()" if old.user_id_type == "uuid" else ""
        await connection.execute(USERS.format(user_id_type=old.user_id_type, id_default=default))
        await _copy(connection, "users", users)
        await connection.execute(ORDERS.format(user_id_type=old.user_id_type))
        await connection.execute("INSERT INTO orders SELECT row_number() OVER (), user_id, 995 FROM users")
    tasks = [_task(rng, old, n, ids) for n in range(old.tasks)] if old.only != "users" else []
    if old.only != "users":
        await connection.execute(
            TASKS.format(
                reference=" REFERENCES users (user_id) ON DELETE CASCADE" if old.foreign_key else "",
                processing_time="processing_time DOUBLE PRECISION," if old.has_processing_time else "",
            )
        )
        await _copy(connection, "tasks", tasks)
    return Written(
        users=len(users),
        tasks=len(tasks),
        unfit=sum(is_unfit(task) for task in tasks),
        credits=sum(max(user["current_credits"] or 0, 0) for user in users),
    )


async def _copy(connection: Connection, table: str, rows: list[Row]) -> None:
    if rows:
        records = [tuple(row.values()) for row in rows]
        await connection.copy_records_to_table(table, records=records, columns=list(rows[0]))


def is_unfit(task: Row) -> bool:
    """Whether a row has no known status, mode or source image."""
    return (
        task["status"].strip().lower() not in {"pending", "processing", "done", "failed", "cancelled"}
        or (task["mode"] or "").strip().upper() not in MODES
        or not is_id(task["source_image"] or "")
    )


def _user(rng: Random, old: OldTables, n: int, user_id: UUID) -> Row:
    created_at = NEWEST - timedelta(seconds=rng.randrange(30_000_000))
    user: Row = {
        "user_id": user_id if old.user_id_type == "uuid" else str(user_id),
        "email": f"user{n}@example.com",
        "username": rng.choice(["小明", "Ada 🎨", "plain", None]),
        "avatar": None,
        "password_hash": rng.choice([PASSWORD_HASH, None]),
        "has_password": rng.random() < 0.5,
        "is_active": True,
        "current_plan_id": rng.choice(["starter", "basic", "pro", None]),
        "current_credits": rng.randrange(500),
        "total_credits_used": rng.randrange(900),
        "plan_renew_at": None,
        "signup_bonus_granted": True,
        "created_at": created_at,
        "last_login": rng.choice([None, created_at + timedelta(days=2)]),
        "updated_at": created_at + timedelta(days=3),
        "locale": rng.choice(["zh-CN", "en", None]),
    }
    if old.odd and rng.random() < 0.3:
        rng.choice(ODD_USERS)(user)
    return user


def _task(rng: Random, old: OldTables, n: int, user_ids: list[UUID]) -> Row:
    created_at = NEWEST - timedelta(seconds=rng.randrange(20_000_000))
    ended_at = created_at + timedelta(seconds=rng.randrange(5, 200))
    mode = rng.choice(MODES)
    status = rng.choices(["done", "failed", "cancelled", "pending", "processing"], [80, 8, 6, 4, 2])[0]
    source = f"file_{1_764_000_000 + n}_a1b2c3"
    task: Row = {
        "task_id": f"task_{1_764_000_000 + n}_{n % 46_656:06d}",
        "user_id": rng.choice(user_ids),
        "status": status,
        "mode": mode,
        "progress": {"done": 100, "pending": 0}.get(status, rng.randrange(100)),
        "current_step": "生成中",
        "source_image": source,
        "reference_image": rng.choice([None, "", f"file_{1_764_000_000 + n}_ref001"]),
        "config": _json(rng, old, {"quality": "high", "pose_reference": "img_20251117_abc123", "unknown": {"a": [1]}}),
        "result": None,
        "error": None,
        "credits_consumed": PRICES[mode],
        "created_at": created_at,
        "updated_at": ended_at,
        "completed_at": ended_at if status == "done" else None,
        "failed_at": ended_at if status == "failed" else None,
    }
    if old.has_processing_time:
        ended = status in {"done", "failed"}
        task["processing_time"] = (ended_at - created_at).total_seconds() / 2 if ended else None
    task["request_ip"] = f"10.0.{n % 256}.{n // 256 % 256}"
    if status == "done":
        pictures = {name: f"/results/{n}/{name}.jpg" for name in ("output_image", "thumbnail", "comparison_image")}
        task["result"] = _json(rng, old, pictures | {"metadata": {"width": 1024, "height": 768}})
    if status == "failed":
        failure = {"code": "NO_FACE_DETECTED", "message": "没有检测到人脸", "details": {"faces": 0}}
        task["error"] = _json(rng, old, failure)
    if old.odd and rng.random() < 0.1:
        rng.choice(ODD_TASKS)(task)
    return task


def _json(rng: Random, old: OldTables, value: Any) -> Any:
    """As a value, or as text: then the column holds a JSON string inside JSONB, as the old code often wrote it."""
    for _ in range(rng.choice([0, 0, 1, 2]) if old.odd else 0):
        value = json.dumps(value)
    return value


def _changed(**changes: Any) -> Callable[[Row], None]:
    return lambda row: row.update(changes)


def _shouted(row: Row) -> None:
    row["email"] = f"  {row['email'].upper()}"


ODD_USERS: Final = (
    _changed(current_credits=-40),
    _changed(current_credits=None, total_credits_used=None),
    _changed(total_credits_used=-1),
    _changed(is_active=None, has_password=None, signup_bonus_granted=None),
    _changed(created_at=None, updated_at=None),
    _changed(email=None),
    _shouted,
)
ODD_TASKS: Final = (
    _changed(status="queued"),
    _changed(status=" Done "),
    _changed(mode="FACE_SWAP"),
    _changed(mode=None),
    _changed(mode="head_swap"),
    _changed(source_image=None),
    _changed(source_image=""),
    _changed(source_image="../../etc/passwd"),
    _changed(source_image="x" * 200_000),
    _changed(config="not json"),
    _changed(config=["a", "list"]),
    _changed(config=None),
    _changed(result="/results/only.jpg"),
    _changed(result={"output_image": 17, "extra": True}),
    _changed(error="out of memory"),
    _changed(error={"message": "no code"}),
    _changed(error=["a", "list"]),
    _changed(credits_consumed=None),
    _changed(credits_consumed=-30),
    _changed(progress=250),
    _changed(progress=-1),
    _changed(completed_at=NEWEST, failed_at=NEWEST),
    _changed(completed_at=None, failed_at=None),
    _changed(created_at=None),
    _changed(updated_at=None),
    _changed(user_id=None),
)
