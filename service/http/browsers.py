"""How a browser carries a session, and how its writes are told from another site's.

A cookie goes with every request to its host, whoever had the browser send it. SameSite=Strict keeps it from requests of
other sites; but a page on another port of this machine, or of a sister domain, is of the same site. So writes name the
page they come from, in Sec-Fetch-Site, which no page can set. Browsers send that over https and to this machine itself;
over plain http in a network Origin tells (the order is that of Go's CrossOriginProtection).
"""

from datetime import UTC, datetime
from typing import Any

import httpx
from litestar.connection import ASGIConnection
from litestar.datastructures import Cookie

from schema.models.problems import ProblemCode
from service.refusals import Refused

AnyConnection = ASGIConnection[Any, Any, Any, Any]

COOKIE = "darkroom"
HOST_COOKIE = f"__Host-{COOKIE}"
"""The name over https: no page of another subdomain, or that came without TLS, can have set it."""

OWN_PAGE = "same-origin"


class Browsers:
    """Reads and makes the cookie. `public_url`: where browsers find us, whatever a proxy in between makes of it."""

    def __init__(self, public_url: str | None) -> None:
        self._public = httpx.URL(public_url) if public_url else None

    def session_of(self, connection: AnyConnection) -> str | None:
        """The token in the cookie, or None."""
        over_https = connection.cookies.get(HOST_COOKIE)
        if over_https or self._is_secure(connection):
            return over_https or None
        return connection.cookies.get(_plain_name(connection)) or None

    def cookie(self, connection: AnyConnection, token: str, ends_at: datetime) -> Cookie:
        """What has the browser keep the session, to its end; the server knows when it is over before."""
        return self._cookie(connection, token, max(0, int((ends_at - datetime.now(UTC)).total_seconds())))

    def no_cookie(self, connection: AnyConnection) -> Cookie:
        """What has it forget the session."""
        return self._cookie(connection, "", 0, was_secure=HOST_COOKIE in connection.cookies)

    def insist_on_own_page(self, connection: AnyConnection) -> None:
        """Refuse a write with a cookie that doesn't come from a page of ours. Raises Refused: FORBIDDEN."""
        site = connection.headers.get("sec-fetch-site")
        if site != OWN_PAGE if site is not None else not self._is_own_origin(connection):
            raise _foreign()

    def refuse_other_sites(self, connection: AnyConnection) -> None:
        """Refuse what another page sends, but not what no browser sends. Raises Refused: FORBIDDEN.

        Otherwise any page could sign its visitors in to an account of its own, and wait for their photos.
        """
        if "sec-fetch-site" in connection.headers or "origin" in connection.headers:
            self.insist_on_own_page(connection)

    def _is_own_origin(self, connection: AnyConnection) -> bool:
        _, separator, host = connection.headers.get("origin", "").partition("://")
        own = {connection.headers.get("host", ""), self._public.netloc.decode() if self._public else ""}
        return bool(separator and host) and host in own

    def _cookie(self, connection: AnyConnection, value: str, max_age: int, *, was_secure: bool = False) -> Cookie:
        secure = was_secure or self._is_secure(connection)
        return Cookie(
            HOST_COOKIE if secure else _plain_name(connection),
            "/",
            value,
            max_age=max_age,
            secure=secure,
            httponly=True,
            samesite="strict",
        )

    def _is_secure(self, connection: AnyConnection) -> bool:
        if connection.scope["scheme"] == "https" or (self._public is not None and self._public.scheme == "https"):
            return True
        # A proxy in between that nobody told us of: the browser knows how its page was loaded.
        return connection.headers.get("origin", "").startswith("https://") and self._is_own_origin(connection)


def _plain_name(connection: AnyConnection) -> str:
    """Browsers keep cookies apart by host, not by port: several stacks on a machine have a name each."""
    port = connection.headers.get("host", "").rpartition(":")[2]
    return f"{COOKIE}-{port}" if port.isdecimal() else COOKIE


def _foreign() -> Refused:
    return Refused(
        ProblemCode.FORBIDDEN,
        "This was asked for by a page that isn't Darkroom's own. A session is good on its page only.",
    )
