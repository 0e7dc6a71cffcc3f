"""What one request begins for all of them is told under nobody's name."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import pytest
from structlog.contextvars import bound_contextvars, get_contextvars

from service.accounts.uses import Uses
from service.database import Connection, Pool
from service.sharing.coalescing import Coalesced
from service.sharing.refreshed import Refreshed
from service.sharing.together import Together

Context = Mapping[str, Any]


async def coalesced(_: Pool) -> Context:
    return await Coalesced(_context).get()


async def refreshed(_: Pool) -> Context:
    return await Refreshed(_context, good_for=1).get()


async def together(_: Pool) -> Context:
    async def contexts(asked: Sequence[None]) -> Sequence[Context]:
        return [await _context() for _ in asked]

    return await Together(contexts).ask(None)


async def uses(pool: Pool) -> Context:
    written = asyncio.get_running_loop().create_future()

    async def write(_: Connection, __: list[bytes]) -> None:
        written.set_result(await _context())

    noted = Uses(pool, write)
    noted.note(b"a key's digest")
    await noted.close()
    return await written


async def _context() -> Context:
    return get_contextvars()


@pytest.mark.parametrize("begin", [coalesced, refreshed, together, uses])
async def test_work_for_all_has_no_context_of_the_request_that_began_it(
    begin: Callable[[Pool], Awaitable[Context]], pool: Pool
) -> None:
    with bound_contextvars(request_id="a1", user="usr_1"):
        assert await begin(pool) == {}
        assert get_contextvars() == {"request_id": "a1", "user": "usr_1"}
