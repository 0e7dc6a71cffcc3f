"""/tasks: create, read, list, cancel, retry, delete."""

import re
from http import HTTPStatus
from typing import Annotated, Any, TypeVar

from litestar import Controller, Request, Response, delete, get, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, HeaderParameter, JSONBody, QueryParameter

from schema.models.edits import Mode
from schema.models.problems import ProblemCode as Code
from schema.models.tasks import History, NewTask, Task, TaskList, TaskStats, TaskStatus
from service.http.controllers.parameters import Cursor, PageSize
from service.http.layers.context import add_header
from service.http.openapi.answers import problem_specs
from service.http.problems import JSON_BODY_HANDLERS
from service.http.services import Services
from service.presenting import Presenter
from service.refusals import invalid
from service.tasks.history import PageRequest
from service.tasks.service import TaskService
from service.tasks.store import IdempotencyKey
from service.tasks.submission import Submitted, fingerprint

UserRequest = Request[str, Any, Any]
T = TypeVar("T", TaskStatus, Mode)

CREATE_ROUTE = "POST /api/v1/tasks"
RETRY_ROUTE = "POST /api/v1/tasks/retry"
LONGEST_WAIT = 60

PREFER_WAIT = re.compile(r"(?:^|[,;\s])wait\s*=\s*(\d{1,4})(?=$|[,;\s])", re.IGNORECASE)
VISIBLE_ASCII = re.compile(r"[\x21-\x7e]{1,255}")

REPLAY = {
    int(HTTPStatus.OK): ResponseSpec(
        Task, generate_examples=False, description="The task of an earlier request with the same Idempotency-Key."
    )
}

Status = Annotated[
    str | None, QueryParameter(description="`all` means no filter.", schema_extra={"enum": [*TaskStatus, "all"]})
]
ModeFilter = Annotated[
    str | None, QueryParameter(description="`all` means no filter.", schema_extra={"enum": [*Mode, "all"]})
]
Page = Annotated[int, QueryParameter(ge=1, description="page x page_size goes up to 10,000; beyond, use the cursor.")]
Key = Annotated[
    str | None,
    HeaderParameter(
        name="Idempotency-Key",
        description="1 to 255 visible ASCII characters. For 24 hours the same key and body give the same task.",
        schema_extra={"pattern": f"^{VISIBLE_ASCII.pattern}$"},
    ),
]
Prefer = Annotated[
    str | None,
    HeaderParameter(name="Prefer", description="`wait=N`: answer when the task has ended, or after N seconds (1-60)."),
]


class TaskController(Controller):
    """What a client does with tasks. The flow goes on in service/tasks/service.py."""

    path = "/tasks"
    tags = ("Tasks",)

    @post(
        exception_handlers=JSON_BODY_HANDLERS,
        responses=REPLAY
        | problem_specs(
            Code.INVALID_REQUEST,
            Code.INSUFFICIENT_CREDITS,
            Code.FILE_NOT_FOUND,
            Code.IDEMPOTENCY_KEY_REUSED,
            Code.TOO_MANY_PENDING_TASKS,
            Code.MODE_NOT_AVAILABLE,
        ),
    )
    async def create_task(
        self,
        request: UserRequest,
        data: JSONBody[NewTask],
        services: NamedDependency[Services],
        key: Key = None,
        prefer: Prefer = None,
    ) -> Response[Task]:
        """Have a photo edited: charges the price and answers the waiting task."""
        idempotency = None
        if key is not None:
            idempotency = _idempotency_key(CREATE_ROUTE, key, await request.json())
        submitted = await services.tasks.create_task(request.user, data, idempotency)
        return await _submitted(request, submitted, prefer, services.tasks, services.present)

    @get(
        responses=problem_specs(
            Code.INVALID_REQUEST,
        )
    )
    async def list_tasks(
        self,
        request: UserRequest,
        services: NamedDependency[Services],
        status: Status = None,
        mode: ModeFilter = None,
        page: Page = 1,
        page_size: PageSize = 20,
        cursor: Cursor = None,
    ) -> TaskList:
        """One's own tasks, newest first."""
        asked = _asked(status, mode, page, page_size, cursor)
        records, pagination = await services.tasks.get_task_list(request.user, asked)
        return TaskList([services.present.task(record) for record in records], pagination)

    @get(
        "/history",
        responses=problem_specs(
            Code.INVALID_REQUEST,
        ),
    )
    async def list_history(
        self,
        request: UserRequest,
        services: NamedDependency[Services],
        status: Status = None,
        mode: ModeFilter = None,
        page: Page = 1,
        page_size: PageSize = 20,
        cursor: Cursor = None,
    ) -> History:
        """The same list, each task with its inputs' URLs, so that a form can be filled again."""
        asked = _asked(status, mode, page, page_size, cursor)
        records, pagination = await services.tasks.get_task_list(request.user, asked)
        inputs = {name for record in records for name in (record.source_image, record.reference_image) if name}
        files = await services.files.records(request.user, sorted(inputs)) if inputs else {}
        return History([services.present.historic_task(record, files) for record in records], pagination)

    @get("/stats", responses=problem_specs())
    async def count_tasks(self, request: UserRequest, services: NamedDependency[Services]) -> TaskStats:
        """How many of one's own tasks are in each status."""
        return await services.tasks.count_tasks(request.user)

    @get(
        "/{task_id:str}",
        responses=problem_specs(
            Code.INVALID_REQUEST,
            Code.TASK_NOT_FOUND,
        ),
    )
    async def get_task(
        self,
        request: UserRequest,
        task_id: FromPath[str],
        services: NamedDependency[Services],
        wait: Annotated[
            int, QueryParameter(ge=0, le=LONGEST_WAIT, description="Seconds to wait for the task's end.")
        ] = 0,
    ) -> Task:
        """One task, as it is now, or once it has ended."""
        task = await services.tasks.get_task(request.user, task_id)
        return services.present.task(await services.tasks.wait_for_end(task, wait))

    @post(
        "/{task_id:str}/cancel",
        status_code=HTTPStatus.OK,
        responses=problem_specs(
            Code.INVALID_REQUEST,
            Code.TASK_NOT_FOUND,
            Code.TASK_NOT_CANCELLABLE,
        ),
    )
    async def cancel_task(
        self,
        request: UserRequest,
        task_id: FromPath[str],
        services: NamedDependency[Services],
    ) -> Task:
        """Cancel a waiting or running task at once, and give its credits back."""
        return services.present.task(await services.tasks.cancel_task(request.user, task_id))

    @post(
        "/{task_id:str}/retry",
        responses=REPLAY
        | problem_specs(
            Code.INVALID_REQUEST,
            Code.INSUFFICIENT_CREDITS,
            Code.TASK_NOT_FOUND,
            Code.FILE_NOT_FOUND,
            Code.TASK_NOT_RETRYABLE,
            Code.IDEMPOTENCY_KEY_REUSED,
            Code.TOO_MANY_PENDING_TASKS,
            Code.MODE_NOT_AVAILABLE,
        ),
    )
    async def retry_task(
        self,
        request: UserRequest,
        task_id: FromPath[str],
        services: NamedDependency[Services],
        key: Key = None,
        prefer: Prefer = None,
    ) -> Response[Task]:
        """Make a failed or cancelled edit once more: a new task, at today's price."""
        idempotency = None if key is None else _idempotency_key(RETRY_ROUTE, key, {"task_id": task_id})
        submitted = await services.tasks.retry_task(request.user, task_id, idempotency)
        return await _submitted(request, submitted, prefer, services.tasks, services.present)

    @delete(
        "/{task_id:str}",
        responses=problem_specs(
            Code.INVALID_REQUEST,
            Code.TASK_NOT_FOUND,
            Code.TASK_NOT_FINISHED,
        ),
    )
    async def delete_task(
        self, request: UserRequest, task_id: FromPath[str], services: NamedDependency[Services]
    ) -> None:
        """Delete an ended task, and its result files unless they are another task's input."""
        await services.tasks.delete_task(request.user, task_id)


async def _submitted(
    request: UserRequest, submitted: Submitted, prefer: str | None, tasks: TaskService, present: Presenter
) -> Response[Task]:
    task = submitted.task
    wait = PREFER_WAIT.search(prefer) if prefer else None
    if wait is not None and 1 <= int(wait[1]) <= LONGEST_WAIT:
        add_header(request.scope, "Preference-Applied", f"wait={int(wait[1])}")
        task = await tasks.wait_for_end(task, int(wait[1]))
    headers = {"Location": f"/api/v1/tasks/{task.task_id}"}
    if submitted.replayed:
        headers["Idempotent-Replayed"] = "true"
    status = HTTPStatus.OK if submitted.replayed else HTTPStatus.CREATED
    return Response(present.task(task), status_code=status, headers=headers)


def _idempotency_key(route: str, key: str, body: object) -> IdempotencyKey:
    if not VISIBLE_ASCII.fullmatch(key):
        raise invalid("Idempotency-Key", "takes 1 to 255 visible ASCII characters")
    return IdempotencyKey(route, key, fingerprint(body))


def _asked(status: str | None, mode: str | None, page: int, page_size: int, cursor: str | None) -> PageRequest:
    return PageRequest(
        status=_filter("status", status, TaskStatus),
        mode=_filter("mode", mode, Mode),
        page=page,
        page_size=page_size,
        cursor=cursor,
    )


def _filter(name: str, value: str | None, kind: type[T]) -> T | None:
    if value is None or value == "all":
        return None
    try:
        return kind(value)
    except ValueError:
        raise invalid(name, f"takes {', '.join(kind)} or all") from None
