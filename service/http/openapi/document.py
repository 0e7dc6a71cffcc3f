"""/openapi.json and /docs: what can be asked, for programs and for people."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from litestar import Request, Router, get
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import SwaggerRenderPlugin
from litestar.openapi.spec import Components, License, SecurityScheme
from litestar.static_files import create_static_files_router  # pyright: ignore[reportUnknownVariableType]

VERSION = "1.0.0"
DOCS_ASSETS = "/docs-assets"


def openapi_config() -> OpenAPIConfig:
    """What the document says of the whole, and /docs."""
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


def docs_assets() -> Router:
    """Swagger UI from its package, so that /docs works without any other host."""
    package = find_spec("swagger_ui")
    assert package is not None  # noqa: S101 - one of our dependencies
    assert package.origin is not None  # noqa: S101 - and no namespace
    folder = Path(package.origin).parent / "static"
    return create_static_files_router(path=DOCS_ASSETS, directories=[folder], include_in_schema=False)
