"""/tasks: create, read, list, cancel, retry, delete."""

import re
from http import HTTPStatus
from typing import Annotated, Any, TypeVar

from litestar import Controller, Request, Response, delete, get, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, HeaderParameter, JSONBody, QueryParameter

from schema.models.batches import MOST_AT_ONCE
from schema.models.edits import Mode
from schema.models.problems import ProblemCode as Code
from schema.models.tasks import History, NewRetry, NewTask, Task, TaskList, TaskStats, TaskStatus
from service.http.answering import Answer
from service.http.controllers.idempotency import Key, idempotency_key, replay_headers
from service.http.controllers.parameters import Cursor, PageSize
from service.http.layers.context import add_header
from service.http.openapi.answers import problem_specs
from service.http.problems import JSON_BODY_HANDLERS
from service.http.services import Services
from service.refusals import Refused, invalid
from service.tasks.history import PageRequest
from service.tasks.submission import Submitted, tell_created

UserRequest = Request[str, Any, Any]
T = TypeVar("T", TaskStatus, Mode)

CREATE_ROUTE = "POST /api/v1/tasks"
RETRY_ROUTE = "POST /api/v1/tasks/retry"
LONGEST_WAIT = 60

PREFER_WAIT = re.compile(r'(?:^|[,;\s])wait\s*=\s*("?)(?P<seconds>\d{1,4})\1(?=$|[,;\s])', re.IGNORECASE)

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
Ids = Annotated[
    str | None,
    QueryParameter(
        description=f"Up to {MOST_AT_ONCE} ids, with commas between them; those that aren't there are left out."
    ),
]
BatchFilter = Annotated[str | None, QueryParameter(description="Those that were created with this batch.")]
Page = Annotated[int, QueryParameter(ge=1, description="page x page_size goes up to 10,000; beyond, use the cursor.")]
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
            idempotency = idempotency_key(request, CREATE_ROUTE, key, await request.json())
        submitted = await services.tasks.create_task(request.user, data, idempotency)
        return await _submitted(request, submitted, prefer, services)

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
        ids: Ids = None,
        batch_id: BatchFilter = None,
        page: Page = 1,
        page_size: PageSize = 20,
        cursor: Cursor = None,
    ) -> TaskList:
        """One's own tasks, newest first."""
        asked = _asked(status, mode, page, page_size, cursor, ids=ids, batch_id=batch_id)
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
        ids: Ids = None,
        batch_id: BatchFilter = None,
        page: Page = 1,
        page_size: PageSize = 20,
        cursor: Cursor = None,
    ) -> History:
        """The same list, each task with its inputs' URLs, so that a form can be filled again."""
        asked = _asked(status, mode, page, page_size, cursor, ids=ids, batch_id=batch_id)
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
        task = await services.tasks.wait_for_end(task, wait)
        return services.present.task(task, await services.line.place_of(task))

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
        data: JSONBody[NewRetry | None] = None,
        key: Key = None,
        prefer: Prefer = None,
    ) -> Response[Task]:
        """Make a failed or cancelled edit once more: a new task, at today's price, with a deadline of its own."""
        if data is None and await request.body():
            raise Refused(Code.INVALID_REQUEST, "A retry takes an object, or no body at all.")
        again = data or NewRetry()
        idempotency = None
        if key is not None:
            idempotency = idempotency_key(request, RETRY_ROUTE, key, {"task_id": task_id} | _said(again))
        submitted = await services.tasks.retry_task(request.user, task_id, idempotency, again)
        return await _submitted(request, submitted, prefer, services)

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
    request: UserRequest, submitted: Submitted, prefer: str | None, services: Services
) -> Response[Task]:
    task, queue = submitted.task, None
    # A list: it may come in several lines (RFC 7240).
    wait = PREFER_WAIT.search(", ".join(request.headers.getall("prefer"))) if prefer else None
    if wait is not None and 1 <= (seconds := int(wait["seconds"])) <= LONGEST_WAIT:
        add_header(request.scope, "Preference-Applied", f"wait={seconds}")
        tell_created()
        task = await services.tasks.wait_for_end(task, seconds)
        queue = await services.line.place_of(task)
    headers = {"Location": f"/api/v1/tasks/{task.task_id}", **replay_headers(submitted)}
    status = HTTPStatus.OK if submitted.replayed else HTTPStatus.CREATED
    return Answer(services.present.task(task, queue), status_code=status, headers=headers)


def _said(again: NewRetry) -> dict[str, Any]:
    return {} if again.deadline_seconds is None else {"deadline_seconds": again.deadline_seconds}


def _asked(
    status: str | None,
    mode: str | None,
    page: int,
    page_size: int,
    cursor: str | None,
    *,
    ids: str | None,
    batch_id: str | None,
) -> PageRequest:
    chosen = None if ids is None else sorted(set(ids.split(",")))
    if chosen is not None and len(chosen) > MOST_AT_ONCE:
        raise invalid("ids", f"takes at most {MOST_AT_ONCE} ids, with commas between them")
    return PageRequest(
        status=_filter("status", status, TaskStatus),
        mode=_filter("mode", mode, Mode),
        ids=chosen,
        batch_id=batch_id,
        page=page,
        # Whoever names tasks gets all of them.
        page_size=max(page_size, len(chosen or ())),
        cursor=cursor,
    )


def _filter(name: str, value: str | None, kind: type[T]) -> T | None:
    if value is None or value == "all":
        return None
    try:
        return kind(value)
    except ValueError:
        raise invalid(name, f"takes {', '.join(kind)} or all") from None
