"""The built pages: one file of HTML each, and what it loads, under names that change with the content."""

from pathlib import Path
from typing import Any

from litestar import Request, Response, get
from litestar.exceptions import NotFoundException
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from service.http.assets import Asset
from service.settings import Settings

BUILT = Path(__file__).parent / "built"
PAGES = {"/": "index.html", "/operator": "operator.html", "/sign-in": "sign-in.html"}
"""Where each page is found."""

REVALIDATED = "no-cache"
FOR_EVER = "public, max-age=31536000, immutable"

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' blob:{pictures}; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def page_routes(settings: Settings) -> list[HTTPRouteHandler]:
    """Every page and its assets."""
    policy = POLICY.format(pictures=_buckets(settings))
    pages = {path: Asset.read(BUILT / name) for path, name in PAGES.items()}
    assets = {path.name: Asset.read(path) for path in (BUILT / "assets").iterdir()}

    @get(list(pages), include_in_schema=False, sync_to_thread=False)
    def page(request: Request[Any, Any, Any]) -> Response[bytes]:
        headers = {"Cache-Control": REVALIDATED, "Content-Security-Policy": policy}
        return pages[request.scope["path"].rstrip("/") or "/"].answer(request, headers)

    @get("/pages/assets/{name:str}", include_in_schema=False, sync_to_thread=False)
    def page_asset(request: Request[Any, Any, Any], name: FromPath[str]) -> Response[bytes]:
        if name not in assets:
            raise NotFoundException
        return assets[name].answer(request, {"Cache-Control": FOR_EVER})

    return [page, page_asset]


def _buckets(settings: Settings) -> str:
    """Where pictures come from other than from here: a bucket's host is known only once an address was signed."""
    if not settings.storage_url.startswith("s3:"):
        return ""
    endpoint = settings.storage_options.get("AWS_ENDPOINT_URL", "")
    return " http:" if endpoint.startswith("http:") else " https:"
