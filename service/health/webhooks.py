"""Webhooks: whether what is due is sent. What receivers make of it is theirs, and told without being wrong."""

from service.database import Connection
from service.database.statements import load_queries
from service.health.findings import Finding, ok, wrong

QUERIES = load_queries("doctor")


async def webhooks(connection: Connection) -> Finding:
    told = await QUERIES["webhooks_told"].record(connection)
    assert told is not None  # noqa: S101 - counting answers a row
    if told["overdue"]:
        return wrong(
            "webhooks",
            f"{told['overdue']} have been due for 5 minutes and more",
            "Start a worker: each delivers webhooks beside its edits. If one runs, its log tells what is in the way.",
        )
    return ok(
        "webhooks",
        f"{told['waiting']} wait to be told; {told['in_peace']} receivers are left in peace for now; "
        f"{told['given_up']} given up within a day",
    )
