"""A real S3 server (nanio: it checks signatures and expiry) and storages to test on."""

import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from service.files.storage import Storage

OpenBucket = Callable[..., Storage]


@pytest.fixture(scope="session")
def s3_options(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """The AWS_* variables of a running server that has a bucket `photos`."""
    data = tmp_path_factory.mktemp("s3")
    (data / "photos").mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    options = {
        "AWS_ACCESS_KEY_ID": "tester",
        "AWS_SECRET_ACCESS_KEY": secrets.token_hex(16),
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_REGION": "us-east-1",
    }
    server = subprocess.Popen(
        [sys.executable, "-m", "nanio", "serve", "--data-dir", data, "--host", "127.0.0.1", "--port", str(port),
         "--log-level", "error", "--no-access-log"],
        env={**os.environ, "NANIO_ACCESS_KEY": "tester", "NANIO_SECRET_KEY": options["AWS_SECRET_ACCESS_KEY"]},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        _wait_for(port, server)
        yield options
    finally:
        server.terminate()
        server.wait(timeout=10)


def _wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and server.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    pytest.fail("the S3 server didn't start")


@pytest.fixture
def bucket(s3_options: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> OpenBucket:
    """Opens `s3://photos/<a prefix of the test's own>`, or another URL, with other options where asked."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    prefix = f"tests/{secrets.token_hex(6)}"

    def open_bucket(url: str = f"s3://photos/{prefix}", **options: str) -> Storage:
        return Storage.open(url, {**s3_options, **options})

    return open_bucket


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Where the local storage keeps its blobs."""
    return tmp_path / "blobs"


@pytest.fixture(params=["local", "s3"])
def storage(request: pytest.FixtureRequest, directory: Path, bucket: OpenBucket) -> Storage:
    """A storage of each kind, empty."""
    return Storage.open(directory.as_uri()) if request.param == "local" else bucket()
