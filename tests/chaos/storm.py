"""A storm over a whole stack: `python -m tests.chaos.storm --tasks 500 --users 20 --minutes 4 --seed 7`.

`darkroom up` with two workers runs on a directory of its own, customers have photos edited, and API, workers, Redis,
PostgreSQL and its connections are killed with SIGKILL all the while. At the end every task must have had one outcome,
everything must have been paid for once, and every picture must load. The seed says who does what, and who is killed
when; the rest is the machine's.
"""

import argparse
import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Generator, Iterable
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
from msgspec import Struct

from service.accounts.users import create_user
from service.database import UNAVAILABLE, connect
from service.settings import Settings
from tests.chaos.customers import JSON, Customer
from tests.chaos.invariants import broken
from tests.chaos.judging import CREDITS, defects, judge, left_behind, unpaid
from tests.chaos.killing import kill_again_and_again
from tests.chaos.listening import Hooks, Listener, judge_told
from tests.lives import until
from tests.service.webhooks.receiver import receiving

ROOT = Path(__file__).parents[2]
READY_WITHIN = 180.0
CALM_WITHIN = 120.0
"""Seconds after the last blow in which every task has to end: several leases, and some edits one after the other."""

LOOK_EVERY = 2.0


class Weather(Struct, frozen=True, kw_only=True):
    """How bad it gets. `pause` is how long it is quiet between two blows, at least and at most."""

    tasks: int
    users: int
    seconds: float
    seed: int
    pause: tuple[float, float] = (0.3, 3.0)
    workers: int = 2
    slots: int = 2


class Report(Struct, kw_only=True):
    """What happened, and whatever should not have."""

    killed: Counter[str]
    answers: Counter[str]
    ends: Counter[str]
    attempts: Counter[int]
    looks: int
    calm_seconds: float
    wrong: list[str]

    def lines(self) -> list[str]:
        return [
            f"killed: {dict(self.killed)}, {self.killed.total()} in all",
            f"answers: {dict(self.answers)}",
            f"ends: {dict(self.ends)}, attempts: {dict(sorted(self.attempts.items()))}",
            f"invariants looked at {self.looks} times meanwhile; calm {self.calm_seconds:.0f} s after the last blow",
            *(f"WRONG: {what}" for what in self.wrong),
        ]


@contextmanager
def stack(directory: Path, weather: Weather) -> Generator[psutil.Process]:
    """`up` on its directory, stopped at the end; its log is next to it."""
    (directory / "tmp").mkdir()
    inherited = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG"}}
    environment = inherited | {
        "PYTHONPATH": str(ROOT),
        "TMPDIR": str(directory / "tmp"),
        "RATE_LIMIT_PER_MINUTE": "0",
        "WORKER_SLOTS": str(weather.slots),
        "LOG_FORMAT": "json",
        "WEBHOOK_ALLOW_PRIVATE": "true",
    }
    options = ["--port", "0", "--workers", str(weather.workers), "--data-dir", str(directory / "data")]
    with (directory / "up.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.up", *options],
            env=environment,
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        yield psutil.Process(process.pid)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0, f"`up` ended with {process.returncode}"
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


async def ready(directory: Path) -> JSON:
    """What `up` tells once everything answers."""
    async with asyncio.timeout(READY_WITHIN):
        while True:
            with suppress(FileNotFoundError):
                return json.loads((directory / "data" / "ready.json").read_text())
            await asyncio.sleep(0.05)


async def arrivals(weather: Weather, told: JSON, webhook_url: str) -> list[Customer]:
    """The customers, each with an account and a photo."""
    connection = await connect(settings_of(told))
    customers: list[Customer] = []
    for number in range(weather.users):
        user = await create_user(connection, f"customer{number}@example.com", credits_=CREDITS)
        customers.append(Customer(number, user.user_id, user.api_key, told["base_url"], weather.seed, webhook_url))
    await connection.close()
    for customer in customers:
        await customer.arrive()
    return customers


def settings_of(told: JSON) -> Settings:
    return Settings(database_url=told["database_url"], redis_url=told["redis_url"], storage_url="file:///nowhere")


class Watch:
    """Looks at the invariants again and again while the storm rages; what it saw is told once."""

    def __init__(self, told: JSON) -> None:
        self.looks = 0
        self.seen: set[str] = set()
        self._settings = settings_of(told)

    async def run(self) -> None:
        while True:
            with suppress(*UNAVAILABLE):
                connection = await connect(self._settings)
                try:
                    self.seen |= set(await broken(connection))
                    self.looks += 1
                finally:
                    connection.terminate()
            await asyncio.sleep(LOOK_EVERY)


async def all_told(told: JSON) -> None:
    """Wait until no webhook waits any more."""
    connection = await connect(settings_of(told))

    async def none_waits() -> bool:
        return not await connection.fetchval("SELECT EXISTS (SELECT FROM webhook_deliveries WHERE status = 'waiting')")

    try:
        await until(none_waits, within=CALM_WITHIN)
    finally:
        connection.terminate()


async def _each(events: Iterable[asyncio.Event]) -> None:
    async with asyncio.timeout(READY_WITHIN):
        await asyncio.gather(*(event.wait() for event in events))


async def rage(weather: Weather, directory: Path, up: psutil.Process, hooks: Hooks) -> Report:
    """The storm itself, from the first customer to the last look."""
    told = await ready(directory)
    customers = await arrivals(weather, told, hooks.url)
    listeners = [Listener(told["base_url"], customer.api_key) for customer in customers]
    watch = Watch(told)
    watching = [asyncio.create_task(one.run()) for one in (watch, *listeners)]
    await _each(listener.opened for listener in listeners)
    lives = asyncio.gather(
        *(
            # The first come at once, the last when nine tenths of the storm are over.
            customers[number % weather.users].live(number, 0.9 * weather.seconds * number / weather.tasks)
            for number in range(weather.tasks)
        )
    )
    await _each(listener.resumable for listener in listeners)
    killed = await kill_again_and_again(up, weather.seconds, weather.seed, weather.pause)
    over = time.monotonic()
    try:
        async with asyncio.timeout(CALM_WITHIN):
            await lives
            await all_told(await ready(directory))
    except TimeoutError:
        watch.seen.add(f"some tasks have not ended or been told {CALM_WITHIN:g} s after the last blow")
    calm_seconds = time.monotonic() - over
    tasks = {customer: await customer.everything() for customer in customers}
    every = [task for of_one in tasks.values() for task in of_one.values()]
    wrong: list[str] = []
    for customer, listener in zip(customers, listeners, strict=True):
        wrong += customer.complaints + await judge(customer, tasks[customer])
        wrong += await judge_told(customer, tasks[customer], listener, hooks)
        await customer.close()
    for one in watching:
        one.cancel()
    await asyncio.gather(*watching, return_exceptions=True)
    wrong += sorted(watch.seen)
    connection = await connect(settings_of(await ready(directory)))
    wrong += await broken(connection, directory / "data" / "files")
    wrong += await unpaid(connection, customers)
    await connection.close()
    return Report(
        killed=killed,
        answers=sum((customer.tally for customer in customers), Counter[str]()),
        ends=Counter(f"{task['status']} {task['error']['code'] if task['error'] else ''}".strip() for task in every),
        attempts=Counter(int(task["attempts"]) for task in every),
        looks=watch.looks,
        calm_seconds=calm_seconds,
        wrong=wrong + left_behind(directory / "tmp") + defects(directory / "up.log"),
    )


async def storm(weather: Weather, log: Path | None = None) -> Report:
    """Rage over a new stack; `log` is to keep what it said."""
    # Not pytest's own directory, which root keeps closed to the servers' account.
    directory = Path(tempfile.mkdtemp(prefix="darkroom-storm-"))
    await asyncio.to_thread(directory.chmod, 0o711)
    try:
        async with receiving() as receiver:
            with stack(directory, weather) as up:
                return await rage(weather, directory, up, Hooks(receiver))
    finally:
        if log is not None:
            shutil.copyfile(directory / "up.log", log)
        await asyncio.to_thread(shutil.rmtree, directory)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--tasks", type=int, default=500)
    parser.add_argument("--users", type=int, default=20)
    parser.add_argument("--minutes", type=float, default=4.0)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--log", type=Path, help="keep the stack's log here")
    options = parser.parse_args()
    weather = Weather(tasks=options.tasks, users=options.users, seconds=options.minutes * 60, seed=options.seed)
    print(f"seed {weather.seed}: {weather.tasks} tasks of {weather.users} users, {weather.seconds:g} s", flush=True)
    report = asyncio.run(storm(weather, options.log))
    print("\n".join(report.lines()))
    sys.exit(1 if report.wrong else 0)


if __name__ == "__main__":
    main()
