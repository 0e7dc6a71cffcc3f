"""Every error is one kind of document, and says nothing that is nobody's business."""

import json
import re
import socket
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from schema.models.problems import ProblemCode as Code
from schema.models.tasks import TaskStatus
from service.database import Connection
from tests.factories import add_task
from tests.service.http.conftest import NewUser
from tests.service.http.looking import credits_of, eventually
from tests.service.http.serving import API, PHOTO, Api, User, fields_of, problem


async def logged(api: Api, request_id: str) -> list[str]:
    """The log's lines about a request, the last of which is written behind its answer."""

    def lines() -> list[str]:
        return [line for line in api.log.read_text().split("\n") if request_id in line]

    async def there() -> bool:
        return any("milliseconds" in line for line in lines())

    await eventually(there, f"a line about {request_id}")
    return lines()


@pytest.mark.parametrize(
    "path",
    [
        "/nope", API, f"{API}/nope", f"{API}/tasks/a/b", "/%00", "/docs-assets/nope.js", "/docs/nope", "/docs/%00",
        "/docs/openapi.yml", "/docs/a/b",
    ],
)  # fmt: skip
async def test_an_unknown_route_is_404(anonymous: httpx.AsyncClient, path: str) -> None:
    problem(await anonymous.get(path), Code.NOT_FOUND, 404)


@pytest.mark.parametrize(
    ("method", "path"),
    [("PUT", "/tasks"), ("DELETE", "/tasks"), ("PATCH", "/tasks/a"), ("GET", "/uploads"), ("POST", "/me")],
)
async def test_another_method_is_405(user: User, method: str, path: str) -> None:
    answer = await user.http.request(method, API + path)
    problem(answer, Code.METHOD_NOT_ALLOWED, 405)
    assert method not in answer.headers["allow"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"text"',
        b"{} x",
        b"\xef\xbb\xbf{}",
        b'{"mode":"\xff"}',
        b'{"mode":"\\ud800"}',
        b'{"mode":"HEAD_SWAP","source_image":"a","config":{"a":"\xff"}}',
        b'{"mode":"HEAD_SWAP","source_image":"a","config":{"a":' + b"[" * 900 + b"]" * 900 + b"}}",
        b'{"mode":"HEAD_SWAP","source_image":"a","config":{"a":' + b"[" * 50_000 + b"]" * 50_000 + b"}}",
        b'{"mode":"HEAD_SWAP","source_image":"a","config":{"a":1e999}}',
        b'{"mode":"HEAD_SWAP","source_image":"a","config":{"a":NaN}}',
        b'{"mode":"' + b"x" * 1_000_001 + b'"}',
    ],
    ids=lambda body: repr(body)[2:30],
)
async def test_a_malformed_body_is_400(user: User, body: bytes) -> None:
    for headers in ({}, {"Idempotency-Key": "k"}):
        answer = await user.http.post(f"{API}/tasks", content=body, headers=headers)
        told = problem(answer, Code.INVALID_REQUEST, 400)
        assert fields_of(told)
        assert len(answer.content) < 1000
        assert "'data'" not in told["detail"]


TASK = {"mode": "HEAD_SWAP", "source_image": "a", "reference_image": "b"}


@pytest.mark.parametrize("said", ["60", "60.0", "null", True, False, 60.5, [], {}, [60]])
@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/tasks", TASK, "deadline_seconds"),
        ("/tasks/batch", {"tasks": [TASK, TASK]}, "tasks[1].deadline_seconds"),
        ("/tasks/task_a/retry", {}, "deadline_seconds"),
        ("/tasks", TASK | {"config": {"quality": "high"}}, "config.blend_strength"),
    ],
)
async def test_json_is_taken_at_its_word(user: User, path: str, body: dict[str, Any], field: str, said: Any) -> None:
    sent = json.loads(json.dumps(body))
    place = sent["tasks"][1] if "tasks" in sent else sent
    *inside, name = field.rpartition("].")[2].split(".")
    for one in inside:
        place = place[one]
    place[name] = said
    for headers in ({}, {"Idempotency-Key": "k"}):
        answer = await user.http.post(API + path, json=sent, headers=headers)
        assert fields_of(problem(answer, Code.INVALID_REQUEST, 400)) == [field]


async def test_the_request_id_of_the_caller_is_taken_if_it_is_a_plain_word(
    user: User, anonymous: httpx.AsyncClient
) -> None:
    for given in ("req-1:a.b_C", "x" * 64):
        answer = await user.http.get(f"{API}/me", headers={"X-Request-Id": given})
        assert answer.headers["x-request-id"] == given
        refused = await anonymous.get(f"{API}/me", headers={"X-Request-Id": given})
        assert problem(refused, Code.UNAUTHORIZED, 401)["request_id"] == given
    for given in ("two words", "x" * 65, "a;b", "späß", "<script>", ""):
        answer = await user.http.get(f"{API}/me", headers=[(b"X-Request-Id", given.encode())])
        assert re.fullmatch(r"[0-9a-f]{16}", answer.headers["x-request-id"])


async def test_the_log_has_a_line_for_a_request_without_its_secrets(
    user: User, api: Api, anonymous: httpx.AsyncClient
) -> None:
    file = (await user.upload(PHOTO, "holiday.jpg")).json()
    signature = file["url"].rpartition("signature=")[2]
    answer = await anonymous.get(file["url"], headers={"X-Request-Id": "look-for-me"})
    assert answer.status_code == 200
    (line,) = await logged(api, "look-for-me")
    assert f"path={API}/files/{file['file_id']}" in line
    assert "status=200" in line
    assert "method=GET" in line
    text = api.log.read_text()
    for secret in (user.api_key, signature, "signature="):
        assert secret not in text


async def test_the_log_takes_no_lines_from_a_client(user: User, api: Api) -> None:
    lines = api.log.read_text().count("\n")
    path = f"{API}/tasks/x%0A2026-01-01T00:00:00Z%20[info]%20forged%0D%0A%1b[31m"
    await user.http.get(path, headers={"X-Request-Id": "forger"})
    (line,) = await logged(api, "forger")
    assert "forged%0D" in line
    assert "\x1b[31m" not in api.log.read_text()
    assert api.log.read_text().count("\n") == lines + 1


async def test_bytes_that_are_no_http_do_no_harm(api: Api, user: User) -> None:
    parts = urlsplit(api.base_url)
    before = len(api.log.read_text())
    for sent in (b"\x00\xff\r\n\r\n", b"GET /\xc3\xa4 HTTP/1.1\r\nHost: x\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"):
        with socket.create_connection((parts.hostname, parts.port), timeout=5) as raw:
            raw.sendall(sent)
            assert raw.recv(1000).startswith(b"HTTP/1.1 4")
    assert (await user.me())["user_id"] == user.user_id
    assert "Traceback" not in api.log.read_text()[before:]


async def test_json_logs_are_one_object_a_line(new_user: NewUser, strict_api: Api) -> None:
    user = await new_user(strict_api)
    await user.http.get(f"{API}/me", headers={"X-Request-Id": "structured"})
    (line,) = await logged(strict_api, "structured")
    entry = json.loads(line)
    assert entry == {
        **entry,
        "event": "request",
        "path": f"{API}/me",
        "status": 200,
        "method": "GET",
        "request_id": "structured",
        "level": "info",
    }


async def test_a_create_is_one_line_of_the_log(new_user: NewUser, strict_api: Api, db: Connection) -> None:
    user = await new_user(strict_api)
    body = {"mode": "BACKGROUND_CHANGE", "source_image": await user.photo()}
    task = (await user.http.post(f"{API}/tasks", json=body, headers={"X-Request-Id": "one-line"})).json()
    (line,) = await logged(strict_api, "one-line")
    entry = json.loads(line)
    assert entry == {
        **entry,
        "event": "request",
        "done": "task created, credits deducted",
        "user": user.user_id,
        "task_id": task["task_id"],
        "mode": "BACKGROUND_CHANGE",
        "credits": task["credits_consumed"],
        "credits_left": await credits_of(db, user),
    }


async def test_a_create_that_waits_is_told_before_it_waits(new_user: NewUser, strict_api: Api) -> None:
    user = await new_user(strict_api)
    body = {"mode": "BACKGROUND_CHANGE", "source_image": await user.photo()}
    headers = {"X-Request-Id": "waiting-line", "Prefer": "wait=1"}
    task = (await user.http.post(f"{API}/tasks", json=body, headers=headers)).json()
    created, access = [json.loads(line) for line in await logged(strict_api, "waiting-line")]
    assert (created["event"], created["task_id"]) == ("task created, credits deducted", task["task_id"])
    assert (access["event"], access["task_id"], "done" in access) == ("request", task["task_id"], False)
    assert access["milliseconds"] >= 1000


async def test_a_defect_is_500_without_internals_and_with_all_of_them_in_the_log(
    new_user: NewUser, strict_api: Api, db: Connection
) -> None:
    """A row that isn't what the code expects stands for any defect."""
    user = await new_user(strict_api)
    record = await add_task(db, user.user_id, TaskStatus.FAILED)
    await db.execute("UPDATE tasks SET error = $2 WHERE task_id = $1", record.task_id, {"code": "SECRET_INTERNAL"})
    answer = await user.http.get(f"{API}/tasks/{record.task_id}", headers={"X-Request-Id": "defective"})
    body = problem(answer, Code.INTERNAL_ERROR, 500)
    for internal in ("SECRET_INTERNAL", "msgspec", "Traceback", "asyncpg", "Expected"):
        assert internal not in answer.text
    assert body["request_id"] == "defective"
    error, access = [json.loads(line) for line in await logged(strict_api, "defective")]
    assert (error["level"], access["status"]) == ("error", 500)
    assert "ValidationError" in json.dumps(error["exception"])
    assert user.api_key not in json.dumps(error)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (rb'{"mode":"HEAD_SWAP","source_image":"\ud800"}', "half of a surrogate pair"),
        (b'{"mode":"HEAD_SWAP","source_image":"a","priority":"urgent"}', "it takes low, normal, high"),
        (b'{"mode":"HEAD_SWAP","source_image":"a","config":{"quality":"best"}}', "it takes standard, high, ultra"),
        (b'{"mode":"HEAD_SWAP","source_image":"a","config":{"figure_preset":"nobody"}}', "astronaut"),
        (b'{"mode":"HEAD_SWAP","source_image":"a","config":{"a":1e999}}', "out of range"),
        (b'{"mode":"HEAD_SWAP","source_image":"a"', "its end is missing"),
        (b'{"mode":"' + b"x" * 1_000_001 + b'"}', "too large"),
    ],
    ids=lambda value: repr(value)[-30:],
)
async def test_the_detail_says_what_is_wrong(user: User, body: bytes, words: str) -> None:
    for headers in ({}, {"Idempotency-Key": "k"}):
        answer = await user.http.post(f"{API}/tasks", content=body, headers=headers)
        assert words in problem(answer, Code.INVALID_REQUEST, 400)["detail"]
