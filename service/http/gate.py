"""Before a route does anything: whose request is it, and has its sender some left?"""

from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from schema.models.problems import ProblemCode
from service.accounts.authentication import Authenticator
from service.http.layers.context import add_header, note_user
from service.http.layers.proxies import client_network
from service.http.limits import READS_PER_WRITE, RateLimiter, Verdict
from service.refusals import Refused

AnyConnection = ASGIConnection[Any, Any, Any, Any]

SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}


class Gate:
    """Authentication, then rate limits, as guards of the routes."""

    def __init__(self, authenticator: Authenticator, limiter: RateLimiter) -> None:
        self._authenticator = authenticator
        self._limiter = limiter

    async def admit(self, connection: AnyConnection) -> str:
        """The id of the user whose request this is.

        Raises:
            Refused: UNAUTHORIZED, RATE_LIMITED.
        """
        user_id = await self._authenticate(connection)
        note_user(connection.scope, user_id)
        writes = connection.scope.get("method") not in SAFE_METHODS
        verdict = await self._limiter.take(
            "write" if writes else "read", user_id, factor=1 if writes else READS_PER_WRITE
        )
        if verdict is not None:
            _tell_limit(connection, verdict)
            if not verdict.allowed:
                raise _rate_limited(verdict)
        return user_id

    async def _authenticate(self, connection: AnyConnection) -> str:
        scheme, _, token = connection.headers.get("authorization", "").partition(" ")
        token = token.strip() if scheme.lower() == "bearer" else ""
        address = client_network(connection.scope)
        # Who has used up the limit only guesses: nothing is looked up for it any more, unless it has been right before.
        guessing = self._limiter.is_spent("unauthorized", address)
        user_id = await self._authenticator.user_of(token, only_if_known=guessing)
        if user_id is not None:
            return user_id
        verdict = await self._limiter.take("unauthorized", address)
        if verdict is not None and not verdict.allowed:
            raise _rate_limited(verdict)
        if not token:
            raise Refused(ProblemCode.UNAUTHORIZED, "Send an API key or a token: Authorization: Bearer dk_...")
        raise Refused(ProblemCode.UNAUTHORIZED, "This API key or token is not valid, has expired or was revoked.")


def _tell_limit(connection: AnyConnection, verdict: Verdict) -> None:
    add_header(connection.scope, "RateLimit-Limit", str(verdict.limit))
    add_header(connection.scope, "RateLimit-Remaining", str(verdict.remaining))
    add_header(connection.scope, "RateLimit-Reset", str(verdict.reset))


def _rate_limited(verdict: Verdict) -> Refused:
    return Refused(
        ProblemCode.RATE_LIMITED,
        f"More than {verdict.limit} requests in a minute. Wait {verdict.reset} s.",
        retry_after=verdict.reset,
    )


async def authenticated(connection: AnyConnection, _: BaseRouteHandler) -> None:
    """The guard of every route that belongs to a user; handlers find the user in `request.user`.

    What may be asked of a path (OPTIONS) is told to everybody.
    """
    if connection.scope.get("method") == "OPTIONS":
        return
    connection.scope["user"] = await connection.app.state.services.gate.admit(connection)
