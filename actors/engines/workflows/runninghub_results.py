"""Results of RunningHub, from whatever host it names: https alone, never from our own network, never too much."""

import asyncio
from http import HTTPStatus
from pathlib import Path
from typing import Final

import httpx

from actors.engines.workflows.driver import DriverError, Fate
from schema.models.problems import FailureCode
from service.outbound.guard import outbound_client
from service.outbound.urls import UNREADABLE, NotAllowed, judge_url

_OK = HTTPStatus.OK
REDIRECTS: Final = 3
WHOLE_SECONDS: Final = 120.0
_STEP_SECONDS = 20.0

UNUSABLE = "The engine's result can't be used. Tell whoever runs this server."
LATER = "The engine's result couldn't be fetched. Please try again later."


class Results:
    """Fetches them. The server that the operator named may have them itself, wherever it is; all else is judged."""

    def __init__(self, own_url: str) -> None:
        self._own = httpx.URL(own_url)
        self._guarded = outbound_client(allow_private=False, seconds=_STEP_SECONDS)
        self._trusting = outbound_client(allow_private=True, seconds=_STEP_SECONDS)

    async def close(self) -> None:
        await self._guarded.aclose()
        await self._trusting.aclose()

    async def fetch(self, url: str, to: Path, most_bytes: int) -> None:
        """Write what is at `url` to `to`.

        Raises:
            DriverError: it can't be had, isn't allowed, or is larger than `most_bytes`.
        """
        try:
            async with asyncio.timeout(WHOLE_SECONDS):
                await self._written(url, to, most_bytes)
        except NotAllowed as error:
            raise _unusable(f"the result's URL {error}") from error
        except UNREADABLE:  # or where it redirects
            raise _unusable("the result's URL takes an absolute https URL") from None
        except (httpx.RequestError, TimeoutError) as error:
            raise _later(Fate.AWAY, "the host of the results can't be reached, or takes too long") from error

    async def _written(self, url: str, to: Path, most_bytes: int) -> None:
        target = httpx.URL(url)
        for _ in range(REDIRECTS + 1):
            client = self._client_for(target)
            async with client.stream("GET", target) as response:
                if response.next_request is not None:
                    target = response.next_request.url
                    continue
                if response.status_code != _OK:
                    busy = response.is_server_error or response.status_code == HTTPStatus.TOO_MANY_REQUESTS
                    fate = Fate.AWAY if busy else Fate.TRANSIENT
                    raise _later(fate, f"the host of the results answered HTTP {response.status_code}")
                await _poured(response, to, most_bytes)
                return
        raise _unusable(f"the result's host redirects more than {REDIRECTS} times")

    def _client_for(self, url: httpx.URL) -> httpx.AsyncClient:
        """Raises NotAllowed."""
        if (url.scheme, url.host, url.port) == (self._own.scheme, self._own.host, self._own.port):
            return self._trusting
        if url.scheme != "https":
            raise NotAllowed("takes https")
        judge_url(str(url), allow_private=False)
        return self._guarded


async def _poured(response: httpx.Response, to: Path, most_bytes: int) -> None:
    size = 0
    with to.open("wb") as file:
        async for chunk in response.aiter_bytes():
            size += len(chunk)
            if size > most_bytes:
                raise _unusable(f"the result is larger than {most_bytes:,} bytes")
            await asyncio.to_thread(file.write, chunk)


def _unusable(detail: str) -> DriverError:
    return DriverError(Fate.FINAL, FailureCode.ENGINE_RESPONSE_ERROR, UNUSABLE, detail=detail)


def _later(fate: Fate, detail: str) -> DriverError:
    return DriverError(fate, FailureCode.ENGINE_RESPONSE_ERROR, LATER, detail=detail)
