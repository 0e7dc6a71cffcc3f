"""One ComfyUI server: its calls, and what their answers mean. Seen with 0.3.64."""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx
from msgspec import Struct

from actors.engines.workflows import calling
from actors.engines.workflows.driver import DriverError, Fate
from actors.engines.workflows.loose import as_object, list_of, object_of, objects_in
from schema.models.problems import FailureCode

PROMPT_WITHIN = 30.0


class Queue(Struct, frozen=True):
    """The ids of what a server runs and of what waits there, the next one first."""

    running: Sequence[str]
    waiting: Sequence[str]

    @property
    def length(self) -> int:
        return len(self.running) + len(self.waiting)


class Server:
    """Speaks with one server. `place` names it without its address, `shown` without its secrets."""

    def __init__(self, url: str) -> None:
        parts = httpx.URL(url)
        host = parts.netloc.decode()
        self.place = hashlib.sha256(url.encode()).hexdigest()[:12]
        self.shown = f"{parts.scheme}://{host}"
        self.base = f"{parts.scheme}://{host}{parts.raw_path.decode().rstrip('/')}"
        self.credentials = (parts.username, parts.password) if parts.userinfo else None
        self._client = calling.new_client(url, auth=self.credentials)

    async def close(self) -> None:
        await self._client.aclose()

    async def upload(self, photo: Path, name: str) -> str:
        """Send a photo, to be kept until the server restarts; returns what a LoadImage node takes."""
        content_type = "image/png" if name.endswith(".png") else "image/jpeg"
        files = {"image": (name, await asyncio.to_thread(photo.read_bytes), content_type)}
        response = await self._send("POST", "/upload/image", files=files, data={"type": "temp"})
        answer = self._json(response, "/upload/image")
        if not isinstance(answer.get("name"), str):
            raise calling.away("/upload/image: no name in the answer")
        folder = f"{answer['subfolder']}/" if answer.get("subfolder") else ""
        kind = answer.get("type")
        return f"{folder}{answer['name']}" + (f" [{kind}]" if kind in ("temp", "output") else "")

    async def prompt(self, graph: Mapping[str, Any], prompt_id: str, client_id: str, output: str) -> DriverError | None:
        """Put a job into the queue, under an id of ours. The error is that of one which runs, but for its output."""
        body = {"prompt": graph, "prompt_id": prompt_id, "client_id": client_id}
        response = await self._send("POST", "/prompt", json=body, timeout=PROMPT_WITHIN)
        if response.status_code == HTTPStatus.BAD_REQUEST:
            raise _invalid(calling.json_of(response, "/prompt"))
        answer = self._json(response, "/prompt")
        wrong = object_of(answer.get("node_errors"))
        left_out = {output} & {*wrong, *(one for node in objects_in([*wrong.values()]) for one in _named(node))}
        return _invalid(answer) if left_out else None

    async def queue(self) -> Queue:
        """What runs and what waits."""
        answer = self._json(await self._send("GET", "/queue"), "/queue")
        waiting = sorted(_items(answer.get("queue_pending")), key=_number)
        return Queue([str(item[1]) for item in _items(answer.get("queue_running"))], [str(item[1]) for item in waiting])

    async def history(self, prompt_id: str) -> Mapping[str, Any] | None:
        """What has become of a job; None while it waits or runs, and for one that isn't known."""
        answer = self._json(await self._send("GET", f"/history/{prompt_id}"), "/history")
        return as_object(answer.get(prompt_id))

    async def stop(self, prompt_id: str) -> None:
        """Ask for a job's end, whether it waits or runs; nobody else's."""
        response = await self._send("POST", f"/api/jobs/{prompt_id}/cancel", json={})
        if response.status_code not in {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED}:
            self._good(response, "/api/jobs/cancel")
            return
        self._good(await self._send("POST", "/queue", json={"delete": [prompt_id]}), "/queue")
        # Looked at first: builds that don't know ids here stop whatever runs.
        if prompt_id in (await self.queue()).running:
            self._good(await self._send("POST", "/interrupt", json={"prompt_id": prompt_id}), "/interrupt")

    async def view(self, where: Mapping[str, str], to: Path, most_bytes: int) -> None:
        """Fetch a file that a job has left."""
        request = self._client.build_request("GET", f"{self.base}/view", params=where)
        status = await calling.download(self._client, request, to, most_bytes, "/view")
        if status == HTTPStatus.NOT_FOUND:
            raise DriverError(
                Fate.TRANSIENT,
                FailureCode.ENGINE_RESPONSE_ERROR,
                "The engine's picture was gone before it could be fetched.",
                detail="/view: 404",
            )
        if status != HTTPStatus.OK:
            raise _refused(status, "/view")

    async def version(self) -> str | None:
        """Which ComfyUI it is, None where it doesn't say."""
        answer = self._json(await self._send("GET", "/system_stats"), "/system_stats")
        version = object_of(answer.get("system")).get("comfyui_version")
        return version if isinstance(version, str) else None

    async def nodes(self) -> Mapping[str, Any]:
        """What each kind of node that it has takes and gives."""
        return self._json(await self._send("GET", "/object_info"), "/object_info")

    async def _send(self, method: str, path: str, **more: Any) -> httpx.Response:
        request = self._client.build_request(method, f"{self.base}{path}", **more)
        return await calling.send(self._client, request, path.replace("/api/jobs/", "/api/jobs…")[:32])

    def _good(self, response: httpx.Response, what: str) -> None:
        if not response.is_success:
            raise _refused(response.status_code, what)

    def _json(self, response: httpx.Response, what: str) -> dict[str, Any]:
        self._good(response, what)
        answer = as_object(calling.json_of(response, what))
        if answer is None:
            raise calling.away(f"{what}: not what ComfyUI answers")
        return answer


def _items(found: object) -> list[list[Any]]:
    """The entries of a queue: number, id, workflow and more."""
    return [entry for entry in map(list_of, list_of(found)) if len(entry) > 1]


def _number(item: Sequence[Any]) -> float:
    return float(item[0]) if isinstance(item[0], int | float) else 0.0


def _refused(status: int, what: str) -> DriverError:
    """What an answer without success means."""
    detail = f"{what}: HTTP {status}"
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.PROXY_AUTHENTICATION_REQUIRED}:
        message = "The engine doesn't accept this server's key. Its operator has to mend that."
        return DriverError(Fate.REFUSED, FailureCode.ENGINE_AUTH_FAILED, message, detail=detail)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        message = "The engine has no place at the moment; the edit waits for one."
        return DriverError(Fate.WAIT, FailureCode.ENGINE_NOT_AVAILABLE, message, detail=detail)
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        message = "The photo is too large for the engine. Please send a smaller one."
        return DriverError(Fate.FINAL, FailureCode.ENGINE_RESPONSE_ERROR, message, detail=detail)
    return calling.away(detail)


_OURS = ("LoadImage", "LoadImageMask", "LoadImageOutput")
"""Tuples, here and above: what a server answers may be a list, which no set can look for."""


def _invalid(answer: object) -> DriverError:
    """Why a workflow isn't accepted: a node, a model or a value that the server doesn't have; or our photo is gone."""
    told = object_of(answer)
    nodes = objects_in(list(object_of(told.get("node_errors")).values()))
    details = [_detail(node) for node in nodes]
    error = as_object(told.get("error"))
    whole = told.get("error") if error is None else error.get("message")
    detail = f"/prompt: {whole} {'; '.join(details)}"[:1000]
    if nodes and all(node.get("class_type") in _OURS for node in nodes):
        message = "The engine lost the photo before it began. The edit is tried again."
        return DriverError(Fate.TRANSIENT, FailureCode.ENGINE_RESPONSE_ERROR, message, detail=detail)
    message = "The engine lacks something that this edit's workflow needs. Its operator has to mend that."
    return DriverError(Fate.REFUSED, FailureCode.ENGINE_NOT_AVAILABLE, message, detail=detail)


def _named(node: dict[str, Any]) -> list[str]:
    """The nodes that save something, and don't for this one."""
    return [one for one in list_of(node.get("dependent_outputs")) if isinstance(one, str)]


def _detail(node: dict[str, Any]) -> str:
    errors = objects_in(node.get("errors"))
    return f"{node.get('class_type')}: " + ", ".join(f"{e.get('type')} {e.get('details')}" for e in errors)
