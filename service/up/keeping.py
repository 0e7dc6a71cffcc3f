"""Keeping a process running: started again whenever it ends."""

import asyncio
import time
from collections.abc import Callable
from typing import NoReturn, Protocol

from service.embedded.child import describe_exit
from service.embedded.errors import EmbeddedError
from service.embedded.steps import Steps, finished

_FIRST_DELAY_SECONDS = 0.1
_LONGEST_DELAY_SECONDS = 3.0  # what died is to be back within 5
_SETTLED_SECONDS = 2.0  # whoever lives so long starts with a clean sheet


class Kept(Protocol):
    """What can be kept running."""

    @property
    def label(self) -> str: ...
    def starting(self) -> Steps: ...
    async def ended(self) -> int: ...


async def keep(
    process: Kept, say: Callable[[str], None], *, changed: Callable[[], None], may_refuse: Callable[[], bool]
) -> NoReturn:
    """Start it again whenever it ends: at once, but more slowly if that keeps happening.

    `changed` is called when it has started or ended.

    Raises:
        EmbeddedError: it refuses to start while it may, as with a wrong setting.
    """
    delay = _FIRST_DELAY_SECONDS
    while True:
        began = time.monotonic()
        try:
            await finished(process.starting())
            changed()
            code = await process.ended()
            changed()
            trouble, refused = f"{process.label} ended ({describe_exit(code)})", code > 0
        except (EmbeddedError, OSError) as error:
            trouble, refused = str(error), True
        if refused and may_refuse():
            raise EmbeddedError(f"{trouble}, so the start is given up; what it says above is why")
        say(f"{trouble}; starting it again")
        settled = time.monotonic() - began > _SETTLED_SECONDS
        delay = _FIRST_DELAY_SECONDS if settled else min(delay * 2, _LONGEST_DELAY_SECONDS)
        await asyncio.sleep(delay)
