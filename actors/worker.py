"""A worker process: Dramatiq's worker on this process's broker, until it is asked to stop."""

import asyncio
import signal
import socket
from collections.abc import Generator
from contextlib import contextmanager

import dramatiq
import structlog
import uvloop
from dramatiq import Worker
from dramatiq.middleware import AsyncIO, MiddlewareError

from actors.boots import Boots
from actors.broker import WakingBroker
from actors.runtime import Runtime
from actors.staff import slots_of
from schema.messages import EDIT_ACTOR, EDITS
from service.connections import NotConnected
from service.processes.ready_pipe import tell_ready
from service.settings import Settings

STOP_WITHIN_MS = 28_000


log = structlog.get_logger(__name__)


def make_broker(settings: Settings) -> WakingBroker:
    """The broker with its middleware, in order, and the actors.

    Dramatiq's own Retries, TimeLimit and Shutdown are left out on purpose: attempts, time-outs and giving back are
    PostgreSQL's to know, and no thread may be interrupted while it writes an outcome.
    """
    runtime = Runtime(settings)
    broker = WakingBroker(
        url=settings.redis_url, middleware=[AsyncIO(), runtime], idle_look=float(settings.idle_look_seconds)
    )

    @dramatiq.actor(broker=broker, actor_name=EDIT_ACTOR, queue_name=EDITS)
    async def edit(task_id: str) -> None:  # pyright: ignore[reportUnusedFunction] - the broker knows it by name
        await runtime.editor.take(task_id)

    return broker


def run_worker(settings: Settings) -> None:
    """Take messages until SIGTERM or SIGINT; then finish or give back what runs, within 30 s.

    Raises:
        NotConnected: Something it needs can't be reached.
    """
    with stop_signals() as asked_to_stop:
        _run_until(settings, asked_to_stop)


@contextmanager
def stop_signals() -> Generator[socket.socket]:
    """A socket on which a byte arrives with SIGTERM or SIGINT.

    Python writes it from the signal's own handler. A function of ours would run when this thread next runs Python:
    never, if the signal came just before it began to wait.
    """
    reading, writing = socket.socketpair()
    with reading, writing:
        writing.setblocking(False)
        before = signal.set_wakeup_fd(writing.fileno())
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda _number, _frame: None)
        try:
            yield reading
        finally:
            signal.set_wakeup_fd(before)


def _run_until(settings: Settings, asked_to_stop: socket.socket) -> None:
    # For the loop that Dramatiq makes: a task is a dozen round trips, each a fifth cheaper with it.
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())  # pyright: ignore[reportDeprecated] - from 3.14 on
    broker = make_broker(settings)
    boots = Boots()
    broker.add_middleware(boots)
    slots = slots_of(settings)
    worker = Worker(broker, queues={EDITS}, worker_threads=slots)
    # A message that waits in this process behind a long edit would be invisible to workers that are free.
    worker.queue_prefetch = slots
    try:
        worker.start()
    except MiddlewareError as error:
        # The event loop's thread would keep this process alive.
        broker.emit_after("worker_shutdown", worker)
        raise NotConnected(str(error)) from error
    boots.wait_for(slots + len(worker.consumers))
    log.info("worker ready", slots=slots)
    tell_ready()
    asked_to_stop.recv(1)
    worker.stop(timeout=STOP_WITHIN_MS)
    broker.close()
    log.info("worker stopped")
