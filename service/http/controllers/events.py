"""/tasks/.../events and /timeline: what becomes of tasks, told as it happens and afterwards."""

from collections.abc import AsyncGenerator
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any

import structlog
from litestar import Controller, Request, Response, get
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, HeaderParameter, QueryParameter
from litestar.response import ServerSentEvent, ServerSentEventMessage

from schema.models.events import Timeline, parse_event_id
from schema.models.problems import ProblemCode as Code
from schema.models.tasks import TaskRecord
from service.accounts import store as accounts
from service.database.away import UNAVAILABLE
from service.http.gate import Gate, Still
from service.http.layers.context import note_user
from service.http.openapi.answers import problem_specs
from service.http.services import Services
from service.refusals import Refused
from service.signing import BadSignature
from service.tasks.stream import Told

log = structlog.get_logger(__name__)

AnyRequest = Request[Any, Any, Any]
UserRequest = Request[str, Any, Any]

RECONNECT_AFTER_MS = 1000
SIGN_OF_LIFE = ServerSentEventMessage(data=None, comment="still here")

STREAM = {
    int(HTTPStatus.OK): ResponseSpec(
        str,
        generate_examples=False,
        media_type="text/event-stream",
        description="`event` is `status` or `progress`, `data` the task as JSON, `id` what to resume from.",
    ),
}
OVER = {
    int(HTTPStatus.NO_CONTENT): ResponseSpec(None, description="The task has ended, and Last-Event-ID told its end."),
}
EXPIRED = "This link has expired or was changed. Read the task, or your account, again for a fresh one."

Expires = Annotated[str | None, QueryParameter(description="From a signed events_url.")]
Signature = Annotated[str | None, QueryParameter(description="From a signed events_url.")]
LastEventId = Annotated[
    str | None,
    HeaderParameter(name="Last-Event-ID", description="The id that was told last: what came after it is told first."),
]


class EventController(Controller):
    """Streams, for one's token or a signed address."""

    path = "/tasks"
    tags = ("Tasks",)
    # Its owner's token, or the signature in the address.
    security = ({"bearer": []}, {"session": []}, {})

    @get("/events", responses=STREAM | problem_specs(Code.INVALID_REQUEST, Code.FORBIDDEN))
    async def stream_tasks(
        self,
        request: AnyRequest,
        services: NamedDependency[Services],
        user: Annotated[str | None, QueryParameter(description="From a signed events_url.")] = None,
        expires: Expires = None,
        signature: Signature = None,
        last_event_id: LastEventId = None,
    ) -> ServerSentEvent:
        """Everything that happens to one's tasks, beginning with each that hasn't ended."""
        if expires is None and signature is None:
            user_id = await services.gate.admit(request)
            still = partial(services.gate.still_admits, request)
        else:
            user_id = await _user_of_link(services, user or "", expires, signature)
            note_user(request.scope, user_id)
            still = partial(services.gate.still_serves, user_id)
        after = await services.streams.place_of(user_id, last_event_id)
        last_id = last_event_id if after is not None else None
        return await _stream(services.gate, services.streams.of_user(user_id, after), last_id, still)

    @get(
        "/{task_id:str}/events",
        responses=STREAM | OVER | problem_specs(Code.INVALID_REQUEST, Code.FORBIDDEN, Code.TASK_NOT_FOUND),
    )
    async def stream_task(
        self,
        request: AnyRequest,
        task_id: FromPath[str],
        services: NamedDependency[Services],
        expires: Expires = None,
        signature: Signature = None,
        last_event_id: LastEventId = None,
    ) -> Response[Any]:
        """What happens to a task, beginning with how it is, until it has ended."""
        if expires is None and signature is None:
            task = await services.tasks.get_task(await services.gate.admit(request), task_id)
            still = partial(services.gate.still_admits, request)
        else:
            task = await _task_of_link(services, task_id, expires, signature)
            still = partial(services.gate.still_serves, task.user_id or "")
        user_id = task.user_id
        if task.elsewhere and user_id is not None:
            look = services.tasks.get_task
            return await _stream(
                services.gate, services.streams.of_older_task(task, lambda: look(user_id, task_id)), None, still
            )
        named = parse_event_id(last_event_id) if last_event_id else None
        after = named[1] if named is not None and named[0] == task_id else None
        if after is not None and task.status.ended and await services.tasks.has_told_end(task, after):
            return Response(None, status_code=HTTPStatus.NO_CONTENT)
        last_id = last_event_id if after is not None else None
        return await _stream(services.gate, services.streams.of_task(task, after), last_id, still)


class TimelineController(Controller):
    """What became of a task, for its owner."""

    path = "/tasks"
    tags = ("Tasks",)

    @get("/{task_id:str}/timeline", responses=problem_specs(Code.INVALID_REQUEST, Code.TASK_NOT_FOUND))
    async def get_timeline(
        self, request: UserRequest, task_id: FromPath[str], services: NamedDependency[Services]
    ) -> Timeline:
        """Each status a task had, oldest first: when, in which attempt, and why."""
        return await services.tasks.get_timeline(request.user, task_id)


async def _stream(gate: Gate, told: AsyncGenerator[Told | None], last_id: str | None, still: Still) -> ServerSentEvent:
    await anext(told)
    return ServerSentEvent(messages(gate.as_long_as(still, told), last_id), retry_duration=RECONNECT_AFTER_MS)


async def messages(stream: AsyncGenerator[Told | None], last_id: str | None) -> AsyncGenerator[ServerSentEventMessage]:
    """As they are sent. Progress has the id of the status told before it: whoever resumes, resumes from that."""
    try:
        async for told in stream:
            if told is None:
                yield SIGN_OF_LIFE
                continue
            if not told.is_progress:
                last_id = told.event_id
            yield ServerSentEventMessage(data=told.data, event="progress" if told.is_progress else "status", id=last_id)
    except (*UNAVAILABLE, Refused) as error:
        # The answer has begun: it ends here, and its reader resumes. (The system before this one may forget a task.)
        log.info("stream broken off", error=type(error).__name__)


async def _user_of_link(services: Services, user_id: str, expires: str | None, signature: str | None) -> str:
    try:
        services.event_urls.verify_user(user_id, expires, signature)
    except BadSignature:
        raise Refused(Code.FORBIDDEN, EXPIRED) from None
    async with services.pool.acquire() as connection:
        if not await accounts.user_is_active(connection, user_id):
            raise Refused(Code.FORBIDDEN, EXPIRED)
    return user_id


async def _task_of_link(services: Services, task_id: str, expires: str | None, signature: str | None) -> TaskRecord:
    try:
        services.event_urls.verify_task(task_id, expires, signature)
    except BadSignature:
        raise Refused(Code.FORBIDDEN, EXPIRED) from None
    return await services.tasks.get_task_by_link(task_id)
