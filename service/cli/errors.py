"""What went wrong, in one line for a terminal: no traceback, no secret, no other library's words."""

import os

from service.connections import NotConnected
from service.database.away import trouble_with_postgres
from service.database.migrations import SchemaError
from service.queue import REDIS_AWAY
from service.queue.errors import trouble_with_redis
from service.refusals import Refused
from service.settings.sources import SettingsError
from service.storage_errors import StorageError
from service.telling.destinations import CannotWriteError

DEBUG = "DARKROOM_DEBUG"

OURS = (CannotWriteError, NotConnected, SettingsError, SchemaError, StorageError, Refused)
"""Errors whose text was written for a person."""


def explain(error: Exception) -> str:
    """One line. With DARKROOM_DEBUG=1 the traceback comes instead, by raising the error again."""
    if os.environ.get(DEBUG) == "1":
        raise error
    if isinstance(error, OURS):
        return str(error)
    if isinstance(error, REDIS_AWAY) and not isinstance(error, OSError):
        return str(trouble_with_redis(error))
    if trouble := trouble_with_postgres(error):
        return str(trouble)
    return f"Something went wrong that nobody foresaw. Run it again with {DEBUG}=1 to see what and where."
