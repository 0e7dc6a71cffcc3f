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
        "config.edge_blur: Expected `float` <= 10.0",
        {"errors": [{"field": "config.edge_blur", "message": "Expected `float` <= 10.0"}]},
    ),
    ProblemCode.INSUFFICIENT_CREDITS: (
        "This edit costs 36 credits and you have 20.",
        {"required": 36, "current": 20, "deficit": 16},
    ),
    ProblemCode.UNAUTHORIZED: ("Send an API key or a token: Authorization: Bearer dk_...", {}),
}


def _example(code: ProblemCode) -> dict[str, Any]:
    detail, extra = EXAMPLES.get(code, ("A sentence that tells a person what to do.", {}))
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
