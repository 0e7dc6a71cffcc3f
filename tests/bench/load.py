"""A closed-loop load generator on raw sockets: as many callers as asked, each waiting for its answer.

Closed loops flatter the slowest answers: a caller that waits sends nothing. The figures are for comparing two
servers in one run, not for capacity planning.
"""

import asyncio
import statistics
import time
from collections.abc import Sequence
from itertools import count

from msgspec import Struct


class Load(Struct, frozen=True):
    """What a server did under load; latencies in milliseconds."""

    per_second: float
    p50: float
    p99: float


def request(method: str, path: str, headers: dict[str, str], body: bytes = b"") -> bytes:
    """A request, ready to be sent again and again."""
    lines = [f"{method} {path} HTTP/1.1", "Host: bench", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def load(port: int, requests: Sequence[bytes], *, callers: int, seconds: float, expected: int) -> Load:
    """Send the requests in turn for so many seconds.

    Raises:
        AssertionError: An answer had another status than expected.
    """
    turn = count()
    latencies: list[float] = []
    ends = time.perf_counter() + seconds

    async def caller() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while (began := time.perf_counter()) < ends:
            writer.write(requests[next(turn) % len(requests)])
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            assert int(head[9:12]) == expected, head
            length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
            await reader.readexactly(length)
            latencies.append((time.perf_counter() - began) * 1000)
        writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(callers)))
    took = time.perf_counter() - began
    cuts = statistics.quantiles(latencies, n=100)
    return Load(len(latencies) / took, cuts[49], cuts[98])
