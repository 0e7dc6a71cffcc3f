"""Every error becomes one kind of document: application/problem+json (RFC 9457)."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import (
    HTTPException,
    MethodNotAllowedException,
    NotFoundException,
    SerializationException,
    ValidationException,
)
from litestar.exceptions.http_exceptions import RequestEntityTooLarge
from litestar.handlers import HTTPRouteHandler
from litestar.utils.scope.state import ScopeState
from msgspec import UNSET

from schema.models.problems import STATUS, FieldProblem, Problem, ProblemCode
from service.database import UNAVAILABLE
from service.database.away import CHANGED_BELOW_US
from service.http.layers.context import has_hung_up, request_id_of
from service.refusals import Refused
from service.storage_errors import StorageError
from service.telling.wording import explain_malformed, explain_validation

MEDIA_TYPE = "application/problem+json"
LONGEST_INSTANCE = 500
RETRY_AFTER = 2

NO_BODY = "'data'"
"""Litestar's words for a body that is empty."""

log = structlog.get_logger(__name__)


def problem_response(
    request: Request[Any, Any, Any],
    code: ProblemCode,
    detail: str,
    *,
    errors: list[FieldProblem] | None = None,
    retry_after: int | None = None,
    extra: dict[str, Any] | None = None,
) -> Response[Problem]:
    """The answer for a code of the contract."""
    status = STATUS[code]
    headers: dict[str, str] = {}
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="darkroom"'
    if retry_after is not None:
        headers["Retry-After"] = str(retry_after)
    return Response(
        Problem(
            title=HTTPStatus(status).phrase,
            status=status,
            detail=detail,
            instance=request.scope["path"][:LONGEST_INSTANCE],
            code=code,
            request_id=request_id_of(request.scope),
            errors=errors or UNSET,
            **(extra or {}),
        ),
        status_code=status,
        headers=headers,
        media_type=MEDIA_TYPE,
    )


def _refused(request: Request[Any, Any, Any], refused: Refused) -> Response[Problem]:
    errors, detail = None, refused.message
    if refused.field:
        errors, detail = [FieldProblem(refused.field, refused.message)], f"{refused.field}: {refused.message}"
    return problem_response(
        request, refused.code, detail, errors=errors, retry_after=refused.retry_after, extra=refused.extra
    )


def _field_problems(exception: ValidationException, body: Any) -> list[FieldProblem]:
    """Litestar's and msgspec's words for invalid input, as fields; `body` is the type of what the route takes."""
    extra = exception.extra if isinstance(exception.extra, list) else []
    problems: list[FieldProblem] = []
    for entry in extra:
        message, key = str(entry.get("message", "")), str(entry.get("key", ""))
        problems.append(_field_problem(message, key, body))
    if not problems and isinstance(exception.__cause__, msgspec.DecodeError):
        problems.append(_field_problem(str(exception.__cause__), "", body))
    return problems


def _field_problem(message: str, key: str, body: Any) -> FieldProblem:
    # Litestar's key is the parameter's name or begins at `data`, the body; what it names may be in the path as well.
    place = [] if key in {"", "data"} else [key.removeprefix("data.")]
    path, words = explain_validation(message, body, at=".".join(place))
    if path and path not in place:
        place.append(path)
    if message == NO_BODY:
        words = "is required: send JSON"
    return FieldProblem(".".join(place) or "body", words)


def _invalid(request: Request[Any, Any, Any], exception: ValidationException) -> Response[Problem]:
    handler = request.scope["route_handler"]
    body = handler.parsed_data_field if isinstance(handler, HTTPRouteHandler) else None
    errors = _field_problems(exception, None if body is None else body.annotation)
    detail = "; ".join(f"{error.field}: {error.message}" for error in errors) or "The request is not valid."
    return problem_response(request, ProblemCode.INVALID_REQUEST, detail, errors=errors)


def _http_error(request: Request[Any, Any, Any], exception: HTTPException) -> Response[Problem]:
    if isinstance(exception, NotFoundException):
        return problem_response(request, ProblemCode.NOT_FOUND, "There is nothing at this address; see /docs.")
    if isinstance(exception, MethodNotAllowedException):
        response = problem_response(
            request, ProblemCode.METHOD_NOT_ALLOWED, f"{request.method} is not possible here; see /docs."
        )
        response.headers.update(exception.headers or {})
        return response
    if exception.status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
        # The client's fault in a way that only the framework knows: malformed JSON, a body beyond the limit.
        return _bad_body(request, _unreadable(request, exception))
    if has_hung_up(request.scope):
        # Nobody is left to read this; the log tells that it was the client.
        return _bad_body(request, "the request was broken off")
    return _unexpected(request, exception)


def _unreadable(request: Request[Any, Any, Any], exception: HTTPException) -> str:
    if isinstance(exception, RequestEntityTooLarge):
        return "the request is too large"
    if not isinstance(exception.__cause__, SerializationException):
        return "the request can't be read"
    if isinstance(exception.__cause__.__cause__, msgspec.ValidationError):
        path, words = explain_validation(exception.detail)
        return f"{path} {words}".lstrip()
    body = ScopeState.from_scope(request.scope).body
    return explain_malformed(exception.detail, body if isinstance(body, bytes) else b"")


def _bad_body(request: Request[Any, Any, Any], message: str) -> Response[Problem]:
    errors = [FieldProblem("body", message)]
    return problem_response(request, ProblemCode.INVALID_REQUEST, f"body: {message}", errors=errors)


def _no_text(request: Request[Any, Any, Any], _: UnicodeDecodeError) -> Response[Problem]:
    return _bad_body(request, "JSON is malformed: it isn't UTF-8")


def _too_deep(request: Request[Any, Any, Any], _: RecursionError) -> Response[Problem]:
    return _bad_body(request, "JSON is nested too deeply")


def _unavailable(request: Request[Any, Any, Any], exception: Exception) -> Response[Problem]:
    # Which table it is, say: the server's words, none of them a user's.
    said = {"said": str(exception)} if isinstance(exception, CHANGED_BELOW_US) else {}
    log.warning("a part of the service is away", error=type(exception).__name__, **said)
    return problem_response(
        request,
        ProblemCode.SERVICE_UNAVAILABLE,
        "The service can't reach one of its parts at the moment. Nothing was charged; try again shortly.",
        retry_after=RETRY_AFTER,
    )


def _unexpected(request: Request[Any, Any, Any], exception: Exception) -> Response[Problem]:
    log.error("unexpected error", path=request.scope["path"], exc_info=exception)
    return problem_response(
        request,
        ProblemCode.INTERNAL_ERROR,
        "Something went wrong on our side. If it happens again, report the request_id.",
    )


EXCEPTION_HANDLERS: dict[int | type[Exception], Callable[[Request[Any, Any, Any], Any], Response[Any]]] = {
    Refused: _refused,
    ValidationException: _invalid,
    HTTPException: _http_error,
    StorageError: _unavailable,
    **dict.fromkeys(UNAVAILABLE, _unavailable),
    Exception: _unexpected,
}

JSON_BODY_HANDLERS: dict[int | type[Exception], Callable[[Request[Any, Any, Any], Any], Response[Any]]] = {
    UnicodeDecodeError: _no_text,
    RecursionError: _too_deep,
}
"""For routes that take JSON: what decoding it raises besides the framework's own exceptions."""
