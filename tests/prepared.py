"""Servers that hold the template already: made once, while tests are collected; each process has a copy of them."""

import asyncio
import subprocess
import sys
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from service.embedded.account import choose_home
from service.embedded.servers import EmbeddedServers
from tests.databases import create_migrated, let_sign_in_quickly
from tests.homes import forget_homes, open_directory

ROOT = Path(__file__).parents[1]
TEMPLATE = "darkroom_template"


class Preparation:
    """A process that prepares them, beside whatever this one does."""

    def __init__(self) -> None:
        self._kept = ExitStack()
        self._directory = self._kept.enter_context(open_directory(quick=True))
        self._process = subprocess.Popen([sys.executable, "-m", "tests.prepared", self._directory], cwd=ROOT)

    def wait(self) -> None:
        code = self._process.wait()
        assert code == 0, "no servers could be prepared: why is told above"

    @contextmanager
    def servers(self) -> Generator[EmbeddedServers]:
        """Running ones, whose data and directory go with them."""
        with open_directory(quick=True) as directory:
            made, home = choose_home(self._directory).path, choose_home(directory).path
            subprocess.run(["cp", "-a", f"{made}/.", home], check=True)
            try:
                with EmbeddedServers(directory, durable=False) as running:
                    yield running
            finally:
                forget_homes(directory)

    def forget(self) -> None:
        self._process.kill()
        self._process.wait()
        forget_homes(self._directory)
        self._kept.close()


def prepare(directory: Path) -> None:
    with EmbeddedServers(directory, durable=False) as running:
        asyncio.run(let_sign_in_quickly(running.database_url))
        asyncio.run(create_migrated(running.database_url, TEMPLATE))


if __name__ == "__main__":
    prepare(Path(sys.argv[1]))
