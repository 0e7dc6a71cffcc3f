"""Workers: whether any is there and takes messages, and what they do for all."""

from service.database import Connection
from service.database.leading import CHORES, leader
from service.health.findings import SHOWN, Finding, ok, wrong
from service.sparing import recent_failures
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


async def chores(connection: Connection) -> Finding:
    """Who does what one worker does for all, and what of it fails."""
    failures = await recent_failures(connection, SHOWN)
    if failures:
        named = ", ".join(f"{one.subject or 'all of it'} ({one.chore}: {one.reason})" for one in failures)
        return wrong(
            "chores",
            f"passed over because they fail: {named}" + (" and perhaps more" if len(failures) == SHOWN else ""),
            "Look for the first of these in the workers' logs, and mend the row or the blob by hand.",
        )
    holder = await leader(connection, CHORES)
    return ok("chores", f"done by {holder}" if holder else "nobody does them at the moment")
