"""Valkey (speaks Redis) of our own."""

import re
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

from service.embedded.account import Home
from service.embedded.binaries import valkey_program
from service.embedded.server import HOST, Server
from service.embedded.steps import Steps

_SETTINGS = {
    "bind": HOST,
    "appendonly": "yes",
    "appendfsync": "everysec",
    "save": '""',
    # Messages and leases live here: one that was evicted would be lost.
    "maxmemory-policy": "noeviction",
    "daemonize": "no",
    "supervised": "no",
}

_TITLE_OPTION = "--proc-title-template"
_TITLE = "{title} {listen-addr}"


class Valkey(Server):
    """A server with its append-only file in the servers' home, on 127.0.0.1 only, behind the password.

    `options` are settings of valkey.conf that win over ours.
    """

    label = "Redis (Valkey)"
    stop_signal = signal.SIGTERM  # writes the rest of the append-only file
    quit_signal = signal.SIGKILL  # which is written command by command, so that nothing is torn

    def __init__(self, home: Home, log: Path, password: str, *, options: Mapping[str, str] | None = None) -> None:
        super().__init__(home, "valkey", log)
        self._program = valkey_program(home)
        self._password = password
        self._settings = _SETTINGS | dict(options or {})

    @property
    def url(self) -> str:
        return f"redis://default:{self._password}@{HOST}:{self.port}/0"

    def _preparing(self) -> Steps:
        yield from ()

    def _command(self) -> Sequence[str | Path]:
        return [self._program, "-", _TITLE_OPTION, f"{_TITLE} {self.tag}"]

    def _configuration(self) -> bytes:
        # On stdin, because everybody can read a command line. Data goes to the directory it is started in.
        settings = self._settings | {
            "port": str(self.port),
            "requirepass": self._password,
        }
        return "".join(f"{name} {value}\n" for name, value in settings.items()).encode()

    def _answers(self) -> bool:
        # Its log names its pid. Asking the port would hand our password to whoever got there first.
        return re.search(rf"^{self.pid}:M .* Ready to accept connections", self.said(), re.MULTILINE) is not None

    def _is_ours(self, command: list[str]) -> bool:
        # As it was called, and as it (and what it forks to rewrite its file) calls itself a moment later.
        called = re.escape(f"- {_TITLE_OPTION} {_TITLE}")
        title = " ".join(command).strip()
        return re.fullmatch(rf"(?:.*/)?valkey-[a-z-]+ (?:{called}|[0-9.:]+) {self.tag}", title) is not None
