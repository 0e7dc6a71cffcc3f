"""A client that hangs up, at whatever moment, is told in the log as that, and is no error."""

import asyncio
import json
import socket
import struct
from collections.abc import Generator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from service.settings import Settings
from tests.service.http.conftest import NewUser
from tests.service.http.looking import eventually
from tests.service.http.pictures import jpeg
from tests.service.http.serving import API, Api, User, client_of, serving

FORM = "Content-Type: multipart/form-data; boundary=b"
JSON = "Content-Type: application/json"
PART = '--b\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n'
QUIET = ["Traceback", "unexpected error", "Exception"]


@pytest.fixture(scope="module")
def watched(http_settings: Settings, logs: Path) -> Generator[Api]:
    """An API with a log of its own, in JSON, and files large enough that their sending takes a while."""
    extra = {"LOG_FORMAT": "json", "RATE_LIMIT_PER_MINUTE": "0", "MAX_UPLOAD_BYTES": str(40 * 2**20)}
    with serving(http_settings, logs / "watched.log", extra) as api:
        yield api


def entries(api: Api) -> list[dict[str, Any]]:
    return [json.loads(line) for line in api.log.read_text().splitlines()]


def of_request(api: Api, request_id: str) -> list[dict[str, Any]]:
    return [entry for entry in entries(api) if entry.get("request_id") == request_id and entry["event"] == "request"]


async def send_and_go(api: Api, text: bytes, *, reset: bool, heard: int = 0) -> None:
    """Send something, perhaps hear the beginning of an answer, and go: with a farewell or without."""
    parts = urlsplit(api.base_url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    writer.write(text)
    await writer.drain()
    if heard:
        await reader.readexactly(heard)
    else:
        await asyncio.sleep(0.3)
    if reset:
        linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.close()


def request(user: User, line: str, request_id: str, *headers: str, body: str = "") -> bytes:
    lines = [line, "Host: x", f"Authorization: Bearer {user.api_key}", f"X-Request-Id: {request_id}", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


PHASES: dict[str, tuple[str, list[str], str]] = {
    "before the body": (f"POST {API}/tasks HTTP/1.1", [JSON, "Content-Length: 100"], ""),
    "body": (f"POST {API}/tasks HTTP/1.1", [JSON, "Content-Length: 100"], "{"),
    "chunks": (f"POST {API}/tasks HTTP/1.1", [JSON, "Transfer-Encoding: chunked"], "2\r\n{ \r\n5"),
    "form": (f"POST {API}/uploads HTTP/1.1", [FORM, "Content-Length: 100000"], "--b"),
    "part's head": (f"POST {API}/uploads HTTP/1.1", [FORM, "Content-Length: 100000"], PART),
    "file": (f"POST {API}/uploads HTTP/1.1", [FORM, "Content-Length: 100000"], PART + "\r\n\xff\xd8\xff"),
    "body of a cancel": (f"POST {API}/tasks/task_none/cancel HTTP/1.1", [JSON, "Content-Length: 100"], "{"),
    "body of a delete": (f"DELETE {API}/files/file_none HTTP/1.1", [JSON, "Content-Length: 100"], "{"),
    "body of a retry": (f"POST {API}/tasks/task_none/retry HTTP/1.1", [JSON, "Content-Length: 100"], "{"),
}
"""The request's line, headers, and what of its body is sent."""


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize("text", [b"", b"GET /livez HTT", b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Requ"])
async def test_within_the_head(watched: Api, new_user: NewUser, text: bytes, reset: bool) -> None:
    user = await new_user(watched)
    before = len(watched.log.read_text())
    await send_and_go(watched, text, reset=reset)
    assert (await user.me())["user_id"] == user.user_id
    assert not any(word in watched.log.read_text()[before:] for word in QUIET)


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize("phase", PHASES)
async def test_within_the_body(watched: Api, new_user: NewUser, phase: str, reset: bool) -> None:
    user = await new_user(watched)
    line, headers, body = PHASES[phase]
    before, request_id = len(watched.log.read_text()), f"up-{user.user_id}"
    await send_and_go(watched, request(user, line, request_id, *headers, body=body), reset=reset)

    async def told() -> bool:
        return bool(of_request(watched, request_id))

    await eventually(told, "the request's line in the log")
    assert of_request(watched, request_id)[0]["status"] < 500
    assert (await user.me())["user_id"] == user.user_id
    assert not any(word in watched.log.read_text()[before:] for word in QUIET)


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
async def test_while_waiting(watched: Api, new_user: NewUser, reset: bool) -> None:
    user = await new_user(watched)
    task, before, request_id = await user.task(), len(watched.log.read_text()), f"wait-{user.user_id}"
    line = f"GET {API}/tasks/{task['task_id']}?wait=1 HTTP/1.1"
    await send_and_go(watched, request(user, line, request_id), reset=reset)

    async def told() -> bool:
        return bool(of_request(watched, request_id))

    await eventually(told, "the request's line in the log")
    assert not any(word in watched.log.read_text()[before:] for word in QUIET)


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
async def test_while_a_picture_is_sent(watched: Api, new_user: NewUser, reset: bool) -> None:
    user = await new_user(watched)
    uploaded = (await user.upload(jpeg() + bytes(30 * 2**20))).json()
    before, request_id = len(watched.log.read_text()), f"down-{user.user_id}"
    text = request(user, f"GET {uploaded['url']} HTTP/1.1", request_id)
    await send_and_go(watched, text, reset=reset, heard=1000)

    async def told() -> bool:
        return bool(of_request(watched, request_id))

    await eventually(told, "the request's line in the log")
    assert of_request(watched, request_id)[0].get("hung_up")
    assert not any(word in watched.log.read_text()[before:] for word in QUIET)


async def test_the_log_tells_who_asked_from_where_and_how_long_it_took(
    http_settings: Settings, new_user: NewUser, logs: Path
) -> None:
    # Without limits: other tests have asked from this address, too.
    extra = {"LOG_FORMAT": "json", "TRUSTED_PROXIES": "127.0.0.0/8", "RATE_LIMIT_PER_MINUTE": "0"}
    with serving(http_settings, logs / "who.log", extra) as api:
        user = await new_user(api)
        headers = {"X-Forwarded-For": "203.0.113.7", "X-Request-Id": "known"}
        assert (await user.http.get(f"{API}/me", headers=headers)).status_code == 200
        async with client_of(api) as client:
            assert (await client.get(f"{API}/me", headers={"X-Request-Id": "unknown"})).status_code == 401

        async def told() -> bool:
            return bool(of_request(api, "known") and of_request(api, "unknown"))

        await eventually(told, "both requests' lines in the log")
        known, unknown = of_request(api, "known")[0], of_request(api, "unknown")[0]
        assert (known["address"], known["user"]) == ("203.0.113.7", user.user_id)
        assert unknown["address"] == "127.0.0.1"
        assert "user" not in unknown
        for entry in (known, unknown):
            assert 0 < entry["milliseconds"] < 10_000
            assert "hung_up" not in entry
