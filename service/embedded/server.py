"""What PostgreSQL and Valkey have in common: ports, logs, orphans, being started and stopped."""

import os
import secrets
import shutil
import signal
import socket
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

from service.embedded.account import Home
from service.embedded.child import Child, Program, describe_exit
from service.embedded.errors import EmbeddedError
from service.embedded.steps import Steps, pause
from service.embedded.strangers import running, signal_if

HOST = "127.0.0.1"
# Below every system's range for outgoing connections: one of those could sit on the port while its server restarts.
_PORTS = range(15_000, 32_000)
_PORT_ATTEMPTS = 10
_START_SECONDS = 300.0  # a start after a crash replays what was written since the last checkpoint
_STOP_SECONDS = 6.0
_QUIT_SECONDS = 2.0
_LOG_BYTES = 8 * 2**20

# The parent's environment may hold secrets, and locales the servers don't know. Logs are read back, so in English.
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


class Server(Program, ABC):
    """One server of ours. Its port is picked at the first start and kept from then on."""

    label: str
    stop_signal: ClassVar[signal.Signals]
    """Stops it cleanly, committing what it has."""
    quit_signal: ClassVar[signal.Signals]
    """Stops it at once, without harm to the data."""

    def __init__(self, home: Home, name: str, log: Path) -> None:
        self.directory = home.private(name)
        self.account = home.account
        self.port = 0
        self._log = log
        self._log_start = 0
        status = self.directory.stat()
        # Marks its processes in every listing. The directory's identity, not its path: a copied data directory is
        # another stack, a moved one is still the same.
        self.tag = f"darkroom-{status.st_dev:x}-{status.st_ino:x}"

    def starting(self) -> Steps:
        """Start it, unless it runs, and wait until it answers. `stopping` is due afterwards, also after an error.

        Raises:
            EmbeddedError: it doesn't start; the message has its own last words.
        """
        if self.ready:
            return
        self._ready = False
        try:
            yield from self._orphans_leaving()
            yield from self._preparing()
            yield from self._listening()
        except OSError as error:
            raise EmbeddedError(f"{self.label} can't be started: {error}") from error
        self._ready = True

    def stopping(self) -> Steps:
        """Stop it cleanly if it lets us: within 8 seconds, whatever state it is in."""
        if self._child is None:
            return
        for number, patience in ((self.stop_signal, _STOP_SECONDS), (self.quit_signal, _QUIT_SECONDS)):
            self._child.send(number)
            end = time.monotonic() + patience
            while time.monotonic() < end:
                if self._child.exit_code() is not None:
                    return
                yield
        self._child.kill()

    @abstractmethod
    def _preparing(self) -> Steps:
        """Make what it needs on disk."""

    @abstractmethod
    def _command(self) -> Sequence[str | Path]: ...

    def _configuration(self) -> bytes | None:
        """What it reads on stdin."""
        return None

    @abstractmethod
    def _answers(self) -> bool:
        """Whether this very process (not another's server on that port, not a file of an earlier one) is ready."""

    @abstractmethod
    def _is_ours(self, command: list[str]) -> bool:
        """Whether a command line is that of a process of this data directory."""

    def _is_head(self, command: list[str]) -> bool:
        """Whether it is the process that stops the others."""
        return self._is_ours(command)

    def _orphans_leaving(self) -> Steps:
        """Stop what a killed run left behind, and wait until the last of it is gone: two writers spoil the data.

        Nobody else can be running them, as whoever starts servers holds the lock of their home.
        """
        began = time.monotonic()
        while orphans := [(pid, command) for pid, command in running() if self._is_ours(command)]:
            patience = time.monotonic() - began
            if patience > _STOP_SECONDS + 2 * _QUIT_SECONDS:
                pids = ", ".join(str(pid) for pid, _ in orphans)
                raise EmbeddedError(f"{self.label} of an earlier run doesn't stop (pid {pids})")
            for pid, command in orphans:
                if patience > _STOP_SECONDS + _QUIT_SECONDS:
                    signal_if(pid, self._is_ours, signal.SIGKILL)
                elif patience > _STOP_SECONDS:
                    signal_if(pid, self._is_ours, self.quit_signal)
                elif self._is_head(command):
                    signal_if(pid, self._is_ours, self.stop_signal)
            yield from pause(0.1)

    def _listening(self) -> Steps:
        """Launch it, on another port if somebody took the first one since it was seen free."""
        picked = self.port != 0
        for _ in range(_PORT_ATTEMPTS):
            port = self.port if picked else free_port()
            self._launch(port)
            end = time.monotonic() + _START_SECONDS
            while self._running() and not self._answers():
                if time.monotonic() > end:
                    raise EmbeddedError(f"{self.label} doesn't answer; see {self._log}")
                yield
            if self._running():
                return
            if picked or "address already in use" not in self.said().lower():
                break
            self.port = 0
        raise EmbeddedError(f"{self.label} didn't start ({self._last_words()}); see {self._log}")

    def _launch(self, port: int) -> None:
        self.port = port
        log = self.open_log()
        try:
            self._child = Child(
                self._command(),
                dies_by=self.stop_signal,
                environment=ENVIRONMENT,
                account=self.account,
                directory=self.directory,
                stdin=self._configuration(),
                output=log,
                errors=log,
            )
        finally:
            os.close(log)

    def open_log(self) -> int:
        """A descriptor to append to the log with; `said` begins there. Opened by us: the account can't reach it."""
        with suppress(FileNotFoundError):
            self.bound_log()
        log = os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._log_start = os.fstat(log).st_size
        return log

    def bound_log(self) -> None:
        """Begin it anew once it is long; the part before is kept. Renaming it wouldn't do: the server has it open.

        Raises:
            FileNotFoundError: There is none.
        """
        if self._log.stat().st_size > _LOG_BYTES:
            old = self._log.with_suffix(".log.old")
            shutil.copyfile(self._log, old)
            old.chmod(0o600)
            os.truncate(self._log, 0)
            self._log_start = 0

    def said(self) -> str:
        """What it has logged since its launch."""
        with self._log.open("rb") as log:
            log.seek(self._log_start)
            return log.read().decode("utf-8", "replace")

    def _running(self) -> bool:
        return self._child is not None and self._child.exit_code() is None

    def _last_words(self) -> str:
        lines = [line.strip() for line in self.said().splitlines() if line.strip()]
        fatal = [line.partition("FATAL:")[2].strip() for line in lines if "FATAL:" in line]
        code = self.exit_code()
        return (fatal or lines or ["" if code is None else describe_exit(code)])[-1]


def free_port() -> int:
    """A port that was free a moment ago.

    Raises:
        EmbeddedError: none was found.
    """
    for _ in range(200):
        port = _PORTS[secrets.randbelow(len(_PORTS))]
        with socket.socket() as probe, suppress(OSError):
            probe.bind((HOST, port))
            return port
    raise EmbeddedError(f"No free port between {_PORTS.start} and {_PORTS.stop}")
