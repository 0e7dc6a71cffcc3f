"""A file as HTTP gives it: whole or a range, to whoever doesn't have it yet, with what caches and browsers may do."""

import re
from http import HTTPStatus
from typing import Any

from litestar import MediaType, Request, Response
from litestar.response import Stream

from schema.models.files import FileRecord
from service.files.service import FileService
from service.files.storage import READ_AT_ONCE

RANGE = re.compile(r"bytes=(\d{0,15})-(\d{0,15})")
TAG = re.compile(r'(?:W/)?"[^"]*"|\*')
CACHE_SECONDS = 3600


async def send_file(
    request: Request[Any, Any, Any], record: FileRecord, files: FileService, *, by_link: bool
) -> Stream | Response[Any]:
    """The answer to a request for this file, by whoever may have it: by a link that says so, or by who they are."""
    etag = f'"{record.sha256}"'
    headers = {
        "Accept-Ranges": "bytes",
        # A link is its own permission. Without one the address is the same for everybody who uses this cache: it asks.
        "Cache-Control": f"private, max-age={CACHE_SECONDS}, immutable" if by_link else "private, no-cache",
        "Content-Disposition": "inline",
        # Whoever has its address may show it: an app's pages may be of another site than its photos.
        "Cross-Origin-Resource-Policy": "cross-origin",
    }
    if (path := files.accelerated(record)) is not None:
        # Ranges and preconditions are nginx's, which has an ETag of its own.
        return Response(b"", headers={**headers, "X-Accel-Redirect": path}, media_type=record.content_type)
    headers["ETag"] = etag
    # In the order of RFC 9110, 13.2.2.
    wanted, known = _tags(request, "if-match"), _tags(request, "if-none-match")
    if wanted and not wanted & {etag, "*"}:
        return Response(
            b"", status_code=HTTPStatus.PRECONDITION_FAILED, headers={"ETag": etag}, media_type=MediaType.TEXT
        )
    if known & {etag, f"W/{etag}", "*"}:
        return Response(None, status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    start, end = 0, record.size
    status = HTTPStatus.OK
    # A range of an older version of the file would be mixed with this one's bytes.
    if request.headers.get("if-range", etag) == etag and (asked := _range(request.headers.get("range"), record.size)):
        start, end = asked
        if start >= end:
            status = HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
            headers["Content-Range"] = f"bytes */{record.size}"
            return Response(b"", status_code=status, headers=headers, media_type=MediaType.TEXT)
        status = HTTPStatus.PARTIAL_CONTENT
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{record.size}"
    headers["Content-Length"] = str(end - start)
    chunks = await files.read(record, start, end)
    if end - start <= READ_AT_ONCE:
        # It is there already, in one piece.
        content = b"".join([chunk async for chunk in chunks])
        return Response(content, status_code=status, headers=headers, media_type=record.content_type)
    return Stream(chunks, status_code=status, headers=headers, media_type=record.content_type)


def _tags(request: Request[Any, Any, Any], header: str) -> set[str]:
    """The entity tags that a header lists, in one line or in several; empty where it is absent or says nothing."""
    return set(TAG.findall(",".join(request.headers.getall(header, []))))


def _range(header: str | None, size: int) -> tuple[int, int] | None:
    """The first and the last-but-one byte asked for; None where the header is absent or not one simple range."""
    match = RANGE.fullmatch(header.strip()) if header else None
    if match is None or match[0] == "bytes=-":
        return None
    if not match[1]:
        return max(0, size - int(match[2])), size
    if match[2] and int(match[2]) < int(match[1]):
        return None
    return int(match[1]), min(size, int(match[2]) + 1) if match[2] else size
