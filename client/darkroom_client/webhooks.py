"""What a receiver of webhooks needs: is it from Darkroom, and what does it say (https://www.standardwebhooks.com)."""

import base64
import binascii
import hashlib
import hmac
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from darkroom_client.models import BatchState, Task

TOLERANCE = 300.0
"""Seconds that a message may be old, or the clocks apart."""


class InvalidWebhook(Exception):
    """It isn't from Darkroom, or is an old one sent again: answer 400."""


class WebhookEvent(Struct, frozen=True):
    """What is told. `id` is the event's: who has seen it before needn't do anything."""

    id: str
    type: str
    timestamp: datetime
    task: Task | None
    batch: BatchState | None


class _Message(Struct, frozen=True):
    type: str
    timestamp: datetime
    data: dict[str, Any]


def verify_webhook(
    secret: str | Sequence[str],
    headers: Mapping[str, str],
    body: bytes,
    *,
    tolerance: float = TOLERANCE,
    now: float | None = None,
) -> WebhookEvent:
    """What a webhook says, once it is certain that Darkroom says it. `body` is what came, byte for byte.

    `secret` is the one of `GET /me/webhook-secret`; several while one is exchanged.

    Raises:
        InvalidWebhook: A header is missing, the signature is another's, or the time is too long ago.
        ValueError: The secret isn't one.
    """
    given = {name.lower(): value for name, value in headers.items()}
    try:
        event_id, moment = given["webhook-id"], given["webhook-timestamp"]
        signatures = given["webhook-signature"].split()
        age = abs((time.time() if now is None else now) - int(moment))
    except (KeyError, ValueError):
        raise InvalidWebhook("A header is missing or malformed.") from None
    signed = f"{event_id}.{moment}.".encode() + body
    keys = [_key(one) for one in ([secret] if isinstance(secret, str) else secret)]
    expected = [b"v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)) for key in keys]
    # Each with each, so that the time tells nothing.
    matches = [hmac.compare_digest(one, signature.encode()) for one in expected for signature in signatures]
    if not any(matches):
        raise InvalidWebhook("The signature is not Darkroom's.")
    if age > tolerance:
        raise InvalidWebhook("It was sent too long ago, or a clock is wrong.")
    return _event(event_id, body)


def _event(event_id: str, body: bytes) -> WebhookEvent:
    message = msgspec.json.decode(body, type=_Message)
    task = msgspec.convert(message.data, Task) if message.type.startswith("task.") else None
    batch = msgspec.convert(message.data, BatchState) if message.type.startswith("batch.") else None
    return WebhookEvent(event_id, message.type, message.timestamp, task, batch)


def _key(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not key:  # anybody could sign with none, such as of a variable that isn't set
        raise ValueError("A webhook's secret begins with whsec_ and goes on in base64.")
    return key
