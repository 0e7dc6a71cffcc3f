"""API processes and workers replaced one after the other, under load: nobody using the service notices."""

import asyncio
import itertools
import signal
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator, Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from msgspec import Struct, field

from service.accounts.users import create_user
from service.database import Pool
from service.settings import Settings
from service.up.listener import base_url, listen
from tests import lives
from tests.chaos.crew import STORM, quick_worker
from tests.chaos.invariants import broken
from tests.forking import Process
from tests.running import NO_TLS, running
from tests.service.http.serving import API, PHOTO

USERS = 6
CREDITS = 1_000_000
APIS = 2
WORKERS = 2
ROUNDS = 2
"""How often each process is replaced."""

STOPPED_WITHIN = {"api": 10.0, "worker": 30.0}
UNLIMITED = {"RATE_LIMIT_PER_MINUTE": "0", "WORKER_SLOTS": "2"}
PATIENCE = 30.0


class Told(Struct):
    """What the clients met."""

    answers: Counter[str] = field(default_factory=Counter[str])
    created: list[str] = field(default_factory=list[str])
    wrong: list[str] = field(default_factory=list[str])


class Client:
    """Asks again and again, each request once: a connection that breaks under one is a request that was lost."""

    def __init__(self, url: str, api_key: str, told: Told) -> None:
        headers = {"Authorization": f"Bearer {api_key}"}
        # No retries, not even of connecting.
        transport = httpx.AsyncHTTPTransport(verify=NO_TLS, retries=0)
        self._http = httpx.AsyncClient(base_url=f"{url}{API}", headers=headers, transport=transport, timeout=PATIENCE)
        self._told = told

    async def ask(self, method: str, path: str, status: int, **request: Any) -> dict[str, Any]:
        try:
            answer = await self._http.request(method, path, **request)
        except httpx.TransportError as error:
            self._told.wrong.append(f"{method} {path}: {error!r}")
            return {}
        self._told.answers[f"{method} {answer.status_code}"] += 1
        if answer.status_code != status:
            self._told.wrong.append(f"{method} {path}: {answer.status_code} {answer.text}")
            return {}
        return answer.json()

    async def photo(self, slowly: float = 0) -> str:
        """Upload it, in many pieces over so many seconds."""
        body = (
            b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n' + PHOTO + b"\r\n--b--\r\n"
        )

        async def pieces() -> AsyncIterator[bytes]:
            for start in range(0, len(body), len(body) // 20):
                yield body[start : start + len(body) // 20]
                await asyncio.sleep(slowly / 20)

        headers = {"Content-Type": "multipart/form-data; boundary=b"}
        uploaded = await self.ask("POST", "/uploads", 201, content=pieces(), headers=headers)
        return str(uploaded.get("file_id"))

    async def live(self, over: asyncio.Event) -> None:
        """Create and read until it is over; then see the last one's end."""
        photo = await self.photo()
        body = {"mode": "BACKGROUND_CHANGE", "source_image": photo}
        while not over.is_set():
            task_id = str((await self.ask("POST", "/tasks", 201, json=body)).get("task_id"))
            self._told.created.append(task_id)
            for _ in range(20):
                await self.ask("GET", f"/tasks/{task_id}", 200)
                await asyncio.sleep(0.005)
            await self.ask("GET", f"/tasks/{task_id}", 200, params={"wait": 5})
            await self.ask("GET", "/tasks", 200)

    async def linger(self, over: asyncio.Event) -> None:
        """Uploads that take longer than a restart, from somebody with a slow line."""
        while not over.is_set():
            await self.photo(slowly=2.0)

    async def close(self) -> None:
        await self._http.aclose()


@contextmanager
def api_on(listener: socket.socket, settings: Settings, log: Path) -> Generator[Process]:
    """`darkroom api` on a socket that is handed down to it, as `up` does; it serves already."""
    started = log.read_text().count("listening") if log.exists() else 0
    fd = listener.fileno()
    with running("api", "--fd", str(fd), settings=settings, extra=UNLIMITED, log=log, pass_fds=[fd]) as process:
        deadline = time.monotonic() + PATIENCE
        while log.read_text().count("listening") == started:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield process


class Fleet:
    """Every process, and replacing them."""

    def __init__(self, settings: Settings, listener: socket.socket, logs: Path) -> None:
        self._settings = settings
        self._listener = listener
        self._logs = logs
        self._numbers = itertools.count()
        self.seconds: dict[str, list[float]] = {"api": [], "worker": []}

    @contextmanager
    def one(self, kind: str) -> Generator[Process]:
        log = self._logs / f"{kind}{next(self._numbers)}.log"
        starting = (
            api_on(self._listener, self._settings, log)
            if kind == "api"
            else quick_worker(self._settings, log, UNLIMITED, program=STORM)
        )
        with starting as process:
            yield process

    async def replace(self, kind: str, old: Process, stack: ExitStack) -> Process:
        """SIGTERM, and when it has ended another in its place: meanwhile there is one fewer."""
        began = time.monotonic()
        old.send_signal(signal.SIGTERM)
        code = await asyncio.to_thread(old.wait, STOPPED_WITHIN[kind])
        self.seconds[kind].append(time.monotonic() - began)
        assert code == 0, f"{kind} ended with {code}"
        return await asyncio.to_thread(stack.enter_context, self.one(kind))

    def said(self) -> str:
        return "".join(path.read_text() for path in self._logs.glob("*.log"))


async def test_nobody_notices_a_rolling_restart(settings: Settings, pool: Pool, tmp_path: Path) -> None:
    told = Told()
    (logs := tmp_path / "logs").mkdir()
    with listen("127.0.0.1", 0) as listener, ExitStack() as stack:
        fleet = Fleet(settings, listener, logs)
        processes = [(kind, stack.enter_context(fleet.one(kind))) for kind in ["api"] * APIS + ["worker"] * WORKERS]
        clients: list[Client] = []
        async with pool.acquire() as connection:
            for number in range(USERS):
                made = await create_user(connection, f"user{number}@example.com", credits_=CREDITS)
                clients.append(Client(base_url(listener), made.api_key, told))
        over = asyncio.Event()
        lived = [asyncio.create_task(client.live(over)) for client in clients]
        lived += [asyncio.create_task(client.linger(over)) for client in clients[:2]]
        for _ in range(ROUNDS):
            # A worker between two APIs.
            for place in (0, 2, 1, 3):
                kind, old = processes[place]
                processes[place] = (kind, await fleet.replace(kind, old, stack))
        over.set()
        await asyncio.wait_for(asyncio.gather(*lived), PATIENCE)

        async def all_ended() -> bool:
            async with pool.acquire() as connection:
                return await connection.fetchval("SELECT count(*) FROM tasks WHERE status <> 'done'") == 0

        await lives.until(all_ended, within=PATIENCE)
        for client in clients:
            await client.close()
        for kind, process in processes:
            process.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(process.wait, STOPPED_WITHIN[kind]) == 0
    summary = f"{dict(told.answers)}, {len(told.created)} tasks, stopped after {fleet.seconds}"
    print(summary)
    assert told.wrong == [], summary
    assert "Traceback" not in fleet.said()
    async with pool.acquire() as connection:
        rows = await connection.fetch("SELECT task_id, attempts, status FROM tasks")
        assert {row["task_id"] for row in rows} == set(told.created)
        # A shutdown costs no attempt, and no edit was begun twice.
        assert Counter((row["status"], row["attempts"]) for row in rows) == {("done", 1): len(told.created)}
        assert await broken(connection, Path(urlsplit(settings.storage_url).path)) == []
    assert len(told.created) > 20
