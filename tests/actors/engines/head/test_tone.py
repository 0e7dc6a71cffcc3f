"""Whether a head comes into the figure's light, stays somebody's own, and limbs go with it as they did with theirs."""

import numpy as np
import pytest

from actors.engines.local.arrays import Floats, Points, Rgb, as_rgb
from actors.engines.local.head.joining import lit
from actors.engines.local.head.skin import Skin, in_tone
from actors.engines.local.head.tone import Shifts, Tone, face_tone, shifts
from actors.engines.local.perception.landmarks import EYES_AND_MOUTH, OVAL
from actors.engines.local.raster import lab, rgb
from actors.engines.local.runtimes import Runtimes
from actors.engines.local.shapes import polygon
from tests.actors.engines.head.conftest import ASTRONAUT, HOPPER, opened
from tests.quality.head import face_points


@pytest.fixture(params=[ASTRONAUT, HOPPER], ids=["astronaut", "hopper"])
def portrait(request: pytest.FixtureRequest, runtimes: Runtimes) -> tuple[Rgb, Points]:
    image = opened(request.param).image
    return as_rgb(image), face_points(image, runtimes)


def _in_less_light(image: Rgb, share: float) -> Rgb:
    return (np.clip(image, 0, 1) ** 2.2 * share) ** np.float32(1 / 2.2)


def _eyes(image: Rgb, points: Points) -> Floats:
    return np.maximum(*(polygon(image.shape, points[list(outline)]) for outline in EYES_AND_MOUTH[:2]))[..., None]


def test_a_head_from_a_dark_photo_comes_into_the_figures_light(portrait: tuple[Rgb, Points]) -> None:
    image, points = portrait
    dark = _in_less_light(image, 0.4)
    ours, theirs = (face_tone(lab(it), points) for it in (dark, image))
    change = shifts(ours, theirs, 0.75)
    assert theirs.mean[0] - ours.mean[0] > 14
    assert abs(change.body[0]) < 4
    apart = lab(lit(dark, change))[..., 0] - lab(image)[..., 0]
    assert np.abs(apart[image.mean(axis=2) < 0.2]).mean() < 7  # what is black stays so
    assert abs(face_tone(lab(lit(dark, change)), points).mean[0] - theirs.mean[0]) < 4
    assert shifts(ours, theirs, 0).light[1] == ours.mean[0]


def test_a_dark_skin_in_as_much_light_stays_dark(portrait: tuple[Rgb, Points]) -> None:
    image, points = portrait
    face = polygon(image.shape, points[list(OVAL)])[..., None]
    brown = image + (face * (1 - _eyes(image, points))) * (_in_less_light(image, 0.4) - image)
    ours, theirs = (face_tone(lab(it), points) for it in (brown.astype(np.float32), image))
    change = shifts(ours, theirs, 0.75)
    assert change.light[1] - change.light[0] < 4
    assert change.head[0] <= 9


def test_dark_glasses_and_shut_eyes_say_nothing_of_the_light(portrait: tuple[Rgb, Points]) -> None:
    image, points = portrait
    assert face_tone(lab(image), points).whites is not None
    behind_glass = (image * (1 - 0.98 * _eyes(image, points))).astype(np.float32)
    assert face_tone(lab(behind_glass), points).whites is None
    shut = points.copy()
    for outline in EYES_AND_MOUTH[:2]:
        shut[list(outline), 1] = points[list(outline), 1].mean()
    assert face_tone(lab(image), shut).whites is None


def test_a_head_without_colours_is_coloured_as_skin_is_where_the_figure_is() -> None:
    grey, pale = (Tone(np.array(mean, np.float32), np.ones(3, np.float32)) for mean in ((75, 0, 0), (86, 8, 10)))
    change = shifts(grey, pale, 0.75)
    assert np.hypot(*change.head[1:]) == pytest.approx(19)
    assert change.head[1] / change.head[2] == pytest.approx(0.8)
    skin = grey.mean + change.head
    assert pale.mean + change.body == pytest.approx(skin)  # the figure's skin takes it
    image = lit(rgb(np.full((4, 4, 3), grey.mean, np.float32)), change)
    assert lab(image)[0, 0] == pytest.approx(skin, abs=0.5)


@pytest.mark.parametrize(
    ("face", "limb", "new"),
    [
        ((51, 27, 32), (40, 28, 26), (68, 23, 10)),
        ((52, 24, 29), (46, 26, 21), (70, 18, 20)),
        ((63, 14, 26), (55, 17, 25), (49, 14, 17)),
    ],
    ids=["brown to pink", "brown to pale", "pale to brown"],
)
def test_a_limb_is_as_far_from_the_new_face_as_it_was_from_its_own(
    face: tuple[int, ...], limb: tuple[int, ...], new: tuple[int, ...]
) -> None:
    own, hand, aim = (np.array(it, np.float32) for it in (face, limb, new))
    tone, shape = Tone(own, np.ones(3, np.float32)), (8, 8)
    skin = Skin(tone, np.ones(shape, np.float32))
    made = in_tone(rgb(np.full((*shape, 3), hand)), skin, Shifts(np.zeros(3, np.float32), aim - own, 1))
    found = lab(made)[0, 0]
    assert found[0] - aim[0] == pytest.approx(hand[0] - own[0], abs=3)
    assert found[1:] / aim[1:] == pytest.approx(hand[1:] / own[1:], abs=0.2)


def _in_tinted_light(image: Rgb) -> Rgb:
    return (np.clip(image, 0, 1) ** 2.2 * np.array([0.9, 0.75, 1.3], np.float32)) ** np.float32(1 / 2.2)


@pytest.mark.parametrize("portrait", [ASTRONAUT], indirect=True)  # the other's eyes are in the shade
def test_a_head_from_coloured_light_comes_into_the_figures(portrait: tuple[Rgb, Points]) -> None:
    image, points = portrait
    violet = _in_tinted_light(image)
    ours, theirs = (face_tone(lab(it), points) for it in (violet, image))
    apart = theirs.mean[2] - ours.mean[2]
    assert apart > 14
    change = shifts(ours, theirs, 0.75)
    assert change.head[2] > apart - 5
    assert abs(change.body[2]) < 5  # the figure's skin doesn't become violet


def test_a_skin_of_another_hue_in_the_same_light_keeps_most_of_it(portrait: tuple[Rgb, Points]) -> None:
    image, points = portrait
    face = polygon(image.shape, points[list(OVAL)])[..., None]
    rosy = image + (face * (1 - _eyes(image, points))) * (_in_tinted_light(image) - image)
    ours, theirs = (face_tone(lab(it), points) for it in (rosy.astype(np.float32), image))
    assert theirs.mean[2] - ours.mean[2] > 14
    assert shifts(ours, theirs, 0.75).head[2] <= 4
