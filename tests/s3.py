"""A real S3 server in a process of its own: nanio, which checks signatures and expiry."""

import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

from tests.running import free_port

PATIENCE = 20.0
BUCKET = "photos"


class S3Server(Struct, frozen=True):
    """The AWS_* variables that lead to it, its process, and where its buckets lie."""

    options: Mapping[str, str]
    process: subprocess.Popen[bytes]
    data: Path


@contextmanager
def s3_server(data: Path) -> Generator[S3Server]:
    """A server that has a bucket `photos`, as long as the context lasts."""
    (data / BUCKET).mkdir(parents=True)
    port = free_port()
    options = {
        "AWS_ACCESS_KEY_ID": "tester",
        "AWS_SECRET_ACCESS_KEY": secrets.token_hex(16),
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_REGION": "us-east-1",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "nanio", "serve", "--data-dir", data, "--host", "127.0.0.1", "--port", str(port),
         "--log-level", "error", "--no-access-log"],
        env={**os.environ, "NANIO_ACCESS_KEY": "tester", "NANIO_SECRET_KEY": options["AWS_SECRET_ACCESS_KEY"]},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        _wait_for(port, process)
        yield S3Server(options, process, data)
    finally:
        process.kill()
        process.wait()


def _wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and server.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise AssertionError("the S3 server didn't start")
