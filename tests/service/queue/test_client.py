"""Connections to Redis that end while nobody uses them."""

import asyncio

from service.queue import Queue
from service.queue.client import make_client
from tests.keys import EDIT_KEYS

AT_ONCE = 5


async def test_what_was_closed_meanwhile_fails_no_command(queue: Queue, redis_url: str) -> None:
    """Redis was started again, or a proxy closes what idles: whoever comes next finds it well."""
    await asyncio.gather(*(queue.redis.blpop([EDIT_KEYS.waiting], timeout=0.1) for _ in range(AT_ONCE)))
    other = make_client(redis_url)
    assert await other.client_kill_filter(_type="normal", skipme=True) >= AT_ONCE
    await other.aclose()
    await asyncio.sleep(0.1)
    sent = [queue.send([(f"task_{n}", 0)]) for n in range(AT_ONCE)]
    assert await asyncio.gather(*sent, return_exceptions=True) == [None] * AT_ONCE
    assert await queue.withdraw([("task_0", 0)]) == 1
