"""HEAD_SWAP as a whole, with the real models: what is kept, what is changed, what is refused."""

import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from actors.engines.local.arrays import Rgb8, as_rgb
from actors.engines.local.head import edit
from actors.engines.local.head.edit import PLAN, Swap, swap_head, swapped
from actors.engines.local.head.faces import Person, judge_together, the_person
from actors.engines.local.head.figures import figure_path
from actors.engines.local.head.frame import frame
from actors.engines.local.head.portrait import portrait
from actors.engines.local.head.tone import Shifts, face_tone
from actors.engines.local.perception.landmarks import FaceLandmarks
from actors.engines.local.pictures.opening import Picture
from actors.engines.local.raster import gaussian, lab
from actors.engines.local.runtimes import Runtimes
from actors.engines.local.shapes import narrowed, widened
from actors.engines.local.steps import Steps, StoppedError
from actors.engines.seam import EngineError
from schema.models.edits import FIGURE_PRESETS, HeadSwapConfig
from schema.models.problems import FailureCode
from tests.actors.engines.head.conftest import ASTRONAUT, HOPPER, MAX_PIXELS, SAMPLES, Swapping, opened, quiet
from tests.quality.head import changeable, face_points, landmark_error, proportion, untouched

PAIRS = [(ASTRONAUT, HOPPER), (HOPPER, ASTRONAUT)]


@pytest.mark.parametrize(("source", "figure"), PAIRS)
def test_the_face_lands_where_it_was_aimed(swap: Swapping, runtimes: Runtimes, source: Path, figure: Path) -> None:
    assert landmark_error(swap(source, figure), runtimes) <= 0.03


@pytest.mark.parametrize(("source", "figure"), PAIRS)
def test_nothing_but_head_neck_and_skin_changes(swap: Swapping, source: Path, figure: Path) -> None:
    made, canvas = swap(source, figure), opened(figure).image
    assert made.image.shape == canvas.shape
    assert untouched(made, canvas, changeable(made, canvas)) == 1
    assert (made.image != canvas).any(axis=2).mean() < 0.5


@pytest.mark.parametrize(("source", "figure"), PAIRS)
def test_the_head_keeps_the_figures_proportions(swap: Swapping, runtimes: Runtimes, source: Path, figure: Path) -> None:
    ratio = proportion(swap(source, figure), opened(figure).image, runtimes)
    assert ratio is not None
    assert 0.88 <= ratio <= 1.12


@pytest.mark.parametrize(("source", "figure"), PAIRS)
def test_it_is_the_sources_face(swap: Swapping, runtimes: Runtimes, source: Path, figure: Path) -> None:
    pytest.importorskip("dlib")
    from tests.quality.head import Identity  # noqa: PLC0415 - needs dlib

    identity = Identity()
    result, first, second = (
        identity.of(image, face_points(image, runtimes))
        for image in (swap(source, figure).image, opened(source).image, opened(figure).image)
    )
    assert np.linalg.norm(result - first) < 0.45
    assert np.linalg.norm(result - second) > 0.6


def test_a_head_put_back_onto_its_own_photo_changes_nothing(swap: Swapping) -> None:
    apart = np.abs(swap(ASTRONAUT, ASTRONAUT).image.astype(int) - opened(ASTRONAUT).image).max(axis=2)
    assert (apart > 24).mean() < 0.002


def test_a_large_canvas_is_worked_on_smaller_and_keeps_its_own_pixels(
    swap: Swapping, runtimes: Runtimes, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = swap(ASTRONAUT, HOPPER)
    monkeypatch.setattr(edit, "_LARGEST", 150_000)
    made, canvas = swapped(opened(ASTRONAUT), opened(HOPPER), HeadSwapConfig(), runtimes, quiet()), opened(HOPPER).image
    assert made.head.shape == whole.head.shape
    assert np.abs(made.aim - whole.aim).max() < 0.03 * frame(whole.aim).height
    assert landmark_error(made, runtimes) <= 0.03
    assert untouched(made, canvas, changeable(made, canvas)) == 1
    assert np.abs(made.image.astype(int) - whole.image).mean() < 6


def _flecks(made: Swap) -> float:
    """How strong the finest detail is along the made neck's edge, over that of the skin on both sides of it."""
    box, unit = made.box, frame(made.aim).height
    bare = narrowed(made.throat > 0.6, 0.02 * unit) & ~widened(made.head > 0.01, 0.03 * unit)
    line = widened(made.made > 0.5, 0.012 * unit) & widened(made.made <= 0.5, 0.012 * unit)
    values = lab(as_rgb(np.ascontiguousarray(made.image[box.top : box.bottom, box.left : box.right])))
    fine = np.linalg.norm(values - gaussian(values, 0.012 * unit), axis=2)
    seam, beside = fine[line & bare], fine[widened(line, 0.08 * unit) & bare & ~line]
    assert min(len(seam), len(beside)) > 20
    return float(np.sqrt((seam**2).mean() / (beside**2).mean()))


@pytest.mark.parametrize(("source", "figure"), [*PAIRS, (SAMPLES / "portrait_face_paint.jpg", HOPPER)])
def test_no_flecks_lie_along_the_made_neck(swap: Swapping, source: Path, figure: Path) -> None:
    assert _flecks(swap(source, figure)) < 1.3


def _tones(swap: Swapping, runtimes: Runtimes, source: Path, figure: Path, strength: float) -> tuple[float, float]:
    """L*a*b* distances: of the new face from the source's; in a* and b*, of the neck under it from the new face."""
    made = swap(source, figure, HeadSwapConfig(blend_strength=strength))
    photo = opened(source).image
    wanted = face_tone(lab(as_rgb(photo)), face_points(photo, runtimes)).mean
    values = lab(as_rgb(made.image))
    box = made.box
    face = face_tone(values, made.aim + np.array([box.left, box.top], np.float32)).mean
    part = values[box.top : box.bottom, box.left : box.right]
    neck = np.median(part[(made.throat > 0.8) & (made.head < 0.01)], axis=0)
    return float(np.linalg.norm(face - wanted)), float(np.linalg.norm((neck - face)[1:]))


@pytest.mark.parametrize(("source", "figure"), PAIRS)
def test_blend_strength_brings_the_tones_together(
    swap: Swapping, runtimes: Runtimes, source: Path, figure: Path
) -> None:
    none, full = (_tones(swap, runtimes, source, figure, strength) for strength in (0, 1))
    assert none[0] < 2  # the head is as it was
    assert full[0] > none[0] + 1  # it comes towards the figure
    assert full[1] < 6  # a neck in the shadow of its chin has not quite the face's colours
    assert full[1] < none[1] / 2 or figure == HOPPER  # whose neck is of the new face's hue as it is


def test_on_a_black_and_white_figure_everything_is_black_and_white(runtimes: Runtimes, tmp_path: Path) -> None:
    figure = _saved(_photo(ASTRONAUT).convert("L"), tmp_path / "grey.png")
    made = swap_head(HOPPER, figure, HeadSwapConfig(), MAX_PIXELS, runtimes, quiet()).outcome.colours
    assert np.ptp(made.astype(int), axis=2).max() <= 4


def test_without_strength_the_bodys_skin_stays(swap: Swapping) -> None:
    made, canvas = swap(ASTRONAUT, HOPPER, HeadSwapConfig(blend_strength=0)).image, opened(HOPPER).image
    assert np.array_equal(made[480:], canvas[480:])


def test_what_is_made_beside_an_arm_has_its_new_tone(
    swap: Swapping, runtimes: Runtimes, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, toning = swap(ASTRONAUT, HOPPER), edit.in_one_tone

    def lighter(canvas: Picture, *rest: Any) -> tuple[Shifts, Rgb8]:
        change, toned = toning(canvas, *rest)
        return change, np.minimum(toned, 215) + np.uint8(40)

    monkeypatch.setattr(edit, "in_one_tone", lighter)
    after = swapped(opened(ASTRONAUT), opened(HOPPER), HeadSwapConfig(), runtimes, quiet())
    here = slice(after.box.top, after.box.bottom), slice(after.box.left, after.box.right)
    made = (after.made > 0.99) & (after.head < 0.01) & (after.throat < 0.01)
    assert made.sum() > 1000
    more = after.image[here][made].astype(np.float32) - before.image[here][made]
    assert np.median(more) > 25


def test_details_are_kept_or_matched(swap: Swapping) -> None:
    def roughness(config: HeadSwapConfig | None) -> float:
        made = swap(HOPPER, ASTRONAUT, config)
        x, y = (int(v) for v in frame(made.aim).centre + np.array([made.box.left, made.box.top]))
        part = as_rgb(np.ascontiguousarray(made.image[y - 20 : y + 40, x - 25 : x + 25])).mean(axis=2)
        return float((part - gaussian(part, 1.2)).std())

    assert roughness(None) > 1.1 * roughness(HeadSwapConfig(preserve_details=False))


def test_the_default_figure_is_worn_and_the_same_photos_give_the_same_bytes(
    swap: Swapping, runtimes: Runtimes, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = quiet()
    monkeypatch.setattr(edit, "portrait", portrait)  # everything anew
    again = swap_head(HOPPER, None, HeadSwapConfig(), MAX_PIXELS, runtimes, step)
    assert figure_path(None).read_bytes() == ASTRONAUT.read_bytes()
    assert np.array_equal(again.outcome.colours, swap(HOPPER, ASTRONAUT).image)
    assert again.outcome.alpha is None
    assert again.before.image.shape == opened(HOPPER).image.shape
    step.end()
    assert set(step.seconds) | {"Saving the pictures"} == set(PLAN)
    assert list(PLAN.values()) == sorted(PLAN.values())


@pytest.mark.parametrize("name", FIGURE_PRESETS)
def test_the_figures_are_small_files(name: str) -> None:
    assert figure_path(name).stat().st_size <= 200_000


def _refusal(
    source: Path, reference: Path | None, runtimes: Runtimes, config: HeadSwapConfig | None = None
) -> EngineError:
    with pytest.raises(EngineError) as caught:
        swap_head(source, reference, config or HeadSwapConfig(), MAX_PIXELS, runtimes, quiet())
    return caught.value


def _saved(image: Image.Image, path: Path) -> Path:
    image.convert("RGB").save(path)
    return path


def _photo(path: Path) -> Image.Image:
    return Image.open(io.BytesIO(path.read_bytes())).convert("RGB")


def test_an_unknown_figure_is_refused(runtimes: Runtimes) -> None:
    error = _refusal(ASTRONAUT, None, runtimes, HeadSwapConfig(figure_preset="nobody"))
    assert error.code == FailureCode.INVALID_CONFIG
    assert "astronaut" in error.message


@pytest.mark.parametrize("role", ["source", "reference"])
def test_a_photo_without_a_face_is_refused(runtimes: Runtimes, role: str) -> None:
    empty = SAMPLES / "background_china.jpg"
    error = _refusal(*((empty, HOPPER) if role == "source" else (HOPPER, empty)), runtimes)
    assert error.code == FailureCode.NO_FACE_DETECTED
    assert error.details["image"] == role
    assert role in error.message


@pytest.mark.parametrize("role", ["source", "reference"])
def test_two_faces_are_refused(runtimes: Runtimes, role: str, tmp_path: Path) -> None:
    one = _photo(ASTRONAUT).crop((60, 0, 400, 400))
    both = Image.new("RGB", (680, 400))
    both.paste(one, (0, 0))
    both.paste(one, (340, 0))
    path = _saved(both, tmp_path / "two.jpg")
    error = _refusal(*((path, HOPPER) if role == "source" else (HOPPER, path)), runtimes)
    assert error.code == FailureCode.MULTIPLE_FACES_DETECTED
    assert error.details["faces"] == 2


def test_a_small_face_is_refused(runtimes: Runtimes, tmp_path: Path) -> None:
    small = _photo(ASTRONAUT).resize((200, 200))
    error = _refusal(_saved(small, tmp_path / "small.jpg"), HOPPER, runtimes)
    assert error.code == FailureCode.NO_FACE_DETECTED
    assert "pixels" in error.message


@pytest.mark.parametrize("role", ["source", "reference"])
@pytest.mark.parametrize(
    ("axes", "angle", "words"),
    [
        ((2, 0), 46, "turned to the left"),
        ((2, 0), -46, "turned to the right"),
        ((1, 2), 52, "bowed"),
        ((1, 2), -52, "held up"),
        ((0, 1), -50, "tilted to the left"),
        ((0, 1), 50, "tilted to the right"),
        ((0, 1), 40.02, "tilted to the right"),
    ],
)
def test_heads_held_differently_are_refused_and_the_turned_one_is_named(
    runtimes: Runtimes, role: str, axes: tuple[int, int], angle: float, words: str
) -> None:
    person = the_person(opened(ASTRONAUT), "source", runtimes)
    first, second = axes
    radians = np.radians(angle)
    rotation = np.eye(3, dtype=np.float32)
    rotation[[first, second], [first, second]] = np.cos(radians)
    rotation[first, second], rotation[second, first] = -np.sin(radians), np.sin(radians)
    solid = person.face.solid @ rotation.T
    other = Person(FaceLandmarks(solid[:, :2], solid[:, 2], 1.0), None, [])
    judge_together(person, person)
    with pytest.raises(EngineError) as caught:
        judge_together(*((other, person) if role == "source" else (person, other)))
    assert caught.value.code == FailureCode.POSE_EXTRACTION_FAILED
    assert caught.value.details["image"] == role
    assert caught.value.details["degrees"] > caught.value.details["limit"]
    told, most = (int(number) for number in re.findall(r"\d+", caught.value.message))
    assert told > most
    assert f"The head in the {role} photo is {words}" in caught.value.message


def test_it_stops_when_asked(runtimes: Runtimes) -> None:
    told: list[str] = []
    step = Steps(PLAN, lambda _percent, words: told.append(words), lambda: len(told) == 2)
    with pytest.raises(StoppedError):
        swap_head(ASTRONAUT, HOPPER, HeadSwapConfig(), MAX_PIXELS, runtimes, step)
    assert told == list(PLAN)[:2]
