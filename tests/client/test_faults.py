"""The client on a bad line: what it sends again, how often, and by which key; what it does where streams don't come."""

import os
import pickle
import re
import resource
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from darkroom_client import (
    ApiError,
    AsyncDarkroom,
    Darkroom,
    EditFailed,
    StillRunning,
    Task,
    Unreachable,
    calls,
    errors,
    following,
    operations,
)
from darkroom_client.connecting import client_options
from darkroom_client.places import put

NOW = "2026-11-28T12:00:00Z"
TASK = {
    "task_id": "task_a",
    "status": "pending",
    "mode": "HEAD_SWAP",
    "source_image": "file_a",
    "created_at": "2026-11-28T11:59:00Z",
    "updated_at": NOW,
}
NO_FACE = {"code": "NO_FACE_DETECTED", "message": "There is no face."}
DONE = TASK | {"status": "done", "progress": 100}


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "FIRST_PAUSE", 0.0)


def problem(status: int, code: str, **more: Any) -> httpx.Response:
    body = {"status": status, "code": code, "detail": "No.", **more}
    return httpx.Response(status, json=body, headers={"content-type": "application/problem+json"})


class Line:
    """What answers: in turn, each answer or error once; the last one from then on."""

    def __init__(self, *answers: httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]) -> None:
        self._answers = list(answers)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, httpx.Response) else answer(request)


def darkroom(line: Line) -> Darkroom:
    return Darkroom("http://darkroom.test", "dk_key", transport=httpx.MockTransport(line))


def test_an_order_whose_answer_was_lost_is_given_again_by_the_same_key() -> None:
    line = Line(httpx.ReadError("gone"), problem(503, "SERVICE_UNAVAILABLE"), httpx.Response(201, json=TASK))
    with darkroom(line) as one:
        assert one.submit("HEAD_SWAP", "file_a").task_id == "task_a"
        first = {request.headers["idempotency-key"] for request in line.requests}
        one.submit("HEAD_SWAP", "file_a")
    assert len(line.requests) == 4
    assert len(first) == 1
    assert line.requests[-1].headers["idempotency-key"] not in first


@pytest.mark.parametrize("lost", [httpx.ReadError("gone"), httpx.Response(502, text="nginx")])
def test_a_deletion_whose_answer_was_lost_is_done_when_it_finds_nothing(lost: httpx.Response | Exception) -> None:
    gone, task = problem(404, "TASK_NOT_FOUND"), httpx.Response(200, json=DONE)
    with darkroom(line := Line(task, lost, gone)) as one:
        one.edit("task_a").delete()
    assert [request.method for request in line.requests] == ["GET", "DELETE", "DELETE"]
    # Never there; and what an address that leads elsewhere says is no deletion.
    for answers, kind in (
        ([httpx.ConnectError("no"), gone], errors.TaskNotFound),
        ([lost, httpx.Response(404)], Unreachable),
    ):
        with darkroom(Line(task, *answers)) as one, pytest.raises(kind):
            one.edit("task_a").delete()


def test_an_upload_whose_answer_was_lost_is_not_made_twice() -> None:
    with darkroom(line := Line(httpx.ReadError("gone"))) as one, pytest.raises(Unreachable):
        one.upload(b"a photo")
    assert len(line.requests) == 1
    # A proxy's words for the same; what Darkroom says itself is that it has done nothing.
    with darkroom(line := Line(httpx.Response(504, text="nginx"))) as one, pytest.raises(Unreachable):
        one.upload(b"a photo")
    assert len(line.requests) == 1
    for certain in (httpx.ConnectError("refused"), problem(503, "SERVICE_UNAVAILABLE")):
        with darkroom(line := Line(certain)) as one, pytest.raises((Unreachable, errors.ServiceUnavailable)):
            one.upload(b"a photo")
        assert len(line.requests) == calls.TRIES


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere every file's name is text")
def test_a_photo_may_have_any_name_on_its_disk(tmp_path: Path) -> None:
    path = os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe.jpg")
    Path(path).write_bytes(b"a photo")
    with Path(path).open("rb") as opened:
        for photo in (path, opened):
            with darkroom(line := Line(problem(400, "INVALID_IMAGE"))) as one, pytest.raises(errors.InvalidImage):
                one.upload(photo)
            assert b'filename="??.jpg"' in line.requests[0].content


def test_what_more_tries_do_not_mend_is_asked_once() -> None:
    for status, code in ((400, "INVALID_REQUEST"), (429, "TOO_MANY_PENDING_TASKS"), (503, "MODE_NOT_AVAILABLE")):
        with darkroom(line := Line(problem(status, code))) as one, pytest.raises(errors.ApiError) as refused:
            one.submit("HEAD_SWAP", "file_a")
        assert type(refused.value) is ApiError.codes[code]
        assert len(line.requests) == 1


@pytest.mark.parametrize(
    ("says", "seconds"),
    [
        ("7", 7),
        (timedelta(seconds=50), 40),
        (timedelta(days=1), calls.LONGEST_PAUSE),
        *((odd, 0) for odd in ("", "soon", "-5", "Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 99 Nov 9999 08:49:37 GMT")),
    ],
)
def test_who_says_when_to_come_back_is_asked_then(says: str | timedelta, seconds: float) -> None:
    if isinstance(says, timedelta):
        says = format_datetime(datetime.now(UTC) + says, usegmt=True)
    exchange = calls.exchange(calls.Call("GET", "/api/v1/me"))
    next(exchange)
    pause = exchange.send(calls.Reply(503, {"retry-after": says}, b""))
    assert isinstance(pause, calls.Pause)
    assert seconds <= pause.seconds <= seconds + 10


def test_a_refusal_has_its_numbers_and_an_unknown_one_its_code() -> None:
    short = problem(402, "INSUFFICIENT_CREDITS", required=40, current=10, deficit=30)
    with darkroom(Line(short)) as one, pytest.raises(errors.InsufficientCredits) as refused:
        one.submit("HEAD_SWAP", "file_a")
    assert (refused.value.required, refused.value.current, refused.value.deficit) == (40, 10, 30)
    with darkroom(Line(problem(418, "NEW_ONE"))) as one, pytest.raises(ApiError) as refused:
        one.account()
    assert (refused.value.code, refused.value.status) == ("NEW_ONE", 418)


def test_who_is_no_darkroom_is_told_so() -> None:
    strangers = [
        httpx.Response(404, text="<h1>nginx</h1>"),
        httpx.Response(301, headers={"location": "https://darkroom.test/api/v1/me"}),
        httpx.Response(200, text="<h1>Welcome</h1>"),
    ]
    for answer in strangers:
        with darkroom(Line(answer)) as one, pytest.raises(Unreachable, match="address"):
            one.account()


async def test_what_can_not_be_read_is_no_darkroom_in_streams_either() -> None:
    unpacked = httpx.DecodingError("incorrect header check")
    with darkroom(line := Line(unpacked, httpx.Response(200, json=TASK))) as one:
        assert one.edit("task_a").task_id == "task_a"
    assert len(line.requests) == 2
    with darkroom(Line(unpacked)) as one, pytest.raises(Unreachable):
        one.edit("task_a")
    of_no_version = msgspec.json.encode(TASK | {"status": "new"})
    for status, body in (
        (200, b'data: {"task_id": "task_a"\n\n'),
        (200, b"data: " + of_no_version + b"\n\n"),
        (403, b'"\xff"'),
    ):

        def answer(request: httpx.Request, status: int = status, body: bytes = body) -> httpx.Response:
            if request.url.path.endswith("/events"):
                return httpx.Response(status, content=body)
            return httpx.Response(200, json=TASK) if len(line.requests) == 1 else httpx.Response(200, content=body)

        with darkroom(line := Line(answer)) as one, pytest.raises(Unreachable):
            list(one.edit("task_a").events())
        transport = httpx.MockTransport(line := Line(answer))
        async with AsyncDarkroom("http://darkroom.test", "dk_key", transport=transport) as many:
            edit = await many.edit("task_a")
            with pytest.raises(Unreachable):
                [event async for event in edit.events()]


def test_the_key_goes_to_the_api_alone() -> None:
    result = {"output_image": "https://cdn.test/a.jpg", "thumbnail": None, "comparison_image": None}
    line = Line(
        httpx.Response(200, json=DONE | {"result": result}),
        httpx.Response(200, json=DONE | {"result": result}),
        httpx.Response(200, content=b"a picture"),
    )
    with darkroom(line) as one:
        assert one.edit("task_a").picture() == b"a picture"
    assert "authorization" in line.requests[1].headers
    assert "authorization" not in line.requests[2].headers


def stream(*events: tuple[str, str, dict[str, Any]]) -> httpx.Response:
    lines = [
        f"id: {i}\r\nevent: {kind}\r\ndata: {msgspec.json.encode(task).decode()}\r\n\r\n" for i, kind, task in events
    ]
    return httpx.Response(200, text=": still here\r\n\r\n" + "".join(lines))


def test_a_stream_that_breaks_off_is_resumed_where_it_was() -> None:
    line = Line(
        httpx.Response(200, json=TASK),
        stream(("e1", "status", TASK), ("e2", "status", TASK | {"status": "processing"})),
        stream(("e3", "status", DONE)),
    )
    with darkroom(line) as one:
        events = list(one.edit("task_a").events())
    assert [(event.id, event.task.status) for event in events] == [
        ("e1", "pending"),
        ("e2", "processing"),
        ("e3", "done"),
    ]
    assert line.requests[2].headers["last-event-id"] == "e2"


def polled() -> Iterator[dict[str, Any]]:
    yield from (
        TASK,
        TASK,
        TASK | {"status": "processing", "progress": 5},
        TASK | {"status": "processing", "progress": 5},
    )
    yield from (TASK | {"status": "processing", "progress": 60}, DONE)


async def test_where_streams_do_not_come_the_task_is_asked_for() -> None:
    states = polled()

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/events"):
            return httpx.Response(200, text="")
        return httpx.Response(200, json=next(states))

    async with AsyncDarkroom("http://darkroom.test", "dk_key", transport=httpx.MockTransport(answer)) as one:
        edit = await one.edit("task_a")
        told = [(event.id, event.kind, event.task.progress) async for event in edit.events()]
    assert told == [
        (None, "status", 0),
        (None, "status", 5),
        (None, "progress", 60),
        (None, "status", 100),
    ]


def test_who_is_not_there_any_more_is_not_waited_for_for_ever() -> None:
    with darkroom(line := Line(httpx.Response(200, json=TASK), httpx.ConnectError("refused"))) as one:
        edit = one.edit("task_a")
        with pytest.raises(Unreachable):
            edit.result(progress=True)
    assert len(line.requests) == 1 + following.IN_VAIN + calls.TRIES


async def test_a_proxy_that_holds_streams_back_is_waited_for_once() -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        if request.url.path.endswith("/events"):
            raise httpx.ReadTimeout("silence", request=request)
        return httpx.Response(200, json=TASK if len(asked) == 1 else DONE)

    transport = httpx.MockTransport(answer)
    with Darkroom("http://darkroom.test", "dk_key", transport=transport) as one:
        assert [event.task.status for event in one.edit("task_a").events()] == ["done"]
    assert len(asked) == 3
    asked.clear()
    async with AsyncDarkroom("http://darkroom.test", "dk_key", transport=transport) as many:
        edit = await many.edit("task_a")
        assert [event.task.status async for event in edit.events()] == ["done"]
    assert len(asked) == 3


def test_a_stream_that_is_refused_is_an_error() -> None:
    with darkroom(Line(httpx.Response(200, json=TASK), problem(404, "TASK_NOT_FOUND"))) as one:
        edit = one.edit("task_a")
        with pytest.raises(errors.TaskNotFound):
            list(edit.events())


def test_a_task_that_goes_on_is_told_with_it() -> None:
    with darkroom(Line(httpx.Response(200, json=TASK))) as one, pytest.raises(StillRunning) as late:
        one.edit("task_a").result(timeout=0)
    assert late.value.task.task_id == "task_a"


def test_a_failure_of_a_later_version_is_one_all_the_same() -> None:
    failed = TASK | {"status": "failed", "error": {"code": "NEW_ONE", "message": "Try another photo."}}
    with darkroom(Line(httpx.Response(200, json=failed))) as one, pytest.raises(EditFailed, match="another") as why:
        one.edit("task_a").result()
    assert why.value.code == "NEW_ONE"


async def test_a_time_limit_holds_whoever_watches() -> None:
    """A stream of signs of life is none of events: `save` draws a bar unless told otherwise."""

    def alive(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/events"):
            pytest.fail("a stream may be silent for longer")
        return httpx.Response(200, json=TASK)

    began = time.monotonic()
    with darkroom(Line(alive)) as one, pytest.raises(StillRunning):
        one.edit("task_a").save("never.jpg", timeout=0.5)
    assert time.monotonic() - began >= 0.5
    async with AsyncDarkroom("http://darkroom.test", "dk_key", transport=httpx.MockTransport(alive)) as other:
        edit = await other.edit("task_a")
        with pytest.raises(StillRunning):
            await edit.save("never.jpg", timeout=0.5)


def test_a_key_that_can_not_be_sent_is_not_told() -> None:
    """A file's last line has an end, which is no part of a key."""
    with Darkroom(
        "http://darkroom.test", "dk_key\n", transport=httpx.MockTransport(line := Line(problem(401, "A")))
    ) as one:
        with pytest.raises(ApiError):
            one.account()
        assert line.requests[0].headers["authorization"] == "Bearer dk_key"
    for key in ("", "dk_secret\ndk_other", "dk_sécret", "dk_secret dk_other"):
        with pytest.raises(ValueError, match="An API key") as told:
            Darkroom("http://darkroom.test", key)
        assert "secret" not in str(told.value)


def test_a_task_of_a_later_version_is_one_all_the_same() -> None:
    later = TASK | {"mode": "UPSCALE", "priority": "urgent", "cost": {"gpu": 1}}
    with darkroom(Line(httpx.Response(200, json=later))) as one:
        assert one.edit("task_a").task.mode == "UPSCALE"


def test_an_error_comes_out_of_another_process_as_it_is() -> None:
    task = msgspec.convert(TASK, Task)
    refused = errors.refusal(402, {"code": "INSUFFICIENT_CREDITS", "detail": "No.", "deficit": 30})
    failed = errors.unfinished(msgspec.convert(TASK | {"status": "failed", "error": NO_FACE}, Task))
    for error in (refused, failed, errors.EditCancelled(task), StillRunning(task), Unreachable("Nobody is there.")):
        again = pickle.loads(pickle.dumps(error))  # noqa: S301 - made here
        assert type(again) is type(error)
        assert str(again) == str(error)
        assert vars(again).keys() == vars(error).keys()
    assert (type(refused), type(failed)) == (errors.InsufficientCredits, errors.NoFaceDetected)


def test_an_id_from_elsewhere_leads_nowhere_else() -> None:
    with darkroom(line := Line(problem(404, "TASK_NOT_FOUND"))) as one:
        for named in ("../me/webhook-secret/rotate?", "task_a/cancel", "a#b", "ä b"):
            with pytest.raises(errors.TaskNotFound):
                one.edit(named)
        paths = [request.url.raw_path for request in line.requests]
        for named in ("", ".", ".."):
            with pytest.raises(ValueError, match="is no id"):
                one.edit(named)
    assert paths[0] == b"/api/v1/tasks/..%2Fme%2Fwebhook-secret%2Frotate%3F"
    assert all(path.startswith(b"/api/v1/tasks/") and path.count(b"/") == 4 for path in paths)
    assert len(line.requests) == 4


def test_an_address_that_is_none_is_tried_once() -> None:
    with darkroom(line := Line(httpx.UnsupportedProtocol("localhost://"))) as one, pytest.raises(Unreachable):
        one.account()
    assert len(line.requests) == 1


def test_the_options_time_limit_counts_but_for_answers_that_are_held() -> None:
    line = Line(httpx.Response(200, json=DONE))
    with Darkroom("http://darkroom.test", "dk_key", transport=httpx.MockTransport(line), timeout=3) as one:
        one.edit("task_a").result()
    asked, held = (request.extensions["timeout"] for request in line.requests)
    assert asked == {"connect": 3, "read": 3, "write": 3, "pool": 3}
    assert held["connect"] == 3
    assert held["read"] > operations.LONGEST_WAIT


def test_where_no_picture_can_be_written_is_told_before_it_is_waited_for(tmp_path: Path) -> None:
    (there := tmp_path / "there").write_bytes(b"a note")
    with darkroom(line := Line(httpx.Response(200, json=TASK))) as one:
        edit = one.edit("task_a")
        for path, kind in (
            (tmp_path, IsADirectoryError),
            (tmp_path / "no" / "a.jpg", FileNotFoundError),
            (there / "a.jpg", NotADirectoryError),
        ):
            with pytest.raises(kind, match=re.escape(str(path))):
                edit.save(path)
    assert len(line.requests) == 1
    assert [*tmp_path.iterdir()] == [there]


def test_a_picture_is_in_its_place_whole_or_not_at_all(tmp_path: Path) -> None:
    (there := tmp_path / "there.jpg").write_bytes(b"before")
    there.chmod(0o640)
    (link := tmp_path / "link.jpg").symlink_to(there)
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limit[1]))  # a disk that has room for 100 bytes
    try:
        for place in (there, link, tmp_path / "new.jpg"):
            with pytest.raises(OSError, match="too large"):
                put(place, bytes(200))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert there.read_bytes() == b"before"
    assert {*tmp_path.iterdir()} == {there, link}
    put(link, b"after")
    assert (link.is_symlink(), there.read_bytes(), there.stat().st_mode & 0o777) == (True, b"after", 0o640)


def test_what_is_no_file_to_replace_is_written_through(tmp_path: Path) -> None:
    os.mkfifo(pipe := tmp_path / "pipe")
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    put(pipe, b"picture")
    assert (os.read(reading, 100), pipe.is_fifo()) == (b"picture", True)
    os.close(reading)
    with (tmp_path / "out").open("wb") as file:
        put(Path(f"/dev/fd/{file.fileno()}"), b"picture")
        assert os.fstat(file.fileno()).st_size == len(b"picture")


class Account(BaseHTTPRequestHandler):
    """Answers each request with an account whose email is the address that was asked for."""

    def do_GET(self) -> None:
        account = {"user_id": "u", "email": self.path, "current_credits": 1, "total_credits_used": 0, "created_at": NOW}
        self.send_response(200)
        self.end_headers()
        self.wfile.write(msgspec.json.encode(account))

    def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002 - the library's name


def test_a_darkroom_of_this_machine_needs_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Account) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        here = f"127.0.0.1:{server.server_port}"
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        for name in ("http_proxy", "HTTP_PROXY"):
            monkeypatch.setenv(name, f"http://{here}")

        def asked(base_url: str, **options: Any) -> str:
            with Darkroom(base_url, "dk_key", **options) as one:
                return str(one.account().email)

        # A proxy is asked for the whole address, a server for its own part of it.
        assert asked(f"http://{here}") == "/api/v1/me"
        assert asked("http://darkroom.test") == "http://darkroom.test/api/v1/me"
        assert asked(f"http://{here}", proxy=f"http://{here}") == f"http://{here}/api/v1/me"
        server.shutdown()
    for name in ("127.0.0.1", "localhost", "[::1]"):
        assert client_options(f"http://{name}:8000/", {})["mounts"] == {f"all://{name}": None}
