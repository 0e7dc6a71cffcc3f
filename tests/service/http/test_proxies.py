"""Whose word counts about where a request comes from: nobody's, but that of the proxies that were named."""

from typing import Any, cast

import pytest
from litestar.types import Receive, Scope, Send

from service.http.layers.proxies import TrustedProxies, client_network

TRUSTED = ("10.0.0.0/8", "127.0.0.1/32", "fd00::/8")
Header = tuple[str, str]


def scope_of(peer: str | None, headers: list[Header]) -> Scope:
    scope = {
        "type": "http",
        "client": None if peer is None else (peer, 1234),
        "scheme": "http",
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers],
    }
    return cast("Scope", scope)


async def seen(peer: str | None, headers: list[Header], trusted: tuple[str, ...] = TRUSTED) -> tuple[str, str]:
    """The address and the scheme that a request has inside."""
    scope = scope_of(peer, headers)

    async def inside(scope: Scope, receive: Receive, send: Send) -> None:
        del scope, receive, send

    nothing: Any = None
    await TrustedProxies(inside, trusted)(scope, nothing, nothing)
    client = scope["client"]
    return "nobody" if client is None else client[0], scope["scheme"]


FOR = "x-forwarded-for"
PROTO = "x-forwarded-proto"


@pytest.mark.parametrize("peer", ["127.0.0.1", "198.51.100.1", "::1", None])
async def test_by_default_nobody_is_believed(peer: str | None) -> None:
    said = await seen(peer, [(FOR, "203.0.113.1"), (PROTO, "https")], ())
    assert said == (peer or "nobody", "http")


@pytest.mark.parametrize(
    ("peer", "listed", "expected"),
    [
        ("10.0.0.1", ["203.0.113.1"], "203.0.113.1"),
        ("::ffff:10.0.0.1", ["203.0.113.1"], "203.0.113.1"),
        ("fd00::1", ["2001:db8::7"], "2001:db8::7"),
        ("10.0.0.1", ["[2001:db8::7]:4711"], "2001:db8::7"),
        ("10.0.0.1", ["203.0.113.1:4711"], "203.0.113.1"),
        ("10.0.0.1", ["::ffff:203.0.113.1"], "203.0.113.1"),
        # A stranger says so itself.
        ("198.51.100.1", ["203.0.113.1"], "198.51.100.1"),
        # What stands before the first stranger was said by that stranger.
        ("10.0.0.1", ["192.0.2.66, 203.0.113.1"], "203.0.113.1"),
        ("10.0.0.1", ["192.0.2.66, 203.0.113.1, 10.9.9.9, 127.0.0.1"], "203.0.113.1"),
        ("10.0.0.1", ["192.0.2.66", "203.0.113.1, 10.2.3.4"], "203.0.113.1"),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        # Junk ends the list: the last address that can be believed stays.
        ("10.0.0.1", ["junk"], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.1, junk"], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.1, junk, 10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.1, "], "10.0.0.1"),
        ("10.0.0.1", ["999.1.1.1"], "10.0.0.1"),
        ("10.0.0.1", ["0x7f.1"], "10.0.0.1"),
        ("10.0.0.1", ["x" * 50_000], "10.0.0.1"),
        ("10.0.0.1", ["\xff\x7f"], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.1," * 5000 + "10.0.0.2"], "203.0.113.1"),
        ("10.0.0.1", ["203.0.113.1, " + "10.0.0.2," * 5000 + "10.0.0.3"], "10.0.0.2"),
    ],
)
async def test_the_list_is_read_from_the_right_past_those_that_are_named(
    peer: str, listed: list[str], expected: str
) -> None:
    assert (await seen(peer, [(FOR, value) for value in listed]))[0] == expected


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([(PROTO, "https")], "https"),
        ([(PROTO, "HTTPS")], "https"),
        ([(PROTO, "gopher")], "http"),
        ([(PROTO, "")], "http"),
        ([(FOR, "203.0.113.1, 10.0.0.2"), (PROTO, "https, http")], "https"),
        # What the client has put before it isn't believed.
        ([(FOR, "203.0.113.1"), (PROTO, "https, http")], "http"),
    ],
)
async def test_the_scheme_is_what_the_first_believed_proxy_saw(headers: list[Header], expected: str) -> None:
    assert (await seen("10.0.0.1", headers))[1] == expected


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.1", "203.0.113.1"),
        ("::ffff:203.0.113.1", "203.0.113.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("a socket's name", "unknown"),
        (None, "unknown"),
    ],
)
def test_limits_count_an_address_or_a_customers_network(address: str | None, network: str) -> None:
    assert client_network(scope_of(address, [])) == network
