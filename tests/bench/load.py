"""Load generators on raw sockets, for comparing two servers in one run, not for capacity planning.

`load` is a closed loop: as many callers as asked, each waiting for its answer. That flatters the slowest answers, as a
caller that waits sends nothing. `arrivals` is an open loop: requests come when they come, whether or not others wait;
their time counts from then. Its p99 is what clients see at that rate.
"""

import asyncio
import statistics
import time
from collections.abc import Sequence
from itertools import count

from msgspec import Struct

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Load(Struct, frozen=True):
    """What a server did under load; latencies in milliseconds."""

    answers: int
    per_second: float
    p50: float
    p99: float


def request(method: str, path: str, headers: dict[str, str], body: bytes = b"") -> bytes:
    """A request, ready to be sent again and again."""
    lines = [f"{method} {path} HTTP/1.1", "Host: bench", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def arrivals(port: int, requests: Sequence[bytes], *, per_second: float, seconds: float, expected: int) -> Load:
    """Let so many requests come each second, evenly, over as many connections as that takes.

    Raises:
        AssertionError: An answer had another status than expected.
    """
    idle: list[Connection] = []
    latencies: list[float] = []
    began = time.perf_counter()

    async def one(number: int, came: float) -> None:
        connection = idle.pop() if idle else await asyncio.open_connection("127.0.0.1", port)
        await _ask(connection, requests[number % len(requests)], expected)
        latencies.append((time.perf_counter() - came) * 1000)
        idle.append(connection)

    async with asyncio.TaskGroup() as group:
        for number in range(int(per_second * seconds)):
            came = began + number / per_second
            await asyncio.sleep(max(0.0, came - time.perf_counter()))
            group.create_task(one(number, came))
    took = time.perf_counter() - began
    for _, writer in idle:
        writer.close()
    cuts = statistics.quantiles(latencies, n=100)
    return Load(len(latencies), len(latencies) / took, cuts[49], cuts[98])


async def load(port: int, requests: Sequence[bytes], *, callers: int, seconds: float, expected: int) -> Load:
    """Send the requests in turn for so many seconds.

    Raises:
        AssertionError: An answer had another status than expected.
    """
    turn = count()
    latencies: list[float] = []
    ends = time.perf_counter() + seconds

    async def caller() -> None:
        connection = await asyncio.open_connection("127.0.0.1", port)
        while (began := time.perf_counter()) < ends:
            await _ask(connection, requests[next(turn) % len(requests)], expected)
            latencies.append((time.perf_counter() - began) * 1000)
        connection[1].close()

    began = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(callers)))
    took = time.perf_counter() - began
    cuts = statistics.quantiles(latencies, n=100)
    return Load(len(latencies), len(latencies) / took, cuts[49], cuts[98])


async def _ask(connection: Connection, request: bytes, expected: int) -> None:
    reader, writer = connection
    writer.write(request)
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    assert int(head[9:12]) == expected, head
    await reader.readexactly(int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0]))
