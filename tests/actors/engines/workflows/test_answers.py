"""Whatever a server answers, a driver raises DriverError or nothing: anything else costs attempts and tells no reason.

Each field of each answer is replaced by what it never is, taken away, and followed by where no redirect can lead.
"""

import json
import socket
from collections.abc import Awaitable, Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from websockets.asyncio.server import ServerConnection, serve

from actors.engines.workflows import calling, runninghub_api
from actors.engines.workflows.checking import broken_links, lacking
from actors.engines.workflows.comfyui.driver import ComfyUI
from actors.engines.workflows.comfyui.progress import Listener
from actors.engines.workflows.comfyui.server import Server
from actors.engines.workflows.driver import DriverError, Fate, Finished, Output, Work
from actors.engines.workflows.graph import WorkflowError, find_places
from actors.engines.workflows.runninghub import RunningHub
from actors.engines.workflows.runninghub_results import Results
from schema.models.edits import Mode
from schema.models.engines import RemoteJob, WorkflowSettings
from schema.models.problems import FailureCode

MODE = Mode.HEAD_SWAP
ID = "11111111-1111-1111-1111-111111111111"
WRONG: tuple[Any, ...] = (None, True, -1, 1.5, 10**30, "x", "", [], [1], [[]], [None], {}, {"a": 1}, {"a": []})
NOWHERE = ("mailto:x", "https://xn--/", "http://[::", "https://x:99999/")

GRAPH: dict[str, Any] = {
    "1": {"class_type": "LoadImage", "inputs": {"image": "x"}, "_meta": {"title": "input:image:1"}},
    "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0]}, "_meta": {"title": "output:image:1"}},
}
WORK = Work(MODE, GRAPH, [], "2")
NODES: dict[str, Any] = {
    "LoadImage": {"input": {"required": {"image": [["a"], {}]}, "optional": {"x": ["COMBO", {"options": ["a"]}]}}},
    "SaveImage": {"input": {"required": {"images": ["IMAGE", {}]}}, "output": []},
}
QUEUE: dict[str, Any] = {"queue_running": [[1, ID, {}]], "queue_pending": [[2, "other", {}]]}
WELL: dict[str, Any] = {
    "outputs": {"2": {"images": [{"filename": "a.png", "subfolder": "", "type": "output"}]}},
    "status": {},
}
ILL = {"status": {"status_str": "error", "messages": [["execution_error", {"node_id": "1", "exception_message": "m"}]]}}
INVALID = {"error": {"message": "m"}, "node_errors": {"1": {"class_type": "LoadImage", "errors": [{"type": "t"}]}}}
TIPS: dict[str, Any] = {"result": False, "outputs_to_execute": ["2"], "node_errors": {"1": {"errors": []}}}
REASON = {"node_name": "n", "exception_message": "m", "exception_type": "t"}


def _spoilt(answer: Any) -> Iterator[Any]:
    """An answer with one thing in it that is otherwise, or absent."""
    yield from WRONG
    if isinstance(answer, dict):
        members = cast("dict[str, Any]", answer)
        for name, value in members.items():
            yield {other: members[other] for other in members if other != name}
            yield from ({**members, name: spoilt} for spoilt in _spoilt(value))
    elif isinstance(answer, list):
        items = cast("list[Any]", answer)
        for at, value in enumerate(items):
            yield [*items[:at], *items[at + 1 :]]
            yield from ([*items[:at], spoilt, *items[at + 1 :]] for spoilt in _spoilt(value))


def _answers(answer: Any) -> Iterator[httpx.Response]:
    yield from (httpx.Response(200, text=json.dumps(spoilt)) for spoilt in _spoilt(answer))
    yield from (httpx.Response(302, headers={"Location": address}) for address in NOWHERE)
    yield httpx.Response(200, headers={"Content-Encoding": "gzip"}, stream=httpx.ByteStream(b"none"))
    yield httpx.Response(200, content=b'{"code":805,"msg":"m","data":"\xff"}')


class Answering:
    """Answers one path with what a case says, others as they should be."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, at: str, others: dict[str, Any]) -> None:
        self.at = at
        self.now = httpx.Response(200)
        self._others = others
        client: Any = httpx.AsyncClient
        transport = httpx.MockTransport(self._answer)

        def answering(**options: Any) -> httpx.AsyncClient:
            return client(**{**options, "transport": transport})

        monkeypatch.setattr(calling.httpx, "AsyncClient", answering)
        monkeypatch.setattr(runninghub_api.httpx, "AsyncClient", answering)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        for path, answer in self._others.items():
            if path in request.url.path and self.at not in request.url.path:
                return httpx.Response(200, json=answer)
        return self.now


async def _each(answering: Answering, answer: Any, ask: Callable[[], Awaitable[object]]) -> None:
    for response in _answers(answer):
        answering.now = response
        try:
            await ask()
        except (DriverError, WorkflowError):
            continue


def _invalid(answering: Answering) -> None:
    answering.now.status_code = 400 if answering.now.status_code == 200 else answering.now.status_code


COMFYUI: dict[str, tuple[str, Any]] = {
    "upload": ("/upload/image", {"name": "a.jpg", "subfolder": "s", "type": "temp"}),
    "draft": ("/queue", QUEUE),
    "start": ("/prompt", INVALID),
    "ended well": ("/history", {ID: WELL}),
    "ended ill": ("/history", {ID: ILL}),
    "waits": ("/queue", QUEUE),
    "cancel": ("/queue", QUEUE),
    "nodes": ("/object_info", NODES),
    "states": ("/system_stats", {"system": {"comfyui_version": "0.3"}}),
}


@pytest.mark.parametrize("call", COMFYUI)
async def test_comfyui(call: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    at, answer = COMFYUI[call]
    free: dict[str, list[str]] = {"queue_running": [], "queue_pending": []}
    answering = Answering(monkeypatch, at, {"/queue": free, "/history": {}, "/cancel": {}, "/system_stats": {}})
    monkeypatch.setattr("actors.engines.workflows.comfyui.driver.LOOK_AGAIN_AFTER", 0)
    driver = ComfyUI(WorkflowSettings(comfyui_urls=("http://comfyui.invalid",)))
    server = Server("http://comfyui.invalid")
    job, photo = RemoteJob(driver.name, server.place, ID), tmp_path / "photo.jpg"
    photo.write_bytes(b"photo")

    async def prompt() -> None:
        _invalid(answering)
        await server.prompt(GRAPH, ID, "client", "2")

    async def nodes() -> None:
        list(lacking(GRAPH, await driver.nodes()))

    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "upload": lambda: driver.upload(job, photo, photo.name),
        "draft": lambda: driver.draft(MODE),
        "start": prompt,
        "cancel": lambda: driver.cancel(job),
        "nodes": nodes,
        "states": driver.states,
    }
    await _each(answering, answer, calls.get(call, lambda: driver.look(job)))
    await driver.close()


RUNNINGHUB: dict[str, Any] = {
    "upload": {"fileName": "api/a.jpg", "fileType": "input"},
    "graph": {"prompt": GRAPH},
    "start": {"taskId": "5", "taskStatus": "RUNNING", "promptTips": TIPS},
    "look": [{"fileUrl": "https://hub.invalid/a.png", "fileType": "png", "taskCostTime": "3", "nodeId": "2"}],
    "failed": {"failedReason": REASON},
    "states": {"remainCoins": "3", "remainMoney": "3", "currency": "CNY", "currentTaskCounts": "1"},
}


PLACE = sha256(b"https://hub.invalid").hexdigest()[:12]


def new_driver() -> RunningHub:
    """With nothing that it keeps from one call to the next."""
    return RunningHub(
        WorkflowSettings(runninghub_url="https://hub.invalid", runninghub_api_key="k", runninghub_workflows={MODE: "7"})
    )


PATHS = {"start": "/create", "cancel": "/cancel"}


@pytest.mark.parametrize("call", [*RUNNINGHUB, "cancel"])
async def test_runninghub(call: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    gone = {"code": 807, "msg": "NOT_FOUND"}
    others = {"/outputs": gone, "/cancel": gone} if call == "start" else {}
    answering = Answering(monkeypatch, PATHS.get(call, "/"), others)
    driver = new_driver()
    job, photo = RemoteJob(driver.name, PLACE, "5"), tmp_path / "photo.jpg"
    photo.write_bytes(b"photo")

    async def graph() -> None:
        found = await new_driver().graph(MODE)
        find_places(found, {}, frozenset())
        list(broken_links(found))

    async def upload() -> None:
        await new_driver().upload(job, photo, photo.name)

    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "upload": upload,
        "graph": graph,
        "start": lambda: driver.start(job, WORK),
        "cancel": lambda: driver.cancel(job),
        "states": driver.states,
    }
    code = 805 if call == "failed" else 0
    data = RUNNINGHUB.get(call)
    await _each(answering, {"code": code, "msg": "m", "data": data}, calls.get(call, lambda: driver.look(job)))
    await driver.close()


async def test_what_is_not_needed_of_an_answer_loses_nothing_that_was_paid_for(monkeypatch: pytest.MonkeyPatch) -> None:
    answering = Answering(monkeypatch, "/", {})
    driver = new_driver()
    job = RemoteJob(driver.name, PLACE, "5")
    answering.now = httpx.Response(200, json={"code": 0, "data": {"taskId": "8", "promptTips": {"result": True}}})
    assert (await driver.start(job, WORK)).job_id == "8"
    text = {"fileUrl": None, "fileType": "txt", "nodeId": "9"}
    picture = {"fileUrl": "https://hub.invalid/a.png", "fileType": None, "taskCostTime": 1.5, "nodeId": "2"}
    others: list[Any] = [text, None, "x", {"fileUrl": 5}, {"nodeId": {}}]
    for other in others:
        answering.now = httpx.Response(200, json={"code": 0, "data": [other, picture]})
        assert await driver.look(job) == Finished([Output("2", "https://hub.invalid/a.png")])
    answering.now = httpx.Response(200, json={"code": 0, "data": None})
    with pytest.raises(DriverError) as unread:
        await driver.look(job)
    assert unread.value.fate is Fate.AWAY, "it says nothing of an end: the job may run"
    await driver.close()


@pytest.mark.parametrize("prompt", [{"nodes": [{"id": 1}], "links": []}, {"1": {"class_type": "A"}}, {}])
async def test_a_workflow_that_runninghub_has_in_another_format_is_told(
    prompt: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    answering = Answering(monkeypatch, "/", {})
    answering.now = httpx.Response(200, json={"code": 0, "data": {"prompt": json.dumps(prompt)}})
    driver = new_driver()
    with pytest.raises(DriverError) as refused:
        await driver.graph(MODE)
    assert "format" in refused.value.detail
    await driver.close()


@pytest.mark.parametrize("address", NOWHERE)
async def test_a_result_that_is_nowhere(address: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    answers = [
        httpx.Response(302, headers={"Location": address}),
        httpx.Response(200, headers={"Content-Encoding": "gzip"}, stream=httpx.ByteStream(b"none")),
    ]
    results = Results("http://hub.invalid")
    transport = httpx.MockTransport(lambda _: answers.pop(0))
    monkeypatch.setattr(results, "_trusting", httpx.AsyncClient(transport=transport))
    for url in (address, "http://hub.invalid/a.png", "http://hub.invalid/b.png"):
        with pytest.raises(DriverError):
            await results.fetch(url, tmp_path / "result", 100)
    await results.close()


async def test_what_a_socket_says_amiss_ends_no_listening() -> None:
    messages = [
        {"type": "progress_state", "data": {"prompt_id": ID, "nodes": {"1": {"value": 1, "max": 2, "state": "x"}}}},
        {"type": "execution_cached", "data": {"prompt_id": ID, "nodes": ["1"]}},
        {"type": "executing", "data": {"prompt_id": ID, "node": None}},
    ]

    async def speak(socket: ServerConnection) -> None:
        for spoilt in (spoilt for message in messages for spoilt in _spoilt(message)):
            await socket.send(json.dumps(spoilt))
        nodes = {"1": {"state": "finished"}, "2": {"state": "finished"}, "3": {"state": "finished"}}
        await socket.send(json.dumps({"type": "progress_state", "data": {"prompt_id": ID, "nodes": nodes}}))
        await socket.wait_closed()

    async with serve(speak, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        listener = Listener(Server(f"http://127.0.0.1:{port}"), ID, "client", 2)
        for _ in range(100):
            await listener.moved(0.05)
            if listener.percent == 100:
                break
        assert listener.percent == 100
        await listener.close()


@pytest.mark.parametrize("kind", [ComfyUI, RunningHub])
async def test_a_server_that_takes_too_long_is_told_from_one_that_is_away(
    kind: type[ComfyUI | RunningHub], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(calling, "ANSWER_WITHIN", 0.2)
    monkeypatch.setattr(runninghub_api, "_UPLOAD_SECONDS", 0.2)
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(b"photo")
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes what comes, and nobody reads it
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        driver = kind(WorkflowSettings(comfyui_urls=(url,), runninghub_url=url, runninghub_api_key="key"))
        with pytest.raises(DriverError) as slow:
            await driver.upload(RemoteJob(driver.name, Server(url).place, ID), photo, photo.name)
        await driver.close()
    assert (slow.value.fate, slow.value.code) == (Fate.AWAY, FailureCode.ENGINE_TIMEOUT)
    assert not slow.value.unsent
