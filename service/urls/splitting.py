"""URLs taken apart, alike on every Python.

urllib's own function judges brackets differently from one patch release to the next (`a:5432,[::1]:6543` is refused
by 3.11.2 and taken by 3.11.7) and drops line breaks and spaces: what was judged would not be what is used.
"""

import re
from ipaddress import IPv6Address
from urllib.parse import unquote

from msgspec import Struct

PORTS = range(1, 65_536)

_URL = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*):(?://(?P<authority>[^/?#]*))?"
    r"(?P<path>[^?#]*)(?:\?(?P<query>[^#]*))?(?:#(?P<fragment>.*))?"
)
_HOST = re.compile(r"(?:\[(?P<literal>[^\[\]]*)\]|(?P<name>[^:\[\]@]*))(?::(?P<port>[0-9]{0,5}))?", re.ASCII)


class NotAUrl(ValueError):  # noqa: N818 - what it is
    """A text is no URL."""


class Host(Struct, frozen=True):
    """Where to connect to. An IPv6 address has no brackets; an empty name is for who reads it to fill in."""

    name: str
    port: int | None = None


class Url(Struct, frozen=True):
    """The parts of a URL, percent-decoded, but the path, which is as it was written."""

    scheme: str
    username: str | None
    password: str | None
    hosts: tuple[Host, ...]
    """Several where commas stand between them, one without a name where there is none."""
    path: str
    query: tuple[tuple[str, str], ...]
    fragment: str | None

    @property
    def host(self) -> Host:
        """The only host. Raises NotAUrl when there are several."""
        if len(self.hosts) != 1:
            raise NotAUrl("several hosts")
        return self.hosts[0]


def split_url(text: str) -> Url:
    """Take a URL apart.

    Raises:
        NotAUrl: it is none, or holds characters that no URL has.
    """
    found = _URL.fullmatch(text)
    if found is None or not text.isprintable() or " " in text:
        raise NotAUrl("no URL")
    userinfo, at, hosts = (found["authority"] or "").rpartition("@")
    username, colon, password = userinfo.partition(":")
    return Url(
        scheme=found["scheme"].lower(),
        username=decoded(username) if at else None,
        password=decoded(password) if colon else None,
        hosts=split_hosts(hosts),
        path=found["path"],
        query=tuple(_parameter(part) for part in (found["query"] or "").split("&") if part),
        fragment=found["fragment"],
    )


def split_hosts(text: str) -> tuple[Host, ...]:
    """The hosts in `a:5432,[::1]:6543`. Raises NotAUrl."""
    return tuple(_host(part) for part in text.split(","))


def split_ports(text: str) -> tuple[int | None, ...]:
    """The ports in `5432,6543`; an empty one is None. Raises NotAUrl."""
    return tuple(_host(f":{part}").port for part in text.split(","))


def decoded(text: str) -> str:
    """The text without its percent-encoding. Raises NotAUrl when that is no text."""
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise NotAUrl("percent-encoded bytes that are no text") from None


def _host(text: str) -> Host:
    found = _HOST.fullmatch(text)
    if found is None:
        raise NotAUrl("no host")
    port = int(found["port"]) if found["port"] else None
    if port is not None and port not in PORTS:
        raise NotAUrl("no port")
    if found["literal"] is None:
        return Host(decoded(found["name"]), port)
    try:
        return Host(str(IPv6Address(decoded(found["literal"]))), port)
    except ValueError:
        raise NotAUrl("no address") from None


def _parameter(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return decoded(name), decoded(value)
