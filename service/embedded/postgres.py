"""PostgreSQL of our own."""

import os
import re
import secrets
import shutil
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from service.embedded.account import Home, is_nameless, named_account
from service.embedded.binaries import postgres_programs
from service.embedded.child import Child
from service.embedded.errors import EmbeddedError
from service.embedded.server import ENVIRONMENT, HOST, Server
from service.embedded.steps import Steps
from service.embedded.strangers import command_of

_USER = "postgres"
_STATUS_LINE = 7
"""Of postmaster.pid, counted from 0 (miscadmin.h: LOCK_FILE_LINE_PM_STATUS)."""

_SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "shared_buffers": "128MB",
    # Queries here take a millisecond; compiling them, or handing their reads to other processes, takes longer.
    "jit": "off",
    "io_method": "sync",
    "log_checkpoints": "off",
    # Values are customers' addresses and names: no statement, and no detail such as the row that broke a rule.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}
# Explicit, so that nobody's postgresql.auto.conf weakens what the contract promises.
_DURABLE = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on"}
# A killed server still has everything, a machine that lost power may not.
_FAST = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "on"}


class Postgres(Server):
    """A cluster in the servers' home, on 127.0.0.1 only, with one superuser who needs the password.

    `options` are settings of postgresql.conf that win over ours.
    """

    label = "PostgreSQL"
    stop_signal = signal.SIGINT  # "fast": ends sessions and writes a checkpoint
    quit_signal = signal.SIGQUIT  # "immediate": the next start replays the log

    def __init__(
        self, home: Home, log: Path, password: str, *, durable: bool = True, options: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(home, "postgres", log)
        self._programs = postgres_programs(home)
        self._password = password
        self._durable = durable
        self._data = self.directory / "data"
        self._settings = _SETTINGS | (_DURABLE if durable else _FAST)
        libraries = self._programs.parent / "lib"
        if any(libraries.glob("**/pg_stat_statements.*")):
            self._settings["shared_preload_libraries"] = "pg_stat_statements"
        self._settings |= options or {}

    @property
    def url(self) -> str:
        return f"postgresql://{_USER}:{self._password}@{HOST}:{self.port}/postgres"

    def _preparing(self) -> Steps:
        if not self._data.exists():
            yield from self._initialising()
        self._forget_last_run()

    def _initialising(self) -> Steps:
        """Make the cluster aside and rename it: one that was interrupted looks complete to PostgreSQL, and isn't."""
        for unfinished in self.directory.glob("new-*"):
            shutil.rmtree(unfinished, ignore_errors=True)
        aside = self.directory / f"new-{secrets.token_hex(4)}"
        password = aside / "password"
        aside.mkdir(mode=0o700)
        # A file, removed at once: /dev/stdin can't be opened after the change of account, and argv is public.
        with open(os.open(password, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:  # noqa: PTH123 - its mode
            file.write(f"{self._password}\n")
        if self.account is not None:
            os.chown(aside, self.account.uid, self.account.gid)
            os.chown(password, self.account.uid, self.account.gid)
        # initdb looks its user up, and gives up without a name; the server itself doesn't ask.
        nameless = self.account is None and is_nameless()
        log = self.open_log()
        try:
            initdb = Child(
                [
                    self._programs / "initdb",
                    *("--pgdata", aside / "data"),
                    f"--username={_USER}",
                    "--auth=scram-sha-256",
                    f"--pwfile={password}",
                    "--encoding=UTF8",
                    *("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"),
                    *("--set", f"cluster_name={self.tag}"),
                    "--no-instructions",
                    *([] if self._durable else ["--no-sync"]),
                ],
                dies_by=signal.SIGKILL,
                environment=ENVIRONMENT,
                account=self.account,
                known_as=named_account() if nameless else None,
                directory=self.directory,
                output=log,
                errors=log,
            )
        finally:
            os.close(log)
        try:
            while (code := initdb.exit_code()) is None:
                yield
            if code != 0 and nameless:
                raise EmbeddedError(
                    f"PostgreSQL's data can't be made ({self._last_words()}): add a line for this user to /etc/passwd, "
                    "or set DATABASE_URL"
                )
            if code != 0:
                raise EmbeddedError(f"PostgreSQL's data can't be made ({self._last_words()}); see {self._log}")
            (aside / "data").rename(self._data)
            _sync_directory(self.directory)
        finally:
            initdb.kill()
            shutil.rmtree(aside, ignore_errors=True)

    def _forget_last_run(self) -> None:
        """Remove a killed server's pid file: PostgreSQL won't start while the pid in it is anybody's.

        Raises:
            EmbeddedError: it is that of a PostgreSQL on this data that somebody else started.
        """
        pid_file = self._data / "postmaster.pid"
        with suppress(FileNotFoundError, ValueError, IndexError):
            pid = int(pid_file.read_text().splitlines()[0])
            command = command_of(pid)
            if command and Path(command[0]).name == "postgres" and str(self._data) in command:
                raise EmbeddedError(f"Another PostgreSQL (pid {pid}) uses {self._data}")
        pid_file.unlink(missing_ok=True)

    def _command(self) -> Sequence[str | Path]:
        settings = self._settings | {"port": str(self.port), "cluster_name": self.tag}
        options = [f"--{name}={value}" for name, value in settings.items()]
        return [self._programs / "postgres", "-D", self._data, *options]

    def _answers(self) -> bool:
        # Its own pid: the file of a server that was killed says "ready" too.
        with suppress(OSError, ValueError, IndexError):
            lines = (self._data / "postmaster.pid").read_text().splitlines()
            return int(lines[0]) == self.pid and lines[_STATUS_LINE].strip() == "ready"
        return False

    def _is_ours(self, command: list[str]) -> bool:
        # The server's own processes put cluster_name into their titles.
        return self._is_head(command) or re.match(rf"postgres: {self.tag}: ", " ".join(command)) is not None

    def _is_head(self, command: list[str]) -> bool:
        # Also an initdb, and the PostgreSQL that it runs.
        if not command or Path(command[0]).name not in {"postgres", "initdb"}:
            return False
        return any(part.endswith(f"cluster_name={self.tag}") for part in command)


def _sync_directory(path: Path) -> None:
    """Make a rename in it survive a power cut."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
