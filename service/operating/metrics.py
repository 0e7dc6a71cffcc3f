"""What a monitoring system reads of the queue: sums over all workers, of nobody's in particular.

In Prometheus's text format (https://prometheus.io/docs/instrumenting/exposition_formats/).
"""

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from schema.models.edits import Mode
from schema.models.operating import WaitingMode
from service.database import Pool
from service.database.statements import load_queries
from service.sharing.coalescing import Coalesced

QUERIES = load_queries("operating")

CONTENT_TYPE = "text/plain; version=0.0.4"


class RunningMode(Struct, frozen=True):
    """How many tasks of a mode run."""

    mode: Mode
    tasks: int


class WorkersNow(Struct, frozen=True):
    """Worker processes that live, and how many edits they can make at a time."""

    processes: int
    slots: int


class Metrics:
    """Looks now, unless it is asked very often: anybody may ask."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._looks = Coalesced(self._look)

    async def text(self) -> str:
        return await self._looks.get()

    async def _look(self) -> str:
        async with self._pool.acquire() as connection:
            waiting = await QUERIES["waiting_by_mode"].rows(connection, WaitingMode)
            running = await QUERIES["running_by_mode"].rows(connection, RunningMode)
            workers = await QUERIES["workers_now"].row(connection, WorkersNow)
        assert workers is not None  # noqa: S101 - a count answers a row
        tasks = _by_mode(',status="pending"', {one.mode: one.tasks for one in waiting})
        tasks += _by_mode(',status="processing"', {one.mode: one.tasks for one in running})
        oldest = _by_mode("", {one.mode: one.oldest_seconds for one in waiting})
        return "".join(
            (
                *_gauge("darkroom_tasks", "Tasks that have not ended.", tasks),
                *_gauge("darkroom_oldest_pending_seconds", "How long the first task has stood in the line.", oldest),
                *_gauge("darkroom_workers", "Worker processes that live.", [("", workers.processes)]),
                *_gauge("darkroom_worker_slots", "Edits that they can make at a time.", [("", workers.slots)]),
            )
        )


def _by_mode(label: str, values: Mapping[Mode, float]) -> list[tuple[str, float]]:
    return [(f'{{mode="{mode}"{label}}}', values.get(mode, 0)) for mode in Mode]


def _gauge(name: str, about: str, values: Sequence[tuple[str, float]]) -> Iterable[str]:
    yield f"# HELP {name} {about}\n# TYPE {name} gauge\n"
    for labels, value in values:
        yield f"{name}{labels} {value}\n"
