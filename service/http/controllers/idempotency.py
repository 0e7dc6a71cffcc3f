"""Idempotency-Key: what it looks like, and what is told of a request that was served before."""

import re
from typing import Annotated, Any

from litestar import Request
from litestar.params import HeaderParameter

from service.refusals import invalid
from service.tasks.store import IdempotencyKey
from service.tasks.submission import Submitted, fingerprint

VISIBLE_ASCII = re.compile(r"[\x21-\x7e]{1,255}")

Key = Annotated[
    str | None,
    HeaderParameter(
        name="Idempotency-Key",
        description="1 to 255 visible ASCII characters. For 24 hours the same key and body give the same answer.",
        schema_extra={"pattern": f"^{VISIBLE_ASCII.pattern}$"},
    ),
]


def idempotency_key(request: Request[Any, Any, Any], route: str, key: str, body: object) -> IdempotencyKey:
    """The key of a request to a route with this body (JSON values).

    Raises:
        Refused: INVALID_REQUEST, also for two keys: which of them counted would be told to nobody.
    """
    if len(set(request.headers.getall("idempotency-key"))) > 1:
        raise invalid("Idempotency-Key", "is given more than once; send it once")
    if not VISIBLE_ASCII.fullmatch(key):
        raise invalid("Idempotency-Key", "takes 1 to 255 visible ASCII characters")
    return IdempotencyKey(route, key, fingerprint(body))


def replay_headers(submitted: Submitted) -> dict[str, str]:
    """What an answer says that an earlier request had led to."""
    return {"Idempotent-Replayed": "true"} if submitted.replayed else {}
