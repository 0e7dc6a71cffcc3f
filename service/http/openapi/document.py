"""What the OpenAPI document says of the whole."""

from typing import Any

from litestar import MediaType, Router
from litestar.connection import ASGIConnection
from litestar.exceptions import NotFoundException
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.spec import Components, License, SecurityScheme
from litestar.types import Method
from litestar.types.internal_types import PathParameterDefinition

from schema.version import VERSION
from service.http.openapi.guide import SUMMARY, guide
from service.http.openapi.pages import Document, Page


def _operation_id(handler: HTTPRouteHandler, _: Method, path: list[str | PathParameterDefinition]) -> str:
    """The handler's name: what a generator calls its function."""
    return f"{handler.handler_name}_alias" if path[-1] == "upload" else handler.handler_name


def _is_there(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """For all else below /docs Litestar has a page of its own, where everybody else gets a problem."""
    if connection.scope["path"].rstrip("/") not in {"/docs", "/docs/openapi.json"}:
        raise NotFoundException


def openapi_config() -> OpenAPIConfig:
    """What the document says of the whole, and /docs."""
    return OpenAPIConfig(
        title="Darkroom",
        version=VERSION,
        summary=SUMMARY,
        description=guide(),
        license=License(name="MIT", identifier="MIT"),
        openapi_router=Router("/docs", route_handlers=[], include_in_schema=False, guards=[_is_there]),
        security=[{"bearer": []}, {"session": []}],
        components=Components(
            security_schemes={
                "bearer": SecurityScheme(
                    type="http", scheme="bearer", description="An API key (dk_...) or an HS256 JWT with sub and exp."
                ),
                "session": SecurityScheme(
                    type="apiKey",
                    security_scheme_in="cookie",
                    name="__Host-darkroom",
                    description="A browser's session (POST /api/v1/session); `darkroom-PORT` over plain http. Writes "
                    "with it have to come from a page of the same origin.",
                ),
            }
        ),
        operation_id_creator=_operation_id,
        use_handler_docstrings=True,
        render_plugins=[Page(path="/"), Document(media_type=MediaType.JSON)],
    )
