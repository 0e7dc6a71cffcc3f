"""Many tasks at once: /tasks/batch, /tasks/cancel and /batches."""

from http import HTTPStatus
from typing import Any

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, JSONBody

from schema.models.batches import Batch, Cancellation, Cancelled, CreatedBatch, NewBatch
from schema.models.problems import ProblemCode as Code
from service.http.answering import Answer
from service.http.controllers.idempotency import Key, idempotency_key, replay_headers
from service.http.openapi.answers import problem_specs
from service.http.problems import JSON_BODY_HANDLERS
from service.http.services import Services

UserRequest = Request[str, Any, Any]

ROUTE = "POST /api/v1/tasks/batch"

REPLAY = {
    int(HTTPStatus.OK): ResponseSpec(
        CreatedBatch, generate_examples=False, description="The batch of an earlier request with the same key."
    )
}


class BatchController(Controller):
    """What a client does with many tasks. The flow goes on in service/tasks/batches.py."""

    tags = ("Batches",)

    @post(
        "/tasks/batch",
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
    async def create_batch(
        self,
        request: UserRequest,
        data: JSONBody[NewBatch],
        services: NamedDependency[Services],
        key: Key = None,
    ) -> Response[CreatedBatch]:
        """Have 1 to 100 edits made: all of them are charged and wait then, or none."""
        idempotency = None if key is None else idempotency_key(request, ROUTE, key, await request.json())
        submitted = await services.batches.create(request.user, data, idempotency)
        batch_id = submitted.task.batch_id or ""
        return Answer(
            CreatedBatch(batch_id, [services.present.task(task) for task in submitted.tasks]),
            status_code=HTTPStatus.OK if submitted.replayed else HTTPStatus.CREATED,
            headers={"Location": f"/api/v1/batches/{batch_id}", **replay_headers(submitted)},
        )

    @get("/batches/{batch_id:str}", responses=problem_specs(Code.INVALID_REQUEST, Code.NOT_FOUND))
    async def get_batch(
        self, request: UserRequest, batch_id: FromPath[str], services: NamedDependency[Services]
    ) -> Batch:
        """How many of a batch's tasks are in each status."""
        return await services.batches.get(request.user, batch_id)

    @post(
        "/tasks/cancel",
        status_code=HTTPStatus.OK,
        exception_handlers=JSON_BODY_HANDLERS,
        responses=problem_specs(Code.INVALID_REQUEST, Code.NOT_FOUND),
    )
    async def cancel_tasks(
        self, request: UserRequest, data: JSONBody[Cancellation], services: NamedDependency[Services]
    ) -> Cancelled:
        """Cancel many tasks and give their credits back: some by their ids, a batch, or all that wait or run."""
        return await services.batches.cancel(request.user, data)
