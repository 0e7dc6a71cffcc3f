"""Mutated or hostile images: each ends in an edit or in a clear code, and costs the engine no memory.

Many are uploaded, judged and opened, others every day. Some of those that open go through the engine; with
THOROUGH=1 it's a thousand and all that open, as source and reference of every mode, which takes most of an hour.
"""

import asyncio
import os
import random
import warnings
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from msgspec import Struct
from PIL import Image

from actors.engines.local.engine import LocalEngine
from actors.engines.local.pictures.opening import Picture, open_picture
from actors.engines.seam import EditRequest, EngineError
from schema.models.edits import (
    AnyConfig,
    BackgroundChangeConfig,
    HeadSwapConfig,
    Mode,
    PoseChangeConfig,
    Size,
)
from schema.models.problems import FailureCode, ProblemCode
from schema.pictures.facts import PictureFacts
from service.files.judging import judge
from service.files.receiving import receive
from service.refusals import Refused
from tests.actors.engines.conftest import MAX_PIXELS, Edited, edited
from tests.actors.engines.hostile import Fate, Hostile, hostile_images, shuffled_images
from tests.actors.engines.hostile.writing import saved, tiff
from tests.actors.engines.scenes import ASTRONAUT, FIGURE, cut_out, loaded
from tests.seeds import SEED, THOROUGH

COUNT = 1000 if THOROUGH else 150
EDITS = 6
"""Of the images that open, so many edits are made."""
MAX_BYTES = 3_000_000
LONG_EDGE = 768
SLOW = 10
"""CPU seconds."""
AGAIN = 6
GROWTH = 48 << 20
"""Bytes that the engine's memory may grow by while it makes the same edit so many times again."""

REFUSALS = {ProblemCode.INVALID_IMAGE, ProblemCode.INVALID_FILE_TYPE, ProblemCode.FILE_TOO_LARGE}
ANSWERS = {
    FailureCode.NO_FACE_DETECTED,
    FailureCode.MULTIPLE_FACES_DETECTED,
    FailureCode.NO_PERSON_DETECTED,
    FailureCode.POSE_EXTRACTION_FAILED,
    FailureCode.IMAGE_DECODE_FAILED,
    FailureCode.INVALID_CONFIG,
}
"""What an edit of a strange picture may end with: nothing that blames the server."""

_CONFIGS: dict[Mode, AnyConfig] = {
    Mode.BACKGROUND_CHANGE: BackgroundChangeConfig(size=Size.SMALL),
    Mode.HEAD_SWAP: HeadSwapConfig(size=Size.SMALL),
    Mode.POSE_CHANGE: PoseChangeConfig(size=Size.SMALL),
}


class Outcome(Struct, frozen=True):
    """What came of an image: its facts if it was accepted, the picture if it opened, the codes if not."""

    image: Hostile
    facts: PictureFacts | None
    refused: ProblemCode | None
    picture: Picture | None
    failed: FailureCode | None


class Case(Struct, frozen=True):
    """An edit to be made of an image."""

    image: Hostile
    mode: Mode
    role: str


def told(words: str) -> None:
    """What a person is told holds nothing of the server's insides."""
    assert words
    assert words[0].isupper()
    for inside in ("Traceback", "/", "\\", "Error", "error:", "0x", "PIL", "None", "b'", "<"):
        assert inside not in words, words


async def sent(content: bytes) -> AsyncIterator[bytes]:
    """The form that a browser sends."""
    yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="../a.jpg"\r\n\r\n'
    yield content
    yield b"\r\n--b--\r\n"


async def uploaded(content: bytes, directory: Path) -> PictureFacts:
    """What the service's uploads make of it. Raises Refused."""
    form = sent(content)
    async with receive(form, "multipart/form-data; boundary=b", max_bytes=MAX_BYTES, directory=directory) as received:
        return judge(received.path, max_pixels=MAX_PIXELS)


async def outcome_of(image: Hostile, directory: Path) -> Outcome:
    facts: PictureFacts | None = None
    refused: ProblemCode | None = None
    picture: Picture | None = None
    failed: FailureCode | None = None
    try:
        facts = await uploaded(image.content, directory)
    except Refused as error:
        told(error.message)
        refused = error.code
    path = directory / "stored"
    path.write_bytes(image.content)
    try:
        picture = open_picture(path, role="source", max_pixels=MAX_PIXELS, long_edge=LONG_EDGE)
    except EngineError as error:
        told(error.message)
        failed = error.code
    return Outcome(image, facts, refused, picture, failed)


def expect(outcome: Outcome) -> None:
    """Whether what came of an image is what had to."""
    image, facts, picture = outcome.image, outcome.facts, outcome.picture
    assert outcome.refused is None or outcome.refused in REFUSALS
    assert outcome.failed is None or outcome.failed is FailureCode.IMAGE_DECODE_FAILED
    if len(image.content) > MAX_BYTES:
        assert outcome.refused is ProblemCode.FILE_TOO_LARGE
        return
    assert outcome.refused is not ProblemCode.FILE_TOO_LARGE
    if image.fate is Fate.OTHER_TYPE:
        assert outcome.refused is ProblemCode.INVALID_FILE_TYPE
        assert picture is None
    elif image.fate is Fate.INVALID:
        assert outcome.refused is ProblemCode.INVALID_IMAGE
    elif image.fate is Fate.OPENS:
        assert facts is not None
        assert picture is not None
    if picture is None:
        return
    assert picture.image.dtype == picture.colours.dtype == np.uint8
    assert picture.image.shape == picture.colours.shape == (picture.height, picture.width, 3)
    if picture.alpha is not None:
        assert picture.alpha.shape == picture.image.shape[:2]
        assert 0 <= picture.alpha.min() <= picture.alpha.max() <= 1
    if facts is not None:
        scale = min(1, LONG_EDGE / max(facts.width, facts.height))
        told_size, seen_size = (facts.width * scale, facts.height * scale), (picture.width, picture.height)
        if image.truth is None:  # what a broken EXIF block asks for is anybody's guess
            told_size, seen_size = sorted(told_size), sorted(seen_size)
        assert all(abs(told - seen) <= 1 for told, seen in zip(told_size, seen_size, strict=True))
    if image.truth is not None:
        assert (picture.width, picture.height) == image.truth.size
        assert difference(Image.fromarray(picture.image), image.truth) <= image.tolerance


def difference(first: Image.Image, second: Image.Image) -> float:
    """How far apart two pictures look from afar, 0 to 255."""
    small = [np.asarray(one.resize((32, 32), Image.Resampling.BOX)).astype(np.float32) for one in (first, second)]
    return float(np.abs(small[0] - small[1]).mean())


@pytest.mark.filterwarnings("ignore")  # Pillow warns of what it then reads all the same
async def test_uploads_are_opened_or_refused(tmp_path: Path) -> None:
    faults: list[str] = []
    fates: Counter[str] = Counter()
    for image in hostile_images(SEED, COUNT):
        try:
            outcome = await outcome_of(image, tmp_path)
            expect(outcome)
        except Exception as error:  # noqa: BLE001 - all are reported together, each with its name
            faults.append(f"{image.name}: {type(error).__name__}: {str(error)[:200]}")
            continue
        fates[outcome.refused or ("opened" if outcome.picture is not None else "not opened")] += 1
    assert faults == []
    # The images are of all kinds: none of the answers is missing.
    assert fates["opened"] > 0.6 * COUNT
    assert all(fates[code] >= COUNT / 100 for code in REFUSALS)
    assert fates["not opened"] >= COUNT / 100


def cases(images: list[Hostile]) -> list[Case]:
    """Each image as source and reference of every mode; or, to save time, each kind in some of these parts."""
    roles = [("source", mode) for mode in Mode] + [("reference", mode) for mode in Mode]
    if THOROUGH:
        return [Case(image, mode, role) for image in images for role, mode in roles]
    return [Case(image, roles[number % 6][1], roles[number % 6][0]) for number, image in enumerate(images)]


def opening(count: int, directory: Path) -> list[Hostile]:
    """`count` images that open, a reasonable part of them with somebody to be seen: every kind has its day."""
    path, found = directory / "opening", list[Hostile]()
    for image in shuffled_images(SEED + 1, COUNT, random.Random(SEED)):  # noqa: S311 - no secrets here
        if len(found) == count:
            break
        path.write_bytes(image.content)
        try:
            judge(path, max_pixels=MAX_PIXELS)
            open_picture(path, role="source", max_pixels=MAX_PIXELS, long_edge=LONG_EDGE)
        except (Refused, EngineError):
            continue
        found.append(image)
    return found


async def through(engine: LocalEngine, case: Case, directory: Path) -> Edited | EngineError:
    """The edit of `case`, or the error it ended with."""
    workspace = directory / "workspace"
    workspace.mkdir(exist_ok=True)
    image = directory / "image"
    image.write_bytes(case.image.content)
    source, reference = (image, None) if case.role == "source" else (ASTRONAUT, image)
    if case.role == "reference" and case.mode is Mode.POSE_CHANGE:
        source = FIGURE
    request = EditRequest(case.mode, source, reference, _CONFIGS[case.mode], workspace, MAX_PIXELS)
    try:
        async with asyncio.timeout(120):
            return await edited(engine, request)
    except EngineError as error:
        return error


def sound(made: Edited) -> None:
    """Whether all pictures of an edit can be opened and are sRGB without anything of the sender's."""
    assert made.artifacts.keys() == {"output", "thumbnail", "comparison"}
    for artifact in made.artifacts.values():
        picture = loaded(artifact.path)
        assert picture.size == (artifact.width, artifact.height)
        assert picture.mode in {"RGB", "RGBA"}
        assert b"RGB XYZ" in picture.info["icc_profile"][:24]
        assert not picture.getexif()


@pytest.mark.asyncio(loop_scope="session")
async def test_the_engine_survives_what_opens(quick_engine: LocalEngine, tmp_path: Path) -> None:
    engine = quick_engine
    pid = engine.pid
    assert pid is not None
    child = psutil.Process(pid)
    with warnings.catch_warnings(action="ignore"):
        todo = cases(opening(COUNT if THOROUGH else EDITS, tmp_path))
    faults: list[str] = []
    ends: Counter[str] = Counter()
    for case in todo:
        before = child.cpu_times()
        try:
            ended = await through(engine, case, tmp_path)
            assert engine.pid == pid, "the engine's process is another"
            if isinstance(ended, EngineError):
                assert ended.code in ANSWERS, ended.code
                told(ended.message)
                ends[ended.code] += 1
            else:
                sound(ended)
                ends["made"] += 1
            after = child.cpu_times()
            cost = after.user + after.system - before.user - before.system
            assert cost < SLOW, f"{cost:.1f} s"
        except Exception as error:  # noqa: BLE001 - all are reported together, each with its name
            faults.append(f"{case.image.name} as {case.role} of {case.mode}: {type(error).__name__}: {error}")
            if engine.pid != pid:
                await engine.start()
                child = psutil.Process(pid := engine.pid or os.getpid())
    assert faults == []
    # Of few images, those of one day may all be of nobody.
    assert not THOROUGH or ends["made"] >= len(todo) / 5, ends
    photo = Hostile(ASTRONAUT.read_bytes(), Fate.OPENS, name="a photo after all that")
    memory: list[int] = []
    for _ in range(AGAIN):
        made = await through(engine, Case(photo, Mode.BACKGROUND_CHANGE, "source"), tmp_path)
        assert isinstance(made, Edited), made
        memory.append(child.memory_info().rss)
    assert memory[-1] <= memory[0] + GROWTH, [size >> 20 for size in memory]


@pytest.fixture
def able_engine(request: pytest.FixtureRequest) -> LocalEngine:
    """One that makes the modes asked for: for a background any matte does."""
    return request.getfixturevalue("engine" if THOROUGH else "quick_engine")


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("mode", list(Mode) if THOROUGH else [Mode.BACKGROUND_CHANGE])
async def test_a_photo_that_lies_on_its_side_is_edited_as_if_it_stood(
    able_engine: LocalEngine, tmp_path: Path, mode: Mode
) -> None:
    upright = loaded(FIGURE).resize((514, 768)) if mode is Mode.POSE_CHANGE else loaded(ASTRONAUT)
    files = saved(upright, "PNG"), saved(upright.rotate(90, expand=True), "PNG", exif=tiff((0x0112, 3, 1, 6)))
    outputs: list[bytes] = []
    for content in files:
        made = await through(able_engine, Case(Hostile(content, Fate.OPENS), mode, "source"), tmp_path)
        assert not isinstance(made, EngineError), made.message
        outputs.append(made.path("output").read_bytes())
    assert outputs[0] == outputs[1]


def test_a_palette_with_transparency_is_a_cut_out(tmp_path: Path) -> None:
    person = Image.new("RGBA", (512, 768))
    person.paste(cut_out("referee", 640), (130, 80))
    few = person.quantize(256, Image.Quantize.FASTOCTREE)
    few.save(tmp_path / "person.png")
    assert loaded(tmp_path / "person.png").mode == "P"
    given = np.asarray(few.convert("RGBA"))[..., 3]
    assert ((given > 0) & (given < 255)).any()
    alpha = open_picture(tmp_path / "person.png", role="source", max_pixels=MAX_PIXELS, long_edge=LONG_EDGE).alpha
    assert alpha is not None
    assert np.array_equal(np.round(alpha * 255), given)
