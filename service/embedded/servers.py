"""PostgreSQL and Valkey without installing anything, for `darkroom up` and for the tests."""

import secrets
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from service.embedded.account import Home, choose_home
from service.embedded.errors import EmbeddedError
from service.embedded.postgres import Postgres
from service.embedded.private_files import Lock, make_directory, write_private
from service.embedded.server import Server
from service.embedded.steps import Steps, finish, side_by_side
from service.embedded.valkey import Valkey


class EmbeddedServers:
    """Both servers, or one of them, with their data in a directory. A context manager that starts and stops them.

    They end with this process, also if it is killed. `durable=False` is for tests: data then survives the death of
    any process, but not a power cut. To be used from the main thread.

    Raises:
        EmbeddedError: they can't run here, or another process runs them on the same data.
    """

    def __init__(
        self,
        directory: Path,
        *,
        durable: bool = True,
        postgres: bool = True,
        valkey: bool = True,
        postgres_options: Mapping[str, str] | None = None,
        valkey_options: Mapping[str, str] | None = None,
    ) -> None:
        self.directory = directory.absolute()
        self.postgres: Postgres | None = None
        self.valkey: Valkey | None = None
        self._wanted = (postgres, valkey)
        self._durable = durable
        self._postgres_options = postgres_options
        self._valkey_options = valkey_options
        self._home: Home | None = None
        self._lock: Lock | None = None

    @property
    def home(self) -> Path:
        """Where programs and data are: in the directory, unless the servers' account can't reach it."""
        if self._home is None:
            raise EmbeddedError("The servers were never started")
        return self._home.path

    @property
    def database_url(self) -> str:
        if self.postgres is None:
            raise EmbeddedError("PostgreSQL was never started")
        return self.postgres.url

    @property
    def redis_url(self) -> str:
        if self.valkey is None:
            raise EmbeddedError("Redis (Valkey) was never started")
        return self.valkey.url

    @property
    def made(self) -> bool:
        """Whether an earlier run has made their data, or none of it is PostgreSQL's."""
        if not self._wanted[0]:
            return True
        make_directory(self.directory)
        return (choose_home(self.directory).path / "postgres" / "data").exists()

    def each(self) -> list[Server]:
        """The servers there are, so far."""
        return [server for server in (self.postgres, self.valkey) if server is not None]

    def starting(self) -> Steps:
        """Start both at once and wait until they answer. `stopping` is due afterwards, also after an error."""
        self._settle()
        yield from side_by_side(*(server.starting() for server in self.each()))

    def stopping(self) -> Steps:
        """Stop both, within some seconds."""
        yield from side_by_side(*(server.stopping() for server in self.each()))
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def __enter__(self) -> Self:
        try:
            finish(self.starting())
        except BaseException:
            finish(self.stopping())
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        finish(self.stopping())

    def _settle(self) -> None:
        """Directories, lock, password: everything that is there before a server is."""
        if self._home is not None and self._lock is not None:
            return
        make_directory(self.directory)
        logs = self.directory / "logs"
        logs.mkdir(mode=0o700, exist_ok=True)
        home = choose_home(self.directory)
        self._lock = Lock(home.path / "lock", f"Another process runs the servers of {self.directory}")
        self._home = home
        password = _password(home)
        postgres, valkey = self._wanted
        if postgres:
            self.postgres = Postgres(
                home, logs / "postgres.log", password, durable=self._durable, options=self._postgres_options
            )
        if valkey:
            self.valkey = Valkey(home, logs / "valkey.log", password, options=self._valkey_options)


def _password(home: Home) -> str:
    """The servers' password, made once and kept next to the data it opens. Raises EmbeddedError when it is lost."""
    path = home.path / "password"
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        if (home.path / "postgres" / "data").exists():
            raise EmbeddedError(
                f"{path} is missing: without it nobody gets at the database next to it. "
                f"Put it back, or remove {home.path} to begin with an empty one"
            ) from None
    password = secrets.token_hex(24)
    write_private(path, password)
    return password
