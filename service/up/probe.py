"""Asking the API over HTTP, without an HTTP client: two short questions don't pay for importing one."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any, cast

_PATIENCE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; `status` 0 and an empty body when nothing did."""

    status: int
    body: dict[str, Any]


async def get(address: tuple[str, int], path: str, *, token: str | None = None) -> Answer:
    """GET a JSON object. Never raises for what the other side does."""
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            return await _get(address, path, token)
    except (OSError, ValueError, IndexError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        return Answer(0, {})


async def _get(address: tuple[str, int], path: str, token: str | None) -> Answer:
    host, port = address
    reader, writer = await asyncio.open_connection(host, port)
    try:
        # HTTP/1.0: the answer ends with the connection and is never chunked.
        lines = [f"GET {path} HTTP/1.0", f"Host: {f'[{host}]' if ':' in host else host}:{port}"]
        if token is not None:
            lines.append(f"Authorization: Bearer {token}")
        writer.write("\r\n".join([*lines, "", ""]).encode())
        head = await reader.readuntil(b"\r\n\r\n")
        status = int(head.split(maxsplit=2)[1])
        body: object = json.loads(await reader.read() or b"null")
        return Answer(status, cast("dict[str, Any]", body) if isinstance(body, dict) else {})
    finally:
        writer.close()
