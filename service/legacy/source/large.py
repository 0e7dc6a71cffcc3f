"""Records of the old Redis that may be too large to be held."""

from itertools import accumulate
from typing import Final, cast

import redis

from service.legacy.records import TOO_LARGE, Fields
from service.legacy.source.batches import cut

LARGEST: Final = 32 << 20
"""Bytes of a record that are read. What is larger, and what has no room beside all that is smaller, stays in the old
system, and costs only itself: PostgreSQL keeps no record whole that has 256 MB."""


def smallest_fields(client: redis.Redis, key: bytes, batch: int) -> tuple[Fields, dict[bytes, int]]:
    """Of a hash's fields the smallest, as many as have LARGEST together; of the others the bytes, the largest first."""
    sizes: dict[bytes, int] = {}
    for names in cut(cast("list[bytes]", client.hkeys(key)), batch):
        pipeline = client.pipeline(transaction=False)
        for name in names:
            pipeline.hstrlen(key, cast("str", name))
        sizes |= zip(names, cast("list[int]", pipeline.execute()), strict=True)
    smallest = sorted(sizes, key=lambda name: sizes[name])
    together = accumulate(len(name) + sizes[name] for name in smallest)
    held = [name for name, size in zip(smallest, together, strict=True) if size <= LARGEST]
    fields: Fields = {}
    for names in cut(held, batch):
        values = cast("list[bytes | None]", client.hmget(key, cast("list[str]", names)))
        fields |= {name: value for name, value in zip(names, values, strict=True) if value is not None}
    return fields, {name: sizes[name] for name in reversed(smallest[len(held) :])}


def in_place_of(client: redis.Redis, key: bytes) -> bytes | None:
    """What tells of something else than a hash how much it has; None where there is nothing (any more)."""
    kind = client.type(key)
    if kind == b"none":
        return None
    return TOO_LARGE + b"%d" % (client.strlen(key) if kind == b"string" else client.memory_usage(key) or 0)
