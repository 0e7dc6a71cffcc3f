"""Ids and times of a sample's records, as functions of their numbers: the same record is named anywhere again."""

import hashlib
import uuid
from datetime import UTC, datetime
from functools import lru_cache

_ALPHABET = b"0123456789abcdefghijklmnopqrstuvwxyz"
_TRIPLES = [
    bytes((_ALPHABET[n // 1296], _ALPHABET[n // 36 % 36], _ALPHABET[n % 36])) for n in range(len(_ALPHABET) ** 3)
]
_SUFFIXES = len(_TRIPLES) ** 2
# Shares no factor with 36: every number has a suffix of its own.
_STRIDE = 1_103_515_245

_OLD_SHARE = 5
"""One in so many tasks is from the time of the first form of ids."""
_LONGEST_SECONDS = 180 * 86_400
_LONGEST_STEP_SECONDS = 3_600
_JITTER = 7_919
_MINUTES = [b"%02d:%02d" % divmod(minute, 60) for minute in range(1440)]


class Names:
    """The names of `tasks` tasks, the last of them made at `epoch` (seconds since 1970)."""

    def __init__(self, seed: int, tasks: int, epoch: int) -> None:
        self._seed = seed
        self._tasks = tasks
        self._epoch = epoch
        self._step = max(1, min(_LONGEST_SECONDS // max(1, tasks), _LONGEST_STEP_SECONDS))
        self._shift = int.from_bytes(hashlib.blake2b(str(seed).encode(), digest_size=4).digest())
        self.user_id = lru_cache(maxsize=100_000)(self._user_id)

    def seconds(self, index: int) -> int:
        """When a task was made."""
        return self._epoch - (self._tasks - 1 - index) * self._step - index * _JITTER % self._step

    def task_id(self, index: int) -> bytes:
        if index < self._tasks // _OLD_SHARE:
            return b"task_%b_%b" % (_compact_day(self.seconds(index) // 86_400), self._suffix(index))
        return b"task_%d_%b" % (self.seconds(index), self._suffix(index))

    def file_id(self, index: int, which: int) -> bytes:
        """A task's own file: 0 is its source, 1 its reference."""
        suffix = self._suffix(self._tasks + 2 * index + which)
        if index < self._tasks // _OLD_SHARE:
            return b"img_%b_%b" % (_compact_day(self.seconds(index) // 86_400), suffix)
        return b"file_%d_%b" % (self.seconds(index) - 20 + 9 * which, suffix)

    def _suffix(self, number: int) -> bytes:
        first, second = divmod((number * _STRIDE + self._shift) % _SUFFIXES, len(_TRIPLES))
        return _TRIPLES[first] + _TRIPLES[second]

    def _user_id(self, index: int) -> str:
        digest = hashlib.blake2b(b"%d:%d" % (self._seed, index), digest_size=16).digest()
        return f"usr_{digest.hex()[:16]}" if index % 5 < 2 else str(uuid.UUID(bytes=digest, version=4))


def naive_time(seconds: int, microseconds: int) -> bytes:
    """ISO 8601 without a zone, as datetime.isoformat writes it."""
    days, seconds = divmod(seconds, 86_400)
    minutes, seconds = divmod(seconds, 60)
    if microseconds:
        return b"%bT%b:%02d.%06d" % (_day(days), _MINUTES[minutes], seconds, microseconds)
    return b"%bT%b:%02d" % (_day(days), _MINUTES[minutes], seconds)


@lru_cache(maxsize=10_000)
def _day(days: int) -> bytes:
    return datetime.fromtimestamp(days * 86_400, UTC).date().isoformat().encode()


@lru_cache(maxsize=10_000)
def _compact_day(days: int) -> bytes:
    return _day(days).replace(b"-", b"")
