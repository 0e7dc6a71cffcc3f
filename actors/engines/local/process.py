"""The child process as its parent sees it: started, talked to, ended. Nothing native is imported here."""

import asyncio
import logging
import os
import signal
import sys
from collections import deque
from contextlib import suppress

import msgspec

from actors.engines.local import wire

_log = logging.getLogger(__name__)

_STDERR_LINES = 20
_INHERITED = ("PATH", "HOME", "TMPDIR", "TZ", "LANG", "LANGUAGE", "VIRTUAL_ENV", "DARKROOM_MODELS")
_INHERITED_PREFIXES = (
    *("LC_", "LD_", "DYLD_", "PYTHON", "XDG_", "MALLOC_"),
    *("OMP_", "OPENCV_", "OPENVINO_", "ORT_", "MODEL_"),
)
"""What of the worker's environment is a child's affair: where programs, libraries and models are, and how they run.

Strangers' photos are opened there by native code. The keys that sign, and those to databases and buckets, stay away.
"""
_CHILD_ENVIRONMENT = {
    # NumPy's vectors here are too short to share: its threads, waiting for each other, made one step 7 times slower.
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "VECLIB_MAXIMUM_THREADS": "1",
    # glibc: few heaps, and the memory of one array kept for the next, instead of asking the system for each (which took
    # a tenth of an edit). Between edits all of it is given back.
    "MALLOC_ARENA_MAX": "2",
    "MALLOC_MMAP_THRESHOLD_": str(8 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(128 << 20),
}


class ChildGoneError(Exception):
    """The child process ended, or says what it never should; `exit_code` is negative for a signal."""

    def __init__(self, exit_code: int | None, last_words: str) -> None:
        super().__init__(f"The engine's child process ended (exit code {exit_code}): {last_words or 'it said nothing'}")
        self.exit_code = exit_code
        self.last_words = last_words


class ChildProcess:
    """One running child. Made by `start`; once it is gone it stays gone."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None  # noqa: PT018, S101
        self._process = process
        self._stdin = process.stdin
        self._stdout = process.stdout
        self._last_words: deque[str] = deque(maxlen=_STDERR_LINES)
        self._listening = asyncio.create_task(self._listen(process.stderr))

    @classmethod
    async def start(cls, threads: int, *, photos: bool = False) -> "ChildProcess":
        """Start a child with so many threads; it is of use once `ready` has returned.

        One for `photos` has no models: it prepares what other engines are sent, and finishes what they send back.

        Raises:
            OSError: it can't be started.
        """
        inherited = {name: value for name, value in os.environ.items() if _is_inherited(name)}
        environment = inherited | _CHILD_ENVIRONMENT | {"OMP_NUM_THREADS": str(threads)}
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "actors.engines.local.child",
            str(threads),
            str(os.getpid()),
            *(["photos"] if photos else []),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment,
            # A group of its own: a Ctrl-C in the terminal is for the parent, and a kill takes all of the child.
            start_new_session=True,
        )
        return cls(process)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.returncode is None

    @property
    def last_words(self) -> str:
        """The last lines of its standard error."""
        return " | ".join(self._last_words)

    async def ready(self) -> None:
        """Wait until the child has loaded everything.

        Raises:
            ChildGoneError: it ended instead.
        """
        if not isinstance(await self.receive(), wire.Ready):
            raise await self._gone()

    async def send(self, message: wire.Order) -> None:
        """Tell the child something.

        Raises:
            ChildGoneError: it is gone.
        """
        try:
            self._stdin.write(wire.framed(message))
            await self._stdin.drain()
        except (ConnectionError, RuntimeError) as error:
            raise await self._gone() from error

    async def receive(self) -> wire.Report:
        """What the child says next.

        Raises:
            ChildGoneError: it ended, or can't be understood.
        """
        try:
            head = await self._stdout.readexactly(wire.LENGTH_BYTES)
            return wire.report(await self._stdout.readexactly(wire.frame_length(head)))
        except (asyncio.IncompleteReadError, ConnectionError, ValueError, msgspec.MsgspecError) as error:
            raise await self._gone() from error

    async def kill(self) -> None:
        """End the child at once, whatever it does, and wait until it is gone."""
        # Not by the process's own kill(): before Python 3.13 that looks whether it has ended, and what it sees is lost
        # to the thread that waits, which complains on stderr.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.wait()
        await self._listening
        self._stdin.close()

    async def _gone(self) -> ChildGoneError:
        """The error that tells of the child's end; makes sure of it first."""
        await asyncio.sleep(0)
        with suppress(TimeoutError):
            # Its pipes close a little before its exit code is known.
            async with asyncio.timeout(0.5):
                await self._process.wait()
        exit_code = self._process.returncode
        await self.kill()
        return ChildGoneError(exit_code, self.last_words)

    async def _listen(self, stderr: asyncio.StreamReader) -> None:
        """Keep the child's last words, for when it dies; native libraries chatter there too."""
        while True:
            try:
                line = await stderr.readline()
            except ValueError:  # longer than the reader's limit: dropped by it
                continue
            if not line:
                return
            text = line.decode(errors="replace").rstrip()
            self._last_words.append(text)
            _log.debug("engine child %d: %s", self._process.pid, text)


def _is_inherited(name: str) -> bool:
    return name in _INHERITED or name.startswith(_INHERITED_PREFIXES)
