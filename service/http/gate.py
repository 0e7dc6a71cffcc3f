"""Before a route does anything: whose request is it, may it come from there, and has its sender some left?"""

import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from schema.models.accounts import Scope
from schema.models.problems import ProblemCode
from service.accounts.authentication import Authenticator
from service.accounts.known import Caller
from service.database.away import UNAVAILABLE
from service.http.browsers import Browsers
from service.http.controllers.parameters import refuse_repeated
from service.http.layers.context import add_header, note_user
from service.http.layers.proxies import client_network
from service.http.limits import READS_PER_WRITE, RateLimiter, Verdict
from service.refusals import Refused
from service.sharing.turns import Turns

T = TypeVar("T")

AnyConnection = ASGIConnection[Any, Any, Any, Any]

Still = Callable[[], Awaitable[bool]]
"""Whether a stream's reader may still have it."""

LOOK_AGAIN_AFTER = 5.0
"""Seconds for which they are believed to be who they were."""

SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}


class Gate:
    """Authentication, then rate limits."""

    def __init__(self, authenticator: Authenticator, browsers: Browsers, limiter: RateLimiter) -> None:
        self._authenticator = authenticator
        self._browsers = browsers
        self._limiter = limiter
        self._turns = Turns()

    async def admit(self, connection: AnyConnection) -> str:
        """The id of the user whose request this is.

        Raises:
            Refused: UNAUTHORIZED, FORBIDDEN, RATE_LIMITED.
        """
        caller = await self._authenticate(connection)
        await self._count(connection, caller.user_id)
        return caller.user_id

    async def admit_operator(self, connection: AnyConnection) -> None:
        """Let pass whose key or session has the scope `admin`.

        Raises:
            Refused: the same; FORBIDDEN for everybody else's.
        """
        caller = await self._authenticate(connection)
        await self._count(connection, caller.user_id)
        if caller.scope is not Scope.ADMIN:
            raise Refused(
                ProblemCode.FORBIDDEN,
                "This is for operators: sign in with a key whose scope is admin, or with a link from "
                "`darkroom user link USER --operator`.",
            )

    async def still_admits(self, connection: AnyConnection, scope: Scope | None = None) -> bool:
        """Whether who was admitted would be again, for streams, which outlive keys and sessions; nothing is counted.

        With the database away nobody knows better.
        """
        try:
            caller = await self._caller(*self._shown(connection))
        except UNAVAILABLE:
            return True
        return caller is not None and scope in (None, caller.scope)

    async def still_serves(self, user_id: str) -> bool:
        """The same of a user whom a signed address named."""
        try:
            return await self._authenticator.is_active(user_id)
        except UNAVAILABLE:
            return True

    async def as_long_as(self, still: Still, told: AsyncIterator[T]) -> AsyncGenerator[T]:
        """A stream, which ends before it tells anything to somebody whose key was revoked, or who was suspended.

        However many there are, and however much there is to tell on them: others' requests come between.
        """
        looked = time.monotonic()
        async for one in told:
            if time.monotonic() - looked >= LOOK_AGAIN_AFTER:
                if not await still():
                    return
                looked = time.monotonic()
            yield one
            await self._turns.take()

    async def admit_to_door(self, connection: AnyConnection) -> None:
        """Let pass who signs in or out: not for another page, and not for ever.

        Raises:
            Refused: FORBIDDEN, RATE_LIMITED.
        """
        self._browsers.refuse_other_sites(connection)
        verdict = await self._limiter.take("door", client_network(connection.scope))
        if verdict is not None and not verdict.allowed:
            raise _rate_limited(verdict)

    async def sign_in(self, connection: AnyConnection, begin: Callable[[], Awaitable[T | None]], refusal: str) -> T:
        """Begin a session, which is as limited as any other authentication.

        Raises:
            Refused: UNAUTHORIZED with `refusal` when nothing was begun; FORBIDDEN, RATE_LIMITED.
        """
        await self.admit_to_door(connection)
        address = client_network(connection.scope)
        begun = None if self._limiter.is_spent("unauthorized", address) else await begin()
        if begun is None:
            await self._count_failure(address)
            raise Refused(ProblemCode.UNAUTHORIZED, refusal)
        return begun

    async def _count(self, connection: AnyConnection, user_id: str) -> None:
        note_user(connection.scope, user_id)
        writes = _writes(connection)
        verdict = await self._limiter.take(
            "write" if writes else "read", user_id, factor=1 if writes else READS_PER_WRITE
        )
        if verdict is not None:
            _tell_limit(connection, verdict)
            if not verdict.allowed:
                raise _rate_limited(verdict)

    async def _authenticate(self, connection: AnyConnection) -> Caller:
        token, session = self._shown(connection)
        if session is not None and _writes(connection):
            self._browsers.insist_on_own_page(connection)
        address = client_network(connection.scope)
        # Who has used up the limit only guesses: nothing is looked up for it any more, unless it has been right before.
        guessing = self._limiter.is_spent("unauthorized", address)
        caller = await self._caller(token, session, only_if_known=guessing)
        if caller is not None:
            return caller
        await self._count_failure(address)
        if session is not None:
            raise Refused(ProblemCode.UNAUTHORIZED, "This session has ended. Please sign in again.")
        if not token:
            raise Refused(ProblemCode.UNAUTHORIZED, "Send an API key or a token: Authorization: Bearer dk_...")
        raise Refused(ProblemCode.UNAUTHORIZED, "This API key or token is not valid, has expired or was revoked.")

    def _shown(self, connection: AnyConnection) -> tuple[str, str | None]:
        """The token that a request brings, perhaps empty, or else its session."""
        scheme, _, token = _authorization(connection).partition(" ")
        if scheme.lower() == "bearer":
            return token.strip(), None
        return "", self._browsers.session_of(connection)

    async def _caller(self, token: str, session: str | None, *, only_if_known: bool = False) -> Caller | None:
        if session is None:
            return await self._authenticator.by_bearer(token, only_if_known=only_if_known)
        return await self._authenticator.by_session(session, only_if_known=only_if_known)

    async def _count_failure(self, address: str) -> None:
        verdict = await self._limiter.take("unauthorized", address)
        if verdict is not None and not verdict.allowed:
            raise _rate_limited(verdict)


def _authorization(connection: AnyConnection) -> str:
    """The header, without making a mapping of all of them: most requests need no other."""
    for name, value in connection.scope["headers"]:
        if name == b"authorization":
            return value.decode("latin-1")
    return ""


def _writes(connection: AnyConnection) -> bool:
    return connection.scope.get("method") not in SAFE_METHODS


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


async def admitted(request: Request[Any, Any, Any]) -> None:
    """What every route that belongs to a user has before it; handlers find the user in `request.user`.

    Whatever is asked, their tasks that are overdue have ended before.
    What may be asked of a path (OPTIONS) is told to everybody.

    No guard: Litestar copies a route's handler each time it asks one, which costs as much as everything here.
    """
    if request.scope["method"] != "OPTIONS":
        services = request.app.state.services
        user_id = await services.gate.admit(request)
        request.scope["user"] = user_id
        await services.deadlines.settle(user_id)
    await refuse_repeated(request)


async def for_operators(connection: AnyConnection, _: BaseRouteHandler) -> None:
    """The guard of what only operators may look at."""
    if connection.scope.get("method") != "OPTIONS":
        await connection.app.state.services.gate.admit_operator(connection)
