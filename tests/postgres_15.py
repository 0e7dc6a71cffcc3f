"""The oldest PostgreSQL that is supported, where Debian's binaries are installed."""

import os
import pwd
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from service.embedded.servers import EmbeddedServers
from tests.databases import url_of_database
from tests.running import free_port

PROGRAMS = Path("/usr/lib/postgresql/15/bin")
needs_postgres_15 = pytest.mark.skipif(
    not PROGRAMS.is_dir(), reason="needs Debian's PostgreSQL 15: apt-get install postgresql-15"
)


@contextmanager
def postgres_15() -> Generator[str]:
    """A server of a test's own; the URL of its database `postgres`."""
    port = free_port()
    # As root it runs under another account, which has to get at its directory.
    account = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    with tempfile.TemporaryDirectory(prefix="darkroom-pg15-", ignore_cleanup_errors=True) as name:
        os.chown(name, account.pw_uid, account.pw_gid)
        data = f"{name}/data"
        as_account: dict[str, Any] = {"user": account.pw_uid, "group": account.pw_gid, "cwd": name}
        subprocess.run(
            [PROGRAMS / "initdb", "-D", data, "-U", "postgres", "--auth=trust", "-E", "UTF8", "--locale=C", "-N"],
            check=True,
            stdout=subprocess.DEVNULL,
            **as_account,
        )
        options = f"-p {port} -h 127.0.0.1 -k '' -c fsync=off"
        control = [PROGRAMS / "pg_ctl", "-D", data, "-w", "-s"]
        subprocess.run([*control, "-l", f"{name}/log", "-o", options, "start"], check=True, **as_account)
        try:
            yield f"postgresql://postgres@127.0.0.1:{port}/postgres"
        finally:
            subprocess.run([*control, "-m", "immediate", "stop"], check=True, **as_account)


@contextmanager
def postgres(version: str, servers: EmbeddedServers) -> Generator[str]:
    """A server of version 15 or 18."""
    if version == "15":
        with postgres_15() as url:
            yield url
    else:
        yield url_of_database(servers.database_url, "postgres")
