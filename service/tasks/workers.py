"""Which worker processes are there: each says so every few seconds."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from msgspec import Struct

from schema.models.edits import Mode
from service.database import Connection
from service.database.statements import load_queries

QUERIES = load_queries("workers")


class WorkerRecord(Struct, frozen=True):
    """A worker process that was seen a moment ago."""

    worker_id: str
    slots: int
    modes: list[str]
    started_at: datetime
    seen_at: datetime


class HinderedWorker(Struct, frozen=True):
    """A worker process that lives, and why it can't take messages all the same."""

    worker_id: str
    trouble: str


async def see_worker(
    connection: Connection, worker_id: str, *, slots: int, modes: Iterable[Mode], trouble: str | None = None
) -> None:
    """Note that a worker lives; `trouble` is what keeps it from taking messages."""
    await QUERIES["see_worker"].run(connection, worker_id=worker_id, slots=slots, modes=sorted(modes), trouble=trouble)


async def forget_worker(connection: Connection, worker_id: str) -> None:
    await QUERIES["forget_worker"].run(connection, worker_id=worker_id)


async def silent_workers(connection: Connection) -> list[str]:
    """Those that were not seen for an hour."""
    return await QUERIES["silent_workers"].column(connection)


async def forget_workers(connection: Connection, worker_ids: Sequence[str]) -> None:
    await QUERIES["forget_workers"].run(connection, worker_ids=worker_ids)


async def living_workers(connection: Connection) -> list[WorkerRecord]:
    return await QUERIES["living_workers"].rows(connection, WorkerRecord)


async def hindered_workers(connection: Connection) -> list[HinderedWorker]:
    return await QUERIES["hindered_workers"].rows(connection, HinderedWorker)
