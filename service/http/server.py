"""The API's process: uvicorn on a socket that was handed down."""

import asyncio
import signal
import socket
from types import FrameType

import structlog
import uvicorn

from service.http.app import Application, create_app
from service.http.crowd import Crowd
from service.http.leaving import LeavingHttp
from service.processes.ready_pipe import tell_ready
from service.settings import Settings

FINISH_WITHIN = 8
"""Seconds that running requests get after SIGTERM; the process has ended within 10."""


log = structlog.get_logger(__name__)


class Server(uvicorn.Server):
    """Lets those who wait for a task's end go at once when the process is asked to stop."""

    def __init__(self, config: uvicorn.Config, application: Application) -> None:
        super().__init__(config)
        self._application = application

    async def on_tick(self, counter: int) -> bool:
        # Ten times a second. Looking once a second at every connection costs less than a timer for every request.
        if counter % 10 == 0:
            LeavingHttp.crowd.thin_out(asyncio.get_running_loop().time())
            for connection in list(self.server_state.connections):
                if isinstance(connection, LeavingHttp):
                    connection.give_up_if_overdue()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        LeavingHttp.leaving = True
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._application.let_waiters_go()
        super().handle_exit(sig, frame)


def serve(settings: Settings, listener: socket.socket, *, open_files: int) -> None:
    """Serve until SIGTERM or SIGINT; nobody is answered before everything that is needed is there.

    `open_files` is how many files this process may have open.

    Raises:
        SchemaError: The database's schema is older than this version.
        See also `open_services`.
    """
    LeavingHttp.crowd = Crowd(open_files)
    application = create_app(settings)
    config = uvicorn.Config(
        application,  # pyright: ignore[reportArgumentType] - Litestar and uvicorn each have their own ASGI types
        ws="none",
        log_config=None,
        access_log=False,
        http=LeavingHttp,
        server_header=False,
        # TRUSTED_PROXIES say whom to believe, in a layer of ours.
        proxy_headers=False,
        timeout_keep_alive=settings.keep_alive_seconds,
        timeout_graceful_shutdown=FINISH_WITHIN,
        lifespan="off",
    )
    server = Server(config, application)
    # Heard from here on: uvicorn, which listens to signals only while it serves, then begins by ending. It raises the
    # signal once more when everything is closed; by then it has been obeyed.
    signal.signal(signal.SIGTERM, server.handle_exit)
    signal.signal(signal.SIGINT, server.handle_exit)
    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(_serve(server, application, listener))


async def _serve(server: Server, application: Application, listener: socket.socket) -> None:
    host, port = listener.getsockname()[:2]
    async with application.opened(f"[{host}]:{port}" if ":" in host else f"{host}:{port}"):
        log.info("listening", host=host, port=port)
        tell_ready()
        await server.serve(sockets=[listener])
