"""A process that is asked to stop stops in time, also while the database says nothing."""

import signal
import time
from contextlib import ExitStack

import pytest
from msgspec import structs

from service.settings import Settings
from tests.running import handed_socket, running, running_worker, wait_until_live
from tests.service.http.proxy import proxied


@pytest.mark.parametrize(("kind", "within"), [("api", 10), ("worker", 30)])
def test_a_silent_database_keeps_nobody_from_stopping(settings: Settings, kind: str, within: float) -> None:
    with proxied(settings.database_url) as proxy, ExitStack() as stack:
        stack.callback(proxy.let_through)
        there = structs.replace(settings, database_url=proxy.url)
        if kind == "worker":
            process = stack.enter_context(running_worker(there))
        else:
            fd, port = stack.enter_context(handed_socket())
            process = stack.enter_context(running("api", "--fd", str(fd), settings=there, pass_fds=[fd]))
            wait_until_live(f"http://127.0.0.1:{port}", process)
        proxy.fall_silent()
        asked = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(within) == 0
        assert time.monotonic() - asked < within
