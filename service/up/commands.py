"""The commands that `up` runs as children, and running one of them to its end."""

import json
import os
import re
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from service.embedded.child import Child, describe_exit
from service.embedded.errors import EmbeddedError

_PREFIX = re.compile(r"^(darkroom|Error): ")
"""Of a command's message; ours begins the line it becomes part of."""


@dataclass(frozen=True, slots=True)
class Commands:
    """How to call the `darkroom` command; the tests put a stand-in here."""

    program: Sequence[str] = (sys.executable, "-m", "service.cli.main")

    def api(self, listener: int, *, processes: int = 1, data_dir: Path | None = None) -> list[str]:
        several = [] if processes == 1 else ["--processes", str(processes)]
        there = [] if data_dir is None else ["--data-dir", str(data_dir)]
        return [*self.program, "api", "--fd", str(listener), *several, *there]

    def worker(self) -> list[str]:
        return [*self.program, "worker"]

    def migrate(self) -> list[str]:
        return [*self.program, "migrate"]

    def user(self, *arguments: str) -> list[str]:
        return [*self.program, "user", *arguments]


async def run_to_end(command: Sequence[str], environment: Mapping[str, str]) -> str:
    """Run a command and give what it printed; what it logged goes to our stderr if it succeeds.

    Raises:
        EmbeddedError: it failed; the message is the last line it wrote to stderr.
    """
    # Files, not pipes: nobody has to read while it runs.
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        child = Child(
            command,
            dies_by=signal.SIGKILL,
            environment=environment,
            output=output.fileno(),
            errors=errors.fileno(),
        )
        try:
            await child.ended()
        finally:
            child.kill()
        code = child.exit_code() or 0
        logged = _content(errors.fileno())
        if code != 0:
            lines = [line.strip() for line in logged.splitlines() if line.strip()]
            raise EmbeddedError(_PREFIX.sub("", lines[-1]) if lines else describe_exit(code))
        sys.stderr.write(logged)
        sys.stderr.flush()
        return _content(output.fileno())


async def run_for_json(command: Sequence[str], environment: Mapping[str, str]) -> dict[str, Any]:
    """The JSON object that a command prints. Raises EmbeddedError when it fails or prints something else."""
    printed = await run_to_end(command, environment)
    try:
        answer: object = json.loads(printed)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise EmbeddedError(f"`{' '.join(command[-3:])}` printed no JSON object")
    return cast("dict[str, Any]", answer)


def _content(file: int) -> str:
    return os.pread(file, os.fstat(file).st_size, 0).decode("utf-8", "replace")
