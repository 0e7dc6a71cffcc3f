"""The `darkroom` command, with a fake engine in its workers: real edits are too slow to kill hundreds of them.

Webhooks that failed are sent again after seconds, not minutes: an attempt that died with its worker is one of those
after which a receiver is left alone for longer than a storm takes. Everything else of a worker is as it is: claims,
leases, files, outcomes, the sweep.
"""

import asyncio
import random
import shutil
import sys
from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import Literal

from actors.engines import registry
from actors.engines.seam import Artifact, EditRequest, EngineError, EngineEvent, Finished, Progress
from schema.models.edits import ENGINE_MODES, LOCAL, BackgroundChangeConfig, Mode
from schema.models.problems import FailureCode
from schema.models.webhooks import SCHEDULE
from service.cli.main import main
from service.webhooks import delivering

WIDTH, HEIGHT = 96, 80
STEPS = 5
SECONDS = (0.05, 0.6)
SLOW_SECONDS = 3.0
SENT_AGAIN_WITHIN = timedelta(seconds=5)

PLAIN, NOBODY, FLAKY, CRASHING, SLOW = range(5)
"""What becomes of an edit: the number that its `edge_blur` is, which a fake engine has no other use for."""

KINDS: tuple[Literal["output", "thumbnail", "comparison"], ...] = ("output", "thumbnail", "comparison")


class StormEngine:
    """Gives the source back as each of the pictures, after a while; or fails in the way it is asked to."""

    name = "storm"

    def __init__(self, *, threads: int) -> None:
        del threads

    def modes(self) -> frozenset[Mode]:
        return ENGINE_MODES[LOCAL]

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    async def run(self, request: EditRequest) -> AsyncGenerator[EngineEvent]:
        assert isinstance(request.config, BackgroundChangeConfig)
        fate = int(request.config.edge_blur or 0)
        seconds = SLOW_SECONDS if fate == SLOW else random.uniform(*SECONDS)  # noqa: S311 - no secret
        for step in range(STEPS):
            yield Progress(100 * step // STEPS, "pretending")
            await asyncio.sleep(seconds / STEPS)
        if fate == NOBODY:
            raise EngineError(FailureCode.NO_PERSON_DETECTED, "Nobody is in the photo.")
        if fate == FLAKY and random.random() < 0.5:  # noqa: S311 - no secret
            raise EngineError(FailureCode.ENGINE_TIMEOUT, "It took too long.", transient=True)
        if fate == CRASHING and random.random() < 0.5:  # noqa: S311 - no secret
            raise EngineError(FailureCode.PROCESSING_FAILED, "The process died.", crashed=True)
        for kind in KINDS:
            path = request.workspace / f"{kind}.jpg"
            await asyncio.to_thread(shutil.copyfile, request.source, path)
            yield Artifact(kind, path, "image/jpeg", WIDTH, HEIGHT)
        yield Finished({"width": WIDTH, "height": HEIGHT, "format": "jpeg", "engine": self.name})


if __name__ == "__main__":
    if "worker" in sys.argv:
        registry.ENGINES[LOCAL] = StormEngine
        delivering.SCHEDULE = tuple(min(wait, SENT_AGAIN_WITHIN) for wait in SCHEDULE)
    main()
