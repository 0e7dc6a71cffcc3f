"""What the body of a webhook says, with URLs made afresh for each attempt."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Final, TypeVar

import msgspec

from schema.models.batches import Batch
from schema.models.tasks import TaskRecord
from schema.models.webhooks import DeliveryRecord, Webhook, WebhookType
from service.database import Connection
from service.presenting import Presenter
from service.webhooks import store

T = TypeVar("T")

HOURS: Final = 24
"""For how long, at least, the URLs in a webhook are good: a receiver may put them into a queue of its own."""

ReadBatch = Callable[[Connection, str, str], Awaitable[Any | None]]
"""A batch as its owner sees it, by connection, user's id and its own; None once it is gone."""


class Contents:
    """Makes bodies; `present` makes URLs that are good for `HOURS`."""

    def __init__(self, present: Presenter, read_batch: ReadBatch | None = None) -> None:
        self._present = present
        self._read_batch = read_batch

    async def body(self, connection: Connection, delivery: DeliveryRecord) -> str | None:
        """What is sent; None when what it tells of is gone.

        Raises:
            StorageError: the storage can't say where a file is.
        """
        data = await self._data(connection, delivery)
        if data is None:
            return None
        return _encoded(delivery.type, delivery.created_at, data)

    async def _data(self, connection: Connection, delivery: DeliveryRecord) -> Any | None:
        if delivery.type is WebhookType.PING:
            return {}
        if delivery.batch_id is not None:
            batch = self._read_batch and await self._read_batch(connection, delivery.user_id, delivery.batch_id)
            return batch or await self._as_it_was(connection, delivery, Batch)
        task = await store.told_task(connection, delivery.user_id, delivery.task_id or "")
        task = task or await self._as_it_was(connection, delivery, TaskRecord)
        return None if task is None else self._present.task(task)

    async def _as_it_was(self, connection: Connection, delivery: DeliveryRecord, type_: type[T]) -> T | None:
        kept = await store.told_as_it_was(connection, delivery.delivery_id)
        return None if kept is None else msgspec.convert(kept, type_)


def _encoded(type_: WebhookType, at: datetime, data: Any) -> str:
    return msgspec.json.encode(Webhook(type_, at, data)).decode()
