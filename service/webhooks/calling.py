"""One attempt: a signed POST, and what came back of it."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final

import httpx
from msgspec import Struct
from standardwebhooks.webhooks import Webhook as Signer

from service.outbound.guard import NotResolved
from service.outbound.reaching import how_unreachable
from service.outbound.urls import UNREADABLE, NotAllowed
from service.telling.printable import printable

ANSWER_WITHIN: Final = 15.0
"""Seconds for name, connection and the beginning of an answer together."""

READ: Final = 1024
READ_WITHIN: Final = 2.0
"""Bytes of an answer that are read, and seconds for them; then the connection is closed."""

LATER: Final = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})
"""Statuses that say with `Retry-After` when to come back (RFC 6585, 4; RFC 9110, 10.2.3)."""

SHOWN: Final = 300
"""Characters of where a redirect leads."""


class Answer(Struct, frozen=True):
    """What a receiver said, or why it said nothing."""

    status: int | None = None
    error: str | None = None
    body: str | None = None
    ours: bool = False
    """The receiver wasn't asked, through no fault of its own."""
    final: bool = False
    """There is no use in another attempt."""
    pause: timedelta | None = None
    """How long it wants to be left alone."""

    @property
    def taken(self) -> bool:
        """Whether the receiver was told."""
        return self.status is not None and HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES

    @property
    def gone(self) -> bool:
        """Whether it wants to be told no more."""
        return self.status == HTTPStatus.GONE


def signed_headers(secrets: Sequence[str], event_id: str, body: str, *, now: datetime | None = None) -> dict[str, str]:
    """Headers as Standard Webhooks has them: a signature for each secret."""
    now = now or datetime.now(UTC)
    return {
        "Content-Type": "application/json",
        "webhook-id": event_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(Signer(secret).sign(event_id, now, body) for secret in secrets),
    }


async def call(
    client: httpx.AsyncClient, url: str, headers: Mapping[str, str], body: str, *, within: float = ANSWER_WITHIN
) -> Answer:
    """Send it once, and say what came of it; whatever that is, it is no exception. `client` is an `outbound_client`."""
    try:
        async with (
            asyncio.timeout(within) as limit,
            client.stream("POST", url, content=body.encode(), headers=dict(headers)) as response,
        ):
            limit.reschedule(None)  # its status is the answer; its body has seconds of its own
            pause = _pause(response)
            return Answer(response.status_code, _trouble(response), await _beginning(response), pause=pause)
    except (NotAllowed, NotResolved) as error:
        said = str(error)
    except (TimeoutError, httpx.TimeoutException):
        said = f"no answer within {within:g} s"
    except httpx.ConnectError as error:
        said = f"no connection: {how_unreachable(error)}"
    except httpx.TransportError:
        said = "the connection broke, or what came is no HTTP"
    except UNREADABLE:  # or where it redirects
        said = "the URL can't be called"
    return Answer(error=said)


def _trouble(response: httpx.Response) -> str | None:
    if response.is_success:
        return None
    if response.has_redirect_location:
        return f"redirects to {printable(response.headers['Location'])[:SHOWN]}, which isn't followed"
    return f"answered {response.status_code}"


def _pause(response: httpx.Response) -> timedelta | None:
    said = response.headers.get("Retry-After", "").strip()
    if response.status_code not in LATER or not said.isascii():
        return None
    try:
        if said.isdecimal():
            return timedelta(seconds=int(said))
        return parsedate_to_datetime(said).astimezone(UTC) - datetime.now(UTC)
    except (ValueError, OverflowError):
        return None


async def _beginning(response: httpx.Response) -> str | None:
    """How the answer begins, as it was sent. Its status was the answer, also where the body hangs or breaks off."""
    began = bytearray()
    with suppress(TimeoutError, httpx.TransportError):
        async with asyncio.timeout(READ_WITHIN):
            async for chunk in response.aiter_raw(READ):
                began += chunk
                if len(began) >= READ:
                    break
    return printable(bytes(began[:READ]).decode(errors="replace"), keep="\n\t") or None
