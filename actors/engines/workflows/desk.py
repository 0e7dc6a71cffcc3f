"""The child process that prepares photos and finishes pictures: nothing native runs in the worker itself."""

import asyncio
import logging
from typing import Any, cast

import msgspec
from msgspec import Struct

from actors.engines.local import wire
from actors.engines.local.process import ChildGoneError, ChildProcess
from actors.engines.seam import EngineError
from schema.models.problems import FailureCode

_WITHIN = 120.0
"""Seconds that one order may take, the child's start included."""
_log = logging.getLogger(__name__)


class Done(Struct, frozen=True):
    """What an order led to: files, the child's words about them."""

    files: tuple[wire.Written, ...]
    metadata: dict[str, Any]


class Desk:
    """One child for all slots, started when it is needed, one order at a time: each takes a moment."""

    def __init__(self, *, threads: int) -> None:
        self._threads = threads
        self._child: ChildProcess | None = None
        self._turn = asyncio.Lock()

    async def start(self) -> None:
        """Have the child ready. Raises EngineError: it doesn't start."""
        async with self._turn:
            try:
                async with asyncio.timeout(_WITHIN):
                    await self._ready()
            except (ChildGoneError, OSError, TimeoutError) as error:
                message = "The engine doesn't start on this server at the moment. Please try again later."
                raise EngineError(FailureCode.ENGINE_NOT_AVAILABLE, message, transient=True) from error

    async def do(self, order: wire.Work) -> Done:
        """Have an order carried out.

        Raises:
            EngineError: a photo can't be read, a picture not be used; or the child died of it.
        """
        async with self._turn:
            settled = False
            try:
                async with asyncio.timeout(_WITHIN):
                    done = await self._done(order)
                settled = True
            except (ChildGoneError, OSError, TimeoutError, msgspec.MsgspecError) as error:
                _log.warning("The child process for photos: %s", error)
                raise EngineError(
                    FailureCode.PROCESSING_FAILED,
                    "The edit was interrupted by a fault of the engine. Please try again, or with a smaller photo.",
                    transient=True,
                    crashed=True,
                ) from error
            except EngineError:
                settled = True
                raise
            finally:
                if not settled:
                    await self._end()
        return done

    async def close(self) -> None:
        """End the child."""
        await self._end()

    async def _ready(self) -> ChildProcess:
        if self._child is None or not self._child.alive:
            self._child = await ChildProcess.start(self._threads, photos=True)
            await self._child.ready()
        return self._child

    async def _done(self, order: wire.Work) -> Done:
        child = await self._ready()
        await child.send(order)
        files: list[wire.Written] = []
        while isinstance(report := await child.receive(), wire.Written):
            files.append(report)
        if isinstance(report, wire.Done):
            return Done(tuple(files), report.metadata)
        if isinstance(report, wire.Failed):
            if report.code == FailureCode.PROCESSING_FAILED:
                _log.error("A photo could not be handled: %s", child.last_words)
            raise EngineError(
                FailureCode(report.code), report.message, details=report.details, transient=report.transient
            )
        raise TimeoutError("the child lost track of its order")

    async def _end(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            await asyncio.shield(cast("asyncio.Future[None]", asyncio.ensure_future(child.kill())))
