"""Which of several servers a job goes to: the least loaded, a warm one before others, none that is ill."""

import asyncio
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Final

from actors.engines.workflows.calling import away
from actors.engines.workflows.comfyui.server import Server
from actors.engines.workflows.driver import DriverError, Fate
from schema.models.edits import Mode

WARM_IS_WORTH: Final = 1
"""Jobs by which the server that last ran a workflow, whose models are in its memory, may be busier than another."""

FIRST_REST: Final = 5.0
LONGEST_REST: Final = 60.0
"""Seconds that a server which failed isn't asked; twice as many each time."""


class Choice:
    """Keeps which servers are ill, and which ran what last."""

    def __init__(self, servers: Mapping[str, Server]) -> None:
        self._servers = servers
        self._warm: dict[Mode, str] = {}
        self._rests: dict[str, tuple[float, float]] = {}
        """Until when, and for how long."""
        self._coming: dict[str, int] = dict.fromkeys(servers, 0)
        """Jobs of ours that are on their way to a server, and not yet in its queue."""

    async def best(self, mode: Mode) -> Server:
        """The server that the next job of `mode` goes to.

        Raises:
            DriverError: none can be reached, has a place or accepts us.
        """
        now = asyncio.get_running_loop().time()
        refusals: list[DriverError] = []
        rested = [server for place, server in self._servers.items() if self._rests.get(place, (0.0, 0.0))[0] <= now]
        loads = await self._loads(rested, refusals)
        if not loads:
            # Better to ask one that was ill a moment ago than none.
            others = [server for server in self._servers.values() if server not in rested]
            loads = await self._loads(others, refusals)
        if not loads:
            raise min(refusals, key=_hopeless, default=away("COMFYUI_URL is not set"))
        least = min(loads.values())
        warm = self._warm.get(mode)
        place = (
            warm if warm in loads and loads[warm] <= least + WARM_IS_WORTH else min(loads, key=lambda one: loads[one])
        )
        self._warm[mode] = place
        return self._servers[place]

    @contextmanager
    def coming(self, server: Server) -> Generator[None]:
        """Count a job as the server's until it is in its queue."""
        self._coming[server.place] += 1
        try:
            yield
        finally:
            self._coming[server.place] -= 1

    def ill(self, server: Server) -> None:
        """It can't be reached, breaks or refuses us: let it rest for a while."""
        now = asyncio.get_running_loop().time()
        until, length = self._rests.get(server.place, (0.0, 0.0))
        if until > now:
            return
        length = min(LONGEST_REST, max(FIRST_REST, length * 2))
        self._rests[server.place] = now + length, length

    def well(self, server: Server) -> None:
        """It took a job; that it answers says nothing: it may lack a node."""
        self._rests.pop(server.place, None)

    async def _loads(self, servers: list[Server], refusals: list[DriverError]) -> dict[str, int]:
        """Of each server that answers: how many jobs it has. What the others say instead is added to `refusals`."""
        loads = await asyncio.gather(*(self._load(server, refusals) for server in servers))
        return {server.place: load for server, load in zip(servers, loads, strict=True) if load is not None}

    async def _load(self, server: Server, refusals: list[DriverError]) -> int | None:
        try:
            load = (await server.queue()).length + self._coming[server.place]
        except DriverError as error:
            refusals.append(error)
            if error.fate is not Fate.WAIT:
                self.ill(server)
            return None
        return load


def _hopeless(error: DriverError) -> int:
    """How little use there is in waiting: one without a place has one soon; of one that is away nobody knows."""
    return {Fate.WAIT: 0, Fate.AWAY: 2}.get(error.fate, 1)
