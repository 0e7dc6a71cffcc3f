"""Which addresses are the public's: everything but the special-purpose ranges that IANA lists.

A table of our own, because the interpreter's `is_global` changes from one patch release to the next.
"""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

SPECIAL_IPV4 = (
    "0.0.0.0/8",  # this network
    "10.0.0.0/8",  # private
    "100.64.0.0/10",  # shared by a provider's customers
    "127.0.0.0/8",  # loopback
    "169.254.0.0/16",  # link-local, and where clouds tell machines their secrets
    "172.16.0.0/12",  # private
    "192.0.0.0/24",  # protocol assignments, 192.0.0.8 and the discovery of NAT64 among them
    "192.0.2.0/24",  # documentation
    "192.31.196.0/24",  # AS112
    "192.52.193.0/24",  # AMT
    "192.88.99.0/24",  # 6to4's relays
    "192.168.0.0/16",  # private
    "192.175.48.0/24",  # AS112
    "198.18.0.0/15",  # benchmarks
    "198.51.100.0/24",  # documentation
    "203.0.113.0/24",  # documentation
    "224.0.0.0/4",  # multicast
    "240.0.0.0/4",  # reserved, and broadcast
)
"""iana-ipv4-special-registry, and multicast."""

GLOBAL_UNICAST = "2000::/3"
"""What is handed out of IPv6; outside lie loopback, the local ranges, multicast, and old and new ways to spell an IPv4
address, any of our own included (IPv4-compatible, translated, NAT64)."""

SPECIAL_IPV6 = (
    "2001::/23",  # protocol assignments: Teredo, ORCHID, benchmarks and others
    "2001:db8::/32",  # documentation
    "2002::/16",  # 6to4: an IPv4 address spelled otherwise
    "2620:4f:8000::/48",  # AS112
    "3fff::/20",  # documentation
)
"""iana-ipv6-special-registry, within what is handed out."""

_IPV4 = tuple(map(IPv4Network, SPECIAL_IPV4))
_IPV6 = tuple(map(IPv6Network, SPECIAL_IPV6))
_UNICAST = IPv6Network(GLOBAL_UNICAST)


def is_public(text: str) -> bool:
    """Whether an address is one that anybody may have.

    Raises:
        ValueError: it is no address.
    """
    address = ip_address(text.partition("%")[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if isinstance(address, IPv4Address):
        return not _in(address, _IPV4)
    return address in _UNICAST and not _in(address, _IPV6)


def _in(address: IPv4Address | IPv6Address, networks: Iterable[IPv4Network | IPv6Network]) -> bool:
    return any(address in network for network in networks)
