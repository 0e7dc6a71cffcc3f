"""Webhooks as a receiver verifies them: those of the standard's own package, and none of anybody else."""

from datetime import UTC, datetime

import pytest
from standardwebhooks.webhooks import Webhook

from darkroom_client import InvalidWebhook, verify_webhook

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
AT = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
BODY = (
    b'{"type":"task.done","timestamp":"2026-11-28T12:00:00Z","data":{"task_id":"task_a","status":"done",'
    b'"mode":"HEAD_SWAP","source_image":"file_a","created_at":"2026-11-28T11:59:00Z",'
    b'"updated_at":"2026-11-28T12:00:00Z"}}'
)


def signed(secret: str = SECRET, body: bytes = BODY) -> dict[str, str]:
    signature = Webhook(secret).sign("task_a.3", AT, body.decode())
    return {"Webhook-Id": "task_a.3", "webhook-timestamp": str(int(AT.timestamp())), "webhook-signature": signature}


def test_what_is_signed_is_read() -> None:
    event = verify_webhook(SECRET, signed(), BODY, now=AT.timestamp() + 10)
    assert (event.id, event.type, event.batch) == ("task_a.3", "task.done", None)
    assert event.task is not None
    assert event.task.status == "done"


def test_while_a_secret_is_exchanged_either_is_good() -> None:
    both = signed() | {"webhook-signature": f"{signed(OTHER)['webhook-signature']} {signed()['webhook-signature']}"}
    assert verify_webhook(SECRET, both, BODY, now=AT.timestamp()).id == "task_a.3"
    assert verify_webhook([OTHER, SECRET], signed(), BODY, now=AT.timestamp()).id == "task_a.3"


@pytest.mark.parametrize(
    ("headers", "body", "later"),
    [
        (signed(OTHER), BODY, 0),
        (signed(), BODY.replace(b"task_a", b"task_b"), 0),
        (signed() | {"Webhook-Id": "task_a.4"}, BODY, 0),
        (signed() | {"webhook-timestamp": str(int(AT.timestamp()) + 1)}, BODY, 0),
        (signed() | {"webhook-timestamp": "noon"}, BODY, 0),
        (signed() | {"webhook-signature": ""}, BODY, 0),
        ({}, BODY, 0),
        (signed(), BODY, 301),
        (signed(), BODY, -301),
    ],
)
def test_anything_else_is_refused(headers: dict[str, str], body: bytes, later: int) -> None:
    with pytest.raises(InvalidWebhook):
        verify_webhook(SECRET, headers, body, now=AT.timestamp() + later)


def test_what_is_no_secret_is_told() -> None:
    for secret in ("dk_something", "", "whsec_", [SECRET, ""]):
        with pytest.raises(ValueError, match="whsec_"):
            verify_webhook(secret, signed(), BODY)
