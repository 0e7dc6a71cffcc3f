"""Where a task's end may be told: never an address inside our own network, on a user's behalf."""

import re

from service.refusals import invalid
from service.urls.splitting import NotAUrl, split_url
from service.outbound.addresses import is_public

FIELD = "webhook_url"

NAME = re.compile(r"[a-z0-9._-]+")


def judge_webhook_url(url: str, *, allow_private: bool) -> None:
    """Refuse what isn't an absolute http(s) URL, and literal addresses that aren't public.

    What a name resolves to is judged when it is called.

    Raises:
        Refused: INVALID_REQUEST.
    """
    try:
        parts = split_url(url)
        host = parts.host.name
    except NotAUrl:
        host, parts = None, None
    if parts is None or not host or parts.scheme not in {"http", "https"} or not url.isascii():
        raise invalid(FIELD, "takes an absolute http or https URL")
    if parts.username is not None:
        raise invalid(FIELD, "takes a URL without a user and a password")
    if not allow_private and _is_private(host):
        raise invalid(FIELD, "takes a public address; private, loopback and link-local ones are refused")


def _is_private(host: str) -> bool:
    name = host.rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return not is_public(name)
    except ValueError:
        # Resolvers read 127.1, 0x7f000001 and 2130706433 as addresses too; no public name looks like that.
        last = name.rpartition(".")[2]
        return last.isdecimal() or last.startswith("0x") or NAME.fullmatch(name) is None
