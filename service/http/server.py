"""The API's process: uvicorn on a port or on a socket that was handed down."""

import asyncio
import signal
import socket
from types import FrameType

import uvicorn

from service.database import connect
from service.http.app import Application, create_app
from service.http.heads import BoundedHttp
from service.migrations import check_schema
from service.settings import Settings

FINISH_WITHIN = 8
"""Seconds that running requests get after SIGTERM; the process has ended within 10."""


class Server(uvicorn.Server):
    """Lets those who wait for a task's end go at once when the process is asked to stop."""

    def __init__(self, config: uvicorn.Config, application: Application) -> None:
        super().__init__(config)
        self._application = application

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._application.let_waiters_go()
        super().handle_exit(sig, frame)


def _obeyed(_: int, __: FrameType | None) -> None:
    """The process ends with 0: it did what it was asked to."""


async def _check(settings: Settings) -> None:
    connection = await connect(settings)
    try:
        await check_schema(connection)
    finally:
        await connection.close()


def serve(settings: Settings, *, host: str, port: int, fd: int | None) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        SchemaError: The database's schema is older than this version.
        OSError: The database can't be reached, or the port is taken.
    """
    asyncio.run(_check(settings))
    application = create_app(settings)
    config = uvicorn.Config(
        application,  # pyright: ignore[reportArgumentType] - Litestar and uvicorn each have their own ASGI types
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        http=BoundedHttp,
        server_header=False,
        timeout_graceful_shutdown=FINISH_WITHIN,
        lifespan="on",
    )
    server = Server(config, application)
    # uvicorn raises the signal once more when everything is closed; by then it has been obeyed.
    signal.signal(signal.SIGTERM, _obeyed)
    signal.signal(signal.SIGINT, _obeyed)
    if fd is None:
        server.run()
        return
    with socket.socket(fileno=fd) as listener:
        server.run(sockets=[listener])
