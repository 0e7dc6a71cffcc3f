"""Everything that `darkroom up` runs: how it comes up, whether it answers, and how it goes down."""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from service.embedded.errors import EmbeddedError
from service.embedded.private_files import write_private
from service.embedded.server import Server
from service.embedded.servers import EmbeddedServers
from service.embedded.steps import finished
from service.telling.masking import without_secrets
from service.up.commands import Commands, run_to_end
from service.up.demo_user import DemoUser, kept_demo_user, link_of_demo_user, make_demo_user
from service.up.environment import prepare_environment
from service.up.greeting import greeting
from service.up.listener import base_url, listen, local_address
from service.up.probe import get
from service.up.service_process import Api, ServiceProcess, Worker

_UNAUTHORIZED = 401
_OK = 200

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to run, and where: `directory` is absolute and exists."""

    directory: Path
    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1
    api_processes: int = 1
    demo_user: bool = False
    commands: Commands = field(default_factory=Commands)


@dataclass(frozen=True, slots=True)
class Pids:
    """Who runs, in the shape of ready.json; a server that isn't ours has none."""

    api: int
    workers: Sequence[int]
    postgres: int | None
    redis: int | None


class Stack:
    """The servers, the API and the workers of one data directory.

    Raises:
        EmbeddedError: the port is taken.
        SettingsError: a setting is wrong. In both cases nothing has been started.
    """

    def __init__(self, plan: Plan, environ: Mapping[str, str]) -> None:
        self._plan = plan
        self._ready_file = plan.directory / "ready.json"
        self._ready_file.unlink(missing_ok=True)
        self._demo_file = plan.directory / "demo-user.json"
        self._demo_user: DemoUser | None = None
        self._demo_key_works = False
        self._settings = prepare_environment(environ, plan.directory, workers=plan.workers)
        self._environment: dict[str, str] = {}
        self._listener = listen(plan.host, plan.port)
        self._servers = EmbeddedServers(
            plan.directory,
            postgres=self._settings.database_url is None,
            valkey=self._settings.redis_url is None,
        )
        self._processes: list[ServiceProcess] = []

    @property
    def base_url(self) -> str:
        return base_url(self._listener)

    async def prepare(self, say: Say) -> None:
        """Start the servers, and bring the database to where the API and the workers want it.

        Raises:
            EmbeddedError: a server doesn't start, or a command fails.
        """
        if self._settings.database_url is None or self._settings.redis_url is None:
            if not self._servers.made:
                say("  First start: PostgreSQL's data is made, about 40 MB, in some seconds")
            await finished(self._servers.starting())
            names = " and ".join(server.label for server in self._servers.each())
            say(f"  {names}: running, logs in {self._plan.directory / 'logs'}")
            if self._servers.home.parent != self._plan.directory:
                say(f"  Their account can't enter {self._plan.directory}: their data is in {self._servers.home}")
        self._environment = self._settings.complete(
            self._settings.database_url or self._servers.database_url,
            self._settings.redis_url or self._servers.redis_url,
        )
        try:
            await run_to_end(self._plan.commands.migrate(), self._environment)
        except EmbeddedError as error:
            raise EmbeddedError(self.public(f"The schema can't be brought up to date: {error}")) from None
        say("  Schema: up to date")
        if self._plan.demo_user:
            kept = kept_demo_user(self._demo_file)
            self._demo_user = kept or await self._make_demo_user()
            self._demo_key_works = kept is None
        commands = self._plan.commands
        self._processes = [
            Api(
                commands.api(self._listener.fileno(), processes=self._plan.api_processes),
                self._environment,
                self._listener,
            ),
            *(
                Worker(f"Worker {number}", commands.worker(), self._environment_of_workers())
                for number in range(1, self._plan.workers + 1)
            ),
        ]

    def _environment_of_workers(self) -> dict[str, str]:
        """Webhooks hold whole addresses, also where the API's answers needn't: ours, unless another is set."""
        return {"PUBLIC_URL": self.base_url, **{name: value for name, value in self._environment.items() if value}}

    def each(self) -> list[Server | ServiceProcess]:
        """Everything that is to be kept running."""
        return [*self._servers.each(), *self._processes]

    def pids(self) -> Pids | None:
        """Who runs; None unless every process is ready."""
        if not self._processes or not all(process.ready for process in self.each()):
            return None
        api, *workers = [process.pid or 0 for process in self._processes]
        postgres, valkey = self._servers.postgres, self._servers.valkey
        return Pids(api, workers, postgres and postgres.pid, valkey and valkey.pid)

    async def missing(self) -> str | None:
        """What keeps the stack from being ready, in words; None when everything answers.

        Raises:
            EmbeddedError: the demo user is gone and can't be made anew.
        """
        if away := [process.label for process in self.each() if not process.ready]:
            return ", ".join(away)
        answer = await get(local_address(self._listener), "/readyz")
        if answer.status == 0:
            return "the API doesn't answer"
        if answer.status != _OK or answer.body.get("status") != "ok":
            details = {name: text for name, text in answer.body.items() if name in ("status", "detail")}
            return self.public(f"/readyz says {answer.status} {details}")
        if self._demo_user is not None and not self._demo_key_works:
            await self._try_demo_key(self._demo_user)
        return None

    def publish(self, pids: Pids) -> None:
        """Write ready.json."""
        user = self._demo_user
        content = {
            "base_url": self.base_url,
            "database_url": self._environment["DATABASE_URL"],
            "redis_url": self._environment["REDIS_URL"],
            "api_key": user and user.api_key,
            "user_id": user and user.user_id,
            "pids": {
                "api": pids.api,
                "workers": list(pids.workers),
                "postgres": pids.postgres,
                "redis": pids.redis,
            },
        }
        write_private(self._ready_file, json.dumps(content, indent=2) + "\n")

    async def greeting(self) -> list[str]:
        """What a person wants to know once it runs."""
        directory, link = self._plan.directory, None
        if self._demo_user is not None:
            link = await link_of_demo_user(self._plan.commands, self._environment, directory)
        return greeting(self.base_url, directory, self._demo_user, link)

    def bound_logs(self) -> None:
        """Keep the servers' logs from growing for ever."""
        for server in self._servers.each():
            with suppress(OSError):  # a full disk: the next look may find room
                server.bound_log()

    async def stop(self) -> None:
        """Stop everything, the servers last: within 30 seconds for those that use them and 8 for them."""
        self._ready_file.unlink(missing_ok=True)
        self.close()  # the API has its own copy; when it closes that, clients are refused instead of left waiting
        await asyncio.gather(*(finished(process.stopping()) for process in self._processes))
        await finished(self._servers.stopping())

    def close(self) -> None:
        """Give the port back."""
        self._listener.close()

    def public(self, text: str) -> str:
        """A text without the servers' passwords."""
        urls = (self._environment.get(name) for name in ("DATABASE_URL", "REDIS_URL"))
        return without_secrets(text, *urls)

    async def _try_demo_key(self, user: DemoUser) -> None:
        """A kept key may belong to a database that isn't there any more."""
        answer = await get(local_address(self._listener), "/api/v1/me", token=user.api_key)
        if answer.status == _UNAUTHORIZED:
            self._demo_user = await self._make_demo_user()
        self._demo_key_works = True

    async def _make_demo_user(self) -> DemoUser:
        try:
            return await make_demo_user(self._demo_file, self._plan.commands, self._environment)
        except EmbeddedError as error:
            raise EmbeddedError(self.public(str(error))) from None
