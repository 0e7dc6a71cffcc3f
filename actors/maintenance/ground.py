"""What the chores work with, and the rules they go by."""

from collections.abc import Callable, Mapping
from datetime import timedelta

from msgspec import Struct

from service.database import Pool
from service.files.storage import Storage
from service.queue import Queue
from service.tasks.dispatch import Dispatcher
from service.tasks.remote_jobs import Stop
from service.webhooks.secrets import Seal


class ChoreRules(Struct, frozen=True):
    """What the settings say about tasks that are lost or old."""

    max_attempts: int
    task_retention: timedelta | None
    upload_retention: timedelta | None


class Ground(Struct, frozen=True):
    """Everything a chore may need.

    `shaken` tells whether the database was away within so many seconds; `stops` stop a job of an engine's that runs
    elsewhere; `batch` is how many rows a page has.
    """

    pool: Pool
    queue: Queue
    storage: Storage
    dispatcher: Dispatcher
    rules: ChoreRules
    seal: Seal
    shaken: Callable[[float], bool] = lambda _: False
    stops: Mapping[str, Stop] = {}
    batch: int = 200
