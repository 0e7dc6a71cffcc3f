"""The API and the workers as `up` runs them."""

import os
import signal
import socket
import time
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import ClassVar

from service.embedded.child import Child, Program
from service.embedded.steps import Steps
from service.processes.ready_pipe import READY_FD


class ServiceProcess(Program, ABC):
    """One process of the service. Its output is ours, and it dies at once when we do: its servers die then, too."""

    patience: ClassVar[float]
    """Seconds between asking it to stop and making it."""

    def __init__(self, label: str, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self.label = label
        self._command = command
        self._environment = environment

    @abstractmethod
    def starting(self) -> Steps:
        """Start it, and wait until it works or has ended. Raises OSError when it can't be run."""

    def stopping(self) -> Steps:
        """Ask it to stop, and make it when its time is over."""
        if self._child is None:
            return
        self._child.send(signal.SIGTERM)
        end = time.monotonic() + self.patience
        while self._child.exit_code() is None:
            if time.monotonic() > end:
                self._child.kill()
                return
            yield

    def _launch(self, environment: Mapping[str, str], inherited: Collection[int]) -> None:
        self._ready = False
        self._child = Child(self._command, dies_by=signal.SIGKILL, environment=environment, inherited=inherited)


class Api(ServiceProcess):
    """The HTTP server on a socket that is ours: while it is away, clients wait instead of being refused.

    Whether it answers is for whoever asks it; here it is ready once it runs.
    """

    patience = 10.0

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], listener: socket.socket) -> None:
        super().__init__("The API", command, environment)
        self._listener = listener

    def starting(self) -> Steps:
        self._launch(self._environment, (self._listener.fileno(),))
        self._ready = True
        yield from ()


class TellingProcess(ServiceProcess):
    """One that writes a byte to the pipe it is given once it works."""

    inherited: Collection[int] = ()

    def starting(self) -> Steps:
        reader, writer = os.pipe()
        try:
            try:
                self._launch(dict(self._environment) | {READY_FD: str(writer)}, (writer, *self.inherited))
            finally:
                os.close(writer)
            os.set_blocking(reader, False)
            while self.exit_code() is None:
                with suppress(BlockingIOError):
                    if os.read(reader, 1):
                        self._ready = True
                        return
                yield
        finally:
            os.close(reader)


class Worker(TellingProcess):
    """A process that takes messages."""

    patience = 30.0


class ListeningApi(TellingProcess):
    """One of several HTTP servers on a socket that is ours."""

    patience = 9.5

    def __init__(
        self, label: str, command: Sequence[str], environment: Mapping[str, str], listener: socket.socket
    ) -> None:
        super().__init__(label, command, environment)
        self.inherited = (listener.fileno(),)
