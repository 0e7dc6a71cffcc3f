"""One user's streams, however many they are and however much is told on them, keep nobody else waiting."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from unittest.mock import Mock

import pytest

from schema.models.accounts import Scope
from schema.models.problems import ProblemCode
from service.accounts.known import KnownCallers
from service.accounts.store import Holder
from service.database import Connection, Pool
from service.event_urls import EventUrls
from service.files.storage import Storage
from service.files.urls import FileUrls
from service.http.gate import Gate
from service.presenting import Presenter
from service.queue import Queue
from service.refusals import Refused
from service.sharing.turns import AT_ONCE, Turns
from service.tasks.deadlines import Deadlines
from service.tasks.dispatch import Dispatcher
from service.tasks.line import Line
from service.tasks.streaming import Streams
from service.tasks.watching import News
from tests import lives


async def test_others_have_their_turn_between_events() -> None:
    """Ten thousand that are there to be told: each round of the loop tells a few, and so is one of many."""

    async def much() -> AsyncGenerator[int]:
        for number in range(100):
            yield number

    async def still() -> bool:
        return True

    gate, rounds, told_in_round = Gate(Mock(), Mock(), Mock()), 0, Counter[int]()

    async def others() -> None:
        nonlocal rounds
        while True:
            rounds += 1
            await asyncio.sleep(0)

    async def read() -> list[int]:
        seen: list[int] = []
        async for number in gate.as_long_as(still, much()):
            told_in_round[rounds] += 1
            seen.append(number)
        return seen

    beside = asyncio.create_task(others())
    readers = [asyncio.create_task(read()) for _ in range(100)]
    seen = await asyncio.gather(*readers)
    beside.cancel()
    assert seen == [list(range(100))] * 100
    told_in_round.pop(min(told_in_round))  # where all begin
    assert max(told_in_round.values()) <= 2 * AT_ONCE


async def test_who_leaves_while_waiting_for_a_turn_takes_none_away() -> None:
    turns = Turns()
    waiting = [asyncio.create_task(turns.take()) for _ in range(3 * AT_ONCE)]
    await asyncio.sleep(0)
    for one in waiting[::2]:
        one.cancel()
    await asyncio.wait_for(asyncio.gather(*waiting[1::2]), 5)
    await asyncio.wait_for(turns.take(), 5)


async def test_many_come_with_one_key_and_are_looked_up_once(pool: Pool) -> None:
    asked: list[Sequence[str]] = []

    async def look_up(_: Connection, users: Sequence[str]) -> dict[str, Holder]:
        asked.append(users)
        await asyncio.sleep(0.01)
        return {user: Holder(user, is_active=True, scope=Scope.USER, use_is_noted=True) for user in users}

    known = KnownCallers(pool, look_up)
    callers = await asyncio.gather(*(known.get("usr_1") for _ in range(100)))
    assert {caller and caller.user_id for caller in callers} == {"usr_1"}
    assert asked == [["usr_1"]]
    await known.close()


async def test_what_is_forgotten_while_it_is_looked_up_stays_forgotten(pool: Pool) -> None:
    looking, may_go_on = asyncio.Event(), asyncio.Event()

    async def look_up(_: Connection, users: Sequence[str]) -> dict[str, Holder]:
        looking.set()
        await may_go_on.wait()
        return {user: Holder(user, is_active=True, scope=Scope.USER, use_is_noted=True) for user in users}

    known = KnownCallers(pool, look_up)
    caller = asyncio.create_task(known.get("usr_1"))
    await looking.wait()
    known.forget("usr_1")
    may_go_on.set()
    assert await caller is None
    assert await known.get("usr_1") is None
    await known.close()


async def test_so_many_streams_and_no_more(
    pool: Pool, connection: Connection, queue: Queue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.tasks.streaming.MOST_OF_USER", 3)
    present = Presenter(FileUrls(["key"], None, Storage.open(tmp_path.as_uri())), EventUrls(["key"], None))
    streams = Streams(pool, News(queue), present, Deadlines(pool, Dispatcher(pool, queue)), Line(pool))
    one, other = [await lives.add_user(connection) for _ in range(2)]
    task = await lives.create(connection, one)
    opened = [streams.of_user(one, None), streams.of_user(one, None), streams.of_task(task, None)]
    for stream in opened:
        assert await anext(stream) is None
    for refused in (streams.of_user(one, None), streams.of_task(task, None)):
        with pytest.raises(Refused) as caught:
            await anext(refused)
        assert caught.value.code is ProblemCode.RATE_LIMITED
        assert caught.value.retry_after
    opened.append(streams.of_user(other, None))
    assert await anext(opened[-1]) is None
    await opened.pop(0).aclose()
    opened.append(streams.of_user(one, None))
    assert await anext(opened[-1]) is None
    for stream in opened:
        await stream.aclose()
