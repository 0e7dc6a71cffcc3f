"""Which URLs that somebody named may be asked at all; where a name leads is judged when it is asked."""

import re

import httpx

from service.outbound.addresses import is_public
from service.urls.splitting import NotAUrl, split_url

LONGEST_URL = 2000

NAME = re.compile(r"[a-z0-9._-]+")


UNREADABLE = (httpx.InvalidURL, UnicodeError)
"""What httpx raises for a URL that it can't read: a name in Punycode that stands for nothing is the latter."""


class NotAllowed(Exception):  # noqa: N818 - an answer, not an error of the program
    """A URL that isn't asked; the message says what it should be, for the person who named it."""


def judge_url(url: str, *, allow_private: bool) -> None:
    """Refuse what isn't an absolute http(s) URL, and literal addresses that aren't public.

    Raises:
        NotAllowed: the sentence begins with "takes".
    """
    if not url.isascii():
        raise NotAllowed("takes a URL in ASCII: other letters percent-encoded, those of a name as xn--...")
    try:
        parts = split_url(url)
        host = parts.host.name
    except NotAUrl:
        host, parts = None, None
    if parts is None or not host or parts.scheme not in {"http", "https"} or not _is_readable(url):
        raise NotAllowed("takes an absolute http or https URL")
    if len(url) > LONGEST_URL:
        raise NotAllowed(f"takes a URL of at most {LONGEST_URL} characters")
    if parts.username is not None:
        raise NotAllowed("takes a URL without a user and a password")
    if not allow_private and _is_private(host):
        raise NotAllowed("takes a public address; private, loopback and link-local ones are refused")


def _is_readable(url: str) -> bool:
    try:
        return bool(httpx.URL(url).host)
    except UNREADABLE:
        return False


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
