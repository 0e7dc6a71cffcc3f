"""Fitting one face on another: known turns found again, the aim hit, folding prevented."""

import numpy as np
import pytest

from actors.engines.local.arrays import Floats, Rgb8
from actors.engines.local.head.alignment import bending, fitted, turned
from actors.engines.local.head.frame import frame
from actors.engines.local.perception.faces import faces
from actors.engines.local.perception.landmarks import CHIN, LEFT_CHEEK, RIGHT_CHEEK, FaceLandmarks, landmarks
from actors.engines.local.raster import bent
from actors.engines.local.runtimes import Runtimes
from tests.actors.engines.head.conftest import ASTRONAUT, opened


@pytest.fixture(scope="session")
def image() -> Rgb8:
    return opened(ASTRONAUT).image


@pytest.fixture(scope="session")
def face(runtimes: Runtimes, image: Rgb8) -> FaceLandmarks:
    return landmarks(image, faces(image, runtimes)[0], runtimes)


def _rotated(points: Floats, *, aside: float = 0, roll: float = 0, bow: float = 0) -> Floats:
    """`points` (n, 3) turned around their middle, in degrees."""
    a, r, b = np.radians(aside), np.radians(roll), np.radians(bow)
    nod = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    yaw = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    plane = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
    middle = points.mean(axis=0)
    return ((points - middle) @ (plane @ yaw @ nod).T + middle).astype(np.float32)


def test_landmarks_lie_on_the_face(face: FaceLandmarks) -> None:
    place = frame(face.points)
    assert face.certainty > 0.99
    assert 95 < place.height < 120
    assert 70 < place.width < 95
    assert np.abs(place.centre - [224, 104]).max() < 5
    assert face.depth[4] < face.depth[[234, 454]].min()  # the nose is nearer than the cheeks


def test_landmarks_turn_with_the_picture(runtimes: Runtimes, image: Rgb8, face: FaceLandmarks) -> None:
    lying = np.ascontiguousarray(np.rot90(image[:300, 80:380]))
    upright = landmarks(
        np.ascontiguousarray(image[:300, 80:380]), faces(image[:300, 80:380].copy(), runtimes)[0], runtimes
    )
    found = faces(lying, runtimes, at_least=0.3)
    if not found:
        pytest.skip("the detector doesn't see a lying face")
    back = landmarks(lying, found[0], runtimes).points
    turned_back = np.stack([299 - back[:, 1], back[:, 0]], axis=1)
    assert np.hypot(*(turned_back - upright.points).T).mean() < 0.05 * frame(face.points).height


@pytest.mark.parametrize("aside", [-14.0, 0.0, 8.0])
@pytest.mark.parametrize("roll", [-20.0, 10.0])
def test_a_turn_is_found_again(face: FaceLandmarks, aside: float, roll: float) -> None:
    out, found = turned(face.solid, _rotated(face.solid, aside=aside, roll=roll))
    assert out == pytest.approx(abs(aside), abs=0.5)
    assert found == pytest.approx(roll, abs=0.5)


def test_a_head_is_not_turned_out_of_its_picture(face: FaceLandmarks) -> None:
    figure = _rotated(face.solid, aside=14)
    fit = fitted(face.solid, figure)
    own = np.concatenate([fit.aim, face.depth[:, None] * np.float32(fit.scale)], axis=1)
    assert turned(own, figure)[0] == pytest.approx(14, abs=2)


def test_the_chin_covers_the_old_one_and_the_face_is_as_high(face: FaceLandmarks) -> None:
    figure = face.solid * np.float32(1.7) + np.array([40, 60, 0], np.float32)
    fit = fitted(face.solid, figure)
    height = frame(figure[:, :2]).height
    assert 0 <= fit.aim[CHIN, 1] - figure[CHIN, 1] < 0.03 * height
    assert frame(fit.aim).height == pytest.approx(height, rel=0.02)


@pytest.mark.parametrize("aside", [-28.0, 0.0, 17.0])
def test_a_head_stands_on_its_neck_however_the_figures_was_turned_on_that(face: FaceLandmarks, aside: float) -> None:
    height = frame(face.points).height
    # It stands behind the middle between the cheeks, and stays where it is.
    neck = face.solid[[RIGHT_CHEEK, LEFT_CHEEK]].mean(axis=0) + np.array([0, 0, 0.15 * height], np.float32)
    moved = _rotated(np.vstack([face.solid, neck]), aside=aside)
    figure = moved[:-1] + neck - moved[-1]
    seen = np.abs(frame(figure[:, :2]).centre[0] - frame(face.points).centre[0])
    assert (seen > 0.1 * height) == (aside != 0)
    assert np.abs(fitted(face.solid, figure).aim[:, 0] - face.points[:, 0]).mean() < 0.05 * height
    assert np.abs(fitted(figure, face.solid).aim[:, 0] - figure[:, 0]).mean() < 0.05 * height


@pytest.mark.parametrize("bow", [-16.0, 0.0, 12.0])
def test_a_head_stands_as_high_however_the_figures_was_bowed(face: FaceLandmarks, bow: float) -> None:
    height = frame(face.points).height
    # It nods where the neck begins, behind the chin.
    neck = face.solid[[CHIN]] + np.array([0, 0, 0.475 * height], np.float32)
    moved = _rotated(np.vstack([face.solid, neck]), bow=bow)
    figure = moved[:-1] + neck - moved[-1]
    assert (np.abs(figure[CHIN, 1] - face.points[CHIN, 1]) > 0.08 * height) == (bow != 0)
    assert np.abs(fitted(face.solid, figure).aim[CHIN, 1] - face.points[CHIN, 1]) < 0.04 * height


@pytest.mark.parametrize("bow", [-0.8, 0.8])
def test_the_same_head_seen_a_little_otherwise_stays_where_it_is(face: FaceLandmarks, bow: float) -> None:
    figure = _rotated(face.solid, bow=bow)
    assert 0 <= fitted(face.solid, figure).aim[CHIN, 1] - figure[CHIN, 1] < 0.006 * frame(face.points).height


def test_bending_takes_each_landmark_to_its_aim(face: FaceLandmarks) -> None:
    figure = _rotated(face.solid * np.float32(1.4), aside=6, roll=9) + np.array([30, 40, 0], np.float32)
    fit = fitted(face.solid, figure.astype(np.float32))
    places = bending(fit, (420, 520))
    found = np.stack(
        [bent(np.ascontiguousarray(places[..., c]), fit.aim[None], smooth=False)[0] for c in (0, 1)], axis=1
    )
    assert np.hypot(*(found - face.points).T).mean() < 0.5
