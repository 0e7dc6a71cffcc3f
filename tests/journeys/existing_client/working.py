"""A worker whose engine gives the photo back, once all that the client has sent has reached it."""

import asyncio
import shutil
import sys
from collections.abc import AsyncGenerator

from msgspec import structs
from PIL import Image

from actors.engines import registry
from actors.engines.seam import Artifact, EditRequest, EngineEvent, Finished, Progress
from schema.models import edits
from service.cli.main import main
from tests.actors.scripted import FakeEngine

PROGRAM = "from tests.journeys.existing_client.working import work; work()"
SENT = {
    edits.Mode.BACKGROUND_CHANGE: edits.BackgroundChangeConfig(
        quality=edits.Quality.STANDARD, size=edits.Size.SMALL, background_type=edits.BackgroundType.CUSTOM
    ),
    edits.Mode.HEAD_SWAP: edits.HeadSwapConfig(
        quality=edits.Quality.STANDARD, size=edits.Size.SMALL, blend_strength=0.8
    ),
    edits.Mode.POSE_CHANGE: edits.PoseChangeConfig(
        quality=edits.Quality.STANDARD, size=edits.Size.SMALL, preserve_face=True
    ),
}
"""What the configuration of each edit says, without the reference that stands in it under its old names."""


class GivingBack(FakeEngine):
    name = edits.LOCAL

    def __init__(self, *, threads: int) -> None:
        super().__init__()
        del threads

    async def run(self, request: EditRequest) -> AsyncGenerator[EngineEvent]:
        without = structs.replace(request.config, **dict.fromkeys(edits.REFERENCE_FIELDS[request.mode]))
        assert without == SENT[request.mode], request.config
        assert request.reference is not None
        sizes: list[tuple[int, int]] = []
        for photo in (request.source, request.reference):
            with Image.open(photo) as picture:
                picture.load()
                sizes.append(picture.size)
        for percent in (20, 70):
            yield Progress(percent, "Giving it back")
            await asyncio.sleep(0.05)
        for kind in ("output", "thumbnail", "comparison"):
            path = request.workspace / f"{kind}.jpg"
            await asyncio.to_thread(shutil.copyfile, request.source, path)
            yield Artifact(kind, path, "image/jpeg", *sizes[0])
        (width, height) = sizes[0]
        yield Finished({"width": width, "height": height, "format": "jpeg", "engine": self.name, "warnings": []})


def work() -> None:
    """In the worker's process."""
    registry.ENGINES[edits.LOCAL] = GivingBack
    sys.argv[1:] = ["worker"]
    main()
