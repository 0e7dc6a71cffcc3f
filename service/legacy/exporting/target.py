"""The Redis that the way back leads to: read as the old one is, and written to as the old system does it."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any, Final, cast

import redis
from redis.client import Pipeline

from service.legacy.exporting.writing import Written
from service.legacy.records import RawUser
from service.legacy.records.tasks import Zone, read_task
from service.legacy.records.users import BY_EMAIL, BY_ID, email_in, named_by
from service.legacy.source import LegacyRedis

IN_MAKING: Final = ":in-making"
"""Behind the queue's key: what will take its place."""


class LegacyTarget(LegacyRedis):
    """Reads what stands there, and writes records whole: each in one transaction of Redis."""

    def __init__(self, url: str, prefix: str) -> None:
        super().__init__(url, prefix)
        self._stray_keys: dict[str, list[bytes]] | None = None

    def fingerprints(self, task_ids: Sequence[str], zone: Zone) -> dict[str, bytes]:
        """What the tasks that are there look like."""
        keys = [self._data_key + task_id.encode() for task_id in task_ids]
        return {raw.task_id: read_task(raw, zone).fingerprint for raws in self._hashes([keys]) for raw in raws}

    def users_of(self, user_ids: Sequence[str]) -> dict[str, RawUser]:
        """The users' copies that are there, under their ids and emails."""
        if self._stray_keys is None:
            self._stray_keys, _ = self._strays()
        by_id = dict(self._values([BY_ID + user_id.encode() for user_id in user_ids]))
        names: dict[str, list[bytes]] = {}
        for user_id in user_ids:
            copy = by_id.get(BY_ID + user_id.encode())
            email = None if copy is None else email_in(copy)
            also = [] if email is None else [BY_EMAIL + email.encode(errors="replace")]
            names[user_id] = [*self._stray_keys.get(user_id, []), *also]
        by_email = dict(self._values(sorted({name for some in names.values() for name in some})))
        found: dict[str, RawUser] = {}
        for user_id in user_ids:
            key = BY_ID + user_id.encode()
            copies = {key: by_id[key]} if key in by_id else {}
            copies |= {name: by_email[name] for name in names[user_id] if name in by_email}
            if copies:
                found[user_id] = RawUser(user_id, copies)
        return found

    def in_parts(self, user_ids: Sequence[str]) -> list[list[str]]:
        """These users, as many at a time as may be held of what stands there."""
        ids = {BY_ID + user_id.encode(): user_id for user_id in user_ids}
        return [[ids[key] for key in keys] for keys in self._in_bounds([list(ids)])]

    def holders(self, keys: Sequence[bytes]) -> dict[bytes, str]:
        """Whom the copies under these keys name."""
        together = self._in_bounds([list(keys)])
        named = {key: named_by(copy) for group in together for key, copy in self._values(group)}
        return {key: user_id for key, user_id in named.items() if user_id is not None}

    def put_tasks(self, tasks: Sequence[Written]) -> None:
        """Write hashes, nothing of what they had before; nobody there is at work on these any more."""
        self._expect(self._processing_key, "set")
        pipeline = self._redis.pipeline(transaction=True)
        for task in tasks:
            key = self._data_key + task.record_id.encode()
            pipeline.delete(key)
            pipeline.hset(key, mapping=cast("Any", task.fields))
            pipeline.srem(self._processing_key, task.record_id)
        pipeline.execute()

    def put_users(self, users: Sequence[tuple[Written, RawUser | None]]) -> None:
        """Write copies. Those that stood under other emails of theirs go."""
        pipeline = self._redis.pipeline(transaction=True)
        for user, before in users:
            for key in self._own(before) - user.fields.keys():
                pipeline.delete(key)
            for key, copy in user.fields.items():
                pipeline.set(key, copy)
        pipeline.execute()

    def drop_tasks(self, task_ids: Sequence[str]) -> None:
        """Remove hashes, wherever their tasks stand."""
        self._expect(self._processing_key, "set")
        pipeline = self._redis.pipeline(transaction=True)
        for task_id in task_ids:
            pipeline.delete(self._data_key + task_id.encode())
            pipeline.srem(self._processing_key, task_id)
        pipeline.execute()

    def drop_users(self, users: Sequence[RawUser]) -> None:
        pipeline = self._redis.pipeline(transaction=True)
        for user in users:
            for key in self._own(user):
                pipeline.delete(key)
        pipeline.execute()

    def _own(self, user: RawUser | None) -> set[bytes]:
        """The keys whose copies are this user's; one under their email may be another's."""
        if user is None:
            return set()
        by_id = BY_ID + user.user_id.encode()
        return {key for key, copy in user.copies.items() if key == by_id or named_by(copy) == user.user_id}

    @contextmanager
    def new_queue(self) -> Generator["NewQueue"]:
        """One that takes the old one's place, unless that is changed meanwhile.

        Raises:
            WrongType: Under the queue's key lies no list.
        """
        self._expect(self._queue_key, "list")
        with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.watch(self._queue_key)
            yield NewQueue(self._redis, pipeline, self._queue_key, self.batch)


class NewQueue:
    """Filled from its head to its end, beside the one that stands there."""

    def __init__(self, redis: redis.Redis, watching: Pipeline, key: str, batch: int) -> None:
        self._redis = redis
        self._watching = watching
        self._key = key
        self._batch = batch
        redis.delete(key + IN_MAKING)

    def standing(self, page: int) -> list[bytes]:
        """A page of the ids that wait there now."""
        start = page * self._batch
        return cast("list[bytes]", self._redis.lrange(self._key, start, start + self._batch - 1))

    def push(self, task_ids: Sequence[bytes]) -> None:
        if task_ids:
            self._redis.rpush(self._key + IN_MAKING, *cast("Sequence[str]", task_ids))

    def put(self) -> bool:
        """Let it take the old one's place; False when somebody changed that meanwhile."""
        self._watching.multi()
        self._watching.delete(self._key)
        if self._redis.exists(self._key + IN_MAKING):
            self._watching.rename(self._key + IN_MAKING, self._key)
        try:
            self._watching.execute()
        except redis.WatchError:
            self._redis.delete(self._key + IN_MAKING)
            return False
        return True
