"""Deliveries, from being due to an outcome: claimed, sent, and settled by what came back.

A delivery has its own schedule. Its receiver, once it failed some times in a row, is left in peace for a while: what
falls due meanwhile waits, and costs no attempt.
"""

import random
from datetime import datetime, timedelta
from secrets import token_hex
from typing import Final

import httpx
import structlog

from schema.models.webhooks import SCHEDULE, DeliveryRecord, DeliveryStatus, WebhookType
from service.database import Connection, Pool
from service.database.away import UNAVAILABLE
from service.database.transactions import transactional
from service.refusals import Refused
from service.storage_errors import StorageError
from service.webhooks import store
from service.webhooks.calling import Answer, call, signed_headers
from service.webhooks.contents import Contents
from service.webhooks.secrets import Seal, signing_secrets

LEASE: Final = timedelta(seconds=25)
"""For how long an attempt is its worker's; longer than one takes."""

MOST_AT_ONCE: Final = 3
"""Attempts at one receiver for one user at a time, of all workers."""

MOST_OF_ALL: Final = 6
"""For all users: who keeps a receiver busy that others have too (a service for hooks) leaves it to them as well."""

MOST_OF_A_USER: Final = 5
"""Attempts for one user at a time: fewer than a worker has threads for, however many receivers they name."""

SICK_FROM: Final = 3
"""Failures in a row from which a receiver is left in peace."""
FIRST_PEACE: Final = timedelta(seconds=30)
LONGEST_PEACE: Final = timedelta(minutes=10)
APART: Final = timedelta(seconds=10)

LONGEST_PAUSE: Final = SCHEDULE[-1]
"""For which a receiver may ask: one that asks for a year is asked again all the same."""

JITTER: Final = 0.1
"""By how much of itself a wait may be longer: a receiver that comes back isn't met by all at once."""

IN_A_ROW: Final = 50
"""Deliveries to one receiver after each other, before others have their turn."""

log = structlog.get_logger(__name__)


@transactional
async def claim(
    connection: Connection, host: str, delivery_id: str | None, *, now: datetime | None = None
) -> DeliveryRecord | None:
    """Take the delivery, or the receiver's next one; None when it isn't due, or its receiver is busy or in peace."""
    await store.hold_receiver(connection, host)
    return await store.claim_delivery(
        connection,
        host,
        delivery_id,
        claim=token_hex(8),
        lease=LEASE,
        most=MOST_OF_ALL,
        most_of_user=MOST_OF_A_USER,
        most_of_user_here=MOST_AT_ONCE,
        sick=SICK_FROM,
        now=now,
    )


@transactional
async def settle(
    connection: Connection, delivery: DeliveryRecord, answer: Answer, *, now: datetime | None = None
) -> DeliveryRecord | None:
    """Record what came back; None when the claim has passed on meanwhile."""
    await store.hold_receiver(connection, delivery.host)
    status, wait = _outcome(delivery, answer)
    settled = await store.settle_delivery(
        connection,
        delivery,
        status,
        wait=wait,
        last_status=answer.status,
        last_error=answer.error,
        last_response=answer.body,
        now=now,
    )
    if settled is None or answer.ours:
        return settled
    if answer.taken or answer.gone:
        if await store.receiver_well(connection, delivery.user_id, delivery.host):
            await store.bring_forward(connection, delivery.user_id, delivery.host, now)
        return settled
    until = await store.receiver_failed(
        connection, delivery.user_id, delivery.host, sick=SICK_FROM, first=FIRST_PEACE, longest=LONGEST_PEACE, now=now
    )
    if until is not None:
        await store.postpone(connection, delivery.user_id, delivery.host, until, apart=APART)
    return settled


def _outcome(delivery: DeliveryRecord, answer: Answer) -> tuple[DeliveryStatus, timedelta | None]:
    if answer.taken:
        return DeliveryStatus.DELIVERED, None
    if answer.gone:
        return DeliveryStatus.GONE, None
    if answer.final or delivery.type is WebhookType.PING or delivery.tries > len(SCHEDULE):
        return DeliveryStatus.FAILED, None
    wait = SCHEDULE[delivery.tries - 1]
    if answer.pause is not None:
        wait = max(wait, min(answer.pause, LONGEST_PAUSE))
    return DeliveryStatus.WAITING, wait * random.uniform(1, 1 + JITTER)  # noqa: S311 - no secret


class Deliverer:
    """Makes attempts. What it doesn't get to the end of is due again when its lease is over."""

    def __init__(self, pool: Pool, contents: Contents, seal: Seal, client: httpx.AsyncClient) -> None:
        """`client` is an `outbound_client`: it goes nowhere inside, and follows nothing."""
        self._pool = pool
        self._contents = contents
        self._seal = seal
        self._client = client
        self._stopping = False

    def stop(self) -> None:
        """Begin with no further delivery."""
        self._stopping = True

    async def take(self, delivery_id: str) -> None:
        """Serve one message: the delivery that it names, and then what else is due at the same receiver."""
        async with self._pool.acquire() as connection:
            host = await store.receiver_of(connection, delivery_id)
        wanted: str | None = delivery_id
        for _ in range(IN_A_ROW):
            if host is None or self._stopping:
                return
            delivery = await claim(self._pool, host, wanted)
            if delivery is None:
                return
            await self.attempt(delivery)
            wanted = None

    async def attempt(self, delivery: DeliveryRecord, *, now: datetime | None = None) -> DeliveryRecord | None:
        """Make the attempt that was claimed; the delivery as it is then, None when the claim has passed on.

        What fails for a reason that nobody thought of is a failed attempt as well: it would come back for ever.
        """
        try:
            answer = await self._answer(delivery)
            settled = await settle(self._pool, delivery, answer, now=now)
        except UNAVAILABLE:
            raise
        except Exception:
            log.exception("webhook failed unexpectedly", delivery_id=delivery.delivery_id)
            answer = Answer(error="not sent: something went wrong here", ours=True)
            settled = await settle(self._pool, delivery, answer, now=now)
        log.info(
            "webhook attempted",
            delivery_id=delivery.delivery_id,
            type=delivery.type,
            attempt=delivery.attempts,
            answered=answer.status,
            status=None if settled is None else settled.status,
        )
        return settled

    async def _answer(self, delivery: DeliveryRecord) -> Answer:
        try:
            secrets = await signing_secrets(self._pool, self._seal, delivery.user_id)
            async with self._pool.acquire() as connection:
                body = await self._contents.body(connection, delivery)
        except StorageError:
            return Answer(error="not sent: the pictures' addresses can't be had at the moment", ours=True)
        except Refused:
            return Answer(error="the account has been deleted", ours=True, final=True)
        if body is None:
            return Answer(error="what it tells of has been deleted", ours=True, final=True)
        headers = signed_headers(secrets, delivery.event_id, body, now=_claimed_at(delivery))
        return await call(self._client, delivery.url, headers, body)


def _claimed_at(delivery: DeliveryRecord) -> datetime | None:
    """By the database's clock: receivers refuse what a machine has signed whose clock is minutes off."""
    return delivery.next_attempt_at and delivery.next_attempt_at - LEASE
