"""Requests, and when one is sent again. Nothing here does I/O: see `operations.py`."""

import random
import secrets
import time
from collections.abc import Generator, Mapping
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar, cast

import httpx
import msgspec
from msgspec import Struct

from darkroom_client.errors import Unreachable, refusal

T = TypeVar("T")

TRIES = 5
FIRST_PAUSE = 0.5
"""Seconds; twice as long before each further try."""
LONGEST_PAUSE = 60.0
LATER = frozenset({429, 502, 503, 504})
"""Statuses that another try may make good."""
UNCERTAIN = frozenset({502, 503, 504})
"""Those of them that may tell of a request that was done, and whose answer was lost on its way."""
NOT_THERE = frozenset({"TASK_NOT_FOUND"})


class Call(Struct, frozen=True):
    """A request. `path` may be a whole address, which then gets no key. `repeatable`: twice is as good as once.

    `removes`: whoever asks again, since the answer was lost, and finds nothing, has it done.
    """

    method: str
    path: str
    params: Mapping[str, str | int] = {}
    json: Any = None
    files: Mapping[str, tuple[str, bytes]] | None = None
    data: Mapping[str, str] | None = None
    headers: Mapping[str, str] = {}
    repeatable: bool = True
    removes: bool = False

    @property
    def needs_key(self) -> bool:
        return self.path.startswith("/api/")


class Pause(Struct, frozen=True):
    """Seconds to wait."""

    seconds: float


class Reply(Struct, frozen=True):
    """What was answered; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


Operation = Generator[Call | Pause, Reply | None, T]
"""Something that is done with some requests: it yields each and is sent what was answered (nothing after a pause), or
has `httpx.RequestError` thrown into it."""


def once() -> dict[str, str]:
    """Headers by which a request is done once, however often it is sent."""
    return {"Idempotency-Key": f"client-{secrets.token_urlsafe(18)}"}


def exchange(call: Call) -> Operation[Reply]:
    """Send a request, again where that may help.

    Raises:
        ApiError: Darkroom refuses it.
        Unreachable: Nobody answers, or somebody else.
    """
    maybe_done = False
    for tried in range(1, TRIES + 1):
        try:
            reply = yield call
        except httpx.RequestError as error:
            unsent = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
            maybe_done |= not unsent
            hopeless = isinstance(error, httpx.UnsupportedProtocol | httpx.LocalProtocolError)
            if tried == TRIES or hopeless or not (call.repeatable or unsent):
                raise Unreachable(f"Darkroom can't be reached: {error or type(error).__name__}") from error
            yield Pause(pause_before(tried))
            continue
        assert reply is not None  # noqa: S101 - a call was answered
        if reply.status < httpx.codes.MULTIPLE_CHOICES:
            return reply
        if call.removes and maybe_done and problem_of(reply).get("code") in NOT_THERE:
            return reply
        maybe_done |= reply.status in UNCERTAIN
        told_so = "code" in problem_of(reply)  # by Darkroom itself, which has done nothing
        may_be_sent_twice = call.repeatable or told_so or reply.status not in UNCERTAIN
        if reply.status not in LATER or tried == TRIES or _is_final(reply) or not may_be_sent_twice:
            raise _refused(reply)
        yield Pause(_asked_pause(reply) or pause_before(tried))
    raise AssertionError


def pause_before(tried: int) -> float:
    """Seconds until the next try, so that many clients don't come at once."""
    return min(FIRST_PAUSE * 2 ** (tried - 1), LONGEST_PAUSE) * random.uniform(0.5, 1)  # noqa: S311 - nobody guesses it


def decoded(reply: Reply, kind: type[T]) -> T:
    """Raises Unreachable: what answers isn't Darkroom."""
    try:
        return msgspec.json.decode(reply.body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _somebody_else(reply) from error


def _somebody_else(reply: Reply) -> Unreachable:
    return Unreachable(f"What answered, with status {reply.status}, isn't Darkroom. Is the address right?")


def problem_of(reply: Reply) -> dict[str, Any]:
    """What Darkroom says no with; empty where somebody else answers."""
    try:
        problem = msgspec.json.decode(reply.body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
    return cast("dict[str, Any]", problem) if isinstance(problem, dict) else {}


def _is_final(reply: Reply) -> bool:
    """Waiting some seconds won't help: too many tasks wait, or no worker makes this edit."""
    return problem_of(reply).get("code") in {"TOO_MANY_PENDING_TASKS", "MODE_NOT_AVAILABLE"}


def _refused(reply: Reply) -> Exception:
    problem = problem_of(reply)
    if "code" not in problem:
        return _somebody_else(reply)
    return refusal(reply.status, problem)


def _asked_pause(reply: Reply) -> float | None:
    """Darkroom says it in seconds; what stands in front of it may name a time."""
    after = reply.headers.get("retry-after", "").strip()
    try:
        seconds = float(after) if after.isdecimal() else parsedate_to_datetime(after).timestamp() - time.time()
    except (ValueError, OverflowError):
        return None
    return min(max(seconds, 0.0), LONGEST_PAUSE)
