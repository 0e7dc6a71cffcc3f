"""Calls to a server over HTTP: bounded in time and size, told without addresses, which may hold a key."""

import asyncio
import logging
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx
import msgspec

from actors.engines.workflows.driver import DriverError, Fate
from schema.models.problems import FailureCode
from service.outbound.urls import UNREADABLE

CONNECT_WITHIN = 5.0
ANSWER_WITHIN = 20.0
SEND_WITHIN = 60.0
LARGEST_ANSWER = 16 * 2**20

# At INFO they write every URL: these may hold a key.
for _name in ("httpx", "httpcore", "websockets"):
    logging.getLogger(_name).setLevel(logging.WARNING)

AWAY = "The engine can't be reached at the moment. Please try again later."


def new_client(**more: Any) -> httpx.AsyncClient:
    """A client that trusts no proxy of the environment and follows nothing."""
    return httpx.AsyncClient(
        timeout=httpx.Timeout(ANSWER_WITHIN, connect=CONNECT_WITHIN, write=SEND_WITHIN),
        trust_env=False,
        follow_redirects=False,
        **more,
    )


def away(detail: str) -> DriverError:
    """A server that can't be reached, or is ill."""
    return DriverError(Fate.AWAY, FailureCode.ENGINE_NOT_AVAILABLE, AWAY, detail=detail)


def _reason(error: Exception) -> str:
    """What went wrong with a connection. Not in the error's words: they may name the URL."""
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        return "no connection"
    if isinstance(error, httpx.TimeoutException | TimeoutError):
        return "no answer in time"
    return "the connection broke"


async def send(client: httpx.AsyncClient, request: httpx.Request, what: str) -> httpx.Response:
    """The whole answer, whatever its status.

    Raises:
        DriverError: AWAY: no answer, a broken one, or one that is larger than LARGEST_ANSWER.
    """
    try:
        async with asyncio.timeout(SEND_WITHIN + ANSWER_WITHIN):
            response = await client.send(request, stream=True)
            try:
                content = bytearray()
                async for part in response.aiter_bytes():
                    content += part
                    if len(content) > LARGEST_ANSWER:
                        raise away(f"{what}: the answer is too large")
            finally:
                await response.aclose()
    except (httpx.HTTPError, *UNREADABLE, TimeoutError, OSError) as error:
        raise away(f"{what}: {_reason(error)}") from None
    headers = [(name, value) for name, value in response.headers.raw if name.lower() != b"content-encoding"]
    return httpx.Response(response.status_code, headers=headers, content=bytes(content))


def json_of(response: httpx.Response, what: str) -> Any:
    """The JSON of an answer. Raises DriverError (AWAY) when it is none: something else answers there."""
    try:
        return msgspec.json.decode(response.content)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise away(f"{what}: HTTP {response.status_code} without JSON") from None


async def download(client: httpx.AsyncClient, request: httpx.Request, to: Path, most_bytes: int, what: str) -> int:
    """Write an answer's body to a file; returns the status, and writes only for 200.

    Raises:
        DriverError: AWAY, or TRANSIENT for a body that is too large.
    """
    try:
        async with asyncio.timeout(SEND_WITHIN + ANSWER_WITHIN):
            response = await client.send(request, stream=True)
            try:
                if response.status_code != HTTPStatus.OK:
                    return response.status_code
                size = 0
                with to.open("wb") as file:
                    async for part in response.aiter_bytes():
                        size += len(part)
                        if size > most_bytes:
                            raise DriverError(
                                Fate.TRANSIENT,
                                FailureCode.ENGINE_RESPONSE_ERROR,
                                "The engine made a picture that is too large.",
                                detail=f"{what}: more than {most_bytes} bytes",
                            )
                        file.write(part)
            finally:
                await response.aclose()
    except (httpx.HTTPError, *UNREADABLE, TimeoutError) as error:
        raise away(f"{what}: {_reason(error)}") from None
    return HTTPStatus.OK
