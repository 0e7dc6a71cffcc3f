"""What can go wrong, a class for each of Darkroom's codes: `except InsufficientCredits as error: error.deficit`."""

from typing import Any, ClassVar

from darkroom_client.models import Failure, Task


class DarkroomError(Exception):
    """Whatever this package raises about Darkroom. Goes to other processes and threads as it is."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled, and copied, by what it is made of: its text is made of that."""
        return (type(self), self._made_of, None)

    @property
    def _made_of(self) -> tuple[Any, ...]:
        return self.args


class Unreachable(DarkroomError):
    """Nobody answered, also when asked again; or something that isn't Darkroom did."""


class StillRunning(DarkroomError):
    """A task hasn't ended within the time that was given. It goes on."""

    def __init__(self, task: Task) -> None:
        super().__init__(f"{task.task_id} is still {task.status}")
        self.task = task

    @property
    def _made_of(self) -> tuple[Any, ...]:
        return (self.task,)


class ApiError(DarkroomError):
    """Darkroom said no: `code` for programs, the text for the person, `errors` field by field."""

    codes: ClassVar[dict[str, type["ApiError"]]] = {}
    code: str = "UNKNOWN"

    def __init_subclass__(cls, *, code: str) -> None:
        cls.code = code
        ApiError.codes[code] = cls

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        super().__init__(str(problem.get("detail") or problem.get("title") or f"HTTP {status}"))
        self.status = status
        self.code = str(problem.get("code", self.code))
        self.request_id: str | None = problem.get("request_id")
        self.errors: list[dict[str, str]] = problem.get("errors") or []
        self.problem = problem

    @property
    def _made_of(self) -> tuple[Any, ...]:
        return (self.status, self.problem)


class InvalidRequest(ApiError, code="INVALID_REQUEST"): ...


class InvalidImage(ApiError, code="INVALID_IMAGE"): ...


class UrlNotAllowed(ApiError, code="URL_NOT_ALLOWED"): ...


class UrlUnreachable(ApiError, code="URL_UNREACHABLE"): ...


class Unauthorized(ApiError, code="UNAUTHORIZED"): ...


class InsufficientCredits(ApiError, code="INSUFFICIENT_CREDITS"):
    """`required` credits are more than the `current` ones, by `deficit`."""

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        super().__init__(status, problem)
        self.required = int(problem.get("required", 0))
        self.current = int(problem.get("current", 0))
        self.deficit = int(problem.get("deficit", 0))


class Forbidden(ApiError, code="FORBIDDEN"): ...


class NotFound(ApiError, code="NOT_FOUND"): ...


class TaskNotFound(ApiError, code="TASK_NOT_FOUND"): ...


class FileNotFound(ApiError, code="FILE_NOT_FOUND"): ...


class MethodNotAllowed(ApiError, code="METHOD_NOT_ALLOWED"): ...


class TaskNotCancellable(ApiError, code="TASK_NOT_CANCELLABLE"): ...


class TaskNotFinished(ApiError, code="TASK_NOT_FINISHED"): ...


class TaskNotRetryable(ApiError, code="TASK_NOT_RETRYABLE"): ...


class FileInUse(ApiError, code="FILE_IN_USE"): ...


class FileTooLarge(ApiError, code="FILE_TOO_LARGE"): ...


class StorageQuotaExceeded(ApiError, code="STORAGE_QUOTA_EXCEEDED"): ...


class InvalidFileType(ApiError, code="INVALID_FILE_TYPE"): ...


class IdempotencyKeyReused(ApiError, code="IDEMPOTENCY_KEY_REUSED"): ...


class RateLimited(ApiError, code="RATE_LIMITED"): ...


class TooManyPendingTasks(ApiError, code="TOO_MANY_PENDING_TASKS"): ...


class InternalError(ApiError, code="INTERNAL_ERROR"): ...


class ModeNotAvailable(ApiError, code="MODE_NOT_AVAILABLE"): ...


class ServiceUnavailable(ApiError, code="SERVICE_UNAVAILABLE"): ...


class EditCancelled(DarkroomError):
    """The task was cancelled; its credits were given back."""

    def __init__(self, task: Task) -> None:
        super().__init__(f"{task.task_id} was cancelled")
        self.task = task

    @property
    def _made_of(self) -> tuple[Any, ...]:
        return (self.task,)


class EditFailed(DarkroomError):
    """An edit failed, and its credits were given back: `code` for programs; the text says what can be done about it."""

    codes: ClassVar[dict[str, type["EditFailed"]]] = {}
    code: str = "PROCESSING_FAILED"

    def __init_subclass__(cls, *, code: str) -> None:
        cls.code = code
        EditFailed.codes[code] = cls

    def __init__(self, task: Task) -> None:
        failure = task.error or Failure(self.code, "The edit failed.")
        super().__init__(failure.message)
        self.code = failure.code
        self.details = failure.details or {}
        self.task = task

    @property
    def _made_of(self) -> tuple[Any, ...]:
        return (self.task,)


class NoFaceDetected(EditFailed, code="NO_FACE_DETECTED"): ...


class MultipleFacesDetected(EditFailed, code="MULTIPLE_FACES_DETECTED"): ...


class NoPersonDetected(EditFailed, code="NO_PERSON_DETECTED"): ...


class PoseExtractionFailed(EditFailed, code="POSE_EXTRACTION_FAILED"): ...


class ImageDecodeFailed(EditFailed, code="IMAGE_DECODE_FAILED"): ...


class ImageNotFound(EditFailed, code="IMAGE_NOT_FOUND"): ...


class InvalidConfig(EditFailed, code="INVALID_CONFIG"): ...


class EngineNotAvailable(EditFailed, code="ENGINE_NOT_AVAILABLE"): ...


class EngineTimeout(EditFailed, code="ENGINE_TIMEOUT"): ...


class EngineResponseError(EditFailed, code="ENGINE_RESPONSE_ERROR"): ...


class EngineAuthFailed(EditFailed, code="ENGINE_AUTH_FAILED"): ...


class ProcessingTimeout(EditFailed, code="PROCESSING_TIMEOUT"): ...


class AttemptsExhausted(EditFailed, code="ATTEMPTS_EXHAUSTED"): ...


class ResultSaveFailed(EditFailed, code="RESULT_SAVE_FAILED"): ...


class DeadlineExceeded(EditFailed, code="DEADLINE_EXCEEDED"): ...


def refusal(status: int, problem: dict[str, Any]) -> ApiError:
    """The error of a problem that Darkroom answered."""
    return ApiError.codes.get(str(problem.get("code")), ApiError)(status, problem)


def unfinished(task: Task) -> EditFailed | EditCancelled | StillRunning:
    """Why a task has no result."""
    if task.status == "failed":
        return EditFailed.codes.get(task.error.code if task.error else "", EditFailed)(task)
    return EditCancelled(task) if task.status == "cancelled" else StillRunning(task)
