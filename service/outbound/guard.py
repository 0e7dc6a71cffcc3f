"""The guard for requests to addresses that somebody named.

A name is looked up once, each answer is judged, and the connection goes to one that was judged. Looking twice would let
it lead to the public when it is judged, and to our own network when it is called.
"""

from collections.abc import Awaitable, Callable
from functools import cached_property
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Final

import httpx

from schema.version import VERSION
from service.outbound.addresses import is_public
from service.outbound.lines import Transport
from service.outbound.resolving import resolve
from service.outbound.urls import NotAllowed

MOST_TRIED: Final = 4
"""Addresses of one name."""

Resolve = Callable[[str], Awaitable[list[str]]]


class AddressNotAllowed(NotAllowed):
    """A name leads to an address that isn't the public's, perhaps beside others that are."""

    def __init__(self, host: str) -> None:
        super().__init__(f"{host} leads to a private, loopback or link-local address; those are never asked")


class NotResolved(httpx.ConnectError):
    """A name that leads nowhere, or can't be looked up now."""


class GuardedTransport(httpx.AsyncBaseTransport):
    """Sends each request over a connection of its own, to an address that was judged.

    Redirects aren't followed here; who follows them has each judged likewise. Proxies that the environment names aren't
    used: they would look up the name again.
    """

    def __init__(
        self, *, allow_private: bool, resolve: Resolve = resolve, inner: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._allow_private = allow_private
        self._resolve = resolve
        self._given = inner

    @cached_property
    def _inner(self) -> httpx.AsyncBaseTransport:
        """Made when it is first needed: certificates take a while to load."""
        return self._given or Transport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Raises AddressNotAllowed, and what httpx raises."""
        host = request.url.raw_host.decode("ascii")
        refusal: httpx.TransportError = NotResolved(f"{host} has no address", request=request)
        for address in (await self._judged(host, request))[:MOST_TRIED]:
            try:
                return await self._inner.handle_async_request(_pinned(request, host, address))
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                refusal = error
        raise refusal

    async def aclose(self) -> None:
        if "_inner" in self.__dict__:
            await self._inner.aclose()

    async def _judged(self, host: str, request: httpx.Request) -> list[str]:
        try:
            addresses = await self._resolve(host)
        except OSError as error:
            raise NotResolved(f"{host} could not be looked up", request=request) from error
        if not self._allow_private and not all(map(is_public, addresses)):
            raise AddressNotAllowed(host)
        return addresses


def _pinned(request: httpx.Request, host: str, address: str) -> httpx.Request:
    """The same request, to an address; Host header and certificate stay those of the name."""
    return httpx.Request(
        request.method,
        request.url.copy_with(host=address),
        headers=request.headers,
        stream=request.stream,
        extensions=request.extensions | {"sni_hostname": host.rstrip(".")},
    )


def outbound_client(
    *, allow_private: bool, seconds: float, transport: GuardedTransport | None = None
) -> httpx.AsyncClient:
    """A client for URLs that somebody named. `seconds` bound each step (connect, write, read), not the whole.

    It follows no redirects, remembers no cookies, and asks for bodies as they are: what is compressed may be of any
    size.
    """
    return httpx.AsyncClient(
        transport=transport or GuardedTransport(allow_private=allow_private),
        timeout=seconds,
        trust_env=False,
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        headers={"User-Agent": f"Darkroom/{VERSION}", "Accept-Encoding": "identity"},
    )
