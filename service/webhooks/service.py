"""What a user may do with webhooks: their secret, their deliveries, once more, a ping."""

import structlog

from schema.identifiers import is_id, new_id
from schema.models.problems import ProblemCode
from schema.models.tasks import Pagination
from schema.models.webhooks import DeliveryRecord, DeliveryStatus
from service.cursors import cursor_pagination, cut_page, encode_place, place_behind
from service.database import Pool
from service.queue import REDIS_AWAY, Queue
from service.refusals import Refused
from service.webhooks import secrets, store
from service.webhooks.secrets import Seal
from service.webhooks.urls import judge_webhook_url

log = structlog.get_logger(__name__)


class WebhookService:
    """Database first, queue second, as with tasks."""

    def __init__(self, pool: Pool, queue: Queue, seal: Seal, *, allow_private: bool) -> None:
        self._pool = pool
        self._queue = queue
        self._seal = seal
        self._allow_private = allow_private

    async def secret(self, user_id: str) -> str:
        """What a user's webhooks are signed with.

        Raises:
            Refused: UNAUTHORIZED when the account has just been erased.
        """
        return (await secrets.signing_secrets(self._pool, self._seal, user_id))[0]

    async def rotate_secret(self, user_id: str) -> str:
        """A new one, at once; for a day what is sent is signed with the one before as well.

        Raises:
            Refused: UNAUTHORIZED when the account has just been erased.
        """
        log.info("webhook secret rotated", user_id=user_id)
        return await secrets.rotate(self._pool, self._seal, user_id)

    async def list_deliveries(
        self, user_id: str, *, status: DeliveryStatus | None, cursor: str | None, page_size: int
    ) -> tuple[list[DeliveryRecord], Pagination]:
        """A page of a user's deliveries, newest first.

        Raises:
            Refused: INVALID_REQUEST for a cursor that isn't one.
        """
        after = place_behind(cursor, "one")
        async with self._pool.acquire() as connection:
            found = await store.list_deliveries(connection, user_id, status, after, page_size + 1)
        page, next_cursor = cut_page(found, page_size, lambda one: encode_place(one.created_at, one.delivery_id))
        return page, cursor_pagination(page_size, next_cursor)

    async def redeliver(self, user_id: str, delivery_id: str) -> DeliveryRecord:
        """Begin a delivery's schedule anew, at once; the event's id stays.

        Raises:
            Refused: NOT_FOUND, another user's included.
        """
        delivery = None
        if is_id(delivery_id):
            async with self._pool.acquire() as connection:
                delivery = await store.redeliver(connection, user_id, delivery_id)
        if delivery is None:
            raise Refused(ProblemCode.NOT_FOUND, f"You have no delivery {delivery_id[:64]!r}.")
        await self._announce(delivery)
        return delivery

    async def ping(self, user_id: str, url: str) -> DeliveryRecord:
        """Try a receiver, once.

        Raises:
            Refused: INVALID_REQUEST for a URL that isn't called.
        """
        judge_webhook_url(url, allow_private=self._allow_private, field="url")
        async with self._pool.acquire() as connection:
            delivery = await store.add_ping(connection, new_id("dlv"), user_id, new_id("ping"), url)
        await self._announce(delivery)
        return delivery

    async def _announce(self, delivery: DeliveryRecord) -> None:
        try:
            await self._queue.send_deliveries([(delivery.delivery_id, delivery.attempts)])
        except REDIS_AWAY as error:
            log.debug("delivery not announced; a chore will", error=type(error).__name__)
