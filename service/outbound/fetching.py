"""What somebody's URL gives, after redirects of which each is judged."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx

from service.outbound.urls import UNREADABLE, NotAllowed, judge_url

REDIRECTS = 3


class TooManyRedirects(Exception):  # noqa: N818 - what came back
    """Whoever was asked sends us on and on."""

    def __init__(self) -> None:
        super().__init__(f"it redirects more than {REDIRECTS} times")


@asynccontextmanager
async def fetched(client: httpx.AsyncClient, url: str, *, allow_private: bool) -> AsyncGenerator[httpx.Response]:
    """The answer to a GET, its body still to be read, whatever its status; `client` is an `outbound_client`.

    Raises:
        NotAllowed: the URL, or one that it redirects to, isn't asked.
        TooManyRedirects: the answer wasn't reached.
        httpx.TransportError: nothing came, or nothing that is HTTP.
    """
    for _ in range(REDIRECTS + 1):
        judge_url(url, allow_private=allow_private)
        try:
            # Reads where a redirect leads, too.
            response = await client.send(client.build_request("GET", url), stream=True)
        except UNREADABLE:
            raise NotAllowed("takes an absolute http or https URL") from None
        try:
            if response.next_request is None:
                yield response
                return
            url = str(response.next_request.url)
        finally:
            await response.aclose()
    raise TooManyRedirects
