"""Whatever proxy the environment names, this machine is spoken to directly."""

import os
from collections.abc import Mapping

import httpx
import pytest

from service.files.storage import Storage
from service.processes.loopback import reach_loopback_directly
from service.storage_errors import StorageError
from tests.running import free_port
from tests.s3 import s3_server


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, None),
        ({"no_proxy": "a.example"}, "a.example"),
        ({"http_proxy": "http://p:1"}, "localhost,127.0.0.1,::1"),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "a.example, ::1"}, "a.example,::1,localhost,127.0.0.1"),
        ({"all_proxy": "socks5://p:1", "no_proxy": "a", "NO_PROXY": "b"}, "a,b,localhost,127.0.0.1,::1"),
        ({"http_proxy": ""}, None),
    ],
)
def test_this_machine_is_excepted(environ: Mapping[str, str], expected: str | None) -> None:
    changed = dict(environ)
    reach_loopback_directly(changed)
    assert changed.get("no_proxy") == expected
    assert {**changed, "no_proxy": "", "NO_PROXY": ""} == {**environ, "no_proxy": "", "NO_PROXY": ""}


async def test_clients_of_ours_reach_a_server_of_this_machine(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, nobody)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "")
    with s3_server(tmp_path_factory.mktemp("s3")) as server:
        with pytest.raises(StorageError):
            await Storage.made("s3://photos/x", server.options).check()
        reach_loopback_directly(os.environ)
        await Storage.made("s3://photos/x", server.options).check()
        async with httpx.AsyncClient() as client:
            assert (await client.get(server.options["AWS_ENDPOINT_URL"])).status_code < 500
