"""Every code an answer or a failed task can carry. Values are the contract's; they never change."""

from enum import StrEnum
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType


class ProblemCode(StrEnum):
    """Why a request was refused."""

    INVALID_REQUEST = "INVALID_REQUEST"
    INVALID_IMAGE = "INVALID_IMAGE"
    URL_NOT_ALLOWED = "URL_NOT_ALLOWED"
    URL_UNREACHABLE = "URL_UNREACHABLE"
    UNAUTHORIZED = "UNAUTHORIZED"
    INSUFFICIENT_CREDITS = "INSUFFICIENT_CREDITS"
    FORBIDDEN = "FORBIDDEN"
    NOT_FOUND = "NOT_FOUND"
    TASK_NOT_FOUND = "TASK_NOT_FOUND"
    FILE_NOT_FOUND = "FILE_NOT_FOUND"
    METHOD_NOT_ALLOWED = "METHOD_NOT_ALLOWED"
    TASK_NOT_CANCELLABLE = "TASK_NOT_CANCELLABLE"
    TASK_NOT_FINISHED = "TASK_NOT_FINISHED"
    TASK_NOT_RETRYABLE = "TASK_NOT_RETRYABLE"
    FILE_IN_USE = "FILE_IN_USE"
    FILE_TOO_LARGE = "FILE_TOO_LARGE"
    STORAGE_QUOTA_EXCEEDED = "STORAGE_QUOTA_EXCEEDED"
    INVALID_FILE_TYPE = "INVALID_FILE_TYPE"
    IDEMPOTENCY_KEY_REUSED = "IDEMPOTENCY_KEY_REUSED"
    RATE_LIMITED = "RATE_LIMITED"
    TOO_MANY_PENDING_TASKS = "TOO_MANY_PENDING_TASKS"
    INTERNAL_ERROR = "INTERNAL_ERROR"
    MODE_NOT_AVAILABLE = "MODE_NOT_AVAILABLE"
    SERVICE_UNAVAILABLE = "SERVICE_UNAVAILABLE"


STATUS = {
    ProblemCode.INVALID_REQUEST: 400,
    ProblemCode.INVALID_IMAGE: 400,
    ProblemCode.URL_NOT_ALLOWED: 400,
    ProblemCode.URL_UNREACHABLE: 400,
    ProblemCode.UNAUTHORIZED: 401,
    ProblemCode.INSUFFICIENT_CREDITS: 402,
    ProblemCode.FORBIDDEN: 403,
    ProblemCode.NOT_FOUND: 404,
    ProblemCode.TASK_NOT_FOUND: 404,
    ProblemCode.FILE_NOT_FOUND: 404,
    ProblemCode.METHOD_NOT_ALLOWED: 405,
    ProblemCode.TASK_NOT_CANCELLABLE: 409,
    ProblemCode.TASK_NOT_FINISHED: 409,
    ProblemCode.TASK_NOT_RETRYABLE: 409,
    ProblemCode.FILE_IN_USE: 409,
    ProblemCode.FILE_TOO_LARGE: 413,
    ProblemCode.STORAGE_QUOTA_EXCEEDED: 413,
    ProblemCode.INVALID_FILE_TYPE: 415,
    ProblemCode.IDEMPOTENCY_KEY_REUSED: 422,
    ProblemCode.RATE_LIMITED: 429,
    ProblemCode.TOO_MANY_PENDING_TASKS: 429,
    ProblemCode.INTERNAL_ERROR: 500,
    ProblemCode.MODE_NOT_AVAILABLE: 503,
    ProblemCode.SERVICE_UNAVAILABLE: 503,
}
"""The HTTP status of each code."""


class FieldProblem(Struct, frozen=True):
    """What is wrong with one input. `field` is a path such as `config.edge_blur`, or a parameter's name."""

    field: str
    message: str


class Problem(Struct, frozen=True, kw_only=True):
    """An error answer (RFC 9457). `detail` is a sentence for a person, `code` the word for programs."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    instance: str
    code: ProblemCode
    request_id: str
    errors: (
        Annotated[list[FieldProblem], Meta(description="Which inputs are at fault, and why; not with every code.")]
        | UnsetType
    ) = UNSET
    required: Annotated[int, Meta(description="With INSUFFICIENT_CREDITS: the price.")] | UnsetType = UNSET
    current: Annotated[int, Meta(description="With INSUFFICIENT_CREDITS: the balance.")] | UnsetType = UNSET
    deficit: Annotated[int, Meta(description="With INSUFFICIENT_CREDITS: how much is missing.")] | UnsetType = UNSET


class FailureCode(StrEnum):
    """Why a task failed."""

    NO_FACE_DETECTED = "NO_FACE_DETECTED"
    MULTIPLE_FACES_DETECTED = "MULTIPLE_FACES_DETECTED"
    NO_PERSON_DETECTED = "NO_PERSON_DETECTED"
    POSE_EXTRACTION_FAILED = "POSE_EXTRACTION_FAILED"
    IMAGE_DECODE_FAILED = "IMAGE_DECODE_FAILED"
    IMAGE_NOT_FOUND = "IMAGE_NOT_FOUND"
    INVALID_CONFIG = "INVALID_CONFIG"
    ENGINE_NOT_AVAILABLE = "ENGINE_NOT_AVAILABLE"
    ENGINE_TIMEOUT = "ENGINE_TIMEOUT"
    ENGINE_RESPONSE_ERROR = "ENGINE_RESPONSE_ERROR"
    ENGINE_AUTH_FAILED = "ENGINE_AUTH_FAILED"
    PROCESSING_TIMEOUT = "PROCESSING_TIMEOUT"
    PROCESSING_FAILED = "PROCESSING_FAILED"
    ATTEMPTS_EXHAUSTED = "ATTEMPTS_EXHAUSTED"
    RESULT_SAVE_FAILED = "RESULT_SAVE_FAILED"
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
