"""What a ComfyUI server answers, call by call: of the real one, kept in `comfyui.json`, and of the fake.

To record a server again: `python -m tests.fakes.observing http://127.0.0.1:8188 > tests/fakes/comfyui.json`.
"""

import argparse
import asyncio
import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx
from websockets.asyncio.client import connect

from tests.service.http.pictures import jpeg

LOOKS = 600
"""How often it is looked whether a job has moved, a twentieth of a second apart."""


def graph(image: str, *, scales: int = 1, kind: str = "ImageScale") -> dict[str, Any]:
    """A photo scaled so many times, and saved."""
    nodes: dict[str, Any] = {"1": {"class_type": "LoadImage", "inputs": {"image": image}}}
    for number in range(2, 2 + scales):
        side = 4096 if scales > 1 and number % 2 else 64
        size = {"width": side, "height": side, "upscale_method": "lanczos", "crop": "disabled"}
        nodes[str(number)] = {"class_type": kind, "inputs": {"image": [str(number - 1), 0], **size}}
    save = {"images": [str(1 + scales), 0], "filename_prefix": f"darkroom_{uuid4().hex}"}
    return nodes | {"9": {"class_type": "SaveImage", "inputs": save}}


class Observer:
    """Asks one server. `hold` and `go_on` keep the fake's jobs; the real one has slow ones instead."""

    def __init__(
        self, url: str, hold: Callable[[], object], go_on: Callable[[], object], fail: Callable[[], object]
    ) -> None:
        self._url = url
        self._client = httpx.AsyncClient(base_url=url, trust_env=False, timeout=60)
        self._hold, self._go_on, self._fail = hold, go_on, fail

    async def seen(self) -> dict[str, Any]:
        """Each answer, without what is another every time."""
        seen: dict[str, Any] = {}
        async with self._client:
            seen["upload"] = await self._upload("darkroom.jpg", jpeg())
            seen["upload of other bytes"] = await self._upload("darkroom.jpg", jpeg()[:-2] + b"\xff\xd9\x00")
            image = "darkroom.jpg [temp]"
            seen["missing node"] = await self._post("/prompt", prompt=graph(image, kind="NoSuchNode"))
            seen["missing photo"] = await self._post("/prompt", prompt=graph("gone.jpg [temp]"))
            seen["cancel of newer builds"] = (await self._client.post("/api/jobs/x/cancel", json={})).status_code
            seen |= await self._while_running(image)
            messages, seen["success"] = await self._listened(image)
            seen["told"] = {message["type"]: message["data"] for message in messages if "data" in message}
            await self._upload("broken.jpg", b"no photo")
            self._fail()
            seen["failure"] = await self._ended(await self._begun(graph("broken.jpg [temp]")))
            seen["nothing to view"] = (await self._client.get("/view", params={"filename": "gone.png"})).status_code
        return seen

    async def _while_running(self, image: str) -> dict[str, Any]:
        seen: dict[str, Any] = {}
        self._hold()
        runs, waits = await self._begun(graph(image, scales=6)), await self._begun(graph(image, scales=6))
        queue: dict[str, Any] = {}
        for _ in range(LOOKS):
            queue = (await self._client.get("/queue")).json()
            if queue["queue_running"]:
                break
            await asyncio.sleep(0.05)
        seen["queue"] = {name: [len(item) for item in items] for name, items in queue.items()}
        seen["ids in the queue"] = [queue["queue_running"][0][1] == runs, queue["queue_pending"][0][1] == waits]
        seen["history of what runs"] = (await self._client.get(f"/history/{runs}")).json()
        seen["delete"] = (await self._client.post("/queue", json={"delete": [waits]})).status_code
        for _ in range(LOOKS):
            seen["interrupt"] = (await self._client.post("/interrupt", json={"prompt_id": runs})).status_code
            if (await self._client.get(f"/history/{runs}")).json():
                break
            await asyncio.sleep(0.05)
        seen["interrupted"] = await self._ended(runs)
        seen["history of what was deleted"] = (await self._client.get(f"/history/{waits}")).json()
        self._go_on()
        return seen

    async def _listened(self, image: str) -> tuple[list[dict[str, Any]], Any]:
        client_id, messages = uuid4().hex, list[dict[str, Any]]()
        async with connect(f"ws{self._url.removeprefix('http')}/ws?clientId={client_id}", proxy=None) as socket:
            prompt_id = await self._begun(graph(image), client_id)
            async for message in socket:
                if isinstance(message, str):
                    messages.append(json.loads(message))
                    data = messages[-1]["data"]
                    if messages[-1]["type"] == "executing" and data["node"] is None and data["prompt_id"] == prompt_id:
                        break
        return messages, await self._ended(prompt_id)

    async def _begun(self, prompt: dict[str, Any], client_id: str = "") -> str:
        prompt_id = str(uuid4())
        answer = await self._post("/prompt", prompt=prompt, prompt_id=prompt_id, client_id=client_id)
        assert answer["answer"]["prompt_id"] == prompt_id
        return prompt_id

    async def _ended(self, prompt_id: str) -> Any:
        for _ in range(LOOKS):
            if entry := (await self._client.get(f"/history/{prompt_id}")).json().get(prompt_id):
                status = entry["status"]
                messages = [[kind, sorted(set(told) & KNOWN)] for kind, told in status["messages"]]
                return {**entry, "prompt": len(entry["prompt"]), "status": {**status, "messages": messages}}
            await asyncio.sleep(0.05)
        raise AssertionError("it never ended")

    async def _upload(self, name: str, content: bytes) -> Any:
        answer = await self._client.post("/upload/image", files={"image": (name, content)}, data={"type": "temp"})
        return answer.json()

    async def _post(self, path: str, **body: Any) -> dict[str, Any]:
        answer = await self._client.post(path, json=body)
        return {"status": answer.status_code, "answer": answer.json()}


KNOWN = {"prompt_id", "node_id", "node_type", "executed", "exception_type", "exception_message"}
"""What the driver reads of a message."""


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", help="of a ComfyUI server")
    observer = Observer(parser.parse_args().url, lambda: None, lambda: None, lambda: None)
    print(json.dumps(asyncio.run(observer.seen()), indent=1, sort_keys=True))
