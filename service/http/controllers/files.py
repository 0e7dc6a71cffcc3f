"""/uploads and /files: photos in, pictures out."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any

import msgspec
from litestar import Controller, Request, Response, delete, get, post
from litestar.di import NamedDependency
from litestar.exceptions import InternalServerException
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import OpenAPIMediaType, Operation, RequestBody, Schema
from litestar.openapi.spec.enums import OpenAPIFormat, OpenAPIType
from litestar.params import FromPath, QueryParameter
from litestar.response import Stream

from schema.models.files import FileList, NewFetch, UploadedFile
from schema.models.problems import ProblemCode as Code
from service.files.receiving import MAX_PURPOSE
from service.http.controllers.parameters import Cursor, PageSize
from service.http.gate import admitted
from service.http.openapi.answers import problem_specs
from service.http.sending import send_file
from service.http.services import Services
from service.outbound.urls import LONGEST_URL
from service.refusals import Refused, invalid
from service.signing import BadSignature
from service.telling.wording import explain_malformed, explain_validation

LARGEST_FETCH = 20_000
"""Bytes of JSON that name what is to be fetched."""

UserRequest = Request[str, Any, Any]

PICTURE = {
    int(HTTPStatus.OK): ResponseSpec(bytes, generate_examples=False, media_type="image/*", description="The file."),
    int(HTTPStatus.PARTIAL_CONTENT): ResponseSpec(
        bytes, generate_examples=False, media_type="image/*", description="The range asked for."
    ),
    int(HTTPStatus.NOT_MODIFIED): ResponseSpec(None, description="The ETag in If-None-Match is still right."),
    int(HTTPStatus.PRECONDITION_FAILED): ResponseSpec(None, description="The ETag in If-Match isn't the file's."),
    int(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE): ResponseSpec(None, description="The range begins beyond the end."),
}
"""What reading a file answers, for OpenAPI."""


@dataclass
class UploadOperation(Operation):
    """The form of an upload, or the JSON in its place, for OpenAPI: the route itself reads a stream."""

    def __post_init__(self) -> None:
        form = Schema(
            type=OpenAPIType.OBJECT,
            properties={
                "file": Schema(
                    type=OpenAPIType.STRING, format=OpenAPIFormat.BINARY, description="JPEG, PNG, WebP, HEIC or AVIF."
                ),
                "purpose": Schema(type=OpenAPIType.STRING, max_length=MAX_PURPOSE),
            },
            required=["file"],
        )
        fetch = Schema(
            type=OpenAPIType.OBJECT,
            properties={
                "url": Schema(
                    type=OpenAPIType.STRING,
                    format=OpenAPIFormat.URI_REFERENCE,
                    max_length=LONGEST_URL,
                    description="Fetched within 30 s, over at most 3 redirects, from public addresses.",
                ),
                "purpose": Schema(type=OpenAPIType.STRING, max_length=MAX_PURPOSE),
            },
            required=["url"],
            additional_properties=False,
        )
        self.request_body = RequestBody(
            content={
                "multipart/form-data": OpenAPIMediaType(schema=form),
                "application/json": OpenAPIMediaType(schema=fetch),
            },
            required=True,
        )


class UploadController(Controller):
    """Photos in."""

    path = "/"
    tags = ("Files",)

    @post(
        ["/uploads", "/upload"],
        operation_class=UploadOperation,
        # Counted while it is received, against MAX_UPLOAD_BYTES.
        request_max_body_size=None,
        responses=problem_specs(
            Code.INVALID_REQUEST,
            Code.INVALID_IMAGE,
            Code.URL_NOT_ALLOWED,
            Code.URL_UNREACHABLE,
            Code.FILE_TOO_LARGE,
            Code.STORAGE_QUOTA_EXCEEDED,
            Code.INVALID_FILE_TYPE,
        ),
    )
    async def upload(
        self,
        request: UserRequest,
        services: NamedDependency[Services],
    ) -> UploadedFile:
        """Upload a photo: a form with the part `file`, and perhaps `purpose`; or JSON with its `url`."""
        content_type = request.headers.get("content-type", "")
        if content_type.partition(";")[0].strip().lower() == "application/json":
            asked = await _asked(request)
            return services.present.uploaded(await services.files.fetch(request.user, asked.url, asked.purpose))
        return services.present.uploaded(await services.files.upload(request.user, _body(request), content_type))


async def _asked(request: UserRequest) -> NewFetch:
    """What is to be fetched. Nothing of it is large."""
    body = bytearray()
    async for chunk in _body(request):
        body += chunk
        if len(body) > LARGEST_FETCH:
            raise invalid("body", "the request is too large")
    try:
        return msgspec.json.decode(body, type=NewFetch)
    except msgspec.ValidationError as error:
        path, words = explain_validation(str(error), NewFetch)
        raise invalid(path or "body", words) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise invalid("body", explain_malformed(str(error), bytes(body))) from None


async def _body(request: UserRequest) -> AsyncGenerator[bytes]:
    """The body as it comes. A client that breaks off is no error of ours."""
    try:
        async for chunk in request.stream():
            yield chunk
    except InternalServerException:
        raise Refused(Code.INVALID_REQUEST, "The upload was broken off.", field="body") from None


class FileController(Controller):
    """Pictures out."""

    path = "/files"
    tags = ("Files",)

    @get(
        before_request=admitted,
        responses=problem_specs(
            Code.INVALID_REQUEST,
        ),
    )
    async def list_files(
        self,
        request: UserRequest,
        services: NamedDependency[Services],
        cursor: Cursor = None,
        page_size: PageSize = 20,
    ) -> FileList:
        """One's own files, newest first: uploads, and what edits made."""
        records, pagination = await services.files.list_files(request.user, cursor=cursor, page_size=page_size)
        return FileList([services.present.listed(record) for record in records], pagination)

    @get(
        "/{file_id:str}",
        # Its owner's token, or the signature in the URL.
        security=[{"bearer": []}, {}],
        responses=PICTURE
        | problem_specs(
            Code.INVALID_REQUEST,
            Code.FORBIDDEN,
            Code.FILE_NOT_FOUND,
        ),
    )
    async def get_file(
        self,
        request: Request[Any, Any, Any],
        file_id: FromPath[str],
        services: NamedDependency[Services],
        expires: Annotated[str | None, QueryParameter(description="From a signed URL.")] = None,
        signature: Annotated[str | None, QueryParameter(description="From a signed URL.")] = None,
    ) -> Stream | Response[Any]:
        """A file's bytes, for its owner's token or for a signed URL; with ETag and Range."""
        user_id = None
        if expires is None and signature is None:
            user_id = await services.gate.admit(request)
        else:
            try:
                services.urls.verify(file_id, expires or "", signature or "", now=datetime.now(UTC))
            except BadSignature:
                raise Refused(
                    Code.FORBIDDEN, "This link has expired or was changed. Read the task again for a fresh one."
                ) from None
        record = await services.files.find(file_id, user_id=user_id)
        return await send_file(request, record, services.files, by_link=user_id is None)

    @delete(
        "/{file_id:str}",
        before_request=admitted,
        responses=problem_specs(
            Code.INVALID_REQUEST,
            Code.FILE_NOT_FOUND,
            Code.FILE_IN_USE,
        ),
    )
    async def delete_file(
        self, request: UserRequest, file_id: FromPath[str], services: NamedDependency[Services]
    ) -> None:
        """Delete a file that no unfinished task needs."""
        await services.files.delete(request.user, file_id)
