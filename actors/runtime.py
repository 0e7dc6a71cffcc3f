"""What a worker process holds while it runs: connections, engines, the chores if it leads."""

import asyncio
import os
import platform
from collections.abc import Awaitable
from contextlib import AsyncExitStack, ExitStack
from datetime import timedelta
from pathlib import Path
from secrets import token_hex
from typing import TypeVar

import structlog
from dramatiq import Broker, Worker
from dramatiq.asyncio import get_event_loop_thread
from dramatiq.middleware import Middleware, MiddlewareError

from actors.attempt import LAST_MOMENT
from actors.bench import Bench, Limits
from actors.broker import WakingBroker
from actors.deliver import Deliveries
from actors.editor import Editor
from actors.engines.seam import Engine, EngineError
from actors.maintenance.chores import OWN, keep_at
from actors.maintenance.ground import ChoreRules, Ground
from actors.maintenance.leadership import Leadership
from actors.presence import WorkerPresence, keep_signing
from actors.staff import Staff, staff_of
from schema.models.edits import available_modes
from service.connections import Connections, NotConnected, open_connections
from service.database import UNAVAILABLE, Pool
from service.database.migrations import SchemaError
from service.processes.farewell import ended, in_passing
from service.settings import Settings
from service.settings.engines import what_engines_lack
from service.settings.sources import SettingsError
from service.storage_errors import StorageError
from service.tasks import workers
from service.tasks.dispatch import Dispatcher
from service.tasks.watching import Changes
from service.telling.logs import sign_lines
from service.workspaces import own_directory

T = TypeVar("T")

LOOPS_END_WITHIN = 7.0
"""Seconds for what goes on in the background, handing over the lead included."""

log = structlog.get_logger(__name__)


class Runtime(Middleware):
    """Dramatiq's middleware that gives the actors what they need. Stands behind AsyncIO, whose event loop it uses."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._worker_id = f"{platform.node()}:{os.getpid()}:{token_hex(4)}"
        sign_lines(worker_id=self._worker_id)
        self._directory = ExitStack()
        self._held = AsyncExitStack()
        self._pool: Pool | None = None
        self._staff: Staff | None = None
        self._warming: list[asyncio.Task[None]] = []
        self._dispatcher: Dispatcher | None = None
        self._leadership: Leadership | None = None
        self._loops: list[asyncio.Task[None]] = []
        self._editor: Editor | None = None
        self._deliveries = Deliveries(settings)

    @property
    def editor(self) -> Editor:
        """Takes tasks, once the worker has booted."""
        if self._editor is None:
            raise RuntimeError("the worker has not booted")
        return self._editor

    def before_worker_boot(self, broker: Broker, worker: Worker) -> None:
        """Connect to everything, or stop the boot with one clear line.

        Raises:
            MiddlewareError: Something that is needed can't be reached; only this exception stops a worker.
        """
        try:
            _in_loop(self._open(broker))
        except MiddlewareError:
            raise
        except EngineError as error:
            raise MiddlewareError(f"The engine can't start: {error.message}") from error
        except Exception as error:
            # Dramatiq would log anything else, and start without what is missing.
            log.exception("the worker can't start")
            raise MiddlewareError("The worker can't start: nobody foresaw why; its log tells") from error

    def after_worker_boot(self, broker: Broker, worker: Worker) -> None:
        """Deliveries begin beside the edits, with threads of their own."""
        self._deliveries.start()

    def before_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        """No more messages and no more claims; Dramatiq then waits for the running actors."""
        log.info("worker stopping: what runs may finish, or is given back")
        if isinstance(broker, WakingBroker):
            broker.stop_fetching()
        self._deliveries.stop()
        _in_loop(self._stop())

    def after_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        _in_loop(self._close())
        self._deliveries.end()

    async def _open(self, broker: Broker) -> None:
        try:
            connections = await self._held.enter_async_context(open_connections(self._settings, "worker"))
            await connections.storage.check()
        except (NotConnected, SchemaError) as error:
            raise MiddlewareError(str(error)) from None
        except StorageError as error:
            raise MiddlewareError(f"The storage (STORAGE_URL) can't be used: {error}") from None
        if not isinstance(broker, WakingBroker):
            raise MiddlewareError("a worker needs the broker that make_broker makes")
        broker.open(connections.queue.keys)
        self._deliveries.open(connections.pool, connections.storage, connections.queue.keys)
        await self._set_up(connections, broker)

    def _open_directory(self) -> Path:
        try:
            return self._directory.enter_context(own_directory())
        except SettingsError as error:
            raise MiddlewareError(str(error)) from None

    async def _set_up(self, connections: Connections, broker: WakingBroker) -> None:
        settings = self._settings
        self._pool, queue, storage = connections.pool, connections.queue, connections.storage
        if (lacking := what_engines_lack(settings)) is not None:
            raise MiddlewareError(lacking)
        staff = self._staff = staff_of(settings)
        # In the background: messages can be taken meanwhile, and an edit waits for its engine.
        self._warming = [asyncio.create_task(_warm_up(engine)) for engine in staff.engines]
        self._dispatcher = Dispatcher(self._pool, queue)
        await self._dispatcher.start()
        bench = Bench(
            pool=self._pool,
            storage=storage,
            changes=Changes(self._dispatcher),
            limits=Limits(
                timeout_seconds=settings.task_timeout_seconds,
                max_attempts=settings.task_max_attempts,
                max_pixels=settings.max_image_pixels,
            ),
            workspaces=self._open_directory(),
            stopping=asyncio.Event(),
            routes=staff.routes,
            stops={name: engine.stop for name, engine in staff.elsewhere.items()},
        )
        self._editor = Editor(bench, self._dispatcher, staff.slots, worker_id=self._worker_id)
        rules = ChoreRules(
            max_attempts=settings.task_max_attempts,
            task_retention=_days(settings.task_retention_days),
            upload_retention=_days(settings.upload_retention_days),
        )
        for name, retention in (("tasks", rules.task_retention), ("uploads", rules.upload_retention)):
            log.info("retention", what=name, days=retention.days if retention else "kept forever")
        leadership = self._leadership = Leadership(self._pool, self._worker_id)
        ground = Ground(
            pool=self._pool,
            queue=queue,
            storage=storage,
            dispatcher=self._dispatcher,
            rules=rules,
            seal=self._deliveries.seal,
            shaken=leadership.shaken,
            stops=bench.stops,
        )
        presence = WorkerPresence(
            self._worker_id, len(staff.slots), available_modes(settings.engines), lambda: broker.hindrance
        )
        self._loops = [
            asyncio.create_task(keep_signing(self._pool, presence), name="presence"),
            asyncio.create_task(leadership.run(lambda: keep_at(ground)), name="leadership"),
        ]
        if ground.stops:
            self._loops.append(asyncio.create_task(keep_at(ground, OWN), name="own chores"))

    async def _stop(self) -> None:
        if self._editor is not None:
            self._editor.stop()
        if self._leadership is not None:
            self._leadership.resign()

    async def _close(self) -> None:
        await self._deliveries.close()
        background = (*self._loops, *self._warming)
        for running in background:
            running.cancel()
        # A chore that can't even roll back, since the database says nothing, ends with its connection.
        await in_passing(ended(background), LOOPS_END_WITHIN)
        if self._editor is not None:
            await in_passing(self._editor.close(), LAST_MOMENT)
        if self._staff is not None:
            await self._staff.close()
        if self._dispatcher is not None:
            await self._dispatcher.close()
        if self._pool is not None:
            await in_passing(self._sign_off(self._pool))
        await self._held.aclose()
        self._directory.close()

    async def _sign_off(self, pool: Pool) -> None:
        try:
            async with pool.acquire() as connection:
                await workers.forget_worker(connection, self._worker_id)
        except UNAVAILABLE as error:
            log.debug("worker not signed off", error=type(error).__name__)


async def _warm_up(engine: Engine) -> None:
    try:
        await engine.start()
    except EngineError as error:
        log.error("the engine does not start", engine=engine.name, code=error.code)  # noqa: TRY400 - told in its words


def _in_loop(work: Awaitable[T]) -> T:
    thread = get_event_loop_thread()
    if thread is None:
        raise MiddlewareError("the AsyncIO middleware must come first")
    return thread.run_coroutine(work)


def _days(days: int) -> timedelta | None:
    return timedelta(days=days) if days else None
