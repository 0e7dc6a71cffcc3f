"""A typed function per statement of `schema/queries/webhooks.sql`. They take a connection and open no transaction."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct

from schema.models.tasks import TaskRecord
from schema.models.webhooks import DeliveryRecord, DeliveryStatus
from service.database import Connection
from service.database.statements import load_queries

QUERIES = load_queries("webhooks")


class Due(Struct, frozen=True):
    """A delivery that is to be announced, and how many attempts it had."""

    delivery_id: str
    attempts: int
    announced: bool
    """Whether it was announced before, and nobody came."""


class SealedSecret(Struct, frozen=True):
    """A user's secret and, for a while, the one before it."""

    sealed: str
    previous: str | None


class OldSeal(Struct, frozen=True):
    """A user's secrets that are sealed under another key than the first."""

    user_id: str
    sealed: str
    previous: str | None


class OldDelivery(Struct, frozen=True):
    """A delivery, and since when it may be forgotten: where the next page begins."""

    delivery_id: str
    forget_at: datetime


async def add_ping(connection: Connection, delivery_id: str, user_id: str, event_id: str, url: str) -> DeliveryRecord:
    delivery = await QUERIES["add_ping"].row(
        connection, DeliveryRecord, delivery_id=delivery_id, user_id=user_id, event_id=event_id, url=url
    )
    assert delivery is not None  # noqa: S101 - an insert answers its row
    return delivery


async def list_deliveries(
    connection: Connection,
    user_id: str,
    status: DeliveryStatus | None,
    after: tuple[datetime, str] | None,
    limit: int,
) -> list[DeliveryRecord]:
    at, name = after or (None, None)
    return await QUERIES["list_deliveries"].rows(
        connection, DeliveryRecord, user_id=user_id, status=status, after=at, after_id=name, limit=limit
    )


async def redeliver(connection: Connection, user_id: str, delivery_id: str) -> DeliveryRecord | None:
    return await QUERIES["redeliver"].row(connection, DeliveryRecord, user_id=user_id, delivery_id=delivery_id)


async def due_deliveries(
    connection: Connection, *, again: timedelta, each: int, limit: int, now: datetime | None = None
) -> list[Due]:
    return await QUERIES["due_deliveries"].rows(connection, Due, again=again, each=each, limit=limit, now=now)


async def mark_announced(connection: Connection, delivery_ids: Sequence[str]) -> None:
    await QUERIES["mark_announced"].run(connection, delivery_ids=delivery_ids)


async def receiver_of(connection: Connection, delivery_id: str) -> str | None:
    return await QUERIES["receiver_of"].value(connection, delivery_id=delivery_id)


async def hold_receiver(connection: Connection, host: str) -> None:
    await QUERIES["hold_receiver"].run(connection, host=host)


async def claim_delivery(
    connection: Connection,
    host: str,
    delivery_id: str | None,
    *,
    claim: str,
    lease: timedelta,
    most: int,
    most_of_user: int,
    most_of_user_here: int,
    sick: int,
    now: datetime | None,
) -> DeliveryRecord | None:
    return await QUERIES["claim_delivery"].row(
        connection,
        DeliveryRecord,
        host=host,
        delivery_id=delivery_id,
        claim=claim,
        lease=lease,
        most=most,
        most_of_user=most_of_user,
        most_of_user_here=most_of_user_here,
        sick=sick,
        now=now,
    )


async def settle_delivery(
    connection: Connection,
    delivery: DeliveryRecord,
    status: DeliveryStatus,
    *,
    wait: timedelta | None,
    last_status: int | None,
    last_error: str | None,
    last_response: str | None,
    now: datetime | None,
) -> DeliveryRecord | None:
    return await QUERIES["settle_delivery"].row(
        connection,
        DeliveryRecord,
        delivery_id=delivery.delivery_id,
        claim=delivery.claim,
        status=status,
        wait=wait,
        last_status=last_status,
        last_error=last_error,
        last_response=last_response,
        now=now,
    )


async def receiver_failed(
    connection: Connection,
    user_id: str,
    host: str,
    *,
    sick: int,
    first: timedelta,
    longest: timedelta,
    now: datetime | None,
) -> datetime | None:
    """Until when the receiver is to be left in peace, if it is."""
    return await QUERIES["receiver_failed"].value(
        connection, user_id=user_id, host=host, sick=sick, first=first, longest=longest, now=now
    )


async def postpone(connection: Connection, user_id: str, host: str, until: datetime, *, apart: timedelta) -> None:
    await QUERIES["postpone"].run(connection, user_id=user_id, host=host, until=until, apart=apart)


async def receiver_well(connection: Connection, user_id: str, host: str) -> bool:
    """Whether the receiver had been left in peace."""
    return bool(await QUERIES["receiver_well"].value(connection, user_id=user_id, host=host))


async def bring_forward(connection: Connection, user_id: str, host: str, now: datetime | None) -> None:
    await QUERIES["bring_forward"].run(connection, user_id=user_id, host=host, now=now)


async def told_task(connection: Connection, user_id: str, task_id: str) -> TaskRecord | None:
    return await QUERIES["told_task"].row(connection, TaskRecord, user_id=user_id, task_id=task_id)


async def told_as_it_was(connection: Connection, delivery_id: str) -> dict[str, Any] | None:
    """What is kept of something that is gone, as JSON."""
    return await QUERIES["told_as_it_was"].value(connection, delivery_id=delivery_id)


async def deliveries_to_forget(
    connection: Connection, *, limit: int, after: OldDelivery | None = None, now: datetime | None = None
) -> list[OldDelivery]:
    return await QUERIES["deliveries_to_forget"].rows(
        connection,
        OldDelivery,
        limit=limit,
        after_forget_at=after and after.forget_at,
        after_delivery_id=after and after.delivery_id,
        now=now,
    )


async def forget_deliveries(connection: Connection, delivery_ids: Sequence[str]) -> None:
    await QUERIES["forget_deliveries"].run(connection, delivery_ids=delivery_ids)


async def forget_receivers(connection: Connection, *, now: datetime | None = None) -> None:
    await QUERIES["forget_receivers"].run(connection, now=now)


async def webhook_secret(connection: Connection, user_id: str) -> SealedSecret | None:
    return await QUERIES["webhook_secret"].row(connection, SealedSecret, user_id=user_id)


async def add_secret(connection: Connection, user_id: str, sealed: str, sealed_by: str) -> None:
    """Unless there is one."""
    await QUERIES["add_secret"].run(connection, user_id=user_id, sealed=sealed, sealed_by=sealed_by)


async def rotate_secret(
    connection: Connection, user_id: str, sealed: str, sealed_by: str, *, overlap: timedelta
) -> None:
    await QUERIES["rotate_secret"].run(connection, user_id=user_id, sealed=sealed, sealed_by=sealed_by, overlap=overlap)


async def secrets_to_reseal(connection: Connection, sealed_by: str, *, after: str, limit: int) -> list[OldSeal]:
    return await QUERIES["secrets_to_reseal"].rows(connection, OldSeal, sealed_by=sealed_by, after=after, limit=limit)


async def reseal(
    connection: Connection, user_id: str, *, was: str, sealed: str, previous: str | None, sealed_by: str
) -> None:
    await QUERIES["reseal"].run(
        connection, user_id=user_id, was=was, sealed=sealed, previous=previous, sealed_by=sealed_by
    )
