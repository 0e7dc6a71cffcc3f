"""A warm local engine for the tests of this directory, the same models in this process, and ways to make edits."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio
from msgspec import Struct

from actors.engines.local import edits, wire
from actors.engines.local.arrays import Floats
from actors.engines.local.edits import Studio
from actors.engines.local.engine import (
    LocalEngine,
    _event,  # pyright: ignore[reportPrivateUsage] - what its child is told, and says,
    _order,  # pyright: ignore[reportPrivateUsage] - without the child
)
from actors.engines.local.raster import use_threads
from actors.engines.local.runtimes import Runtimes
from actors.engines.seam import Artifact, EditRequest, EngineEvent, Finished, Progress
from schema.models.edits import AnyConfig, BackgroundChangeConfig, Mode, Size
from tests.quick_matte import quick_matte

MAX_PIXELS = 40_000_000
THREADS = 1
"""Of an edit. Two that wait for each other cost a sixth more processor time, and other tests have the other cores."""
SMALL = BackgroundChangeConfig(size=Size.SMALL)

MakeRequest = Callable[..., EditRequest]


class Edited(Struct):
    """All that came of an edit."""

    progress: list[Progress]
    artifacts: dict[str, Artifact]
    finished: Finished

    def path(self, kind: str) -> Path:
        return self.artifacts[kind].path


class Remembering(Runtimes):
    """Looks with U²-Net and the network that knows people, most of an edit's work, only once at the same picture."""

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        self._seen: dict[bytes, Mapping[str, Floats]] = {}

    def looked(self, name: str, inputs: Mapping[str, Floats], times: int) -> dict[str, Floats]:
        return self._once(f"{name} {times}", inputs, lambda: super(Remembering, self).looked(name, inputs, times))

    def onnx(self, name: str, image: Floats) -> Floats:
        return self._once(name, {"": image}, lambda: {"": super(Remembering, self).onnx(name, image)})[""]

    def rest(self) -> None:
        """Memory is kept: taking it anew for each edit costs a tenth of a head swap."""

    def _once(
        self, name: str, inputs: Mapping[str, Floats], look: Callable[[], Mapping[str, Floats]]
    ) -> dict[str, Floats]:
        asked = sha256(name.encode())
        for given, values in sorted(inputs.items()):
            asked.update(f"{given}{values.shape}".encode() + np.ascontiguousarray(values).tobytes())
        key = asked.digest()
        if key not in self._seen:
            self._seen[key] = look()
        return {output: values.copy() for output, values in self._seen[key].items()}


@pytest.fixture(scope="session")
def runtimes() -> Runtimes:
    """The models in this process, for what is tested without an engine around it."""
    use_threads(THREADS)
    return Remembering(THREADS)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def engine() -> AsyncGenerator[LocalEngine]:
    made = LocalEngine(threads=THREADS)
    await made.start()
    yield made
    await made.close()


class Inside:
    """What the engine's child does, in this process: it looks at the same picture only once."""

    def __init__(self) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(edits, "Runtimes", Remembering)
            self._studio = Studio(THREADS)

    async def run(self, request: EditRequest) -> AsyncGenerator[EngineEvent]:
        """As `LocalEngine.run`, but that nothing is told before the end."""
        said: list[wire.Report] = []
        said.append(self._studio.make(_order(request), said.append, lambda: False))
        for report in said:
            yield _event(report)


@pytest.fixture(scope="session")
def inside() -> Inside:
    """Makes edits with the models, for what isn't about the engine's process."""
    return Inside()


@pytest.fixture(scope="module")
def quickness(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a process for edits whose matte doesn't matter."""
    return quick_matte(tmp_path_factory.mktemp("matte"))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def quick_engine(quickness: dict[str, str]) -> AsyncGenerator[LocalEngine]:
    """A warm engine for them."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in quickness.items():
            patch.setenv(name, value)
        made = LocalEngine(threads=THREADS)
        await made.start()
    yield made
    await made.close()


@pytest.fixture
def request_for(tmp_path: Path) -> MakeRequest:
    """Makes requests, each with a workspace of its own."""
    count = 0

    def make(
        source: Path, reference: Path | None = None, config: AnyConfig = SMALL, mode: Mode = Mode.BACKGROUND_CHANGE
    ) -> EditRequest:
        nonlocal count
        count += 1
        workspace = tmp_path / f"workspace-{count}"
        workspace.mkdir()
        return EditRequest(mode, source, reference, config, workspace, MAX_PIXELS)

    return make


Once = Callable[..., Awaitable[Edited]]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def once(inside: Inside, tmp_path_factory: pytest.TempPathFactory) -> Once:
    """Makes an edit, or gives what the same one gave before: looking at a result from several sides costs one edit."""
    made: dict[tuple[object, ...], Edited] = {}

    async def make(source: Path, reference: Path | None = None, config: BackgroundChangeConfig = SMALL) -> Edited:
        key = source, reference, config
        if key not in made:
            workspace = tmp_path_factory.mktemp("once")
            request = EditRequest(Mode.BACKGROUND_CHANGE, source, reference, config, workspace, MAX_PIXELS)
            made[key] = await edited(inside, request)
        return made[key]

    return make


async def edited(engine: LocalEngine | Inside, request: EditRequest) -> Edited:
    """Make the edit to its end."""
    events: list[EngineEvent] = []
    async with aclosing(engine.run(request)) as running:
        async for event in running:
            events.append(event)  # noqa: PERF401 - an async comprehension would hide where it raises
    finished = events[-1]
    assert isinstance(finished, Finished)
    return Edited(
        [event for event in events if isinstance(event, Progress)],
        {event.kind: event for event in events if isinstance(event, Artifact)},
        finished,
    )
