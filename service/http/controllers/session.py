"""/session: signing a browser in and out."""

from http import HTTPStatus
from typing import Any

from litestar import Controller, Request, Response, delete, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from schema.models.accounts import Session, SignIn
from schema.models.problems import ProblemCode as Code
from service.http.layers.context import note_user
from service.http.openapi.answers import problem_specs
from service.http.problems import JSON_BODY_HANDLERS
from service.http.services import Services
from service.refusals import invalid

AnyRequest = Request[Any, Any, Any]

NO_LINK = "This link was used already, or is older than 15 minutes. `darkroom user link` makes another."
NO_KEY = "This API key or token is not valid, has expired or was revoked."


class SessionController(Controller):
    """A session is a cookie, good for what an API key of its user may. Writes with it come from our own pages."""

    path = "/session"
    tags = ("Account",)
    security = ({},)

    @post(
        exception_handlers=JSON_BODY_HANDLERS,
        responses=problem_specs(Code.INVALID_REQUEST, Code.FORBIDDEN),
    )
    async def sign_in(
        self, request: AnyRequest, data: JSONBody[SignIn], services: NamedDependency[Services]
    ) -> Response[Session]:
        """Sign a browser in: with what a one-time link holds, or with an API key or a JWT."""
        if data.link is not None and data.token is None:
            link = data.link
            begun = await services.gate.sign_in(request, lambda: services.sessions.by_link(link), NO_LINK)
        elif data.token is not None and data.link is None:
            token = data.token
            begun = await services.gate.sign_in(request, lambda: services.sessions.by_token(token), NO_KEY)
        else:
            raise invalid("body", "takes exactly one of link and token")
        await _end_of_before(request, services)
        note_user(request.scope, begun.session.user_id)
        cookie = services.browsers.cookie(request, begun.token, begun.session.ends_at)
        return Response(begun.session, cookies=[cookie])

    @delete(responses=problem_specs(Code.FORBIDDEN))
    async def sign_out(self, request: AnyRequest, services: NamedDependency[Services]) -> Response[None]:
        """End the session, here and for every page of this browser; without one nothing happens."""
        await services.gate.admit_to_door(request)
        await _end_of_before(request, services)
        cookie = services.browsers.no_cookie(request)
        return Response(None, status_code=HTTPStatus.NO_CONTENT, cookies=[cookie])


async def _end_of_before(request: AnyRequest, services: Services) -> None:
    """A browser has one session: the one it had ends."""
    before = services.browsers.session_of(request)
    if before is not None:
        await services.sessions.end(before)
