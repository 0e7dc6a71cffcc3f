"""What nobody else does: lost leases, forgotten messages, blobs without files, data past its time."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import structlog
from msgspec import Struct

from schema.models.edits import Mode
from schema.models.tasks import TaskRecord
from service.database import UNAVAILABLE, Connection, Pool
from service.files.service import sweep_blobs, sweep_uploads
from service.files.storage import Storage
from service.queue import REDIS_AWAY, Queue
from service.tasks import workers
from service.tasks.dispatch import Dispatcher, sweep_lost_messages, sweep_undispatched
from service.tasks.lifecycle import recover_lost
from service.tasks.retention import sweep_keys, sweep_tasks
from service.transactions import transactional

SWEEP_EVERY = 3.0
BATCH = 200
DISPATCH_GRACE = timedelta(seconds=2)
"""How long whoever marked a task has to send its message before the sweep does."""

MESSAGE_AGE = timedelta(seconds=10)
"""How long after its dispatch a message is looked for."""

LOOK_FOR_MESSAGES_EVERY = 10.0
CLEAN_EVERY = 30.0

log = structlog.get_logger(__name__)


class Rules(Struct, frozen=True):
    """What the sweep goes by."""

    slots: int
    modes: frozenset[Mode]
    max_attempts: int
    task_retention: timedelta | None
    upload_retention: timedelta | None


class Sweep:
    """Runs in every worker; a lock lets one at a time do the work, so that several do no harm."""

    def __init__(
        self,
        pool: Pool,
        queue: Queue,
        storage: Storage,
        dispatcher: Dispatcher,
        *,
        worker_id: str,
        rules: Rules,
        hindrance: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._pool = pool
        self._queue = queue
        self._storage = storage
        self._dispatcher = dispatcher
        self._worker_id = worker_id
        self._rules = rules
        self._hindrance = hindrance
        self._due: dict[str, float] = {}

    async def run(self) -> None:
        """Sweep until cancelled. Cleaning has a pace of its own, so that a slow storage delays no recovery."""
        async with asyncio.TaskGroup() as loops:
            loops.create_task(_every(SWEEP_EVERY, self.once))
            loops.create_task(_every(CLEAN_EVERY, self.clean))

    async def once(self, *, now: datetime | None = None) -> None:
        """One round: say that we are here, then lost leases and messages. `now` is for tests."""
        async with self._pool.acquire() as connection:
            await workers.see_worker(
                connection,
                self._worker_id,
                slots=self._rules.slots,
                modes=self._rules.modes,
                trouble=self._hindrance(),
            )
        if not await self._recover(now):
            return
        await sweep_undispatched(self._pool, self._dispatcher, grace=DISPATCH_GRACE, limit=BATCH)
        if self._is_due("messages", LOOK_FOR_MESSAGES_EVERY):
            lost = await sweep_lost_messages(self._pool, self._queue, age=MESSAGE_AGE, limit=BATCH)
            if lost:
                log.warning("redis has lost messages; they are sent again", messages=lost)
                await sweep_undispatched(self._pool, self._dispatcher, grace=timedelta(0), limit=BATCH)

    async def _recover(self, now: datetime | None) -> bool:
        """Take tasks from lost workers; False when another process is at it."""
        more = True
        while more:
            recovered = await transactional(self._recover_batch)(self._pool, now)
            if recovered is None:
                return False
            for task in recovered:
                if task.status.ended:
                    await self._dispatcher.tell_ended(task.task_id)
                else:
                    self._dispatcher.announce(task.task_id, task.message_no)
            more = len(recovered) == BATCH
        return True

    async def _recover_batch(self, connection: Connection, now: datetime | None) -> list[TaskRecord] | None:
        """None when another process is at it."""
        if not await workers.lock_sweep(connection):
            return None
        return await recover_lost(connection, max_attempts=self._rules.max_attempts, limit=BATCH, now=now)

    async def clean(self) -> None:
        """Remove what is past its time, batch by batch until nothing is left."""
        if self._rules.task_retention is not None:
            while await sweep_tasks(self._pool, retention=self._rules.task_retention, limit=BATCH) == BATCH:
                pass
        if self._rules.upload_retention is not None:
            while await sweep_uploads(self._pool, retention=self._rules.upload_retention, limit=BATCH) == BATCH:
                pass
        while await sweep_blobs(self._pool, self._storage, limit=BATCH) == BATCH:
            pass
        await sweep_keys(self._pool)
        async with self._pool.acquire() as connection:
            await workers.forget_silent_workers(connection)

    def _is_due(self, what: str, every: float) -> bool:
        now = asyncio.get_running_loop().time()
        if self._due.get(what, 0.0) > now:
            return False
        self._due[what] = now + every
        return True


async def _every(seconds: float, work: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            await work()
        except (*UNAVAILABLE, *REDIS_AWAY) as error:
            log.warning("sweep put off", error=type(error).__name__)
        except Exception:
            log.exception("sweep failed")
        await asyncio.sleep(seconds)
