"""A worker's own sign of life: every worker gives it, whoever does the chores."""

import asyncio
from collections.abc import Callable

import structlog
from msgspec import Struct

from schema.models.edits import Mode
from service.database import Pool
from service.database.away import UNAVAILABLE
from service.tasks import workers

SIGN_EVERY = 3.0

log = structlog.get_logger(__name__)


class WorkerPresence(Struct, frozen=True):
    """Who it is, and what it can do."""

    worker_id: str
    slots: int
    modes: frozenset[Mode]
    hindrance: Callable[[], str | None] = lambda: None
    """What keeps it from taking messages at the moment."""


async def sign(pool: Pool, presence: WorkerPresence) -> None:
    """Say once that the worker is there."""
    async with pool.acquire() as connection:
        await workers.see_worker(
            connection,
            presence.worker_id,
            slots=presence.slots,
            modes=presence.modes,
            trouble=presence.hindrance(),
        )


async def keep_signing(pool: Pool, presence: WorkerPresence) -> None:
    """Say it until cancelled."""
    while True:
        try:
            await sign(pool, presence)
        except UNAVAILABLE as error:
            log.warning("no sign of life given", error=type(error).__name__)
        except Exception:
            log.exception("no sign of life given")
        await asyncio.sleep(SIGN_EVERY)
