"""Which installation a database is, and what is its own in a Redis that others may use too."""

from uuid import UUID

from schema.messages import Keys
from service.database import Connection
from service.database.migrations import SchemaError
from service.database.statements import load_queries
from service.settings import Settings

QUERIES = load_queries("installation")

ID_LENGTH = 12
"""Of 32 hexadecimal digits: enough for nobody to meet by chance, and for keys to be read aloud."""


async def redis_keys(connection: Connection, settings: Settings) -> Keys:
    """The names of what belongs to this installation in Redis.

    Raises:
        SchemaError: Somebody emptied the table that the migrations filled.
    """
    found: UUID | None = await QUERIES["installation_id"].value(connection)
    if found is None:
        raise SchemaError(
            "The table `installation` is empty. Restore its row, or: INSERT INTO installation DEFAULT VALUES"
        )
    ours = f"darkroom:{found.hex[:ID_LENGTH]}"
    return Keys((settings.redis_prefix or ours).rstrip(":"), found.hex)
