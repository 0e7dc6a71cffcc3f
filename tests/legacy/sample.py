"""Realistic data of the old system, of any size and with every known kind of breakage, seeded.

`python -m tests.legacy.sample --redis-url redis://... --tasks 100000` writes it; `make legacy-sample` has a server of
its own for it. The same sample is the same, byte for byte, wherever and whenever it is written.
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random

import redis
from msgspec import Struct

from tests.legacy.sampling.breakage import Breakage, Fate
from tests.legacy.sampling.damage_to_tasks import DAMAGE_TO_TASKS, json_of
from tests.legacy.sampling.damage_to_users import DAMAGE_TO_USERS
from tests.legacy.sampling.drafts import TaskDraft, UserDraft
from tests.legacy.sampling.names import Names
from tests.legacy.sampling.pictures import FilesWritten, Pictures
from tests.legacy.sampling.plan import Plan
from tests.legacy.sampling.tasks import TaskMaker
from tests.legacy.sampling.users import UserMaker
from tests.legacy.sampling.wire import Wire

EPOCH = 1_764_915_114
"""2025-12-05 06:11:54 UTC."""
YEAR_SECONDS = 365 * 86_400
IDS_UP_TO = 100_000
"""Above so many tasks only counts are told."""
_TELL_EVERY = 2_000
_RECENT_SHARE = 0.03
_RECENT_AT_LEAST = 20
_NEIGHBOURS_SWAP = 0.1
_HAS_TTL = 0.05


class Sample(Struct, frozen=True):
    """What to write. `breakage` is the share of tasks, and of users, that are broken (0: none is)."""

    tasks: int
    users: int
    seed: int = 1
    breakage: float = 0.02
    prefix: str = "formy:"
    epoch: int = EPOCH
    """When the last task was made, in seconds since 1970."""


class Expected(Struct, frozen=True):
    """What was written, and what of it an import has to bring over. Kinds are those of `Breakage`."""

    users: int
    """Users (by id) that must become accounts: the sound ones, and broken ones whose fate is IMPORTED."""
    placeholders: int
    """User ids that only tasks know."""
    hashes: int
    """Keys of tasks there are, readable or not."""
    queued: int
    """Length of the queue, with what is in it twice or without a hash."""
    processing: int
    """Size of the set of those being worked on."""
    tasks: dict[str, int]
    """By status: tasks that must become rows, the sound ones and broken ones whose fate is IMPORTED."""
    broken: dict[str, int]
    """By kind: how many users or tasks."""
    broken_by_status: dict[str, dict[str, int]]
    """By kind and the status it has or had: how many tasks."""
    ids: dict[str, list[str]]
    """By kind: ids of the users or tasks; empty when the sample has more than 100,000 tasks."""
    files: FilesWritten | None = None


def generate(
    client: "redis.Redis",
    sample: Sample,
    *,
    told: Callable[[int], None] | None = None,
    files: Path | None = None,
) -> Expected:
    """Write a sample into an empty Redis, and tell what it is.

    `told` hears now and then how many tasks are written. `files` is a directory for uploads and results of some tasks.

    Raises:
        redis.RedisError: the server can't be reached, or refuses.
    """
    return _Writing(sample, Pictures(files, sample.tasks) if files else None).into(client, told)


class _Writing:
    def __init__(self, sample: Sample, pictures: Pictures | None) -> None:
        # Nobody has to be unable to guess it.
        random = Random(sample.seed)  # noqa: S311
        self._sample = sample
        self._random = random.random
        self._pictures = pictures
        self._prefix = sample.prefix.encode() + b"task:"
        self._names = Names(sample.seed, sample.tasks, sample.epoch)
        self._plan_of_users = Plan(sample.users, sample.breakage, DAMAGE_TO_USERS)
        self._plan_of_tasks = Plan(sample.tasks, sample.breakage, DAMAGE_TO_TASKS)
        self._user_maker = UserMaker(self._names, random, sample.epoch)
        self._task_maker = TaskMaker(self._names, random)
        self._recent = sample.tasks - max(round(sample.tasks * _RECENT_SHARE), min(sample.tasks, _RECENT_AT_LEAST))
        self._users = 0
        self._placeholders = 0
        self._hashes = 0
        self._tasks: Counter[str] = Counter()
        self._broken: Counter[str] = Counter()
        self._broken_by_status: dict[str, Counter[str]] = {}
        self._ids: dict[str, list[str]] = {}
        self._queue: list[bytes] = []
        self._processing: list[bytes] = []
        self._queued = 0
        self._in_processing = 0

    def into(self, client: "redis.Redis", told: Callable[[int], None] | None) -> Expected:
        with Wire(client) as wire:
            for index in range(self._sample.users):
                self._write_user(wire, index)
            for index in range(self._sample.tasks):
                self._write_task(wire, index)
                if (index + 1) % _TELL_EVERY == 0:
                    self._write_lists(wire)
                    if told is not None:
                        told(index + 1)
            self._write_lists(wire)
        return Expected(
            users=self._users,
            placeholders=self._placeholders,
            hashes=self._hashes,
            queued=self._queued,
            processing=self._in_processing,
            tasks=dict(self._tasks),
            broken=dict(self._broken),
            broken_by_status={kind: dict(counts) for kind, counts in self._broken_by_status.items()},
            ids=self._ids,
            files=self._pictures.finish() if self._pictures else None,
        )

    def _write_user(self, wire: Wire, index: int) -> None:
        draft = self._user_maker.make(index)
        fate = Fate.IMPORTED
        if kind := self._plan_of_users.at(index):
            damage = DAMAGE_TO_USERS[kind]
            damage.do(draft)
            fate = damage.fate
            self._note(kind, draft.user_id)
        self._users += fate is Fate.IMPORTED
        _send_user(wire, draft)

    def _write_task(self, wire: Wire, index: int) -> None:
        kind = self._plan_of_tasks.at(index)
        damage = DAMAGE_TO_TASKS[kind] if kind else None
        draft = self._task_maker.make(index, self._owner(), (damage and damage.status) or self._status(index))
        fate = Fate.IMPORTED
        if kind is not None and damage is not None:
            damage.do(draft)
            fate = damage.fate
            self._note(kind, draft.task_id.decode())
            self._broken_by_status.setdefault(kind, Counter())[draft.status] += 1
            self._placeholders += kind in {Breakage.USER_UNKNOWN, Breakage.USER_MALFORMED}
        self._tasks[draft.status] += fate is Fate.IMPORTED
        self._send_task(wire, draft)
        if self._pictures is not None:
            self._pictures.add(draft, counts=fate is Fate.IMPORTED)

    def _send_task(self, wire: Wire, draft: TaskDraft) -> None:
        key = self._prefix + b"data:" + draft.task_id
        if draft.string_instead is not None:
            self._hashes += 1
            wire.send(b"SET", key, draft.string_instead)
        elif draft.fields:
            self._hashes += 1
            wire.send(b"HSET", key, *(word for pair in draft.fields.items() for word in pair))
            if self._random() < _HAS_TTL:
                wire.send(b"EXPIRE", key, b"%d" % YEAR_SECONDS)
        for name, value in draft.extra.items():
            wire.send(b"SET", name, value)
        self._queue += [draft.task_id] * draft.in_queue
        if draft.in_processing:
            self._processing.append(draft.task_id)

    def _write_lists(self, wire: Wire) -> None:
        """The queue's order is not quite that of the tasks: some were pushed by another process, or again."""
        for place in range(1, len(self._queue)):
            if self._random() < _NEIGHBOURS_SWAP:
                self._queue[place - 1 : place + 1] = self._queue[place], self._queue[place - 1]
        if self._queue:
            wire.send(b"RPUSH", self._prefix + b"queue", *self._queue)
        if self._processing:
            wire.send(b"SADD", self._prefix + b"processing", *self._processing)
        self._queued += len(self._queue)
        self._in_processing += len(self._processing)
        self._queue, self._processing = [], []

    def _owner(self) -> str:
        """A user that must become an account."""
        index = int(self._random() * self._sample.users)
        while (kind := self._plan_of_users.at(index)) and DAMAGE_TO_USERS[kind].fate is not Fate.IMPORTED:
            index = (index + 1) % self._sample.users
        return self._names.user_id(index)

    def _status(self, index: int) -> str:
        """Tasks have ended but for the most recent ones."""
        lot = self._random()
        if index >= self._recent:
            return "pending" if lot < 0.7 else "processing" if lot < 0.75 else "done"
        return "done" if lot < 0.82 else "failed" if lot < 0.93 else "cancelled"

    def _note(self, kind: str, record_id: str) -> None:
        self._broken[kind] += 1
        if self._sample.tasks <= IDS_UP_TO:
            self._ids.setdefault(kind, []).append(record_id)


def _send_user(wire: Wire, draft: UserDraft) -> None:
    id_key = f"user:id:{draft.user_id}".encode()
    if draft.hash_instead:
        words = (word.encode() for name, value in draft.by_id.items() for word in (name, str(value)))
        wire.send(b"HSET", id_key, *words)
    elif draft.by_id is not None:
        wire.send(b"SET", id_key, draft.by_id if isinstance(draft.by_id, bytes) else json_of(draft.by_id))
    copies = draft.other_emails | ({} if draft.by_email is None else {draft.email: draft.by_email})
    for email, copy in copies.items():
        wire.send(b"SET", f"user:email:{email}".encode(), copy if isinstance(copy, bytes) else json_of(copy))


def _main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.legacy.sample", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--redis-url", required=True, help="an empty Redis")
    parser.add_argument("--tasks", type=int, required=True)
    parser.add_argument("--users", type=int, help="one per hundred tasks, at least 100, unless said")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--breakage", type=float, default=0.02, help="share of broken records; 0: none")
    parser.add_argument("--prefix", default="formy:")
    parser.add_argument("--files", type=Path, help="a directory for uploads and results of some tasks")
    asked = parser.parse_args()
    users = max(100, asked.tasks // 100) if asked.users is None else asked.users
    sample = Sample(asked.tasks, users, asked.seed, asked.breakage, asked.prefix)
    client = redis.Redis.from_url(asked.redis_url)
    try:
        write_and_tell(client, sample, asked.files)
    finally:
        client.close()


def write_and_tell(client: "redis.Redis", sample: Sample, files: Path | None = None) -> None:
    """Write a sample, with a line of progress and a summary on the standard error output."""
    began = time.monotonic()

    def tell(written: int) -> None:
        rate = written / (time.monotonic() - began)
        print(f"\r{written:,} of {sample.tasks:,} tasks, {rate:,.0f} a second ", end="", file=sys.stderr, flush=True)

    expected = generate(client, sample, told=tell, files=files)
    took = time.monotonic() - began
    print(f"\r{expected.hashes:,} tasks and {sample.users:,} users in {took:.1f} s".ljust(60), file=sys.stderr)
    statuses = ", ".join(f"{count:,} {status}" for status, count in sorted(expected.tasks.items()))
    print(f"to be imported for certain: {expected.users:,} users; {statuses}", file=sys.stderr)
    if expected.broken:
        kinds = ", ".join(f"{kind} {count:,}" for kind, count in sorted(expected.broken.items()))
        print(f"broken: {kinds}", file=sys.stderr)
    if expected.files is not None:
        print(f"files: {expected.files.uploads:,} uploads, {expected.files.results:,} results", file=sys.stderr)


if __name__ == "__main__":
    _main()
