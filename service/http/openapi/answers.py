"""What a route may answer besides success, for OpenAPI."""

from http import HTTPStatus
from typing import Any

from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Example

from schema.models.problems import STATUS, Problem, ProblemCode
from service.http.problems import MEDIA_TYPE

EVERYWHERE = (
    ProblemCode.UNAUTHORIZED,
    ProblemCode.RATE_LIMITED,
    ProblemCode.INTERNAL_ERROR,
    ProblemCode.SERVICE_UNAVAILABLE,
)
"""What any route of a user's may answer."""


class _NamedExample(Example):
    """An example whose id is the key it stands under, and nothing else: inside it OpenAPI knows no such field."""

    @property
    def _exclude_fields(self) -> set[str]:
        return {"id"}


def problem_specs(*codes: ProblemCode) -> dict[int, ResponseSpec]:
    """What a route may answer besides success, for OpenAPI: one response a status, one example a code."""
    by_status: dict[int, list[ProblemCode]] = {}
    for code in (*codes, *EVERYWHERE):
        by_status.setdefault(STATUS[code], []).append(code)
    return {
        status: ResponseSpec(
            Problem,
            generate_examples=False,
            description=", ".join(group),
            media_type=MEDIA_TYPE,
            examples=[_NamedExample(id=code.value, summary=code.value, value=_example(code)) for code in group],
        )
        for status, group in by_status.items()
    }


EXAMPLES: dict[ProblemCode, tuple[str, dict[str, Any]]] = {
    ProblemCode.INVALID_REQUEST: (
        "config.edge_blur: takes a number up to 10",
        {"errors": [{"field": "config.edge_blur", "message": "takes a number up to 10"}]},
    ),
    ProblemCode.INVALID_IMAGE: ("The image is incomplete: its end is missing. Please upload it again.", {}),
    ProblemCode.URL_NOT_ALLOWED: (
        "url: takes a public address; private, loopback and link-local ones are refused",
        {
            "errors": [
                {"field": "url", "message": "takes a public address; private, loopback and link-local ones are refused"}
            ]
        },
    ),
    ProblemCode.URL_UNREACHABLE: (
        "url: nothing could be fetched from there: it answered 404",
        {"errors": [{"field": "url", "message": "nothing could be fetched from there: it answered 404"}]},
    ),
    ProblemCode.UNAUTHORIZED: ("Send an API key or a token: Authorization: Bearer dk_...", {}),
    ProblemCode.INSUFFICIENT_CREDITS: (
        "This edit costs 36 credits and you have 20.",
        {"required": 36, "current": 20, "deficit": 16},
    ),
    ProblemCode.FORBIDDEN: (
        "This link has expired or was changed. Read the task again for a fresh one.",
        {},
    ),
    ProblemCode.NOT_FOUND: ("There is nothing at this address; see /docs.", {}),
    ProblemCode.METHOD_NOT_ALLOWED: ("PATCH is not possible here; see /docs.", {}),
    ProblemCode.TASK_NOT_FOUND: ("You have no task 'task_0193'.", {}),
    ProblemCode.FILE_NOT_FOUND: (
        "source_image: there is no file file_0193. Upload it first.",
        {"errors": [{"field": "source_image", "message": "there is no file file_0193. Upload it first."}]},
    ),
    ProblemCode.TASK_NOT_CANCELLABLE: ("The task is done already.", {}),
    ProblemCode.TASK_NOT_FINISHED: ("The task hasn't ended. Cancel it first, or wait for its end.", {}),
    ProblemCode.TASK_NOT_RETRYABLE: ("The task is done; only failed or cancelled tasks can be retried.", {}),
    ProblemCode.FILE_IN_USE: ("A task that hasn't ended uses this file. Cancel it, or wait for its end.", {}),
    ProblemCode.FILE_TOO_LARGE: ("file: The file is too large: at most 10,485,760 bytes are accepted.", {}),
    ProblemCode.STORAGE_QUOTA_EXCEEDED: (
        "file: Your uploads may take up 1,073,741,824 bytes, and this one is beyond that. Delete some first.",
        {},
    ),
    ProblemCode.INVALID_FILE_TYPE: (
        "GIF files aren't supported. Please upload a JPEG, PNG, WebP, HEIC or AVIF image.",
        {},
    ),
    ProblemCode.IDEMPOTENCY_KEY_REUSED: (
        "This Idempotency-Key was used with another body within the last 24 hours. Use a new key.",
        {},
    ),
    ProblemCode.RATE_LIMITED: ("Too many requests. Try again in 3 seconds.", {}),
    ProblemCode.TOO_MANY_PENDING_TASKS: (
        "You have 1000 tasks waiting already. Wait until some are done, or cancel some.",
        {},
    ),
    ProblemCode.INTERNAL_ERROR: (
        "Something went wrong on our side. If it happens again, report the request_id.",
        {},
    ),
    ProblemCode.MODE_NOT_AVAILABLE: (
        "POSE_CHANGE isn't available on this server at the moment. GET /api/v1/modes tells what is.",
        {},
    ),
    ProblemCode.SERVICE_UNAVAILABLE: (
        "The service can't reach one of its parts at the moment. Nothing was charged; try again shortly.",
        {},
    ),
}


def _example(code: ProblemCode) -> dict[str, Any]:
    detail, extra = EXAMPLES[code]
    status = STATUS[code]
    return {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "instance": "/api/v1/tasks",
        "code": code.value,
        "request_id": "9f86d081884c7d65",
        **extra,
    }
