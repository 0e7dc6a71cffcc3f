"""The composition root of the HTTP face: settings become services, services become routes."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from litestar import Litestar, Router
from litestar.config.cors import CORSConfig
from litestar.datastructures import MutableScopeHeaders
from litestar.di import Provide
from litestar.routes import HTTPRoute
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from schema.models.edits import available_modes
from service.http.answering import Answer
from service.http.bodies import LiteralRequest
from service.http.controllers.accounts import AccountController
from service.http.controllers.batches import BatchController
from service.http.controllers.events import EventController, TimelineController
from service.http.controllers.files import FileController, UploadController
from service.http.controllers.health import livez, metrics, readyz
from service.http.controllers.modes import mode_picture, modes_route
from service.http.controllers.old_addresses import old_address
from service.http.controllers.operator import OperatorController
from service.http.controllers.parameters import refuse_repeated
from service.http.controllers.session import SessionController
from service.http.controllers.tasks import TaskController
from service.http.controllers.webhooks import WebhookController
from service.http.gate import admitted
from service.http.layers.context import RequestContext
from service.http.layers.head import HeadAsGet
from service.http.layers.headers import ResponseHeaders
from service.http.layers.hosts import OneHost
from service.http.layers.proxies import TrustedProxies
from service.http.openapi.document import openapi_config
from service.http.openapi.guide import llms_txt
from service.http.openapi.pages import docs_asset, openapi_document
from service.http.pages.serving import page_routes
from service.http.problems import EXCEPTION_HANDLERS
from service.http.services import Services, open_services
from service.settings import Settings

LARGEST_JSON_BODY = 1_000_000


def create_app(settings: Settings) -> "Application":
    """The whole HTTP face as one ASGI application; it is of use inside its `opened`."""

    def services() -> Services:
        return app.state["services"]

    app = Litestar(
        route_handlers=[
            _api(settings),
            old_address,
            livez,
            readyz,
            metrics,
            openapi_document,
            docs_asset,
            llms_txt,
            *page_routes(settings),
        ],
        dependencies={"services": Provide(services, sync_to_thread=False)},
        request_class=LiteralRequest,
        response_class=Answer,
        exception_handlers=EXCEPTION_HANDLERS,
        before_send=[_allow_every_method],
        cors_config=_cors(settings),
        openapi_config=openapi_config(),
        request_max_body_size=LARGEST_JSON_BODY,
        logging_config=None,
    )
    return Application(app, settings)


class Application:
    """What the server runs. `let_waiters_go` is for a shutdown: whoever waits for a task's end is answered at once."""

    def __init__(self, app: Litestar, settings: Settings) -> None:
        self.litestar = app
        self._settings = settings
        # From the innermost to the outermost.
        layers: ASGIApp = HeadAsGet(app)
        layers = OneHost(layers)
        layers = RequestContext(layers)
        layers = ResponseHeaders(layers, varies_by_origin=bool(settings.cors_origins))
        self._layers: ASGIApp = TrustedProxies(layers, settings.trusted_proxies)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._layers(scope, receive, send)

    @asynccontextmanager
    async def opened(self, address: str | None = None) -> AsyncGenerator[None]:
        """Connected to everything. Not ASGI's lifespan: what stands in the way of it is raised as it is, to be told.

        Raises:
            See `open_services`.
        """
        async with open_services(self._settings, address) as services, self.litestar.lifespan():
            self.litestar.state["services"] = services
            yield

    def let_waiters_go(self) -> None:
        services: Services | None = self.litestar.state.get("services")
        if services is not None:
            services.waiters.stop()
            services.streams.stop()
            services.watch.stop()


def _api(settings: Settings) -> Router:
    """/api/v1: what belongs to a user, and what needs no token."""
    private = Router(
        path="/",
        route_handlers=[
            UploadController,
            TaskController,
            BatchController,
            TimelineController,
            AccountController,
            WebhookController,
        ],
        before_request=admitted,
    )
    return Router(
        path="/api/v1",
        before_request=refuse_repeated,
        route_handlers=[
            private,
            SessionController,
            OperatorController,
            FileController,
            EventController,
            mode_picture,
            modes_route(available_modes(settings.engines), settings.engines),
        ],
    )


async def _allow_every_method(message: Message, scope: Scope) -> None:
    """Litestar knows of a path only the methods that were registered at once, and nothing of our HEAD."""
    if message["type"] != "http.response.start" or all(name != b"allow" for name, _ in message["headers"]):
        return
    headers = MutableScopeHeaders.from_message(message)
    path = scope.get("path_template")
    routes = [route for route in scope["litestar_app"].routes if route.path_format == path]
    allowed = {method.strip() for method in headers["Allow"].split(",")}
    allowed.update(method for route in routes if isinstance(route, HTTPRoute) for method in route.methods)
    if "GET" in allowed:
        allowed.add("HEAD")
    headers["Allow"] = ", ".join(sorted(allowed))


def _cors(settings: Settings) -> CORSConfig | None:
    if not settings.cors_origins:
        return None
    return CORSConfig(
        allow_origins=list(settings.cors_origins),
        allow_methods=["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"],
        allow_headers=[
            "Authorization",
            "Content-Type",
            "Idempotency-Key",
            "If-Match",
            "If-None-Match",
            "If-Range",
            "Last-Event-ID",
            "Prefer",
            "Range",
            "X-Request-Id",
        ],
        expose_headers=[
            "Accept-Ranges",
            "Content-Range",
            "ETag",
            "Idempotent-Replayed",
            "Location",
            "Preference-Applied",
            "RateLimit-Limit",
            "RateLimit-Remaining",
            "RateLimit-Reset",
            "Retry-After",
            "WWW-Authenticate",
            "X-Request-Id",
        ],
    )
