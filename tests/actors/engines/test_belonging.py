"""What belongs to people, from what two networks say: on drawn shapes, without the networks."""

from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from actors.engines.local.arrays import Floats, Plane, Rgb8, as_rgb8
from actors.engines.local.perception import people
from actors.engines.local.perception.belonging import decided, of_people
from actors.engines.local.perception.detections import Detection
from actors.engines.local.perception.matte import Effort, coarse_matte
from actors.engines.local.perception.pose import Pose
from actors.engines.local.runtimes import Runtimes

_EDGE = 6
"""So near to an edge nothing is asked."""


def shapes(*boxes: tuple[int, int, int, int], alpha: float = 1) -> Plane:
    """Rectangles (left, top, right, bottom) of `alpha` on an empty plane of 320 x 320."""
    plane = np.zeros((320, 320), np.float32)
    for left, top, right, bottom in boxes:
        plane[top:bottom, left:right] = alpha
    return plane


def within(plane: Plane, box: tuple[int, int, int, int]) -> Plane:
    left, top, right, bottom = box
    return plane[top + _EDGE : bottom - _EDGE, left + _EDGE : right - _EDGE]


def posed(silhouette: Plane) -> Pose:
    points = np.full((33, 2), 80, np.float32)
    nobody = np.zeros((0, 2), np.float32), np.zeros(0, np.float32)
    return Pose(points, np.zeros(33, np.float32), np.ones(33, np.float32), silhouette, 1.0, *nobody)


def face_in(box: tuple[int, int, int, int], score: float) -> Detection:
    return Detection(score, np.array(box, np.float32), np.zeros((6, 2), np.float32))


MAN, WOMAN = (40, 60, 110, 300), (200, 60, 270, 300)
BAG, TOWER, LAMP = (110, 160, 150, 220), (110, 20, 170, 300), (180, 20, 300, 200)


def test_what_both_see_stays_whole_and_what_both_deny_stays_away() -> None:
    found = of_people(shapes(MAN, WOMAN), shapes(MAN, WOMAN), None, [])
    assert within(found, MAN).min() > 0.99
    assert within(found, WOMAN).min() > 0.99
    assert found[:50].max() == 0


@pytest.mark.parametrize(("thing", "kept"), [(BAG, True), (TOWER, False), (LAMP, False)], ids=["bag", "tower", "lamp"])
def test_what_touches_somebody_and_is_small_is_theirs(thing: tuple[int, int, int, int], *, kept: bool) -> None:
    found = of_people(shapes(MAN, thing), shapes(MAN), None, [])
    assert within(found, MAN).min() > 0.99
    assert (within(found, thing) > 0.5).mean() == (1 if kept else 0)


@pytest.mark.parametrize(("score", "kept"), [(0.9, True), (None, False)])
def test_a_face_brings_in_a_figure_that_does_not_stand_out(score: float | None, *, kept: bool) -> None:
    faces = [] if score is None else [face_in((215, 70, 255, 110), score)]
    found = of_people(shapes(MAN), shapes(MAN, WOMAN), None, faces)
    assert (within(found, WOMAN) > 0.9).mean() == (1 if kept else 0)


def test_a_face_that_both_deny_brings_nothing_in() -> None:
    assert within(of_people(shapes(MAN), shapes(MAN), None, [face_in((215, 70, 255, 110), 0.9)]), WOMAN).max() == 0


def test_a_light_sleeve_is_not_half_transparent() -> None:
    sleeve = (40, 150, 110, 200)
    doubtful = np.minimum(shapes(MAN), 1 - 0.45 * shapes(sleeve))
    assert within(of_people(doubtful, shapes(MAN), None, []), sleeve).min() > 0.95


@pytest.mark.parametrize("with_pose", [True, False])
def test_an_arm_that_two_of_three_see_is_kept(*, with_pose: bool) -> None:
    arm = (104, 100, 180, 130)
    found = of_people(shapes(MAN), shapes(MAN, arm), posed(shapes(MAN, arm)) if with_pose else None, [])
    assert (within(found, arm) > 0.9).mean() == (1 if with_pose else 0)


def test_a_silhouette_alone_brings_nothing_in() -> None:
    wall = (104, 20, 300, 300)
    assert within(of_people(shapes(MAN), shapes(MAN), posed(shapes(MAN, wall)), []), wall).max() == 0


def test_what_is_faint_and_away_from_anybody_goes() -> None:
    hair, smudge = (110, 60, 118, 100), (110, 250, 180, 300)
    salient = np.maximum(shapes(MAN), shapes(hair, smudge, alpha=0.4))
    found = of_people(salient, np.maximum(shapes(MAN), shapes(smudge, alpha=0.6)), None, [])
    assert found[62:98, 112:116].min() > 0.25
    assert found[250:300, 130:].max() < 0.01


def test_where_no_two_agree_nobody_is_found() -> None:
    assert of_people(shapes(WOMAN), shapes(MAN), None, [face_in((60, 70, 90, 100), 0.9)]).max() == 0


def test_who_contradicts_two_that_agree_is_not_heard() -> None:
    doubtful = np.minimum(shapes(MAN), 1 - 0.6 * shapes((40, 200, 110, 300)))
    found = of_people(doubtful, shapes(WOMAN), posed(shapes(MAN)), [])
    assert within(found, MAN).min() > 0.7
    assert within(found, WOMAN).max() == 0


@pytest.mark.parametrize(("sure", "kept"), [(0.9, True), (0.6, False)])
def test_a_piece_that_is_half_transparent_becomes_whole_or_goes(sure: float, *, kept: bool) -> None:
    """And up to its own border, where alpha ends somewhere in it."""
    image = as_rgb8(0.5 * shapes(MAN)[..., None] + np.array([0, 0, 0.8]) * shapes(BAG)[..., None])
    most_of_it = (110, 160, 142, 220)
    alpha = np.maximum(shapes(MAN), shapes(most_of_it, alpha=0.65))
    likely = np.maximum(shapes(MAN), shapes(BAG, alpha=sure))
    found = decided(image, alpha, alpha, likely, None, [])
    assert within(found, MAN).min() > 0.99
    thing = within(found, most_of_it)
    assert thing.min() > 0.95 if kept else thing.max() < 0.05
    assert found[:, 160:].max() == 0


def test_hair_stays_half_transparent() -> None:
    image = as_rgb8(np.repeat(shapes(MAN)[..., None], 3, axis=2))
    hair = (110, 60, 118, 120)
    alpha = np.maximum(shapes(MAN), shapes(hair, alpha=0.4))
    face = face_in((50, 65, 90, 105), 0.9)
    assert np.array_equal(decided(image, alpha, alpha, shapes(MAN), None, [face]), alpha)
    assert decided(image, alpha, alpha, shapes(MAN), None, [])[70:110, 113:116].max() < 0.1


class Beholder(Runtimes):
    """To whom yellow stands out, and where there is none red; a person is red."""

    def __init__(self) -> None:
        super().__init__(1)
        self.matte = _striking

    def tflite(self, name: str, image: Floats) -> Mapping[Sequence[int], Floats]:
        assert name == people.MODEL
        seen = _red(as_rgb8(image[0]))
        return {(1, *seen.shape, 1): seen[None, ..., None]}


def _striking(image: Rgb8) -> Plane:
    yellow = _yellow(image)
    return yellow if yellow.any() else _red(image)


def _yellow(image: Rgb8) -> Plane:
    return (image[..., 1] > 128).astype(np.float32)


def _red(image: Rgb8) -> Plane:
    return ((image[..., 0] > 128) & (image[..., 1] < 128)).astype(np.float32)


def test_what_stands_out_more_than_a_group_does_not_hide_it() -> None:
    image = np.zeros((640, 640, 3), np.uint8)
    image[40:300, 100:540] = (200, 200, 0)
    group = [(100, 440, 180, 640), (260, 440, 340, 640), (420, 440, 500, 640)]
    for left, top, right, bottom in group:
        image[top:bottom, left:right] = (200, 0, 0)
    effort = Effort(mirror_all=False, whole=768, head=512)
    found = coarse_matte(image, None, [face_in((120, 450, 160, 490), 0.9)], effort, Beholder(), lambda _step: None)
    assert min(within(found, figure).min() for figure in group) > 0.95
    assert found[:400].max() == 0
