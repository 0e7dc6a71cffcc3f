"""What a server says of a job through a websocket: how far it is, that something has moved. A hint, not the truth.

It may be silent while jobs end (ComfyUI#9393, #3128), so whoever follows a job asks on a clock as well.
"""

import asyncio
from base64 import b64encode
from contextlib import suppress
from typing import Any
from urllib.parse import quote

import msgspec
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from actors.engines.workflows.calling import trusted_by
from actors.engines.workflows.comfyui.server import Server
from actors.engines.workflows.loose import list_of, object_of

CONNECT_WITHIN = 5.0
LARGEST = 2**20
MOVES = ("execution_start", "executed", "execution_success", "execution_error", "execution_interrupted")
"""A tuple: what a server says may be a list, which no set can look for."""


class Listener:
    """Listens for one job, with a client id of its own: a socket that closes takes a newer one of the same id along."""

    def __init__(self, server: Server, prompt_id: str, client_id: str, nodes: int) -> None:
        self.percent: int | None = None
        self._moved = asyncio.Event()
        self._prompt_id = prompt_id
        self._nodes = max(1, nodes)
        self._cached = 0
        self._ready = asyncio.Event()
        self._listening = asyncio.create_task(self._listen(server, client_id))

    async def ready(self) -> None:
        """Return once it listens, or can't."""
        with suppress(TimeoutError):
            async with asyncio.timeout(CONNECT_WITHIN):
                await self._ready.wait()

    async def moved(self, seconds: float) -> None:
        """Return once the job has moved, or after so many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._moved.wait()
        self._moved.clear()

    async def close(self) -> None:
        self._listening.cancel()
        await asyncio.wait({self._listening})

    async def _listen(self, server: Server, client_id: str) -> None:
        headers: dict[str, str] = {}
        if server.credentials is not None:
            headers["Authorization"] = "Basic " + b64encode(":".join(server.credentials).encode()).decode()
        address = f"ws{server.base.removeprefix('http')}/ws?clientId={quote(client_id)}"
        try:
            async with connect(
                address,
                ssl=trusted_by(server.base),
                additional_headers=headers,
                open_timeout=CONNECT_WITHIN,
                max_size=LARGEST,
                proxy=None,
                close_timeout=1,
            ) as socket:
                self._ready.set()
                async for message in socket:
                    if isinstance(message, str):  # the others are previews
                        self._hear(message)
        except (WebSocketException, OSError, TimeoutError, ValueError):
            pass  # without it the job is asked for on a clock
        finally:
            self._ready.set()

    def _hear(self, message: str) -> None:
        try:
            told = msgspec.json.decode(message, type=dict[str, Any])
        except (msgspec.MsgspecError, RecursionError):
            return
        kind, data = told.get("type"), object_of(told.get("data"))
        if data.get("prompt_id") != self._prompt_id:
            return
        if kind == "progress_state" and (nodes := object_of(data.get("nodes"))):
            done = self._cached + sum(_share(object_of(node)) for node in nodes.values())
            self.percent = max(self.percent or 0, min(100, int(100 * done / self._nodes)))
            self._moved.set()
        elif kind == "execution_cached":
            self._cached = len(list_of(data.get("nodes")))
        elif kind in MOVES or (kind == "executing" and data.get("node") is None):
            self._moved.set()


def _share(state: dict[str, Any]) -> float:
    """How much of a node is done, 0 to 1."""
    if state.get("state") == "finished":
        return 1.0
    value, most = state.get("value"), state.get("max")
    if isinstance(value, int | float) and isinstance(most, int | float) and most > 0:
        return min(1.0, max(0.0, value / most))
    return 0.0
