"""The composition root of the HTTP face: settings become services, services become routes."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import structlog
from litestar import Litestar, Request, Router, get
from litestar.config.cors import CORSConfig
from litestar.datastructures import State
from litestar.di import Provide
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import SwaggerRenderPlugin
from litestar.openapi.spec import Components, License, SecurityScheme
from litestar.static_files import create_static_files_router  # pyright: ignore[reportUnknownVariableType]
from msgspec import Struct

from schema.models.edits import available_modes
from service.accounts.authentication import Authenticator
from service.database import Pool, open_pool
from service.files.library import FileLibrary
from service.files.storage import Storage
from service.files.urls import FileUrls
from service.http.context import RequestContext
from service.http.controllers.accounts import AccountController
from service.http.controllers.files import FileController, UploadController
from service.http.controllers.health import livez, readyz
from service.http.controllers.modes import modes_route
from service.http.controllers.tasks import TaskController
from service.http.gate import Gate, authenticated
from service.http.limits import RateLimiter
from service.http.presenting import Presenter
from service.http.problems import EXCEPTION_HANDLERS
from service.migrations import check_schema
from service.queue import Queue
from service.settings import Settings
from service.tasks.dispatch import Dispatcher
from service.tasks.service import TaskService
from service.tasks.submission import Rules
from service.tasks.waiting import Waiters

VERSION = "1.0.0"
LARGEST_JSON_BODY = 1_000_000
DOCS_ASSETS = "/docs-assets"

log = structlog.get_logger(__name__)


class Services(Struct, frozen=True):
    """Everything a request may need, made once per process. Handlers ask for these by name."""

    pool: Pool
    queue: Queue
    storage: Storage
    urls: FileUrls
    gate: Gate
    library: FileLibrary
    present: Presenter
    tasks: TaskService
    waiters: Waiters


@asynccontextmanager
async def open_services(settings: Settings) -> AsyncGenerator[Services]:
    """Connect to everything, and close it again.

    Raises:
        SchemaError: The database's schema is older than this version.
    """
    pool = await open_pool(settings, min_size=min(2, settings.database_pool_size))
    async with pool.acquire() as connection:
        await check_schema(connection)
        log.info("database pool created", server_version=await connection.fetchval("SHOW server_version"))
    queue = Queue(settings.redis_url)
    storage = Storage.open(settings.storage_url, settings.storage_options)
    urls = FileUrls(settings.require_secret(), settings.public_url, storage)
    dispatcher = Dispatcher(pool, queue)
    waiters = Waiters(pool, queue)
    services = Services(
        pool=pool,
        queue=queue,
        storage=storage,
        urls=urls,
        gate=Gate(Authenticator(pool, settings.require_secret()), RateLimiter(queue, settings.rate_limit_per_minute)),
        library=FileLibrary(pool, storage, max_bytes=settings.max_upload_bytes, max_pixels=settings.max_image_pixels),
        present=Presenter(urls),
        tasks=TaskService(
            pool,
            dispatcher,
            waiters,
            Rules(
                available=available_modes(settings.engines),
                max_pending=settings.max_pending_per_user,
                allow_private_webhooks=settings.webhook_allow_private,
            ),
        ),
        waiters=waiters,
    )
    await dispatcher.start()
    await waiters.start()
    try:
        yield services
    finally:
        await waiters.close()
        await dispatcher.close()
        await queue.close()
        await pool.close()


def create_app(settings: Settings) -> "Application":
    """The whole HTTP face as one ASGI application; it connects when its lifespan begins."""

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncGenerator[None]:
        async with open_services(settings) as services:
            for name in Services.__struct_fields__:
                app.state[name] = getattr(services, name)
            yield

    app = Litestar(
        route_handlers=[_api(settings), livez, readyz, openapi_document, _docs_assets()],
        dependencies={name: _service(name) for name in Services.__struct_fields__},
        lifespan=[lifespan],
        exception_handlers=EXCEPTION_HANDLERS,
        cors_config=_cors(settings),
        openapi_config=_openapi(),
        request_max_body_size=LARGEST_JSON_BODY,
        logging_config=None,
    )
    return Application(app)


class Application(RequestContext):
    """What the server runs. `let_waiters_go` is for a shutdown: whoever waits for a task's end is answered at once."""

    def __init__(self, app: Litestar) -> None:
        super().__init__(app)
        self.litestar = app

    def let_waiters_go(self) -> None:
        waiters: Waiters | None = self.litestar.state.get("waiters")
        if waiters is not None:
            waiters.stop()


def _api(settings: Settings) -> Router:
    """/api/v1: what belongs to a user, and what needs no token."""
    private = Router(
        path="/",
        route_handlers=[UploadController, TaskController, AccountController],
        guards=[authenticated],
    )
    return Router(
        path="/api/v1", route_handlers=[private, FileController, modes_route(available_modes(settings.engines))]
    )


def _service(name: str) -> Provide:
    def provide(state: State) -> Any:
        return state[name]

    return Provide(provide, sync_to_thread=False)


def _cors(settings: Settings) -> CORSConfig | None:
    if not settings.cors_origins:
        return None
    return CORSConfig(
        allow_origins=list(settings.cors_origins),
        allow_methods=["GET", "POST", "PUT", "DELETE", "OPTIONS"],
        allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "Prefer", "Range", "X-Request-Id"],
        expose_headers=[
            "ETag",
            "Idempotent-Replayed",
            "Location",
            "RateLimit-Limit",
            "RateLimit-Remaining",
            "RateLimit-Reset",
            "Retry-After",
            "X-Request-Id",
        ],
    )


def _openapi() -> OpenAPIConfig:
    return OpenAPIConfig(
        title="Darkroom",
        version=VERSION,
        summary="Edits photos of people as asynchronous tasks",
        license=License(name="MIT", identifier="MIT"),
        path="/docs",
        security=[{"bearer": []}],
        components=Components(
            security_schemes={
                "bearer": SecurityScheme(
                    type="http", scheme="bearer", description="An API key (dk_...) or an HS256 JWT with sub and exp."
                )
            }
        ),
        use_handler_docstrings=True,
        render_plugins=[
            SwaggerRenderPlugin(
                path="/",
                js_url=f"{DOCS_ASSETS}/swagger-ui-bundle.js",
                css_url=f"{DOCS_ASSETS}/swagger-ui.css",
                standalone_preset_js_url=f"{DOCS_ASSETS}/swagger-ui-standalone-preset.js",
                favicon="",
            ),
        ],
    )


@get("/openapi.json", include_in_schema=False, sync_to_thread=False)
def openapi_document(request: Request[Any, Any, Any]) -> dict[str, Any]:
    """What can be asked of this service, for programs."""
    return request.app.openapi_schema.to_schema()


def _docs_assets() -> Router:
    """Swagger UI from its package, so that /docs works without any other host."""
    package = find_spec("swagger_ui")
    assert package is not None  # noqa: S101 - one of our dependencies
    assert package.origin is not None  # noqa: S101 - and no namespace
    folder = Path(package.origin).parent / "static"
    return create_static_files_router(path=DOCS_ASSETS, directories=[folder], include_in_schema=False)
