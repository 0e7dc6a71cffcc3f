"""Whose request a proxy brings: its X-Forwarded-For and X-Forwarded-Proto count if TRUSTED_PROXIES names it."""

import ipaddress
from collections.abc import Sequence
from functools import lru_cache

from litestar.types import ASGIApp, Receive, Scope, Send

MOST_HOPS = 20
"""Proxies behind each other that are looked at; there are two or three, and whoever forges a list makes it long."""

LONGEST_HOP = 64
"""Characters: an IPv6 address in brackets with its port has fewer."""

IPV6_PREFIX = 64
"""What a customer gets of IPv6, at least: addresses in it are one person's to choose from."""

UNKNOWN = "unknown"

KEPT_NETWORKS = 10_000

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class TrustedProxies:
    """An ASGI layer that puts the client's own address and scheme into the scope."""

    def __init__(self, app: ASGIApp, networks: Sequence[str]) -> None:
        self._app = app
        self._networks = [ipaddress.ip_network(network) for network in networks]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self._networks:
            self._believe(scope)
        await self._app(scope, receive, send)

    def _believe(self, scope: Scope) -> None:
        peer = address_of(scope["client"][0]) if scope["client"] else None
        if peer is None or not self._trusts(peer):
            return
        hops = 1
        # Each proxy writes down at the end who asked it: what stands before a stranger's address is hearsay.
        for hop in reversed(_listed(scope, b"x-forwarded-for")):
            address = address_of(hop)
            if address is None:
                break
            peer = address
            if not self._trusts(peer):
                break
            hops += 1
        scope["client"] = (str(peer), 0)
        schemes = _listed(scope, b"x-forwarded-proto")
        # Several are as many as the hops, if each proxy adds one; a single one is what the first has set.
        if schemes and (scheme := schemes[-min(hops, len(schemes))].lower()) in {"http", "https"}:
            scope["scheme"] = scheme

    def _trusts(self, address: Address) -> bool:
        return any(address in network for network in self._networks)


def address_of(text: str) -> Address | None:
    """An address as a proxy or the system writes it, with a port or without; None for anything else."""
    if len(text) > LONGEST_HOP:
        return None
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def client_address(scope: Scope) -> str:
    """Where the request comes from, as far as anybody can be believed; for logs."""
    client = scope["client"]
    return UNKNOWN if client is None else client[0]


def client_network(scope: Scope) -> str:
    """What limits per address count."""
    return network_of(client_address(scope))


@lru_cache(KEPT_NETWORKS)
def network_of(host: str | None) -> str:
    """Who a peer is to limits per address: an IPv4 address, or the /64 that an IPv6 address is in."""
    address = address_of(host or "")
    if address is None:
        return UNKNOWN
    if address.version == 4:  # noqa: PLR2004 - IP's
        return str(address)
    return str(ipaddress.ip_network((address, IPV6_PREFIX), strict=False))


def _listed(scope: Scope, name: bytes) -> list[str]:
    """The last values of a header that is a list, in one line or in several."""
    text = b",".join(value for key, value in scope["headers"] if key == name)
    return [value.decode("latin-1").strip() for value in text.rsplit(b",", MOST_HOPS)[-MOST_HOPS:]]
