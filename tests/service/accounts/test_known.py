"""Who came lately: looked up with all others, but neither when they have gone meanwhile, nor for each guess."""

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from schema.models.accounts import Scope
from service.accounts import known
from service.accounts.known import KnownCallers
from service.accounts.store import Holder
from service.database import Connection, Pool


async def test_who_is_forgotten_while_everybody_is_looked_up_stays_so(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever signs out at that moment would be let in for seconds."""
    monkeypatch.setattr(known, "REFRESHED_EVERY", 0.01)
    everybody, after = {"ann", "bob"}, list[set[str]]()
    looked_again = asyncio.Event()

    async def look_up(_: Connection, names: Sequence[str]) -> Mapping[str, Holder]:
        if after:
            after.append(set(names))
            looked_again.set()
        elif set(names) == everybody:
            callers.forget("ann")
            after.append(set())
        return {name: Holder(name, is_active=True, scope=Scope.USER, use_is_noted=True) for name in names}

    callers = KnownCallers[str](pool, look_up)
    for name in sorted(everybody):
        assert await callers.get(name) is not None
    await looked_again.wait()
    assert after[1] == {"bob"}
    assert await callers.get("ann") is None
    await callers.close()


async def test_a_guess_is_looked_up_once(pool: Pool) -> None:
    asked: list[Sequence[str]] = []

    async def look_up(_: Connection, names: Sequence[str]) -> Mapping[str, Holder]:
        asked.append(names)
        return {}

    callers = KnownCallers[str](pool, look_up)
    assert [await callers.get("nobody") for _ in range(3)] == [None] * 3
    assert asked == [["nobody"]]
    await callers.close()
