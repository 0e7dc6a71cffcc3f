"""The limit to come close to: the same statements in a bare Litestar route, with nothing else on.

asyncpg's own pool, but for the round trip with which it would clean each connection that is given back.
"""

import os
from pathlib import Path
from typing import Annotated, Any

import asyncpg
import msgspec
import uvicorn
from litestar import Litestar, get, post
from litestar.datastructures import State
from litestar.params import FromPath, HeaderParameter, JSONBody
from litestar.response import File

from schema.identifiers import new_id
from schema.models.edits import Mode
from schema.models.tasks import NewTask, Priority, TaskRecord
from service.database import Connection, prepare_connection
from service.database.pool import PlainConnection
from service.tasks import store
from service.tasks.store import Order, Submission

UserId = Annotated[str, HeaderParameter(name="X-User")]


@post("/api/v1/tasks")
async def create(state: State, data: JSONBody[NewTask], user_id: UserId) -> Any:
    """One statement, one insert, one answer."""
    pool: asyncpg.Pool[Any] = state.pool
    submission = Submission(
        task_id=new_id("task"),
        mode=Mode.BACKGROUND_CHANGE,
        priority=Priority.NORMAL,
        source_image=data.source_image,
        reference_image=None,
        config=data.config,
        webhook_url=None,
        webhook_events=None,
        price=1,
        available=True,
    )
    async with pool.acquire() as connection:
        order = Order(user_id=user_id, tasks=[submission])
        answer = await store.submit_tasks(connection, order, max_pending=1000)
    return msgspec.to_builtins(answer.tasks[0])


@get("/api/v1/tasks/{task_id:str}")
async def read(state: State, task_id: FromPath[str], user_id: UserId) -> TaskRecord | None:
    """One row by its key."""
    pool: asyncpg.Pool[Any] = state.pool
    async with pool.acquire() as connection:
        return await store.get_task_by_id(connection, user_id, task_id)


@get("/photo")
async def photo(state: State) -> File:
    """One file, as Litestar sends files."""
    return File(state.photo, media_type="image/jpeg")


async def _leave_as_is(_: Connection) -> None:
    """The statements leave nothing behind."""


async def connect(app: Litestar) -> None:
    app.state.pool = await asyncpg.create_pool(
        os.environ["DATABASE_URL"], connection_class=PlainConnection, init=prepare_connection, reset=_leave_as_is
    )
    app.state.photo = Path(os.environ["BENCH_PHOTO"])


app = Litestar([create, read, photo], on_startup=[connect], openapi_config=None, logging_config=None)

if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ["BENCH_PORT"]), log_level="error", access_log=False)  # pyright: ignore[reportArgumentType]
