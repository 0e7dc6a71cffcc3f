"""/operator: what operators look at. Nothing here changes anything."""

from collections.abc import AsyncGenerator, AsyncIterator
from functools import partial
from http import HTTPStatus
from typing import Any

from litestar import Controller, Request, get
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath
from litestar.response import ServerSentEvent, ServerSentEventMessage

from schema.models.accounts import Scope
from schema.models.operating import Overview, TaskHistory
from schema.models.problems import ProblemCode as Code
from service.http.gate import for_operators
from service.http.openapi.answers import problem_specs
from service.http.services import Services
from service.operating.overview import history_of

RECONNECT_AFTER_MS = 2000

STREAM = {
    int(HTTPStatus.OK): ResponseSpec(
        Overview,
        generate_examples=False,
        media_type="text/event-stream",
        description="`event` is `overview` (`data` as described), `findings` (the doctor's: a list of `check`, "
        "`health`, `message`, `remedy`), or `trouble` (`message`).",
    ),
}


class OperatorController(Controller):
    """Everybody's tasks in numbers, workers, and what the doctor finds: for keys and sessions of scope `admin`."""

    path = "/operator"
    tags = ("Operator",)
    guards = (for_operators,)

    @get("/events", responses=STREAM | problem_specs(Code.FORBIDDEN))
    async def stream_overview(
        self, request: Request[Any, Any, Any], services: NamedDependency[Services]
    ) -> ServerSentEvent:
        """How everything is, every few seconds."""
        still = partial(services.gate.still_admits, request, Scope.ADMIN)
        told = services.gate.as_long_as(still, services.watch.follow())
        return ServerSentEvent(_messages(told), retry_duration=RECONNECT_AFTER_MS)

    @get("/tasks/{task_id:str}", responses=problem_specs(Code.INVALID_REQUEST, Code.FORBIDDEN, Code.TASK_NOT_FOUND))
    async def get_history(self, task_id: FromPath[str], services: NamedDependency[Services]) -> TaskHistory:
        """Anybody's task, and each status it had, oldest first."""
        return await history_of(services.pool, task_id)


async def _messages(told: AsyncIterator[tuple[str, bytes]]) -> AsyncGenerator[ServerSentEventMessage]:
    async for name, data in told:
        yield ServerSentEventMessage(data=data, event=name)
