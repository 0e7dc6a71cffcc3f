"""Workers: whether any is there."""

from service.database import Connection
from service.health.findings import Finding, ok, wrong
from service.tasks.workers import living_workers


async def workers(connection: Connection) -> Finding:
    living = await living_workers(connection)
    if not living:
        return wrong("workers", "no worker has been seen for 15 s", "Start one: darkroom worker. Then read its log.")
    return ok("workers", f"{len(living)} with {sum(worker.slots for worker in living)} slots")
