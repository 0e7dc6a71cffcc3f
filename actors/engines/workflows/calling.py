"""Calls to a server over HTTP: bounded in time and size, told without addresses, which may hold a key."""

import asyncio
import logging
import ssl
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx
import msgspec

from actors.engines.workflows.driver import DriverError, Fate
from schema.models.problems import FailureCode
from service.outbound.reaching import how_unreachable
from service.outbound.urls import UNREADABLE

CONNECT_WITHIN = 5.0
ANSWER_WITHIN = 20.0
SEND_WITHIN = 60.0
LARGEST_ANSWER = 16 * 2**20

# At INFO they write every URL: these may hold a key.
for _name in ("httpx", "httpcore", "websockets"):
    logging.getLogger(_name).setLevel(logging.WARNING)

AWAY = "The engine can't be reached at the moment. Please try again later."
SLOW = "The engine took too long to answer. Please try again later."


@cache
def authorities() -> ssl.SSLContext:
    """Whose certificates count."""
    return httpx.create_ssl_context()


def trusted_by(url: str) -> ssl.SSLContext | None:
    """What judges the certificate at `url`: the authorities of SSL_CERT_FILE or SSL_CERT_DIR, where these are set.

    None for http: they take a while to load.
    """
    return authorities() if httpx.URL(url).scheme == "https" else None


def new_client(url: str, **more: Any) -> httpx.AsyncClient:
    """A client for the server at `url`, that trusts no proxy of the environment and follows nothing."""
    return httpx.AsyncClient(
        verify=trusted_by(url) or False,
        timeout=httpx.Timeout(ANSWER_WITHIN, connect=CONNECT_WITHIN, write=SEND_WITHIN),
        trust_env=False,
        follow_redirects=False,
        **more,
    )


def away(detail: str, *, unsent: bool = False) -> DriverError:
    """A server that can't be reached, or is ill."""
    return DriverError(Fate.AWAY, FailureCode.ENGINE_NOT_AVAILABLE, AWAY, detail=detail, unsent=unsent)


def _broken(what: str, error: Exception) -> DriverError:
    """What went wrong with a connection. Not in the error's words: they may name the URL."""
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        return away(f"{what}: no connection: {how_unreachable(error)}", unsent=True)
    if isinstance(error, httpx.TimeoutException | TimeoutError):
        return DriverError(Fate.AWAY, FailureCode.ENGINE_TIMEOUT, SLOW, detail=f"{what}: no answer in time")
    return away(f"{what}: the connection broke")


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
        raise _broken(what, error) from None
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
        raise _broken(what, error) from None
    return HTTPStatus.OK
