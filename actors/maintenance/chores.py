"""Which chores there are, each at its own pace; one that fails or takes long delays none of the others."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from msgspec import Struct

from actors.maintenance import (
    blobs,
    ended_sessions,
    expired_keys,
    lost_leases,
    lost_messages,
    overdue,
    remote_jobs,
    retention,
    silent_workers,
    undispatched,
    webhooks,
)
from actors.maintenance.ground import Ground
from service.database.away import UNAVAILABLE
from service.queue import REDIS_AWAY
from service.sparing import WHOLE, Sparing

log = structlog.get_logger(__name__)


class Chore(Struct, frozen=True):
    """Something that is done for all, again and again, with so many seconds in between."""

    name: str
    every: float
    work: Callable[[Ground], Awaitable[None]]


CHORES = (
    Chore("lost leases", 3.0, lost_leases.recover),
    Chore("deadlines", 2.0, overdue.fail),
    Chore("undispatched tasks", 3.0, undispatched.send),
    Chore("remote jobs", 3.0, remote_jobs.stop),
    Chore("lost messages", 10.0, lost_messages.send_again),
    Chore("blobs", 30.0, blobs.remove),
    Chore("old tasks", 30.0, retention.delete_tasks),
    Chore("old uploads", 30.0, retention.delete_uploads),
    Chore("old histories", 60.0, retention.forget_histories),
    Chore("old remote jobs", 60.0, remote_jobs.forget),
    Chore("expired keys", 30.0, expired_keys.forget),
    Chore("ended sessions", 60.0, ended_sessions.forget),
    Chore("due webhooks", 1.0, webhooks.announce),
    Chore("old webhooks", 60.0, webhooks.forget),
    Chore("webhook secrets", 60.0, webhooks.reseal_secrets),
    Chore("silent workers", 60.0, silent_workers.forget),
)


OWN = (Chore("remote jobs", 3.0, remote_jobs.stop_own),)
"""Of each worker with engines elsewhere: whoever leads may have others, or know their keys and addresses no more."""


APART = 0.25
"""Seconds between their first rounds: all at once they would need a connection each."""


async def keep_at(ground: Ground, chores: tuple[Chore, ...] = CHORES) -> None:
    """Do them until cancelled."""
    async with asyncio.TaskGroup() as loops:
        for place, chore in enumerate(chores):
            loops.create_task(_repeat(chore, ground, place * APART), name=chore.name)


async def _repeat(chore: Chore, ground: Ground, later: float) -> None:
    await asyncio.sleep(later)
    while True:
        await once(chore, ground)
        await asyncio.sleep(chore.every)


async def once(chore: Chore, ground: Ground) -> None:
    """One round. Whatever happens in it, there is a next one."""
    try:
        await chore.work(ground)
    except (*UNAVAILABLE, *REDIS_AWAY) as error:
        log.warning("chore put off", chore=chore.name, error=type(error).__name__)
    except Exception as error:  # noqa: BLE001 - noted, and told by the doctor
        await _note(chore, ground, error)


async def _note(chore: Chore, ground: Ground, error: Exception) -> None:
    try:
        await Sparing(ground.pool, chore.name).pass_over(WHOLE, error)
    except Exception:
        log.exception("chore failed", chore=chore.name)
