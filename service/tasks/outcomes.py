"""What a process's slots have made at the same time, written together: one statement, on disk once for all of it."""

from collections.abc import Sequence

import structlog

from schema.models.tasks import StoredResult, TaskRecord
from service.database import UNAVAILABLE, Pool
from service.files.foreseen import Foreseen
from service.files.store import NewFile
from service.sharing.together import Together
from service.tasks import store
from service.tasks.store import Claim, Made

log = structlog.get_logger(__name__)


class Outcomes:
    """One per process: all of its slots ask the same."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._completing = Together(self._complete)
        self.files = Foreseen(pool)

    async def complete(self, claim: Claim, result: StoredResult, made: list[NewFile]) -> TaskRecord | None:
        """The finished task; None when its claim isn't held, or when it has to be written by itself to tell why not."""
        return await self._completing.ask(Made(claim.task_id, claim.lease_token, result, made))

    async def _complete(self, several: Sequence[Made]) -> Sequence[TaskRecord | None]:
        try:
            async with self._pool.acquire() as connection:
                tasks = await store.complete_tasks(connection, several)
        except UNAVAILABLE:
            raise
        except Exception as error:  # noqa: BLE001 - raised again to whose it is, when each is written by itself
            log.info("outcomes not written together", tasks=len(several), error=type(error).__name__)
            return [None] * len(several)
        # A task may be among them twice: claimed again here after its lease ran out.
        done = {(task.task_id, task.lease_token): task for task in tasks}
        return [done.get((one.task_id, one.lease_token)) for one in several]
