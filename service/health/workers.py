"""Workers: whether any is there, and takes messages."""

from service.database import Connection
from service.health.findings import Finding, ok, wrong
from service.tasks.workers import hindered_workers, living_workers


async def workers(connection: Connection) -> Finding:
    living = await living_workers(connection)
    if hindered := await hindered_workers(connection):
        return wrong(
            "workers",
            f"{len(hindered)} can't take messages: {hindered[0].trouble}",
            f"Mend that; {len(living)} others take messages." if living else "Mend that: nobody takes messages.",
        )
    if not living:
        return wrong("workers", "no worker has been seen for 15 s", "Start one: darkroom worker. Then read its log.")
    return ok("workers", f"{len(living)} with {sum(worker.slots for worker in living)} slots")
