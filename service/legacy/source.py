"""The Redis of the system before this one: read in batches, and never written to."""

import re
from collections import defaultdict
from collections.abc import Generator, Iterable, Sequence
from datetime import timedelta
from itertools import islice
from typing import Any, Final, TypeVar, cast

import redis

from service.legacy.records import RawTask, RawUser
from service.legacy.resp import PlainParser
from service.legacy.users import BY_EMAIL, BY_ID, email_in, named_by

T = TypeVar("T")

BATCH: Final = 1000
SILENCE: Final = 30.0
"""Seconds without an answer after which the connection counts as lost."""

RARE: Final = 5
"""How many batches of keys Redis looks at in one command for kinds of which there are few among many others: its other
clients wait for about a millisecond."""

FOREVER: Final = 1000 * 365 * 86_400_000
"""Milliseconds that are no time to live: a date that far ahead can't be told."""

_HGETALL: Final = b"*2\r\n$7\r\nHGETALL\r\n$%d\r\n%b\r\n"
_PTTL: Final = b"*2\r\n$4\r\nPTTL\r\n$%d\r\n%b\r\n"
_EXISTS: Final = b"*2\r\n$6\r\nEXISTS\r\n$%d\r\n%b\r\n"
"""Commands about one key, as Redis takes them."""

_WRONG_TYPE: Final = "WRONGTYPE"
_GLOB: Final = re.compile(rb"([\\*?\[\]^])")


class WrongPrefix(Exception):  # noqa: N818 - an answer to who named it
    """No task's key begins as was said, and other tasks' keys do otherwise."""


class WrongType(Exception):  # noqa: N818 - an answer about the data
    """Under a key that all tasks share lies something else than the old system keeps there."""

    def __init__(self, key: str, expected: str, found: str) -> None:
        super().__init__(f"under {key} lies a {found}, not a {expected}")
        self.key = key


class LegacyRedis:
    """Reads the old layout. Synchronous: redis-py reads batches twice as fast this way; call it in a thread."""

    def __init__(self, url: str, prefix: str, *, batch: int = BATCH) -> None:
        pool = redis.ConnectionPool.from_url(
            url, socket_timeout=SILENCE, socket_connect_timeout=SILENCE, protocol=2, parser_class=PlainParser
        )
        self._redis = redis.Redis(connection_pool=pool)
        self._prefix = prefix
        self._data_key = f"{prefix}task:data:".encode()
        self._queue_key = f"{prefix}task:queue"
        self._processing_key = f"{prefix}task:processing"
        self._batch = batch
        self.known_by_email: set[str] = set()
        """Users that were read last and have no copy under their id: few, whose keys may spell the email otherwise."""

    def close(self) -> None:
        self._redis.close()
        self._redis.connection_pool.disconnect()

    def check_prefix(self) -> None:
        """For who has looked for tasks in vain.

        Raises:
            WrongPrefix: There are some under another prefix.
        """
        for keys in self._matching(b"*task:data:*", self._batch):
            other = _shown(keys[0].partition(b"task:data:")[0])
            raise WrongPrefix(
                f"No task's key begins with {self._prefix!r}, but there are some that begin with {other!r}."
            )

    def size(self) -> int:
        """How many keys there are, of whatever kind."""
        return self._redis.dbsize()

    def tasks(self, *, with_expiry: bool = False) -> Generator[list[RawTask]]:
        """Every task's hash, in batches. SCAN may bring one twice."""
        for keys in self._keys(self._data_key):
            left = self._ask(_PTTL, keys) if with_expiry else [-1] * len(keys)
            yield self._tasks(keys, left)

    def _tasks(self, keys: Sequence[bytes], milliseconds_left: Sequence[int]) -> list[RawTask]:
        found: list[RawTask] = []
        for key, fields, left in zip(keys, self._ask(_HGETALL, keys), milliseconds_left, strict=True):
            task_id = _shown(key[len(self._data_key) :])
            if isinstance(fields, redis.ResponseError):
                found += self._something_else(key, task_id)
            elif fields:  # empty: it has expired since the scan
                lives = timedelta(milliseconds=left) if 0 <= left < FOREVER else None
                found.append(RawTask(task_id, dict(zip(fields[::2], fields[1::2], strict=True)), lives))
        return found

    def _ask(self, command: bytes, keys: Sequence[bytes]) -> list[Any]:
        """One command about each key, in a pipeline without the library's objects for each.

        Answers as RESP2 gives them; that a key holds something else is one, any other error is raised.
        """
        pool = self._redis.connection_pool
        connection = pool.get_connection()
        try:
            connection.send_packed_command([b"".join([command % (len(key), key) for key in keys])])
            # The parser that the pool was told to take; the library's own way to it reads one answer at a time.
            parser = cast("PlainParser", connection._parser)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage, reportUnknownMemberType]
            answers = parser.read_many(len(keys))
        except BaseException:
            # What still comes would be taken for the answers to the next commands.
            connection.disconnect()
            raise
        finally:
            pool.release(connection)
        for answer in answers:
            if isinstance(answer, redis.RedisError) and not str(answer).startswith(_WRONG_TYPE):
                raise answer
        return answers

    def _something_else(self, key: bytes, task_id: str) -> list[RawTask]:
        """What isn't a hash is kept as Redis dumps it: RESTORE brings it back, whatever it is."""
        kind = cast("bytes", self._redis.type(key)).decode()
        dump = self._redis.dump(key)
        return [] if dump is None else [RawTask(task_id, {b"dump": dump}, None, kind)]

    def users(self) -> Generator[list[RawUser]]:
        """Every user with all copies, in batches.

        Who has a copy under the id is found by it; the others, and copies under emails that the one under the id
        doesn't name, are few and are remembered.
        """
        strays, orphans = self._strays()
        without_id = set(strays)
        self.known_by_email.clear()
        for keys in self._keys(BY_ID, rare=True):
            users = [self._gather(key, copy, strays) for key, copy in self._values(keys)]
            emails = {name for _, names in users for name in names}
            copies = dict(self._values(sorted(emails)))
            orphans -= copies.keys()
            without_id -= {user.user_id for user, _ in users}
            yield [
                RawUser(user.user_id, user.copies | {name: copies[name] for name in names if name in copies})
                for user, names in users
            ]
        for user_ids in _batches(sorted(without_id), self._batch):
            found = [(user_id, dict(self._values(strays[user_id]))) for user_id in user_ids]
            users = [RawUser(user_id, copies) for user_id, copies in found if copies]
            self.known_by_email.update(user.user_id for user in users)
            yield users
        for keys in _batches(sorted(orphans), self._batch):
            yield [RawUser(_shown(key), {key: copy}, nameless=True) for key, copy in self._values(keys)]

    def _gather(self, key: bytes, copy: bytes, strays: dict[str, list[bytes]]) -> tuple[RawUser, list[bytes]]:
        user_id = _shown(key[len(BY_ID) :])
        names = strays.get(user_id, [])
        if email := email_in(copy):
            names = [*names, BY_EMAIL + email.encode(errors="replace")]
        return RawUser(user_id, {key: copy}), names

    def _strays(self) -> tuple[dict[str, list[bytes]], set[bytes]]:
        """Keys by email that the copy under the id doesn't lead to, by the user they name; and those that name none."""
        strays: defaultdict[str, list[bytes]] = defaultdict(list)
        orphans: set[bytes] = set()
        for keys in self._keys(BY_EMAIL, rare=True):
            copies = self._values(keys)
            named = [(key, named_by(copy)) for key, copy in copies]
            orphans.update(key for key, user_id in named if user_id is None)
            by_id = dict(self._values([BY_ID + user_id.encode(errors="replace") for _, user_id in named if user_id]))
            for key, user_id in named:
                if user_id is None:
                    continue
                copy = by_id.get(BY_ID + user_id.encode(errors="replace"))
                email = None if copy is None else email_in(copy)
                if email is None or BY_EMAIL + email.encode(errors="replace") != key:
                    strays[user_id].append(key)
        return strays, orphans

    def _values(self, keys: Sequence[bytes]) -> list[tuple[bytes, bytes]]:
        """Keys and their strings, as far as there are some; what isn't a string comes as Redis dumps it."""
        if not keys:
            return []
        values = dict(zip(keys, cast("list[bytes | None]", self._redis.mget(keys)), strict=True))
        if empty := [key for key, value in values.items() if value is None]:
            pipeline = self._redis.pipeline(transaction=False)
            for key in empty:
                pipeline.dump(key)
            values |= dict(zip(empty, pipeline.execute(), strict=True))
        return [(key, value) for key, value in values.items() if value is not None]

    def queue(self) -> Generator[list[tuple[int, str]]]:
        """The waiting ids with their places, in batches, the last place first: who reads on sees earlier places.

        Raises:
            WrongType: It is no list.
        """
        self._expect(self._queue_key, "list")
        end = self._redis.llen(self._queue_key)
        while end > 0:
            start = max(end - self._batch, 0)
            ids = cast("list[bytes]", self._redis.lrange(self._queue_key, start, end - 1))
            yield [(start + place, _shown(one)) for place, one in enumerate(ids)][::-1]
            end = start

    def processing(self) -> Generator[list[str]]:
        """The ids that the old workers were at, in batches.

        Raises:
            WrongType: It is no set.
        """
        self._expect(self._processing_key, "set")
        members = cast("Iterable[bytes]", self._redis.sscan_iter(self._processing_key, count=self._batch))
        for batch in _batches(members, self._batch):
            yield [_shown(member) for member in batch]

    def _expect(self, key: str, kind: str) -> None:
        found = cast("bytes", self._redis.type(key)).decode()
        if found not in {kind, "none"}:
            raise WrongType(_shown(key.encode()), kind, found)

    def missing(self, task_ids: Sequence[str]) -> list[str]:
        """Those of these tasks that aren't there (any more)."""
        there = self._ask(_EXISTS, [self._data_key + task_id.encode() for task_id in task_ids])
        return [task_id for task_id, exists in zip(task_ids, there, strict=True) if not exists]

    def missing_users(self, users: Sequence[tuple[str, str | None]]) -> list[str]:
        """Those of these users, by id and email, that have no copy under either; to be asked after they were read."""
        pipeline = self._redis.pipeline(transaction=False)
        for user_id, email in users:
            pipeline.exists(BY_ID + user_id.encode(), BY_EMAIL + (email or "").encode())
        found = cast("list[int]", pipeline.execute())
        gone = [user_id for (user_id, _), there in zip(users, found, strict=True) if not there]
        return [user_id for user_id in gone if user_id not in self.known_by_email]

    def _keys(self, start: bytes, *, rare: bool = False) -> Generator[list[bytes]]:
        """Keys that begin so, in batches."""
        return self._matching(_GLOB.sub(rb"\\\1", start) + b"*", self._batch * (RARE if rare else 1))

    def _matching(self, pattern: bytes, look_at: int) -> Generator[list[bytes]]:
        cursor = 0
        while True:
            cursor, keys = cast("tuple[int, list[bytes]]", self._redis.scan(cursor, match=pattern, count=look_at))
            yield from _batches(keys, self._batch)
            if cursor == 0:
                return


def _shown(name: bytes) -> str:
    return name.decode(errors="backslashreplace").replace("\0", "\\0")


def _batches(values: Iterable[T], size: int) -> Generator[list[T]]:
    remaining = iter(values)
    while batch := list(islice(remaining, size)):
        yield batch
