"""ComfyUI, as 0.3.64 was seen to behave: uploads, a queue, one job at a time, a history, websockets, and their faults.

Real sockets, in a thread of its own. A job gives the photo back that its first LoadImage names. Nothing is told by a
clock: `hold()` keeps jobs where they are until `go_on()`.
"""

import asyncio
import json
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from typing import Any
from uuid import uuid4

from aiohttp import WSMsgType, web
from aiohttp.typedefs import Handler

from tests.fakes.comfyui_state import Faults, Job, Kept

NODES = ("LoadImage", "ImageScale", "ImageInvert", "ImageCompositeMasked", "SaveImage", "PreviewImage")
VERSION = "0.3.64"


class FakeComfyUI:
    """One server. `started` has the ids of all jobs that it ever began with, `stopped` of those that were ended."""

    def __init__(self) -> None:
        self.faults = Faults()
        self.kept = Kept()
        self.prompts: list[str] = []
        self.graphs: list[dict[str, Any]] = []
        self.started: list[str] = []
        self.stopped: list[str] = []
        self.credentials: str | None = None
        self.base_url = ""
        self.asked = threading.Event()
        self.loop = asyncio.new_event_loop()
        self._going = asyncio.Event()
        self._going.set()
        self._new = asyncio.Event()

    # What a test does

    def hold(self) -> None:
        """Jobs stay where they are."""
        self._in_loop(self._going.clear)

    def go_on(self) -> None:
        self._in_loop(self._going.set)

    def restart(self) -> None:
        """Everything that is only in memory is gone, and what was uploaded for a while."""

        async def fresh() -> None:
            for socket in list(self.kept.sockets.values()):
                await socket.close()
            files = {key: content for key, content in self.kept.files.items() if key[0] != "temp"}
            self.kept = Kept(files=files)
            self._executing.cancel()
            self._executing = asyncio.create_task(self._execute())

        asyncio.run_coroutine_threadsafe(fresh(), self.loop).result()

    @property
    def busy(self) -> int:
        """How many jobs wait or run."""
        return len(self.kept.waiting) + (self.kept.running is not None)

    def _in_loop(self, work: Callable[[], object]) -> None:
        done = threading.Event()
        self.loop.call_soon_threadsafe(lambda: (work(), done.set()))
        done.wait()

    # HTTP

    def application(self) -> web.Application:
        routes = [
            web.post("/upload/image", self._upload),
            web.post("/prompt", self._prompt),
            web.get("/queue", self._queue),
            web.post("/queue", self._delete),
            web.post("/interrupt", self._interrupt),
            web.get("/history/{id}", self._history),
            web.get("/view", self._view),
            web.get("/system_stats", self._stats),
            web.get("/object_info", self._nodes),
            web.get("/ws", self._socket),
        ]
        application = web.Application(middlewares=[self._faulty], client_max_size=2**30)
        application.add_routes(routes)
        application.router.add_post("/api/jobs/{id}/cancel", self._cancel)
        return application

    @web.middleware
    async def _faulty(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.asked.set()
        if self.faults.away:
            _break(request)
        if self.faults.status is not None:
            return web.Response(status=self.faults.status, text="<html>nginx</html>")
        if self.credentials is not None and request.headers.get("Authorization") != self.credentials:
            return web.Response(status=401, text="no")
        return await handler(request)

    async def _upload(self, request: web.Request) -> web.Response:
        post = await request.post()
        image = post["image"]
        assert isinstance(image, web.FileField)
        kind, name, content = str(post.get("type", "input")), image.filename, image.file.read()
        stem, _, ending = name.rpartition(".")
        number = 1
        while self.kept.files.get((kind, name), content) != content:
            name, number = f"{stem} ({number}).{ending}", number + 1
        self.kept.files[kind, name] = content
        return web.json_response({"name": name, "subfolder": "", "type": kind})

    async def _prompt(self, request: web.Request) -> web.Response:
        body: dict[str, Any] = await request.json()
        prompt_id = str(body.get("prompt_id") or uuid4())
        refused = self._invalid(body["prompt"])
        if refused is not None:
            return web.json_response(refused, status=400)
        job = Job(self.kept.number, prompt_id, body["prompt"], {"client_id": body.get("client_id")})
        self.kept.number += 1
        self.kept.waiting.append(job)
        self.prompts.append(prompt_id)
        self.graphs.append(body["prompt"])
        self._new.set()
        if self.faults.lost_answers:
            self.faults.lost_answers -= 1
            _break(request)
        wrong = {"type": "value_not_in_list", "message": "Value not in list", "details": "ckpt_name"}
        saving = [node for node, content in body["prompt"].items() if content["class_type"] == "SaveImage"]
        errors = {"5": {"errors": [wrong], "dependent_outputs": saving, "class_type": "CheckpointLoaderSimple"}}
        left_out = errors if self.faults.half_invalid else {}
        return web.json_response({"prompt_id": prompt_id, "number": job.number, "node_errors": left_out})

    def _invalid(self, prompt: dict[str, Any]) -> dict[str, Any] | None:
        for node, content in prompt.items():
            kind = content.get("class_type")
            if kind not in NODES or kind in self.faults.missing:
                message = f"Cannot execute because node {kind} does not exist."
                unknown: dict[str, Any] = {
                    "type": "invalid_prompt",
                    "message": message,
                    "details": f"Node ID '#{node}'",
                    "extra_info": {},
                }
                return {"error": unknown, "node_errors": {}}
        errors: dict[str, Any] = {}
        for node, content in prompt.items():
            if content["class_type"] == "LoadImage" and self._photo(content["inputs"]["image"]) is None:
                name = content["inputs"]["image"]
                reason = {
                    "type": "custom_validation_failed",
                    "message": "Custom validation failed for node",
                    "details": f"image - Invalid image file: {name}",
                    "extra_info": {"input_name": "image"},
                }
                errors[node] = {"errors": [reason], "dependent_outputs": ["9"], "class_type": "LoadImage"}
        if not errors:
            return None
        error: dict[str, Any] = {
            "type": "prompt_outputs_failed_validation",
            "message": "Prompt outputs failed validation",
            "details": "",
            "extra_info": {},
        }
        return {"error": error, "node_errors": errors}

    def _photo(self, named: str) -> bytes | None:
        name, _, kind = named.partition(" [")
        return self.kept.files.get((kind.removesuffix("]") or "input", name))

    async def _queue(self, _: web.Request) -> web.Response:
        running = self.kept.running
        return web.json_response(
            {
                "queue_running": [] if running is None else [running.item()],
                "queue_pending": [job.item() for job in self.kept.waiting],
            }
        )

    async def _delete(self, request: web.Request) -> web.Response:
        for prompt_id in (await request.json()).get("delete", []):
            self._drop(prompt_id)
        return web.Response()

    def _drop(self, prompt_id: str) -> None:
        dropped = [job for job in self.kept.waiting if job.prompt_id == prompt_id]
        self.stopped += [job.prompt_id for job in dropped]
        self.kept.waiting = [job for job in self.kept.waiting if job not in dropped]

    async def _interrupt(self, request: web.Request) -> web.Response:
        self._end((await request.json()).get("prompt_id"))
        return web.Response()

    def _end(self, prompt_id: str | None) -> None:
        if self.faults.deaf_to_interrupts:
            self.faults.deaf_to_interrupts -= 1
        elif self.kept.running is not None and prompt_id in {None, self.kept.running.prompt_id}:
            self.kept.interrupted = True
            self._new.set()

    async def _cancel(self, request: web.Request) -> web.Response:
        if not self.faults.jobs_api:
            return web.Response(status=405, text="405: Method Not Allowed")
        self._drop(request.match_info["id"])
        self._end(request.match_info["id"])
        return web.json_response({"cancelled": True})

    async def _history(self, request: web.Request) -> web.Response:
        prompt_id = request.match_info["id"]
        entry = self.kept.history.get(prompt_id)
        return web.json_response({} if entry is None else {prompt_id: entry})

    async def _view(self, request: web.Request) -> web.Response:
        content = self.kept.files.get((request.query.get("type", "output"), request.query["filename"]))
        return web.Response(status=404) if content is None else web.Response(body=content, content_type="image/png")

    async def _stats(self, _: web.Request) -> web.Response:
        return web.json_response({"system": {"os": "posix", "comfyui_version": VERSION}, "devices": []})

    async def _nodes(self, _: web.Request) -> web.Response:
        return web.json_response({name: {"input": {"required": {}}, "output": []} for name in NODES})

    async def _socket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        client_id = request.query.get("clientId", "")
        self.kept.sockets[client_id] = socket
        await socket.send_json({"type": "status", "data": {"status": {"exec_info": {"queue_remaining": self.busy}}}})
        try:
            async for message in socket:
                if message.type == WSMsgType.ERROR:
                    break
        finally:
            # It doesn't look whose it is.
            self.kept.sockets.pop(client_id, None)
        return socket

    # Making

    async def _execute(self) -> None:
        """One job after the other."""
        while True:
            while not self.kept.waiting or self.faults.dead_executor:
                self._new.clear()
                await self._new.wait()
            job = self.kept.running = self.kept.waiting.pop(0)
            self.kept.interrupted = False
            self.started.append(job.prompt_id)
            status, outputs = await self._made(job)
            self.kept.running = None
            self.kept.history[job.prompt_id] = {"prompt": job.item(), "outputs": outputs, "status": status, "meta": {}}
            await self._say(job, "executing", {"node": None})

    async def _made(self, job: Job) -> tuple[dict[str, Any], dict[str, Any]]:
        messages: list[Any] = [["execution_start", {"prompt_id": job.prompt_id}]]
        messages.append(["execution_cached", {"prompt_id": job.prompt_id, "nodes": []}])
        for message in messages:
            await self._say(job, *message)
        done: dict[str, Any] = {}
        for node in job.prompt:
            done[node] = {"value": 0, "max": 1, "state": "running", "node_id": node}
            await self._say(job, "progress_state", {"nodes": done})
            while not self._going.is_set() and not self.kept.interrupted:
                self._new.clear()
                going = asyncio.create_task(self._going.wait())
                new = asyncio.create_task(self._new.wait())
                await asyncio.wait({going, new}, return_when=asyncio.FIRST_COMPLETED)
                going.cancel()
                new.cancel()
            told = {
                "prompt_id": job.prompt_id,
                "node_id": node,
                "node_type": job.prompt[node]["class_type"],
                "executed": list(done),
            }
            if self.kept.interrupted:
                self.stopped.append(job.prompt_id)
                messages.append(["execution_interrupted", told])
                return {"status_str": "error", "completed": False, "messages": messages}, {}
            if self.faults.error is not None:
                messages.append(["execution_error", {**told, **self.faults.error, "traceback": ['File "/x/nodes.py"']}])
                return {"status_str": "error", "completed": False, "messages": messages}, {}
            done[node] = {"value": 1, "max": 1, "state": "finished", "node_id": node}
            await self._say(job, "progress_state", {"nodes": done})
        messages.append(["execution_success", {"prompt_id": job.prompt_id}])
        await self._say(job, *messages[-1])
        return {"status_str": "success", "completed": True, "messages": messages}, self._saved(job)

    def _saved(self, job: Job) -> dict[str, Any]:
        if self.faults.no_outputs:
            return {}
        photos = [node for node in job.prompt.values() if node["class_type"] == "LoadImage"]
        content = self.faults.picture or self._photo(photos[0]["inputs"]["image"]) or b""
        outputs: dict[str, Any] = {}
        for node, found in job.prompt.items():
            if found["class_type"] in {"SaveImage", "PreviewImage"}:
                kind = "output" if found["class_type"] == "SaveImage" else "temp"
                prefix = found["inputs"].get("filename_prefix", "ComfyUI_temp")
                names = [f"{prefix}_{number:05}_.png" for number in range(1, 1 + self.faults.several_outputs)]
                for name in names:
                    self.kept.files[kind, name] = content
                outputs[node] = {"images": [{"filename": name, "subfolder": "", "type": kind} for name in names]}
        return outputs

    async def _say(self, job: Job, kind: str, data: dict[str, Any]) -> None:
        socket = self.kept.sockets.get(str(job.extra.get("client_id")))
        if socket is not None and not self.faults.silent_sockets:
            with suppress(ConnectionError):
                await socket.send_str(json.dumps({"type": kind, "data": {"prompt_id": job.prompt_id, **data}}))

    # Its life

    async def serve(self, ready: "threading.Event", stop: asyncio.Event) -> None:
        runner = web.AppRunner(self.application(), access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.base_url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        self._executing = asyncio.create_task(self._execute())
        ready.set()
        await stop.wait()
        for socket in list(self.kept.sockets.values()):
            await socket.close()
        self._executing.cancel()
        await asyncio.wait({self._executing})
        await runner.cleanup()


def _break(request: web.Request) -> None:
    """Close the connection, without an answer."""
    assert request.transport is not None
    request.transport.abort()
    raise ConnectionResetError


@contextmanager
def comfy_ui() -> Generator[FakeComfyUI]:
    """A server, until the block ends."""
    fake = FakeComfyUI()
    ready, stop = threading.Event(), asyncio.Event()
    loop = fake.loop
    thread = threading.Thread(target=lambda: loop.run_until_complete(fake.serve(ready, stop)), daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield fake
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()
