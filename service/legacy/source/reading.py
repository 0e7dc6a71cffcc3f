"""The old Redis's tasks, as a move works with them: where there are many, read by a process beside.

Reading a task takes as much processor time as everything else that is done with it, and in one process threads would
take turns at it.
"""

import asyncio
import gc
import os
import pickle
import signal
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, suppress
from datetime import UTC, datetime
from typing import IO, Any, Final, cast

import msgspec
import redis
from msgspec import Struct

from service.legacy.records import RawTask, Task, Unreadable
from service.legacy.records.rows import TaskRow, task_row
from service.legacy.records.tasks import Zone, read_task
from service.legacy.records.values import zone_of
from service.legacy.source import LegacyRedis
from service.legacy.source.batches import ahead

MANY: Final = 20_000
"""Keys. Before a process has begun to read, fewer are read."""

COLLECT_EVERY: Final = 1_000_000
"""Objects. A batch has some hundred thousand, none of them in a cycle: looking for some only takes time."""

READ_AHEAD: Final = 8 << 20
"""Bytes. Twice as much is read ahead of the work: about ten thousand rows."""

PIPE_BYTES: Final = 1 << 20
"""As much as anybody may have: both ends wake up less often than for the usual 64 KiB."""

LENGTH_BYTES: Final = 4

_PACKED: Final = b"m"
"""What begins so is msgpack, which takes half of pickle's time. Pickle begins otherwise."""
_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(list[Task | TaskRow | Unreadable] | None)


class ReaderLost(Exception):  # noqa: N818 - whoever asked for a move is told so
    """The process that read the old Redis has ended before it was through."""


class Reading(Struct, frozen=True):
    """Which tasks are read, and how: times as of this zone; as rows where `now` is told (see `task_row`)."""

    url: str
    prefix: str
    batch: int
    timezone: str
    now: datetime | None


def many_tasks(source: LegacyRedis, zone: Zone) -> AsyncGenerator[list[Task | Unreadable]]:
    """Every task, in batches.

    Raises:
        redis.RedisError: The old Redis can't be read.
        ReaderLost: The process that does was ended.
    """
    return _read(source, zone, None)


def many_rows(source: LegacyRedis, zone: Zone, now: datetime) -> AsyncGenerator[list[TaskRow | Unreadable]]:
    """As `many_tasks`, as rows; `now` stands where a record tells no time."""
    return _read(source, zone, now)


async def _read(source: LegacyRedis, zone: Zone, now: datetime | None) -> AsyncGenerator[list[Any]]:
    if await asyncio.to_thread(source.size) < MANY:
        batches = ahead(_batches(source, zone, now))
    else:
        batches = _beside(Reading(source.url, source.prefix, source.batch, zone.name, now))
    async with aclosing(batches):
        async for batch in batches:
            yield batch


def _batches(source: LegacyRedis, zone: Zone, now: datetime | None) -> Iterator[list[Any]]:
    for raws in source.tasks(with_expiry=now is not None):
        yield [_record(raw, zone, now) for raw in raws]


def _record(raw: RawTask, zone: Zone, now: datetime | None) -> Task | TaskRow | Unreadable:
    task = read_task(raw, zone)
    if now is None or isinstance(task, Unreadable):
        return task
    expires_at = None if raw.time_to_live is None else datetime.now(UTC) + raw.time_to_live
    return task_row(task, raw.fields, expires_at, now=now)


async def _beside(reading: Reading) -> AsyncGenerator[list[Any]]:
    # The address holds a password: it goes where no list of processes shows it.
    command = [sys.executable, "-m", __name__]
    process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, limit=READ_AHEAD)
    said, asked = cast("asyncio.StreamReader", process.stdout), cast("asyncio.StreamWriter", process.stdin)
    usually = gc.get_threshold()
    gc.set_threshold(COLLECT_EVERY)
    try:
        asked.write(pickle.dumps(reading))
        asked.write_eof()
        while (batch := await _next_batch(said)) is not None:
            if isinstance(batch, redis.RedisError):
                raise batch
            yield batch
    except asyncio.IncompleteReadError:
        raise ReaderLost from None
    finally:
        gc.set_threshold(*usually)
        # Not by the process's own kill(), for the reason that actors/engines/local/process.py gives.
        if process.returncode is None:
            with suppress(ProcessLookupError):  # it has ended by itself
                os.kill(process.pid, signal.SIGKILL)
        await said.read()  # to its end, so that the pipe is closed
        await process.wait()


async def _next_batch(said: asyncio.StreamReader) -> Any:
    size = int.from_bytes(await said.readexactly(LENGTH_BYTES), "big")
    body = await said.readexactly(size)
    if body[:1] == _PACKED:
        return _DECODER.decode(memoryview(body)[1:])
    return pickle.loads(body)  # noqa: S301 - of a process of ours


def _tell(out: IO[bytes], batch: Any) -> None:
    try:
        body = _PACKED + _ENCODER.encode(batch)
    except (TypeError, OverflowError):  # an error; or a number of more than 64 bits
        body = pickle.dumps(batch)
    out.write(len(body).to_bytes(LENGTH_BYTES, "big"))
    out.write(body)
    out.flush()


def main() -> None:
    """Read what is asked for on the standard input, and tell it on the output, batch by batch; None is the end."""
    # A Ctrl-C is for who asked: when nobody listens any more, this ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.set_threshold(COLLECT_EVERY)
    reading: Reading = pickle.load(sys.stdin.buffer)  # noqa: S301 - of a process of ours
    source = LegacyRedis(reading.url, reading.prefix, batch=reading.batch)
    zone = Zone(reading.timezone, zone_of(reading.timezone))
    out = sys.stdout.buffer
    if sys.platform == "linux":
        import fcntl  # noqa: PLC0415 - Windows has none

        with suppress(OSError):  # its user has many pipes: it is as large as any other, then
            fcntl.fcntl(out, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    try:
        for batch in _batches(source, zone, reading.now):
            _tell(out, batch)
        _tell(out, None)
    except redis.RedisError as error:
        _tell(out, error)
    except BrokenPipeError:
        os._exit(1)  # without a last attempt to write


if __name__ == "__main__":
    main()
