"""/results/... and /uploads/...: where the system before this one served pictures; front ends have stored that."""

from http import HTTPStatus
from typing import Any

from litestar import MediaType, Request, Response, get
from litestar.di import NamedDependency

from service.http.gate import admitted
from service.http.services import Services


@get(["/results/{rest:path}", "/uploads/{rest:path}"], before_request=admitted, include_in_schema=False)
async def old_address(request: Request[str, Any, Any], services: NamedDependency[Services]) -> Response[bytes]:
    """To the owner's token: where the picture is now, a signed URL of ours.

    Nothing of the request gets into the address that is answered. Without a token, as a plain `<img>` asks, it is 401
    whatever is there; another user's picture is 404 like one that never was.
    """
    record = await services.files.find_brought(request.user, request.scope["raw_path"])
    headers = {"Location": services.present.url_of(record), "Cache-Control": "private, no-store"}
    return Response(b"", status_code=HTTPStatus.FOUND, media_type=MediaType.TEXT, headers=headers)
