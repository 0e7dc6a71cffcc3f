"""`darkroom up`: keeps a stack running until it is told to stop."""

import asyncio
import signal
import time
from collections.abc import Mapping
from dataclasses import replace

from service.embedded.private_files import Lock, make_directory
from service.settings.sources import UP_LOCK
from service.up.keeping import keep
from service.up.stack import Pids, Plan, Say, Stack

_FIRST_LOOK_SECONDS = 0.05
_LONGEST_LOOK_SECONDS = 1.0  # at an API that runs and doesn't say that everything is well
_LOG_SECONDS = 60.0
_HINT_SECONDS = 15.0  # without news for so long, a person wants to know what is missing


async def serve(plan: Plan, environ: Mapping[str, str], say: Say) -> None:
    """Run the stack until SIGINT, SIGTERM or SIGHUP; then stop it, API and workers before their servers.

    Raises:
        EmbeddedError: it can't be started, or another `up` runs on the same directory.
        SettingsError: a setting is wrong.
        OSError: the directory can't be used.
    """
    stop_asked = asyncio.Event()
    _on_signals(stop_asked)
    plan = replace(plan, directory=plan.directory.absolute())
    make_directory(plan.directory)
    lock = Lock(plan.directory / UP_LOCK, f"Another `darkroom up` is running on {plan.directory}")
    try:
        stack = Stack(plan, environ)
        try:
            await _Supervisor(stack, say).run(stop_asked)
        finally:
            stack.close()
    finally:
        lock.release()


class _Supervisor:
    def __init__(self, stack: Stack, say: Say) -> None:
        self._stack = stack
        self._say = say
        self._ready_once = asyncio.Event()
        self._changed = asyncio.Event()
        """Somebody has started or ended."""

    async def run(self, stop_asked: asyncio.Event) -> None:
        self._say(f"Darkroom is starting at {self._stack.base_url}")
        living = asyncio.create_task(self._live())
        asked = asyncio.create_task(stop_asked.wait())
        await asyncio.wait({living, asked}, return_when=asyncio.FIRST_COMPLETED)
        if not living.done():
            self._say("Stopping: the API and the workers finish what they are doing, up to 30 seconds")
        try:
            asked.cancel()
            living.cancel()
            await asyncio.gather(living, asked, return_exceptions=True)
        finally:
            await self._stack.stop()
        if not living.cancelled():
            living.result()
        self._say("Stopped")

    async def _live(self) -> None:
        await self._stack.prepare(self._say)
        try:
            async with asyncio.TaskGroup() as group:
                for process in self._stack.each():
                    group.create_task(
                        keep(
                            process,
                            self._say,
                            changed=self._changed.set,
                            may_refuse=lambda: not self._ready_once.is_set(),
                        )
                    )
                group.create_task(self._publish())
                group.create_task(self._greet())
                group.create_task(self._bound_logs())
        except ExceptionGroup as failures:
            # The first one ended the others.
            raise failures.exceptions[0] from None

    async def _publish(self) -> None:
        """Write ready.json whenever everything answers and somebody is new; at rest, wait for news."""
        published = None
        pause = _FIRST_LOOK_SECONDS
        told = time.monotonic()
        while True:
            self._changed.clear()
            pids = self._stack.pids()
            if pids is None or pids != published:
                missing = await self._stack.missing()
                # Who answered just now may have died since, or been replaced.
                if missing is None and pids is not None and pids == self._stack.pids() and self._published(pids):
                    published = pids
                if missing is not None and time.monotonic() - told > _HINT_SECONDS:
                    told = time.monotonic()
                    self._say(f"Still waiting for: {missing}")
            at_rest = pids is not None and pids == published
            try:
                # Not wait_for, which in Python 3.11 swallows a cancellation that comes together with the news.
                async with asyncio.timeout(None if at_rest else pause):
                    await self._changed.wait()
            except TimeoutError:
                pause = min(pause * 1.2, _LONGEST_LOOK_SECONDS)
            else:
                pause = _FIRST_LOOK_SECONDS
                told = time.monotonic() if at_rest else told

    async def _greet(self) -> None:
        """Once it runs, tell a person where to click."""
        await self._ready_once.wait()
        for line in await self._stack.greeting():
            self._say(line)

    async def _bound_logs(self) -> None:
        while True:
            await asyncio.sleep(_LOG_SECONDS)
            self._stack.bound_logs()

    def _published(self, pids: Pids) -> bool:
        try:
            self._stack.publish(pids)
        except OSError as error:  # a full disk is no reason to stop serving
            self._say(f"ready.json can't be written: {error}")
            return False
        if self._ready_once.is_set():
            self._say("Everything answers again")
        self._ready_once.set()
        return True


def _on_signals(stop_asked: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # nohup has a closed terminal ignored, and so do we.
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            loop.add_signal_handler(number, stop_asked.set)
