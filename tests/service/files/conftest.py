"""A real S3 server (nanio: it checks signatures and expiry) and storages to test on."""

import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from service.files.storage import Storage
from tests.s3 import s3_server

OpenBucket = Callable[..., Storage]


@pytest.fixture(scope="session")
def s3_options(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """The AWS_* variables of a running server that has a bucket `photos`."""
    with s3_server(tmp_path_factory.mktemp("s3")) as server:
        yield server.options


@pytest.fixture
def bucket(s3_options: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> OpenBucket:
    """Opens `s3://photos/<a prefix of the test's own>`, or another URL, with other options where asked."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    prefix = f"tests/{secrets.token_hex(6)}"

    def open_bucket(url: str = f"s3://photos/{prefix}", **options: str) -> Storage:
        return Storage.made(url, {**s3_options, **options})

    return open_bucket


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Where the local storage keeps its blobs."""
    return tmp_path / "blobs"


@pytest.fixture(params=["local", "s3"])
def storage(request: pytest.FixtureRequest, directory: Path, bucket: OpenBucket) -> Storage:
    """A storage of each kind, empty."""
    return Storage.made(directory.as_uri()) if request.param == "local" else bucket()
