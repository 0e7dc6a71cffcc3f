"""/docs and what it loads, /openapi.json: made once, and served from here alone."""

from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec
from litestar import Litestar, MediaType, Request, Response, get
from litestar.exceptions import NotFoundException
from litestar.openapi.plugins import JsonRenderPlugin, OpenAPIRenderPlugin
from litestar.params import FromPath

from service.http.assets import Asset
from service.http.layers.context import add_header
from service.http.openapi.edits import PLACEHOLDER
from service.http.openapi.shaping import shaped

CACHE_SECONDS = 3600

PAGE = b"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Darkroom</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" type="image/png" href="/docs-assets/favicon-32x32.png">
<link rel="stylesheet" href="/docs-assets/swagger-ui.css">
</head>
<body>
<div id="docs"></div>
<script src="/docs-assets/swagger-ui-bundle.js"></script>
<script src="/docs-assets/start.js"></script>
</body>
</html>
"""
START = f"""// The examples name a photo: the last one that was uploaded on this page.
const PLACEHOLDER = "{PLACEHOLDER}";
SwaggerUIBundle({{
  url: "/openapi.json", dom_id: "#docs", deepLinking: true, showExtensions: true, showCommonExtensions: true,
  responseInterceptor: (response) => {{
    if (response.status === 201 && /\\/uploads?$/.test(response.url)) {{
      sessionStorage.setItem(PLACEHOLDER, JSON.parse(response.text).file_id);
    }}
    return response;
  }},
  requestInterceptor: (request) => {{
    const uploaded = sessionStorage.getItem(PLACEHOLDER);
    if (uploaded !== null && typeof request.body === "string") {{
      request.body = request.body.replaceAll(PLACEHOLDER, uploaded);
    }}
    return request;
  }},
}});
""".encode()
POLICY = (
    # Swagger UI sets styles of elements, and shows pictures that it has fetched.
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
ASSETS = ("swagger-ui-bundle.js", "swagger-ui.css", "favicon-32x32.png", "start.js")


@lru_cache(maxsize=1)
def encoded_document(app: Litestar) -> bytes:
    """The OpenAPI document: 50 ms of processor time to make, and anybody may ask for it."""
    return msgspec.json.encode(shaped(app.openapi_schema.to_schema()))


@get("/openapi.json", media_type=MediaType.JSON, include_in_schema=False, sync_to_thread=False)
def openapi_document(request: Request[Any, Any, Any]) -> bytes:
    """What can be asked of this service, for programs."""
    return encoded_document(request.app)


class Document(JsonRenderPlugin):
    """The same below /docs, where Litestar would make it anew for everybody who asks."""

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        del openapi_schema
        return encoded_document(request.app)


class Page(OpenAPIRenderPlugin):
    """Swagger UI, which asks for the document itself."""

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        del openapi_schema
        add_header(request.scope, "Content-Security-Policy", POLICY)
        return PAGE


@get("/docs-assets/{name:str}", include_in_schema=False, sync_to_thread=False)
def docs_asset(request: Request[Any, Any, Any], name: FromPath[str]) -> Response[bytes]:
    """A file of Swagger UI's, from its package."""
    if name not in ASSETS:
        raise NotFoundException
    return _asset(name).answer(request, {"Cache-Control": f"public, max-age={CACHE_SECONDS}"})


@cache
def _asset(name: str) -> Asset:
    return Asset.of("text/javascript", START) if name == "start.js" else Asset.read(_swagger_ui() / name)


def _swagger_ui() -> Path:
    """Where the package keeps its files; importing it would take most of a second, for nothing."""
    package = find_spec("swagger_ui")
    assert package is not None  # noqa: S101 - one of our dependencies
    assert package.origin is not None  # noqa: S101 - and no namespace
    return Path(package.origin).parent / "static"
