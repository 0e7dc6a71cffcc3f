"""An upload that we fetch ourselves, from where its sender says: under the guard for others' addresses."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Final
from urllib.parse import unquote_to_bytes

import httpx

from schema.models.problems import ProblemCode
from service.files.naming import clean_filename, decoded
from service.files.spooling import Received, Spool, temporary
from service.outbound.fetching import TooManyRedirects, fetched
from service.outbound.guard import GuardedTransport, NotResolved, outbound_client
from service.outbound.reaching import how_unreachable
from service.outbound.urls import NotAllowed
from service.refusals import Refused

FETCHED_WITHIN: Final = 30.0
"""Seconds for everything, redirects included."""

STEP_WITHIN: Final = 10.0
"""Seconds for a connection, and between two pieces of a body."""

MOST_AT_ONCE: Final = 4
"""Fetches of one user in one process: each may take its whole time, and costs its sender nothing."""


class Fetcher:
    """Fetches what users name."""

    def __init__(
        self,
        *,
        allow_private: bool,
        max_bytes: int,
        directory: Path | None = None,
        transport: GuardedTransport | None = None,
    ) -> None:
        """Temporary files lie in `directory` (the system's when None)."""
        self._allow_private = allow_private
        self._max_bytes = max_bytes
        self._directory = directory
        self._client = outbound_client(allow_private=allow_private, seconds=STEP_WITHIN, transport=transport)
        self._running = Counter[str]()

    async def close(self) -> None:
        await self._client.aclose()

    @asynccontextmanager
    async def fetch(self, user_id: str, url: str, purpose: str | None) -> AsyncGenerator[Received]:
        """What is at an address, as a file that is gone once the context ends.

        Raises:
            Refused: URL_NOT_ALLOWED, URL_UNREACHABLE with what came back; RATE_LIMITED while several of the user's run.
            UploadTooLarge: as soon as that is known; the rest isn't read.
        """
        with self._place(user_id), temporary(self._directory) as file:
            yield await self._received(url, purpose, Spool(file, self._max_bytes))

    async def _received(self, url: str, purpose: str | None, spool: Spool) -> Received:
        try:
            async with (
                asyncio.timeout(FETCHED_WITHIN),
                fetched(self._client, url, allow_private=self._allow_private) as response,
            ):
                if response.status_code != HTTPStatus.OK:
                    raise _unreachable(f"it answered {response.status_code}")
                length = response.headers.get("Content-Length", "")
                if length.isdecimal():
                    spool.expect(int(length))
                async for chunk in response.aiter_raw():
                    await spool.add(chunk)
                return await spool.finish(_name_in(str(response.url.raw_path, "ascii")), purpose)
        except NotAllowed as error:
            raise Refused(ProblemCode.URL_NOT_ALLOWED, str(error), field="url") from None
        except (TooManyRedirects, NotResolved) as error:
            raise _unreachable(str(error)) from None
        except (TimeoutError, httpx.TimeoutException):
            raise _unreachable("it took too long") from None
        except httpx.ConnectError as error:
            raise _unreachable(f"there was no connection: {how_unreachable(error)}") from None
        except httpx.TransportError:
            raise _unreachable("the connection broke, or what came is no HTTP") from None

    @contextmanager
    def _place(self, user_id: str) -> Generator[None]:
        if self._running[user_id] >= MOST_AT_ONCE:
            raise Refused(
                ProblemCode.RATE_LIMITED,
                f"{MOST_AT_ONCE} of your uploads are being fetched already. Wait until one is done.",
                retry_after=1,
            )
        self._running[user_id] += 1
        try:
            yield
        finally:
            self._running[user_id] -= 1
            if not self._running[user_id]:
                del self._running[user_id]


def _unreachable(what: str) -> Refused:
    return Refused(ProblemCode.URL_UNREACHABLE, f"nothing could be fetched from there: {what}", field="url")


def _name_in(path: str) -> str:
    return clean_filename(decoded(unquote_to_bytes(path.partition("?")[0])))
