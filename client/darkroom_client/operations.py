"""What can be asked of Darkroom, as exchanges of requests and answers: the same for threads and for asyncio."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from msgspec import Struct

from darkroom_client.calls import Call, Operation, Pause, Reply, decoded, exchange, once
from darkroom_client.errors import unfinished
from darkroom_client.models import (
    Account,
    BatchState,
    Cancelled,
    Order,
    Photo,
    Result,
    Task,
    TimelineEvent,
    Upload,
)

T = TypeVar("T")

API = "/api/v1"
LONGEST_WAIT = 30
"""Seconds that Darkroom holds an answer: proxies end connections that are silent for a minute."""
OFTEN = 2
"""Seconds, where somebody watches."""
PAGE = 100


class Made(Struct, frozen=True):
    """A batch that was made."""

    batch_id: str
    tasks: list[Task]


class _Timeline(Struct, frozen=True):
    events: list[TimelineEvent]


class _Pagination(Struct, frozen=True):
    next_cursor: str | None = None


class Page(Struct, frozen=True):
    """Some of one's tasks, the newest first."""

    tasks: list[Task]
    pagination: _Pagination


def one(kind: str, named: str, what: str = "") -> str:
    """The path of one of a kind, or of something of it. An id that came from elsewhere leads to nothing else.

    Raises:
        ValueError: It would lead to all of them, or further up.
    """
    if not named.strip("."):
        raise ValueError(f"{named!r} is no id")
    return f"{API}/{kind}/{quote(named, safe='')}{what}"


def _ask(call: Call, kind: type[T]) -> Operation[T]:
    reply = yield from exchange(call)
    return decoded(reply, kind)


def account() -> Operation[Account]:
    return _ask(Call("GET", f"{API}/me"), Account)


def modes() -> Operation[Any]:
    return _ask(Call("GET", f"{API}/modes"), object)


def upload(photo: Photo, purpose: str | None = None) -> Operation[Upload]:
    """Upload a photo, or have it fetched from its address.

    Raises:
        OSError: It can't be read.
    """
    where = f"{API}/uploads"
    if isinstance(photo, str) and photo.startswith(("https://", "http://")):
        asked = {"url": photo} | ({} if purpose is None else {"purpose": purpose})
        return _ask(Call("POST", where, json=asked, repeatable=False), Upload)
    data = None if purpose is None else {"purpose": purpose}
    return _ask(Call("POST", where, files={"file": _read(photo)}, data=data, repeatable=False), Upload)


def _read(photo: Photo) -> tuple[str, bytes]:
    """A photo's name and bytes: whole, since it may have to be sent again."""
    if isinstance(photo, bytes):
        return "photo", photo
    if isinstance(photo, str | os.PathLike):
        return _name_of(photo), Path(photo).read_bytes()
    return _name_of(str(getattr(photo, "name", "photo"))), photo.read()


def _name_of(path: str | os.PathLike[str]) -> str:
    """A file's name, which needn't be UTF-8 on its disk, and has to be on its way."""
    return Path(path).name.encode(errors="replace").decode()


def _file_id(photo: Photo | None) -> Operation[str | None]:
    if photo is None or (isinstance(photo, str) and photo.startswith("file_") and not Path(photo).exists()):
        return photo
    return (yield from upload(photo)).file_id


def submit(order: Order) -> Operation[Task]:
    """Upload what an order needs, and give it. However often it has to be sent, there is one task, and one charge."""
    body = yield from _body(order)
    return (yield from _ask(Call("POST", f"{API}/tasks", json=body, headers=once()), Task))


def submit_batch(orders: Sequence[Order], webhook_url: str | None) -> Operation[Made]:
    bodies: list[dict[str, Any]] = []
    for order in orders:
        bodies.append((yield from _body(order)))  # noqa: PERF401 - nothing is yielded from within a comprehension
    body = {"tasks": bodies} | ({} if webhook_url is None else {"webhook_url": webhook_url})
    return (yield from _ask(Call("POST", f"{API}/tasks/batch", json=body, headers=once()), Made))


def _body(order: Order) -> Operation[dict[str, Any]]:
    """What of an order isn't as it is anyway."""
    source = yield from _file_id(order.source)
    reference = yield from _file_id(order.reference)
    asked = {
        "reference_image": reference,
        "webhook_url": order.webhook_url,
        "webhook_events": None if order.webhook_events is None else list(order.webhook_events),
        "deadline_seconds": order.deadline_seconds,
    }
    body = {"mode": order.mode, "source_image": source, "config": dict(order.config), "priority": order.priority}
    return body | {name: value for name, value in asked.items() if value is not None}


def task(task_id: str, wait: int = 0) -> Operation[Task]:
    return _ask(Call("GET", one("tasks", task_id), params={"wait": wait} if wait else {}), Task)


def page(filters: Mapping[str, str], cursor: str | None) -> Operation[Page]:
    params: dict[str, str | int] = {"page_size": PAGE, **filters}
    return _ask(Call("GET", f"{API}/tasks", params=params if cursor is None else params | {"cursor": cursor}), Page)


def result(task_id: str, until: float | None, told: Callable[[Task], None] | None = None) -> Operation[Task]:
    """Wait until a task is done; `until` as of `time.monotonic()`. `told` is called with what becomes of it meanwhile.

    Raises:
        EditFailed, EditCancelled: It has no result.
        StillRunning: It hadn't ended by then.
    """
    longest = LONGEST_WAIT if told is None else OFTEN
    while True:
        left = longest if until is None else until - time.monotonic()
        found = yield from task(task_id, max(min(int(left), longest), 0))
        if told is not None:
            told(found)
        if found.status == "done":
            return found
        if found.ended:
            raise unfinished(found)
        if until is not None:
            if (left := until - time.monotonic()) <= 0:
                raise unfinished(found)
            if left < 1:  # Darkroom waits for whole seconds
                yield Pause(left)


def cancel(task_id: str) -> Operation[Task]:
    return _ask(Call("POST", one("tasks", task_id, "/cancel")), Task)


def cancel_batch(batch_id: str) -> Operation[Cancelled]:
    return _ask(Call("POST", f"{API}/tasks/cancel", json={"batch_id": batch_id}), Cancelled)


def retry(task_id: str) -> Operation[Task]:
    return _ask(Call("POST", one("tasks", task_id, "/retry"), headers=once()), Task)


def delete(task_id: str) -> Operation[None]:
    yield from exchange(Call("DELETE", one("tasks", task_id), removes=True))


def timeline(task_id: str) -> Operation[list[TimelineEvent]]:
    return (yield from _ask(Call("GET", one("tasks", task_id, "/timeline")), _Timeline)).events


def batch(batch_id: str) -> Operation[BatchState]:
    return _ask(Call("GET", one("batches", batch_id)), BatchState)


def picture(found: Result) -> Operation[bytes]:
    """The edited picture: a JPEG, or a PNG where it is transparent."""
    if found.output_image is None:
        raise FileNotFoundError("This result's picture isn't there any more.")
    reply: Reply = yield from exchange(Call("GET", found.output_image))
    return reply.body
