"""An engine that does what a test tells it. A fake, because the real one is tested by itself and takes seconds."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Literal

from actors.engines.seam import Artifact, EditRequest, EngineEvent, Finished
from schema.models.edits import Mode

Step = EngineEvent | Exception | Callable[[EditRequest], Awaitable[EngineEvent | None]]
PICTURE = b"\xff\xd8 not much of a picture"
FINISHED = Finished({"width": 8, "height": 6, "format": "jpeg", "engine": "fake"})


def picture(kind: Literal["output", "thumbnail", "comparison"] = "output") -> Step:
    """A step that makes a picture."""

    async def make(request: EditRequest) -> Artifact:
        path = request.workspace / f"{kind}.jpg"
        path.write_bytes(PICTURE + kind.encode())
        return Artifact(kind, path, "image/jpeg", 8, 6)

    return make


class FakeEngine:
    """Goes through its script: yields events, raises errors, awaits functions (and yields what they return)."""

    name = "fake"

    def __init__(self, *script: Step) -> None:
        self.script = script
        self.requests: list[EditRequest] = []
        self.running = 0

    def modes(self) -> frozenset[Mode]:
        return frozenset(Mode)

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    async def run(self, request: EditRequest) -> AsyncGenerator[EngineEvent]:
        assert list(request.workspace.iterdir()) == []
        self.requests.append(request)
        self.running += 1
        try:
            for step in self.script:
                if isinstance(step, EngineEvent):
                    yield step
                elif isinstance(step, Exception):
                    raise step
                elif (event := await step(request)) is not None:
                    yield event
        finally:
            self.running -= 1
