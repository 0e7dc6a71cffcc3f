"""Redis servers of a test's own: Valkey from pip, and the older Redis of Debian where it is installed."""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis
from redis.exceptions import RedisError

from service.embedded.servers import EmbeddedServers
from tests.running import PATIENCE, free_port

DEBIANS = shutil.which("redis-server")
needs_debians = pytest.mark.skipif(DEBIANS is None, reason="needs Debian's redis-server: apt-get install redis-server")
EVERY_KIND = (pytest.param("redis", marks=needs_debians), "valkey")


@contextmanager
def debians_redis(**options: str) -> Generator[str]:
    """Debian's redis-server with these settings and without files; its URL."""
    assert DEBIANS is not None
    port = free_port()
    settings = {"port": str(port), "bind": "127.0.0.1", "save": "", "appendonly": "no"} | options
    arguments = [word for name, value in settings.items() for word in (f"--{name.replace('_', '-')}", value)]
    with tempfile.TemporaryDirectory(prefix="darkroom-redis-") as directory:
        process = subprocess.Popen([DEBIANS, *arguments], cwd=directory, stdout=subprocess.DEVNULL)
        try:
            url = f"redis://127.0.0.1:{port}/0"
            _wait_for(url, process)
            yield url
        finally:
            process.kill()
            process.wait()


@contextmanager
def valkey(**options: str) -> Generator[str]:
    """Valkey with these settings; its URL."""
    named = {name.replace("_", "-"): value for name, value in options.items()}
    # Not pytest's own directory, which root keeps closed to the servers' account.
    with tempfile.TemporaryDirectory(prefix="darkroom-redis-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o711)
        with EmbeddedServers(Path(name), postgres=False, valkey_options={"appendonly": "no"} | named) as servers:
            yield servers.redis_url


@contextmanager
def redis_server(kind: str, **options: str) -> Generator[str]:
    """A server of one of EVERY_KIND, empty; its URL."""
    with (debians_redis if kind == "redis" else valkey)(**options) as url:
        yield url


def as_user(url: str, name: str, password: str) -> str:
    """The same server, for another user."""
    parts = urlsplit(url)
    return parts._replace(netloc=f"{name}:{password}@{parts.netloc.rpartition('@')[2]}").geturl()


def _wait_for(url: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + PATIENCE
    with redis.Redis.from_url(url) as client:
        while True:
            try:
                client.ping()
            except RedisError:
                assert process.poll() is None, f"redis-server ended with {process.returncode}"
                assert time.monotonic() < deadline, "redis-server did not answer"
                time.sleep(0.02)
            else:
                return
