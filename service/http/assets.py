"""Files that come with Darkroom, as they are sent: read once, compressed once, known by their content."""

import gzip
from hashlib import sha256
from http import HTTPStatus
from pathlib import Path
from typing import Any

from litestar import Request, Response
from msgspec import Struct

MEDIA_TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".webp": "image/webp",
}
"""Of every ending there is. What Python says of one depends on its version and on the host: of scripts, too."""

PACKED = frozenset({"image/png", "image/webp"})
"""What compression makes no smaller."""


class Asset(Struct, frozen=True):
    """A file as it is, and compressed where that makes it smaller."""

    media_type: str
    content: bytes
    compressed: bytes | None
    etag: str

    @classmethod
    def read(cls, path: Path) -> "Asset":
        """A file that lies beside the code."""
        return cls.of(MEDIA_TYPES[path.suffix], path.read_bytes())

    @classmethod
    def of(cls, media_type: str, content: bytes) -> "Asset":
        """What is as good as one."""
        compressed = None if media_type in PACKED else gzip.compress(content, 9, mtime=0)
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
