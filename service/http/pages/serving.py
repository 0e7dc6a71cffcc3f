"""The built pages: one file of HTML each, and what it loads, under names that change with the content."""

import gzip
from hashlib import sha256
from http import HTTPStatus
from mimetypes import guess_type
from pathlib import Path
from typing import Any

from litestar import Request, Response, get
from litestar.exceptions import NotFoundException
from litestar.handlers import HTTPRouteHandler
from msgspec import Struct

from service.settings import Settings

BUILT = Path(__file__).parent / "built"
PAGES = {"/": "index.html", "/operator": "operator.html", "/sign-in": "sign-in.html"}
"""Where each page is found."""

COMPRESSED = frozenset({"text/html", "text/css", "text/javascript", "image/svg+xml"})
REVALIDATED = "no-cache"
FOR_EVER = "public, max-age=31536000, immutable"

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' blob:{pictures}; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class Served(Struct, frozen=True):
    """A file as it is sent: as it is, and compressed where that makes it smaller."""

    media_type: str
    content: bytes
    compressed: bytes | None
    etag: str

    @classmethod
    def read(cls, path: Path) -> "Served":
        """A file of the build."""
        media_type = guess_type(path.name)[0] or "application/octet-stream"
        content = path.read_bytes()
        compressed = gzip.compress(content, 9, mtime=0) if media_type in COMPRESSED else None
        return cls(media_type, content, compressed, sha256(content).hexdigest()[:32])

    def answer(self, request: Request[Any, Any, Any], headers: dict[str, str]) -> Response[bytes]:
        """The file, compressed for whoever understands that, or that it hasn't changed."""
        zipped = self.compressed is not None and "gzip" in request.headers.get("accept-encoding", "")
        # Entity tags name bytes: what is compressed has one of its own.
        etag = f'"{self.etag}{"-gzip" if zipped else ""}"'
        headers = {**headers, "ETag": etag} | ({"Vary": "Accept-Encoding"} if self.compressed is not None else {})
        if etag in request.headers.get("if-none-match", ""):
            return Response(b"", status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
        if zipped and self.compressed is not None:
            return Response(
                self.compressed, media_type=self.media_type, headers={**headers, "Content-Encoding": "gzip"}
            )
        return Response(self.content, media_type=self.media_type, headers=headers)


def page_routes(settings: Settings) -> list[HTTPRouteHandler]:
    """Every page and its assets."""
    policy = POLICY.format(pictures=_buckets(settings))
    pages = {path: Served.read(BUILT / name) for path, name in PAGES.items()}
    assets = {path.name: Served.read(path) for path in (BUILT / "assets").iterdir()}

    @get(list(pages), include_in_schema=False, sync_to_thread=False)
    def page(request: Request[Any, Any, Any]) -> Response[bytes]:
        headers = {"Cache-Control": REVALIDATED, "Content-Security-Policy": policy}
        return pages[request.scope["path"].rstrip("/") or "/"].answer(request, headers)

    @get("/pages/assets/{name:str}", include_in_schema=False, sync_to_thread=False)
    def page_asset(request: Request[Any, Any, Any], name: str) -> Response[bytes]:
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
