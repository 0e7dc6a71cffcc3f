"""BACKGROUND_CHANGE, made by the real engine with the real models."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from actors.engines.local.engine import LocalEngine
from actors.engines.seam import EngineError
from schema.models.edits import (
    BACKGROUND_PRESETS,
    BackgroundChangeConfig,
    BackgroundType,
    Quality,
    Size,
)
from schema.models.problems import FailureCode
from tests.actors.engines.conftest import SMALL, THREADS, Inside, MakeRequest, Once, edited
from tests.actors.engines.scenes import (
    ASTRONAUT,
    CHINA,
    FLOWER,
    HOPPER,
    SAMPLES,
    cut_out,
    loaded,
    on_background,
    overlap,
    pixels,
)
from tests.quality import matte

pytestmark = pytest.mark.asyncio(loop_scope="session")

REMOVED = BackgroundChangeConfig(background_type=BackgroundType.REMOVE, size=Size.SMALL)
COMPOSITE = b"http://cv.iptc.org/newscodes/digitalsourcetype/composite"
FACE = (slice(110, 190), slice(190, 250))
"""Rows and columns of the astronaut's face."""


def sent(photo: Image.Image, path: Path) -> Path:
    """A photo with what cameras and their owners write into one."""
    exif = Image.Exif()
    exif[0x010F] = "Somebody's camera"
    exif.get_ifd(0x8825)[1] = "N"
    photo.save(path, exif=exif, comment=b"private", quality=95)
    return path


@pytest.fixture(scope="session")
def hopper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sent(loaded(HOPPER), tmp_path_factory.mktemp("photo") / "photo.jpg")


@pytest.fixture(scope="session")
def large_hopper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """In a small one there is less to be seen of an edge."""
    return sent(loaded(HOPPER).resize((655, 768)), tmp_path_factory.mktemp("photo") / "large.jpg")


async def test_a_preset_replaces_the_background_and_keeps_the_person(once: Once) -> None:
    config = BackgroundChangeConfig(background_preset="green_screen")
    result = await once(ASTRONAUT, config=config)
    before, after = pixels(ASTRONAUT), pixels(result.path("output"))
    assert after.shape == before.shape
    assert np.abs(after[FACE] - before[FACE]).mean() < 2
    for corner in (after[:40, :40], after[:40, -40:]):
        assert np.abs(corner - np.array([0, 177, 64])).max() <= 6
    assert result.finished.metadata["warnings"] == []


async def test_without_anything_asked_the_first_preset_is_taken(once: Once, hopper: Path) -> None:
    result = await once(hopper)
    assert BACKGROUND_PRESETS[0] == "studio_white"
    assert pixels(result.path("output"))[:40, :40].min() > 215


async def test_a_reference_becomes_the_background_and_covers_it(inside: Inside, request_for: MakeRequest) -> None:
    result = await edited(inside, request_for(ASTRONAUT, CHINA, BackgroundChangeConfig(color_match=False)))
    after = pixels(result.path("output"))
    # 640 x 427 covers 512 x 512 at 512 / 427 of its size, its middle in the middle.
    scale = 512 / 427
    whole = loaded(CHINA).resize((round(640 * scale), 512), Image.Resampling.BICUBIC)
    left = (whole.width - 512) // 2
    wanted = np.asarray(whole).astype(np.int32)[:, left : left + 512]
    assert np.abs(after[:150, 300:] - wanted[:150, 300:]).mean() < 4
    assert np.abs(after[FACE] - pixels(ASTRONAUT)[FACE]).mean() < 4


async def test_removing_gives_a_png_with_alpha_and_clean_colours(
    inside: Inside, request_for: MakeRequest, tmp_path: Path
) -> None:
    scene, true_outline = on_background(cut_out("football", 620), FLOWER, (512, 768))
    scene.save(tmp_path / "scene.png")
    result = await edited(inside, request_for(tmp_path / "scene.png", config=REMOVED))
    output = result.artifacts["output"]
    assert output.content_type == "image/png"
    image = loaded(output.path)
    assert image.mode == "RGBA"
    values = np.asarray(image).astype(np.int32)
    assert overlap(values[..., 3] > 127, true_outline) > 0.96
    assert values[:30, :, 3].max() == 0
    # The background was dark green: none of it is left in the edge of a red and yellow player.
    edge = (values[..., 3] > 20) & (values[..., 3] < 235)
    green = values[..., 1] - np.maximum(values[..., 0], values[..., 2])
    assert np.percentile(green[edge], 90) < 15
    assert loaded(result.path("thumbnail")).mode == loaded(result.path("comparison")).mode == "RGB"


async def test_every_file_says_what_it_is_and_nothing_of_the_sender(
    once: Once, hopper: Path, large_hopper: Path
) -> None:
    for result in (await once(hopper), await once(large_hopper, config=REMOVED)):
        assert result.artifacts.keys() == {"output", "thumbnail", "comparison"}
        for artifact in result.artifacts.values():
            content = artifact.path.read_bytes()
            assert COMPOSITE in content
            assert b"camera" not in content
            assert b"private" not in content
            image = loaded(artifact.path)
            assert not image.getexif()
            assert image.size == (artifact.width, artifact.height)
            assert b"RGB XYZ" in image.info["icc_profile"][:24]
        assert max(loaded(result.path("thumbnail")).size) == 320
        comparison = loaded(result.path("comparison"))
        assert comparison.width > comparison.height


async def test_what_is_told_about_the_result(once: Once, hopper: Path) -> None:
    result = await once(hopper)
    metadata = result.finished.metadata
    output = result.artifacts["output"]
    assert (metadata["width"], metadata["height"]) == (output.width, output.height) == (512, 600)
    assert metadata["format"] == "jpeg"
    assert metadata["engine"] == "local"
    assert metadata["size"] == output.path.stat().st_size
    assert metadata["seconds"].keys() == {event.step for event in result.progress}
    percents = [event.percent for event in result.progress]
    assert percents == sorted(set(percents))
    assert percents[0] == 0


async def test_the_long_edge_follows_the_size_asked(
    quick_engine: LocalEngine, request_for: MakeRequest, tmp_path: Path
) -> None:
    loaded(ASTRONAUT).crop((56, 0, 456, 512)).resize((1172, 1500)).save(tmp_path / "large.jpg")
    for config, size in ((SMALL, (600, 768)), (BackgroundChangeConfig(), (800, 1024))):
        result = await edited(quick_engine, request_for(tmp_path / "large.jpg", config=config))
        assert loaded(result.path("output")).size == size


async def test_equal_input_gives_equal_bytes_in_another_process(
    request_for: MakeRequest, once: Once, hopper: Path
) -> None:
    first = await once(hopper)
    other = LocalEngine(threads=THREADS)
    try:
        second = await edited(other, request_for(hopper))
        assert other.pid not in {None, os.getpid()}
    finally:
        await other.close()
    for kind, artifact in first.artifacts.items():
        assert artifact.path.read_bytes() == second.path(kind).read_bytes()


async def test_higher_quality_and_a_soft_edge_change_the_edge_only(once: Once, large_hopper: Path) -> None:
    removed = BackgroundType.REMOVE
    plain = await once(large_hopper, config=REMOVED)
    soft = await once(large_hopper, config=BackgroundChangeConfig(background_type=removed, edge_blur=8))
    high = await once(large_hopper, config=BackgroundChangeConfig(background_type=removed, quality=Quality.ULTRA))
    base = pixels(plain.path("output"))[..., 3]
    for other in soft, high:
        alpha = pixels(other.path("output"))[..., 3]
        assert not np.array_equal(alpha, base)
        assert overlap(alpha > 127, base > 127) > 0.96
    blurred = pixels(soft.path("output"))[..., 3]
    assert ((blurred > 12) & (blurred < 243)).sum() > 1.2 * ((base > 12) & (base < 243)).sum()
    assert (blurred <= base + 2).all()


async def test_a_cut_out_keeps_the_edge_it_came_with(inside: Inside, request_for: MakeRequest, tmp_path: Path) -> None:
    person = Image.new("RGBA", (512, 768))
    person.paste(cut_out("referee", 640), (130, 80))
    person.save(tmp_path / "person.png")
    result = await edited(inside, request_for(tmp_path / "person.png", config=REMOVED))
    assert np.abs(pixels(result.path("output"))[..., 3] - np.asarray(person)[..., 3]).max() <= 1


async def test_feet_on_a_floor_cast_a_shadow(inside: Inside, request_for: MakeRequest, tmp_path: Path) -> None:
    scene, outline = on_background(cut_out("referee", 560), FLOWER, (512, 768))
    scene.save(tmp_path / "scene.jpg")
    result = await edited(
        inside, request_for(tmp_path / "scene.jpg", config=BackgroundChangeConfig(background_preset="studio_grey"))
    )
    after = pixels(result.path("output")).sum(axis=2)
    sole = int(np.flatnonzero(outline.any(axis=1))[-1])
    under = after[sole + 1 : sole + 5, 240:300].mean()
    beside = after[sole + 1 : sole + 5, 10:60].mean()
    assert under < 0.9 * beside


async def test_who_cannot_be_told_from_what_is_around_them_is_refused(
    inside: Inside, request_for: MakeRequest, tmp_path: Path
) -> None:
    # Petals in the colours of skin, more striking than whoever kicks before them: half an arm and a leg would be gone.
    scene = matte.scene(SAMPLES / "cutouts" / "kicking.png", FLOWER)
    Image.fromarray(scene.image).save(tmp_path / "scene.png")
    with pytest.raises(EngineError) as caught:
        await edited(inside, request_for(tmp_path / "scene.png", config=BackgroundChangeConfig()))
    assert caught.value.code is FailureCode.NO_PERSON_DETECTED
    assert "calmer background" in caught.value.message


@pytest.mark.parametrize("background", [CHINA, FLOWER], ids=["china", "flower"])
async def test_nobody_in_the_picture_is_refused_with_advice(
    inside: Inside, request_for: MakeRequest, background: Path
) -> None:
    with pytest.raises(EngineError) as caught:
        await edited(inside, request_for(background))
    assert caught.value.code is FailureCode.NO_PERSON_DETECTED
    assert "Please send one" in caught.value.message
    assert not caught.value.transient


@pytest.mark.parametrize(
    "config",
    [
        BackgroundChangeConfig(background_type=BackgroundType.CUSTOM),
        BackgroundChangeConfig(background_preset="moon"),
        BackgroundChangeConfig(background_type=BackgroundType.PRESET, background_preset="moon"),
    ],
)
async def test_a_configuration_that_does_not_fit_is_refused(
    inside: Inside, request_for: MakeRequest, config: BackgroundChangeConfig
) -> None:
    with pytest.raises(EngineError) as caught:
        await edited(inside, request_for(ASTRONAUT, config=config))
    assert caught.value.code is FailureCode.INVALID_CONFIG


async def test_a_matte_is_close_to_the_truth(inside: Inside, request_for: MakeRequest, tmp_path: Path) -> None:
    found: dict[str, float] = {}
    for name in ("dancing", "stop", "arms_raised"):
        scene, outline = on_background(cut_out(name, 560), FLOWER, (576, 768))
        scene.save(tmp_path / f"{name}.png")
        result = await edited(inside, request_for(tmp_path / f"{name}.png", config=REMOVED))
        found[name] = overlap(pixels(result.path("output"))[..., 3] > 127, outline)
    assert min(found.values()) > 0.93, found
    assert sum(found.values()) / len(found) >= 0.96, found


async def test_a_close_up_takes_no_background_that_only_the_silhouette_covers(once: Once) -> None:
    # Only head and shoulders are in the photo: the silhouette that comes with the pose spreads over the door behind.
    result = await once(SAMPLES / "portrait_face_paint.jpg", config=REMOVED)
    alpha = pixels(result.path("output"))[..., 3]
    height, width = alpha.shape
    beside = alpha[round(0.5 * height) : round(0.75 * height), round(0.9 * width) :]
    assert beside.mean() < 25
    assert alpha[round(0.3 * height) : round(0.5 * height), round(0.4 * width) : round(0.6 * width)].min() == 255


@pytest.mark.parametrize("wall", [(10, 10, 12), (160, 190, 220)], ids=["black", "sky"])
async def test_a_group_is_kept_whole(
    inside: Inside, request_for: MakeRequest, tmp_path: Path, wall: tuple[int, int, int]
) -> None:
    scene = Image.new("RGB", (1024, 520), wall)
    true = np.zeros((520, 1024), np.bool_)
    names = ("referee", "dancing", "football", "stop", "arms_raised")
    for place, name in enumerate(names):
        person = cut_out(name, 380)
        left = 102 + 204 * place - person.width // 2
        scene.paste(person, (left, 90), person)
        layer = Image.new("L", scene.size)
        layer.paste(person.getchannel("A"), (left, 90))
        true |= np.asarray(layer) > 127
    scene.save(tmp_path / "group.png")
    result = await edited(inside, request_for(tmp_path / "group.png", config=REMOVED))
    alpha = np.asarray(loaded(result.path("output")).resize(scene.size).getchannel("A"))
    for place in range(len(names)):
        part = slice(None), slice(204 * place, 204 * (place + 1))
        # What is as black as the wall (shoes, a cap) nobody can tell from it.
        assert overlap(alpha[part] > 127, true[part]) > 0.87
    assert result.finished.metadata["warnings"] == ["More than one person was found; all were kept."]
