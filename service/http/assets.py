"""Files that come with Darkroom, as they are sent: read once, compressed once, known by their content."""

import gzip
from hashlib import sha256
from http import HTTPStatus
from mimetypes import guess_type
from pathlib import Path
from typing import Any

from litestar import Request, Response
from msgspec import Struct

COMPRESSED = frozenset({"text/html", "text/css", "text/javascript", "image/svg+xml"})


class Asset(Struct, frozen=True):
    """A file as it is, and compressed where that makes it smaller."""

    media_type: str
    content: bytes
    compressed: bytes | None
    etag: str

    @classmethod
    def read(cls, path: Path) -> "Asset":
        """A file that lies beside the code."""
        # Known to every Python and host alike, unlike this one.
        media_type = "image/webp" if path.suffix == ".webp" else guess_type(path.name)[0] or "application/octet-stream"
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
