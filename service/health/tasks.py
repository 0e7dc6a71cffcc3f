"""Tasks: whether they wait too long, are stuck or unannounced, and what is left with the system before this one."""

from service.database import Connection
from service.database.statements import load_queries
from service.health.findings import SHOWN, Finding, named, ok, wrong

QUERIES = load_queries("doctor")

LONGEST_WAIT = 300.0


async def waiting(connection: Connection) -> Finding:
    seconds = float(await QUERIES["oldest_waiting"].value(connection))
    if seconds > LONGEST_WAIT:
        return wrong(
            "waiting tasks", f"the oldest has waited {seconds:.0f} s", "Start more workers, or raise WORKER_SLOTS."
        )
    return ok("waiting tasks", f"the oldest has waited {seconds:.0f} s" if seconds else "none waits")


async def stuck(connection: Connection) -> Finding:
    return named(
        "stuck tasks",
        await QUERIES["stuck_tasks"].column(connection, limit=SHOWN),
        none="none",
        some="processing without a worker",
        remedy="Start a worker: one of them puts these back into the line within 30 s.",
    )


async def undispatched(connection: Connection) -> Finding:
    tasks = await QUERIES["undispatched_too_long"].value(connection)
    if tasks:
        return wrong(
            "dispatch",
            f"{tasks} tasks wait without a message",
            "Check Redis; the worker that does the chores sends them.",
        )
    return ok("dispatch", "every waiting task was announced")


async def ownerless(connection: Connection) -> Finding:
    return ok("ownerless tasks", str(await QUERIES["ownerless_tasks"].value(connection)))


async def old_system(connection: Connection) -> Finding:
    left = await QUERIES["old_system"].record(connection)
    assert left is not None  # noqa: S101 - counting answers a row
    if not (left["imported"] or left["elsewhere"] or left["quarantined"]):
        return ok("old system", "nothing came from one")
    return ok("old system", f"it still has {left['elsewhere']} tasks; {left['quarantined']} records are in quarantine")
