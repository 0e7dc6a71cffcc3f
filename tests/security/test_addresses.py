"""A webhook's address is never one of our own network, however it is spelled."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import pytest

from service.outbound.addresses import is_public
from service.refusals import Refused
from service.webhooks.urls import judge_webhook_url

OURS = [
    "[::1]",
    "[::]",
    "[::127.0.0.1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::ffff:0:127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b:1::a00:1]",
    "[2002:7f00:1::]",
    "[2001:0:7f00:1::]",
    "[fe80::1%25eth0]",
    "[fec0::1]",
    "[fd00::1]",
    "[ff02::1]",
    "0",
    "127.1",
    "2130706433",
    "0x7f.1",
    "0177.0.0.1",
    "10.0.0.1",
    "100.64.0.1",
    "169.254.169.254",
    "192.168.1.1",
    "224.0.0.1",
    "255.255.255.255",
    "localhost",
    "LOCALHOST.",
    "db.localhost",
    "127.0.0.1\\.example.com",
    "127.0.0.1%2f.example.com",
    "[example.com]",
    "[v1.x]",
    "example.com,127.0.0.1",
]


@pytest.mark.parametrize("host", OURS)
@pytest.mark.parametrize("end", ["/hook", ":8080/hook"])
def test_our_own_network_is_refused(host: str, end: str) -> None:
    with pytest.raises(Refused):
        judge_webhook_url(f"https://{host}{end}", allow_private=False)


@pytest.mark.parametrize(
    "host",
    ["example.com", "a-b.example.co.uk", "xn--bcher-kva.example", "1.1.1.1", "[2606:4700:4700::1111]", "my_app.dev"],
)
def test_the_public_one_is_not(host: str) -> None:
    judge_webhook_url(f"https://{host}/hook?key=value", allow_private=False)
    judge_webhook_url(f"http://{host}:8443/", allow_private=False)


@pytest.mark.parametrize("host", ["xn--a", "xn--", "xn--a.example.com", "xn--i-7iq.ws"])
def test_a_name_that_can_not_be_asked_is_refused(host: str) -> None:
    with pytest.raises(Refused):
        judge_webhook_url(f"https://{host}/", allow_private=True)


@pytest.mark.parametrize("url", ["https://例え.jp/", "https://example.com/照片.jpg", "https://127。0。0。1/", "照片"])
def test_letters_that_no_url_has_are_named(url: str) -> None:
    with pytest.raises(Refused, match="in ASCII"):
        judge_webhook_url(url, allow_private=True)


def test_who_allows_it_may_have_it() -> None:
    judge_webhook_url("http://127.0.0.1:9000/hook", allow_private=True)


IANA = [
    # https://www.iana.org/assignments/iana-ipv4-special-registry, as of 2026, and multicast
    *("0.0.0.0/8", "0.0.0.0/32", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
    *("192.0.0.0/24", "192.0.0.0/29", "192.0.0.8/32", "192.0.0.9/32", "192.0.0.10/32", "192.0.0.170/31"),
    *("192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24"),
    *("198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4", "255.255.255.255/32"),
    # https://www.iana.org/assignments/iana-ipv6-special-registry, and multicast, site-local and IPv4-compatible
    *("::/128", "::1/128", "::/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "100:0:0:1::/64"),
    *("2001::/23", "2001::/32", "2001:1::1/128", "2001:1::2/128", "2001:1::3/128", "2001:2::/48", "2001:3::/32"),
    *("2001:4:112::/48", "2001:10::/28", "2001:20::/28", "2001:30::/28", "2001:db8::/32", "2002::/16"),
    *("2620:4f:8000::/48", "3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8"),
]


def refused(host: str) -> bool:
    try:
        judge_webhook_url(f"https://{host}/hook", allow_private=False)
    except Refused:
        return True
    return False


def literal(address: IPv4Address | IPv6Address) -> str:
    return str(address) if isinstance(address, IPv4Address) else f"[{address}]"


@pytest.mark.parametrize("network", [ip_network(text) for text in IANA], ids=str)
def test_no_special_range_is_the_publics(network: IPv4Network | IPv6Network) -> None:
    for address in {network[0], network[network.num_addresses // 2], network[-1]}:
        assert refused(literal(address)), address
        assert not is_public(str(address))
        if isinstance(address, IPv4Address):
            for spelled in other_spellings(address):
                assert refused(spelled), spelled


def other_spellings(address: IPv4Address) -> list[str]:
    """What resolvers and gateways take for the same address."""
    number, octets = int(address), address.packed
    high, low = number >> 16, number & 0xFFFF
    return [
        str(number),
        hex(number),
        hex(number).upper(),
        f"0{number:o}",
        ".".join(hex(octet) for octet in octets),
        ".".join(f"0{octet:o}" for octet in octets),
        f"{octets[0]}.{number & 0xFFFFFF}",
        f"{octets[0]}.{octets[1]}.{low}",
        f"{address}.",
        f"[::ffff:{address}]",
        f"[::ffff:{high:x}:{low:x}]",
        f"[::{address}]",
        f"[::ffff:0:{address}]",
        f"[64:ff9b::{address}]",
        f"[64:ff9b:1::{address}]",
        f"[2002:{high:x}:{low:x}::1]",
        f"[2001:0:{high:x}:{low:x}::1]",
    ]


OUTSIDE = [
    *("1.0.0.0", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0"),
    *("169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "191.255.255.255", "192.0.1.0", "192.0.3.0"),
    *("192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0", "198.51.101.0", "203.0.114.0"),
    *("223.255.255.255", "2001:200::", "2001:db7:ffff::", "2001:db9::", "2003::", "2620:4f:8001::", "3ffe:ffff::"),
    *("3fff:1000::", "2606:4700:4700::1111", "2a00:1450:4001::1"),
]


@pytest.mark.parametrize("address", OUTSIDE)
def test_their_neighbours_are(address: str) -> None:
    assert is_public(address)
    assert not refused(literal(ip_address(address)))


def test_a_table_of_ours_decides_and_not_the_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in (IPv4Address, IPv6Address):
        for name in ("is_global", "is_private", "is_reserved", "is_multicast", "is_link_local", "is_loopback"):
            monkeypatch.setattr(kind, name, property(lambda _: pytest.fail("the interpreter was asked")))
    assert refused("192.0.0.8")
    assert refused("[3fff::1]")
    assert not refused("1.1.1.1")
