"""What a ComfyUI that isn't one has in memory, and what goes wrong with it."""

from typing import Any

from aiohttp import web
from msgspec import Struct, field


class Faults(Struct):
    """What goes wrong, until a test says otherwise."""

    away: bool = False
    """Connections break without an answer."""
    status: int | None = None
    """Every call is answered so, as by a proxy in front."""
    deaf_to_interrupts: int = 0
    """So many interrupts do nothing."""
    silent_sockets: bool = False
    lost_answers: int = 0
    """So many prompts are taken, and their answers lost."""
    no_outputs: bool = False
    several_outputs: int = 1
    error: dict[str, str] | None = None
    """What a node's exception says: `exception_type`, `exception_message`."""
    picture: bytes | None = None
    """In place of the photo."""
    missing: frozenset[str] = frozenset()
    """Kinds of nodes that aren't installed."""
    half_invalid: bool = False
    """Jobs are taken, and the node that saves the picture is left out, as where a preview alone is valid."""
    dead_executor: bool = False
    """Jobs wait for ever, while HTTP stays up."""
    jobs_api: bool = False
    """As newer builds: POST /api/jobs/{id}/cancel."""


class Job(Struct):
    number: int
    prompt_id: str
    prompt: dict[str, Any]
    extra: dict[str, Any]

    def item(self) -> list[Any]:
        return [self.number, self.prompt_id, self.prompt, self.extra, ["9"]]


class Kept(Struct):
    """What a server has in memory: all of it is gone after a restart, but what it saved."""

    waiting: list[Job] = field(default_factory=list[Job])
    running: Job | None = None
    interrupted: bool = False
    history: dict[str, Any] = field(default_factory=dict[str, Any])
    sockets: dict[str, web.WebSocketResponse] = field(default_factory=dict[str, web.WebSocketResponse])
    files: dict[tuple[str, str], bytes] = field(default_factory=dict[tuple[str, str], bytes])
    """By type (temp, input, output) and name."""
    number: int = 0
