"""A running API for the tests of the HTTP face, and how to talk to it."""

from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
from msgspec import Struct

from schema.models.edits import Mode
from schema.models.problems import Problem, ProblemCode
from service.settings import Settings
from tests.forking import MAIN, Process, start
from tests.running import NO_TLS, environment, handed_socket, wait_until_live
from tests.service.http.pictures import jpeg

JSON = dict[str, Any]

API = "/api/v1"
PHOTO = jpeg()

# No worker runs here, so which edits this machine's engine makes is set, not found out.
PROGRAM = (
    "from schema.models import edits\n"
    "edits.ENGINE_MODES[edits.LOCAL] = frozenset(edits.Mode(name) for name in {modes!r})\n" + MAIN
)


class Api(Struct, frozen=True):
    """A process that serves, where its log goes, and what it was told."""

    base_url: str
    process: Process
    log: Path
    settings: Settings


@contextmanager
def serving(
    settings: Settings,
    log: Path,
    extra: Mapping[str, str] | None = None,
    *,
    modes: Iterable[Mode] = Mode,
    before: str = "",
) -> Generator[Api]:
    """The API in a process of its own, as `darkroom api` starts it; `before` is Python that it runs first."""
    program = before + PROGRAM.format(modes=[mode.value for mode in modes])
    with log.open("ab") as log_file, handed_socket() as (fd, port):
        process = start(
            program,
            "api",
            "--fd",
            str(fd),
            environment=environment(settings, extra),
            stdout=log_file,
            stderr=log_file,
            pass_fds=[fd],
        )
    try:
        base_url = f"http://127.0.0.1:{port}"
        wait_until_live(base_url, process)
        yield Api(base_url, process, log, settings)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def client_of(api: Api, token: str | None = None) -> httpx.AsyncClient:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    limits = httpx.Limits(max_connections=100)
    return httpx.AsyncClient(base_url=api.base_url, headers=headers, verify=NO_TLS, timeout=30, limits=limits)


class User:
    """Somebody with a key, and what they do all the time."""

    def __init__(self, user_id: str, api_key: str, http: httpx.AsyncClient) -> None:
        self.user_id = user_id
        self.api_key = api_key
        self.http = http
        self._photo: str | None = None

    async def upload(self, content: bytes, name: str = "photo.jpg", **data: str) -> httpx.Response:
        return await self.http.post(f"{API}/uploads", files={"file": (name, content)}, data=data)

    async def photo(self) -> str:
        """The id of a photo of theirs, uploaded when it is first needed."""
        if self._photo is None:
            answer = await self.upload(PHOTO)
            assert answer.status_code == 201, answer.text
            self._photo = str(answer.json()["file_id"])
        return self._photo

    async def create(self, headers: Mapping[str, str] | None = None, **body: Any) -> httpx.Response:
        """Ask for the simplest edit of their photo; `body` wins."""
        request = {"mode": "BACKGROUND_CHANGE", "source_image": await self.photo(), **body}
        return await self.http.post(f"{API}/tasks", json=request, headers=headers)

    async def task(self, **body: Any) -> JSON:
        """A new task of theirs."""
        answer = await self.create(**body)
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def me(self) -> JSON:
        answer = await self.http.get(f"{API}/me")
        assert answer.status_code == 200, answer.text
        return answer.json()


def problem(answer: httpx.Response, code: ProblemCode, status: int) -> JSON:
    """The problem document of an answer that must be one, whole and with this code."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: JSON = answer.json()
    decoded = msgspec.convert(body, Problem)
    assert (decoded.code, decoded.status) == (code, status)
    assert decoded.request_id == answer.headers["x-request-id"]
    assert decoded.title
    assert decoded.detail
    assert decoded.instance == answer.request.url.path[:500]
    if status == 401:
        assert answer.headers["www-authenticate"].startswith("Bearer")
    if status in {429, 503}:
        assert int(answer.headers["retry-after"]) > 0
    return body


def fields_of(body: JSON) -> list[str]:
    return [error["field"] for error in body["errors"]]
