"""Where a task's end may be told: never an address inside our own network, on a user's behalf."""

import ipaddress
from urllib.parse import urlsplit

from service.refusals import invalid

FIELD = "webhook_url"


def judge_webhook_url(url: str, *, allow_private: bool) -> None:
    """Refuse what isn't an absolute http(s) URL, and literal addresses that aren't public.

    What a name resolves to is judged when it is called.

    Raises:
        Refused: INVALID_REQUEST.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname
        _ = parts.port
    except ValueError:
        host, parts = None, None
    printable = url.isascii() and url.isprintable() and " " not in url
    if parts is None or not host or parts.scheme not in {"http", "https"} or not printable:
        raise invalid(FIELD, "takes an absolute http or https URL")
    if parts.username is not None or parts.password is not None:
        raise invalid(FIELD, "takes a URL without a user and a password")
    if not allow_private and _is_private(host):
        raise invalid(FIELD, "takes a public address; private, loopback and link-local ones are refused")


def _is_private(host: str) -> bool:
    name = host.rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        # Resolvers read 127.1, 0x7f000001 and 2130706433 as addresses too; no public name looks like that.
        last = name.rpartition(".")[2]
        return last.isdecimal() or last.startswith("0x")
    mapped = getattr(address, "ipv4_mapped", None)
    return not (mapped or address).is_global or (mapped or address).is_multicast
