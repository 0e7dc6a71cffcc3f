"""A real pgbouncer in transaction mode before a database of the test's own."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.running import free_port

PATIENCE = 10.0
NOBODY = "nobody"

PGBOUNCER = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin:/usr/local/sbin")

needs_pgbouncer = pytest.mark.skipif(PGBOUNCER is None, reason="the Debian package pgbouncer is missing")

# Round robin: a client's next transaction runs on another session than its last one whenever there is more than one,
# so whatever is kept in a session is missed at once. Nothing of what a client sends at its start is ignored, and
# nothing is cleaned between transactions: pgbouncer's defaults.
CONFIGURATION = """
[databases]
* = host={server_host} port={server_port} user={user} password={password}

[pgbouncer]
listen_addr = {host}
listen_port = {port}
unix_socket_dir =
auth_type = any
admin_users = {admin}
{run_as}
pool_mode = transaction
server_round_robin = 1
default_pool_size = {sessions}
max_client_conn = 200
query_wait_timeout = 10
"""


class Bouncer:
    """A pooler that a test can kill and start again; `url` leads through it, and so does its restarted self's."""

    def __init__(self, database_url: str, directory: Path, *, sessions: int, host: str, port: int) -> None:
        parts = urlsplit(database_url)
        self.sessions = sessions
        self.url = parts._replace(netloc=f"{parts.netloc.rpartition('@')[0]}@{host}:{port}").geturl()
        self._at = (host, port)
        self._log = directory / "pgbouncer.log"
        self._configuration = directory / "pgbouncer.ini"
        self._configuration.write_text(
            CONFIGURATION.format(
                server_host=parts.hostname,
                server_port=parts.port,
                user=quoted(unquote(parts.username or "")),
                password=quoted(unquote(parts.password or "")),
                admin=unquote(parts.username or ""),
                host=host,
                port=port,
                # It refuses to run as root. Read as root, whose directory others may not enter, and then given up.
                run_as=f"user = {NOBODY}" if os.geteuid() == 0 else "",
                sessions=sessions,
            )
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, and return when it takes connections."""
        assert PGBOUNCER is not None
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [PGBOUNCER, str(self._configuration)], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                socket.create_connection(self._at, timeout=1).close()
            except OSError:
                assert self._process.poll() is None, self._log.read_text()
                assert time.monotonic() < deadline, self._log.read_text()
                time.sleep(0.02)
            else:
                return

    @property
    def console(self) -> str:
        """Where it is told what to do: PAUSE, RESUME and the like."""
        return urlsplit(self.url)._replace(path="/pgbouncer").geturl()

    def kill(self) -> None:
        """End it at once: every client's connection breaks."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()


def quoted(value: str) -> str:
    doubled = value.replace("'", "''")
    return f"'{doubled}'"


@contextmanager
def pooled(
    database_url: str, directory: Path, *, sessions: int, host: str = "127.0.0.1", port: int | None = None
) -> Generator[Bouncer]:
    """A pooler with so many sessions of the server, as long as the context lasts."""
    bouncer = Bouncer(database_url, directory, sessions=sessions, host=host, port=port or free_port())
    bouncer.start()
    try:
        yield bouncer
    finally:
        bouncer.kill()
