"""A typed function per statement of `schema/queries/batches.sql`."""

from schema.models.batches import Batch
from service.database import Connection
from service.database.statements import load_queries

QUERIES = load_queries("batches")


async def get_batch(connection: Connection, user_id: str, batch_id: str) -> Batch | None:
    """The batch, if it is this user's."""
    return await QUERIES["get_batch"].row(connection, Batch, user_id=user_id, batch_id=batch_id)


async def forget_empty_batch(connection: Connection, batch_id: str) -> None:
    """Forget a batch that has ended and has no tasks any more."""
    await QUERIES["hold_batch"].run(connection, batch_id=batch_id)
    await QUERIES["forget_empty_batch"].run(connection, batch_id=batch_id)
