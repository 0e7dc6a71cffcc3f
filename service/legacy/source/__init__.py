"""The Redis of the system before this one: read in batches, and never written to."""

import re
from collections import defaultdict
from collections.abc import Generator, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final, NamedTuple, cast

import redis

from service.legacy.records import RawTask, RawUser
from service.legacy.records.users import BY_EMAIL, BY_ID, email_in, named_by
from service.legacy.source import large
from service.legacy.source.batches import cut
from service.legacy.source.places import places_of
from service.legacy.source.questions import EXISTS, HGETALL, MEMORY, PTTL, Question

BATCH: Final = 1000
SILENCE: Final = 30.0
"""Seconds without an answer after which the connection counts as lost."""

RARE: Final = 5
"""How many batches of keys Redis looks at in one command for kinds of which there are few among many others: its other
clients wait for about a millisecond."""

FOREVER: Final = 1000 * 365 * 86_400_000
"""Milliseconds that are no time to live: a date that far ahead can't be told."""

BYTES_AT_ONCE: Final = 4 << 20
"""Of records that are read in one go, as far as they are known; a larger one is read alone."""

CAUTIOUS: Final = 20
"""How many records are read in one go where Redis doesn't tell their sizes."""

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
        self.url, self.prefix, self.batch = url, prefix, batch
        pool = redis.ConnectionPool.from_url(url, socket_timeout=SILENCE, socket_connect_timeout=SILENCE, protocol=2)
        self._redis = redis.Redis(connection_pool=pool)
        self._data_key = f"{prefix}task:data:".encode()
        self._queue_key = f"{prefix}task:queue"
        self._processing_key = f"{prefix}task:processing"
        self._tells_sizes = True
        self.known_by_email: set[str] = set()
        """Users that were read last and have no copy under their id: few, whose keys may spell the email otherwise."""
        self._too_large: set[bytes] = set()
        """Keys of users' copies that aren't read, as far as sizes are known."""
        self._as_they_stand: dict[str, bytes] = {}
        """Names in the queue, and of those being worked on, that are shown otherwise: few."""

    def close(self) -> None:
        self._redis.close()
        self._redis.connection_pool.disconnect()

    def check_prefix(self) -> None:
        """For who has looked for tasks in vain.

        Raises:
            WrongPrefix: There are some under another prefix.
        """
        for keys in self._matching(b"*task:data:*", self.batch):
            other = _shown(keys[0].partition(b"task:data:")[0])
            raise WrongPrefix(
                f"No task's key begins with {self.prefix!r}, but there are some that begin with {other!r}."
            )

    def marks(self) -> list[str]:
        """What this database can be known by again: its server's addresses, and its run, where it tells that."""
        said = self._redis.connection_pool.connection_kwargs
        database = said.get("db") or 0
        found = {f"{place}/{database}" for place in places_of(said)}
        try:
            run = self._redis.info("server").get("run_id")
        except redis.RedisError:  # it may not be asked, or is away
            run = None
        return sorted(found | ({f"run {run}/{database}"} if run else set()))

    def size(self) -> int:
        """How many keys there are, of whatever kind."""
        return self._redis.dbsize()

    def tasks(self, *, with_expiry: bool = False) -> Generator[list[RawTask]]:
        """Every task's hash, in batches. SCAN may bring one twice."""
        return self._hashes(self._keys(self._data_key), with_expiry=with_expiry)

    def _hashes(self, pages: Iterable[Sequence[bytes]], *, with_expiry: bool = False) -> Generator[list[RawTask]]:
        """Before a batch is told, the next one is asked for: Redis answers while this one is worked on."""
        after: _Asked | None = None
        try:
            for asked in self._asked(pages, with_expiry=with_expiry):
                before, after = after, asked
                if before is not None:
                    yield self._tasks(before)
            if after is not None:
                yield self._tasks(after)
        finally:
            if after is not None and after.question is not None:
                after.question.give_up()

    def _asked(self, pages: Iterable[Sequence[bytes]], *, with_expiry: bool) -> Generator["_Asked"]:
        for keys in pages:
            with Question(self._redis.connection_pool, PTTL, keys if with_expiry else []) as left:
                groups = list(self._bounded(keys))
                lives = dict(zip(keys, left.answers() or [-1] * len(keys), strict=True))
            for group, size in groups:
                question = None if size > large.LARGEST else Question(self._redis.connection_pool, HGETALL, group)
                yield _Asked(group, lives, question)

    def _bounded(self, keys: Sequence[bytes]) -> Generator[tuple[list[bytes], int]]:
        """These keys, as many at a time as have BYTES_AT_ONCE together; with the size of them."""
        sizes = self._sizes(keys)
        group: list[bytes] = []
        together = 0
        for key, size in zip(keys, sizes, strict=True):
            if group and together + size > BYTES_AT_ONCE:
                yield group, together
                group, together = [], 0
            group.append(key)
            together += size
        if group:
            yield group, together

    def _sizes(self, keys: Sequence[bytes]) -> list[int]:
        """The bytes that each key takes in Redis; of one that is gone, none."""
        if self._tells_sizes:
            try:
                return [size or 0 for size in self._ask(MEMORY, keys)]
            except redis.ResponseError:  # it isn't allowed, or isn't known
                self._tells_sizes = False
        return [BYTES_AT_ONCE // CAUTIOUS] * len(keys)

    def _tasks(self, asked: "_Asked") -> list[RawTask]:
        if asked.question is None:
            return self._large(asked.keys[0], asked.milliseconds_left)
        found: list[RawTask] = []
        for key, fields in zip(asked.keys, asked.question.answers(), strict=True):
            task_id = _shown(key[len(self._data_key) :])
            if isinstance(fields, redis.ResponseError):
                found += self._something_else(key, task_id)
            elif fields:  # empty: it has expired since the scan
                lives = _lives(asked.milliseconds_left[key])
                parts = iter(fields)
                found.append(RawTask(task_id, dict(zip(parts, parts, strict=True)), lives))
        return found

    def _large(self, key: bytes, milliseconds_left: Mapping[bytes, int]) -> list[RawTask]:
        """A record that may be too large to be held: what can be."""
        task_id = _shown(key[len(self._data_key) :])
        kind = cast("bytes", self._redis.type(key)).decode()
        if kind != "hash":
            told = large.in_place_of(self._redis, key)
            return [] if told is None else [RawTask(task_id, {b"dump": told}, None, kind)]
        fields, left = large.smallest_fields(self._redis, key, self.batch)
        return [RawTask(task_id, fields, _lives(milliseconds_left[key]), None, left)] if fields or left else []

    def _ask(self, command: bytes, keys: Sequence[bytes]) -> list[Any]:
        """One command about each key; see `Question`."""
        return Question(self._redis.connection_pool, command, keys).answers()

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
        for keys in self._in_bounds(self._keys(BY_ID, rare=True)):
            users = [self._gather(key, copy, strays) for key, copy in self._values(keys)]
            emails = {name for _, names in users for name in names}
            copies = dict(self._values(sorted(emails)))
            orphans -= copies.keys()
            without_id -= {user.user_id for user, _ in users}
            yield [
                RawUser(user.user_id, user.copies | {name: copies[name] for name in names if name in copies})
                for user, names in users
            ]
        first_names = {strays[user_id][0]: user_id for user_id in sorted(without_id)}
        for keys in self._in_bounds(cut(first_names, self.batch)):
            user_ids = [first_names[key] for key in keys]
            copies = dict(self._values([name for user_id in user_ids for name in strays[user_id]]))
            found = [RawUser(one, {name: copies[name] for name in strays[one] if name in copies}) for one in user_ids]
            users = [user for user in found if user.copies]
            self.known_by_email.update(user.user_id for user in users)
            yield users
        for keys in self._in_bounds(cut(sorted(orphans), self.batch)):
            yield [RawUser(_shown(key), {key: copy}, nameless=True) for key, copy in self._values(keys)]

    def _in_bounds(self, batches: Iterable[list[bytes]]) -> Generator[list[bytes]]:
        for keys in batches:
            for group, size in self._bounded(keys):
                if size > large.LARGEST:  # it is alone
                    self._too_large.update(group)
                yield group

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
        for keys in self._in_bounds(self._keys(BY_EMAIL, rare=True)):
            copies = self._values(keys)
            named = [(key, named_by(copy)) for key, copy in copies]
            orphans.update(key for key, user_id in named if user_id is None)
            ids = {BY_ID + user_id.encode(errors="replace"): None for _, user_id in named if user_id}
            together = self._in_bounds([list(ids)])
            emails = {key: email_in(copy) for group in together for key, copy in self._values(group)}
            for key, user_id in named:
                if user_id is None:
                    continue
                email = emails.get(BY_ID + user_id.encode(errors="replace"))
                if email is None or BY_EMAIL + email.encode(errors="replace") != key:
                    strays[user_id].append(key)
        return strays, orphans

    def _values(self, keys: Sequence[bytes]) -> list[tuple[bytes, bytes]]:
        """Keys and their strings, as far as there are some; what isn't a string comes as Redis dumps it."""
        if too_large := [key for key in keys if key in self._too_large]:
            told = [(key, words) for key in too_large if (words := large.in_place_of(self._redis, key)) is not None]
            return [*told, *self._values([key for key in keys if key not in too_large])]
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
            start = max(end - self.batch, 0)
            ids = cast("list[bytes]", self._redis.lrange(self._queue_key, start, end - 1))
            yield [(start + place, self._named(one)) for place, one in enumerate(ids)][::-1]
            end = start

    def processing(self) -> Generator[list[str]]:
        """The ids that the old workers were at, in batches.

        Raises:
            WrongType: It is no set.
        """
        self._expect(self._processing_key, "set")
        members = cast("Iterable[bytes]", self._redis.sscan_iter(self._processing_key, count=self.batch))
        for batch in cut(members, self.batch):
            yield [self._named(member) for member in batch]

    def _named(self, name: bytes) -> str:
        shown = _shown(name)
        if shown.encode() != name:
            self._as_they_stand[shown] = name
        return shown

    def _expect(self, key: str, kind: str) -> None:
        found = cast("bytes", self._redis.type(key)).decode()
        if found not in {kind, "none"}:
            raise WrongType(_shown(key.encode()), kind, found)

    def missing(self, task_ids: Sequence[str]) -> list[str]:
        """Those of these tasks that aren't there (any more)."""
        names = [self._as_they_stand.get(task_id) or task_id.encode() for task_id in task_ids]
        there = self._ask(EXISTS, [self._data_key + name for name in names])
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
        return self._matching(_GLOB.sub(rb"\\\1", start) + b"*", self.batch * (RARE if rare else 1))

    def _matching(self, pattern: bytes, look_at: int) -> Generator[list[bytes]]:
        cursor = 0
        while True:
            cursor, keys = cast("tuple[int, list[bytes]]", self._redis.scan(cursor, match=pattern, count=look_at))
            yield from cut(keys, self.batch)
            if cursor == 0:
                return


class _Asked(NamedTuple):
    """Tasks' keys whose hashes were asked for; without a question it is one key, of a record too large to be held."""

    keys: list[bytes]
    milliseconds_left: Mapping[bytes, int]
    question: Question | None


def _lives(milliseconds: int) -> timedelta | None:
    return timedelta(milliseconds=milliseconds) if 0 <= milliseconds < FOREVER else None


def _shown(name: bytes) -> str:
    return name.decode(errors="backslashreplace").replace("\0", "\\0")
