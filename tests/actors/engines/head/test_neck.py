"""The neck is the figure's toned as a whole, and nothing of the old head is left at its sides."""

import numpy as np
import pytest
from msgspec import structs

from actors.engines.local.arrays import Floats, Mask, Plane, Rgb
from actors.engines.local.head.clearing import Cleared, cleared
from actors.engines.local.head.cutting import Head
from actors.engines.local.head.faces import the_person
from actors.engines.local.head.frame import frame
from actors.engines.local.head.joining import Placed, in_common
from actors.engines.local.head.neck import one_neck
from actors.engines.local.head.skin import own_skin
from actors.engines.local.head.tone import retoned
from actors.engines.local.perception.landmarks import FaceLandmarks
from actors.engines.local.perception.matte import Box
from actors.engines.local.perception.pose import LEFT_SHOULDER, RIGHT_SHOULDER, Pose
from actors.engines.local.raster import gaussian, lab, rgb
from actors.engines.local.runtimes import Runtimes
from actors.engines.local.shapes import narrowed, widened
from tests.actors.engines.head.conftest import ASTRONAUT, opened

SHAPE = 620, 600
SKIN, PALE = np.array([0.7, 0.5, 0.4], np.float32), np.array([0.85, 0.7, 0.62], np.float32)


@pytest.fixture(scope="module")
def face(runtimes: Runtimes) -> FaceLandmarks:
    found = the_person(opened(ASTRONAUT), "source", runtimes).face
    middle = np.array([300, 260], np.float32) - frame(found.points).centre
    return FaceLandmarks(found.points + middle, found.depth, found.certainty)


def _parts(face: FaceLandmarks) -> tuple[Mask, Mask, Mask]:
    """A head that is an ellipse with ragged sides, the neck under it, and the shoulders."""
    place = frame(face.points)
    across, down = place.coordinates(SHAPE)
    ragged = 0.03 * np.sin(40 * down)
    head = np.hypot(across / (0.55 + ragged), (down - 0.05) / 0.6) < 1
    neck = (np.abs(across) < 0.3) & (down > 0) & (down < 1.2) & ~head
    return head, neck, (np.abs(across) < 1.3) & (down > 1.1) & ~neck


def _flat(*parts: tuple[Mask, Floats | float | tuple[float, float, float]]) -> Rgb:
    """A light picture with its parts in plain colours."""
    image = np.full((*SHAPE, 3), 0.9, np.float32)
    for mask, colour in parts:
        image[mask] = colour
    return image


def _new_head(face: FaceLandmarks, head: Mask) -> Placed:
    share, place = head.astype(np.float32), frame(face.points)
    return Placed(_flat(), share, share, face.points, place, _flat(), np.zeros_like(share), share, 0.0)


def _figure(face: FaceLandmarks, image: Rgb, person: Plane, share: Plane, oval: Plane) -> Head:
    pixels, box = (image * 255).astype(np.uint8), Box(0, 0, 600, 620)
    return Head(pixels, person, face, None, frame(face.points), box, 1.0, share=share, oval=oval)


def _whole(face: FaceLandmarks, image: Rgb, head: Mask, body: Mask) -> Head:
    """Who is seen in `image`: this `head`, whose face nobody knows, and the `body`."""
    share = head.astype(np.float32)
    return _figure(face, image, gaussian((head | body).astype(np.float32), 1), share, 0 * share)


def _bare(
    face: FaceLandmarks,
    parts: tuple[Mask, Mask, Mask],
    hair: Mask,
    *,
    missed: bool = False,
    skin: Plane | None = None,
) -> Cleared:
    """A figure of these parts without its violet head; `hair` of the head's colour wasn't told to be the head's.

    If it was `missed` it isn't in the matte either.
    """
    head, neck, shoulders = parts
    image = _flat((shoulders, 0.4), (neck, SKIN), (head | hair, (1, 0, 1)))
    figure = _whole(face, image, head, neck | shoulders | (hair & ~np.bool_(missed)))
    skin = (neck & ~hair).astype(np.float32) if skin is None else skin
    return cleared(figure, image, skin, _new_head(face, np.zeros(SHAPE, np.bool_)))


def _violet(image: Rgb) -> float:
    return float((image[..., [0, 2]].min(axis=2) - image[..., 1]).max())


def test_nothing_of_the_old_head_is_left_at_its_edge(face: FaceLandmarks) -> None:
    parts = _parts(face)
    assert _violet(_bare(face, parts, np.zeros(SHAPE, np.bool_)).image) < 0.06


@pytest.mark.parametrize("hangs", [True, False])
def test_old_hair_that_hangs_down_to_the_shoulders_goes_too_and_cloth_of_its_colour_stays(
    face: FaceLandmarks, *, hangs: bool
) -> None:
    head, neck, shoulders = _parts(face)
    place = frame(face.points)
    across, down = place.coordinates(SHAPE)
    lock = (across > 0.45) & (across < 0.75) & (down > 0.4) & (down < 0.9)
    if hangs:
        head |= lock & (down < place.chin + 0.05)
    left = _violet(_bare(face, (head, neck, shoulders), lock).image)
    assert left < 0.06 if hangs else left > 0.2


@pytest.mark.parametrize("half", [0.33, 0.37])
def test_a_neck_goes_on_as_broad_as_it_is_seen(face: FaceLandmarks, half: float) -> None:
    head, _, shoulders = _parts(face)
    place = frame(face.points)
    across, down = place.coordinates(SHAPE)
    head |= (np.abs(across) < 0.45) & (down > 0) & (down < place.chin)  # a broad beard
    neck = (np.abs(across) < half) & (down > 0) & (down < 1.2) & ~head
    made = _bare(face, (head, neck, shoulders), np.zeros(SHAPE, np.bool_))
    for level in (-0.1, 0.0, 0.1):
        broad = made.body[int(place.place(0, place.chin + level)[1])].sum() / place.height
        assert broad == pytest.approx(2 * half, abs=0.025)


def test_old_hair_that_the_matte_missed_goes_too(face: FaceLandmarks) -> None:
    head, neck, shoulders = _parts(face)
    across, down = frame(face.points).coordinates(SHAPE)
    lock = (across > 0.45) & (across < 0.75) & (down > 0.4) & (down < 0.9) & ~shoulders
    head |= lock & (down < frame(face.points).chin + 0.05)
    assert _violet(_bare(face, (head, neck, shoulders), lock, missed=True).image) < 0.06


def test_single_hairs_that_stand_out_from_the_wall_go_too(face: FaceLandmarks) -> None:
    parts = _parts(face)
    across, down = frame(face.points).coordinates(SHAPE)
    hairs = (np.abs(across % 0.2 - 0.1) < 0.008) & (down < 0) & (np.hypot(across / 0.68, (down - 0.05) / 0.7) < 1)
    assert _violet(_bare(face, parts, hairs & ~parts[0], missed=True).image) < 0.06


def test_tips_of_hair_that_pass_for_skin_go_too(face: FaceLandmarks) -> None:
    head, neck, shoulders = _parts(face)
    across, down = frame(face.points).coordinates(SHAPE)
    tips = neck & (np.abs(across) < 0.1) & (down < 0.76)
    share = (neck | tips).astype(np.float32)
    assert _violet(_bare(face, (head, neck, shoulders), tips, skin=share).image) < 0.06


@pytest.mark.parametrize("known", [True, False])
def test_deep_shade_below_the_old_jaw_goes_too_and_the_collar_below_it_stays(
    face: FaceLandmarks, *, known: bool
) -> None:
    head, neck, shoulders = _parts(face)
    _, down = frame(face.points).coordinates(SHAPE)
    # Where no skin is `known`, all of the neck is in it.
    shade = neck & (down < (0.87 if known else 0.8))
    collar = shoulders | (neck & (down > (1.1 if known else 0.8)))
    image = _flat((collar, 0.4), (neck & ~collar, SKIN), (shade, (0.2, 0.13, 0.1)), (head, (1, 0, 1)))
    skin = (neck & ~shade & ~collar).astype(np.float32)
    made = cleared(_whole(face, image, head, neck | shoulders), image, skin, _new_head(face, np.zeros_like(head)))
    assert made.made[narrowed(shade, 6)].mean() > 0.95
    assert made.made[narrowed(collar, 6)].max() < 0.1


@pytest.mark.parametrize("both", [False, True])
def test_under_long_hair_there_are_shoulders_in_the_colour_of_the_clothes(face: FaceLandmarks, *, both: bool) -> None:
    place = frame(face.points)
    across, down = place.coordinates(SHAPE)
    low = place.chin + 0.6
    # A round shoulder at either side, as high over its joint as shoulders are.
    shoulders = (np.hypot(across / 1.2, (down - low) / 0.45) < 1) | ((down > low) & (np.abs(across) < 1.2))
    hair = (down > 0) & (down < low + 0.4) & (np.abs(np.abs(across) - 0.8) < 0.45) & (np.bool_(both) | (across > 0))
    made, unknown = (_under(face, shoulders, hair, known=known) for known in (True, False))
    assert made.sure
    assert _violet(made.image) < 0.06
    hidden = hair & narrowed(shoulders, 0.12 * place.height) & (np.abs(across) > 0.6)
    assert made.body[hidden].min() > 0.9
    assert np.abs(made.image[hidden] - 0.4).max() < 0.1
    # Nothing but wall was behind what hung beside the neck.
    assert made.body[hair & (down < place.chin - 0.1)].max() < 0.1
    assert not unknown.sure
    assert (unknown.body[hidden] < 0.5).mean() > 0.2


def test_what_passes_for_skin_between_locks_is_none_where_clothes_are_made(face: FaceLandmarks) -> None:
    place = frame(face.points)
    across, down = place.coordinates(SHAPE)
    low = place.chin + 0.6
    shoulders = (np.hypot(across / 1.2, (down - low) / 0.45) < 1) | ((down > low) & (np.abs(across) < 1.2))
    hair = (down > 0) & (down < low + 0.4) & (np.abs(across - 0.8) < 0.45)
    hidden = hair & narrowed(shoulders, 0.12 * place.height) & (across > 0.6)
    shreds = hidden & (across % 0.1 < 0.03) & (down > low + 0.32)
    made = _under(face, shoulders, hair, shreds=shreds)
    assert made.skin[shreds].max() == 0
    assert made.skin[narrowed(_parts(face)[1] & ~hair & (down > place.chin + 0.1), 3)].min() == 1


def test_clothes_that_go_with_long_hair_come_again_beyond_the_line_of_shoulders(face: FaceLandmarks) -> None:
    place = frame(face.points)
    across, down = place.coordinates(SHAPE)
    low = place.chin + 0.6
    sleeves = (down > low) & (np.abs(across) < 1.45)
    shoulders = (np.hypot(across / 1.2, (down - low) / 0.45) < 1) | sleeves
    hair = (down > 0) & (down < low + 0.4) & (np.abs(across - 0.9) < 0.37)
    made = _under(face, shoulders, hair)
    fringe = sleeves & (down > low + 0.15) & (down < low + 0.3) & (across > 1.29) & (across < 1.31)
    assert made.made[fringe].min() > 0.5
    assert made.body[fringe].min() > 0.9


def _under(
    face: FaceLandmarks,
    shoulders: Mask,
    hair: Mask,
    *,
    known: bool = True,
    shreds: Mask | None = None,
    locks: Mask | None = None,
) -> Cleared:
    """A figure of these `shoulders` without its head and long `hair`, of which `shreds` pass for skin.

    `locks` of it weren't told.

    Where its shoulders are is `known` by its pose.
    """
    head, neck, _ = _parts(face)
    place = frame(face.points)
    low, half = place.chin + 0.6, 0.9
    shown = head | hair if locks is None else head | hair | locks
    image = _flat((shoulders, 0.4), (neck, SKIN), (shown, (1, 0, 1)))
    share = (head | hair).astype(np.float32)
    person = gaussian((head | neck | shoulders | hair).astype(np.float32), 1)
    figure = _figure(face, image, person, share, head * np.float32(0))
    points = np.zeros((33, 2), np.float32)
    points[RIGHT_SHOULDER], points[LEFT_SHOULDER] = place.place(-half, low), place.place(half, low)
    nothing = np.zeros(33, np.float32)
    seen = Pose(points, nothing, nothing + 1, nothing + 1, person, 1.0, points[:0], nothing[:0])
    bald = _new_head(face, np.zeros(SHAPE, np.bool_))
    skin = (neck & ~hair).astype(np.float32)
    if shreds is not None:
        skin = np.maximum(skin, shreds)
    return cleared(structs.replace(figure, pose=seen) if known else figure, image, skin, bald)


def test_single_locks_beside_hair_that_hangs_onto_a_shoulder_go_too(face: FaceLandmarks) -> None:
    head, neck, _ = _parts(face)
    place = frame(face.points)
    across, down = place.coordinates(SHAPE)
    shoulders = (np.abs(across) < 1.3) & (down > place.chin + 0.05) & ~neck & ~head
    aside = (np.abs(across) > 0.5) & (np.abs(across) < 0.8)
    hair = aside & (down > 0.2) & (down < place.chin + 0.15)
    locks = aside & (down < place.chin + 0.24) & (np.abs(across % 0.1 - 0.05) < 0.01) & ~hair
    # Not as dark as the hair: cloth is seen between.
    image = _flat((shoulders, 0.4), (locks & shoulders, (0.55, 0.35, 0.5)), (neck, SKIN), (head | hair, (1, 0, 1)))
    figure = _whole(face, image, head | hair, neck | shoulders)
    bare = cleared(figure, image, neck.astype(np.float32), _new_head(face, np.zeros(SHAPE, np.bool_)))
    below = aside & (down > place.chin + 0.18) & (down < place.chin + 0.22)
    assert np.abs(bare.image[below] - 0.4).max() < 0.08  # 0.15 is a lock


def test_a_gap_within_the_body_shows_no_background(face: FaceLandmarks) -> None:
    head, neck, shoulders = _parts(face)
    place = frame(face.points)
    across, down = place.coordinates(SHAPE)
    shoulders |= (np.abs(across) < 0.9) & (down > 0.75) & ~neck & ~head
    lock = (np.abs(across - 0.55) < 0.03) & (down > 0.4) & (down < 0.95)
    head |= lock & (down < place.chin + 0.05)
    bare = _bare(face, (head, neck, shoulders), lock)
    inside = lock & (down > 0.82)
    assert bare.body[inside].min() > 0.9
    assert bare.image[inside].max() < 0.75  # cloth's 0.4, not the background's 0.9


def test_what_is_made_has_a_smooth_outline(face: FaceLandmarks) -> None:
    head, neck, shoulders = _parts(face)
    place = frame(face.points)
    across, down = place.coordinates(SHAPE)
    # The head's share ends in teeth, on collar and shoulders.
    teeth = (down > 0.4) & (down < 1.16 + 0.08 * np.sin(60 * across)) & (np.abs(across) < 0.8) & (np.abs(across) > 0.3)
    bare = _bare(face, (head | (teeth & shoulders), neck, shoulders), np.zeros(SHAPE, np.bool_))
    body, reach = bare.body > 0.5, 0.03 * place.height
    jags = widened(narrowed(body, reach), reach) ^ body
    jags |= narrowed(widened(body, reach), reach) ^ body
    rows = (down > place.chin + 0.15) & (down < 1.6)
    assert (jags & rows & ~widened(~rows, 2 * reach)).sum() < 0.002 * place.height**2
    edge = (bare.body > 0.05) & (bare.body < 0.95) & rows
    assert edge.sum() > body[rows.any(axis=1)].shape[0]  # soft, as a lens draws it


def test_clothes_beside_the_old_head_stay_as_they_are(face: FaceLandmarks) -> None:
    head, neck, shoulders = _parts(face)
    across, down = frame(face.points).coordinates(SHAPE)
    collar = (np.abs(across) > 0.3) & (np.abs(across) < 0.45) & (down > 0.45) & ~head
    bare = _bare(face, (head, neck & ~collar, shoulders | collar), np.zeros(SHAPE, np.bool_))
    inside = narrowed(collar, 4) & ~widened(head, 0.06 * frame(face.points).height)
    assert np.abs(bare.image[inside] - 0.4).max() < 0.02
    assert bare.neck[inside].max() < 0.02


def test_what_is_made_of_a_collar_has_nothing_of_the_skin_beside_it(face: FaceLandmarks) -> None:
    head, neck, shoulders = _parts(face)
    blue = np.array([0.1, 0.2, 0.6], np.float32)
    across, down = frame(face.points).coordinates(SHAPE)
    collar = (np.abs(across) > 0.25) & (np.abs(across) < 0.5) & (down > 0.45) & ~head
    neck &= ~collar
    image = _flat((neck, SKIN), (shoulders | collar, blue), (head, (1, 0, 1)))
    figure = _whole(face, image, head, neck | shoulders | collar)
    bare = cleared(figure, image, neck.astype(np.float32), _new_head(face, np.zeros(SHAPE, np.bool_)))
    made = (bare.made > 0.95) & (bare.body > 0.95) & (bare.neck < 0.02) & (down > 0)
    assert made.sum() > 100
    assert np.abs(bare.image[made] - blue).max() < 0.05


def test_between_a_shaded_neck_and_its_collar_there_is_neck_and_no_fog(face: FaceLandmarks) -> None:
    head, neck, shoulders = _parts(face)
    across, down = frame(face.points).coordinates(SHAPE)
    neck = (np.abs(across) < 0.45) & (down > 0.3) & (down < 1.2) & ~head
    collar = (np.abs(across) > 0.45) & (np.abs(across) < 0.65) & (down > 0.5) & ~head
    shade = neck & (down < 0.85)
    image = _flat((shoulders | collar, (0.1, 0.2, 0.9)), (neck, SKIN), (shade, (0.2, 0.13, 0.1)), (head, (1, 0, 1)))
    figure = _whole(face, image, head, neck | shoulders | collar)
    fresh, share = _new_head(face, np.zeros_like(head)), neck.astype(np.float32)
    bare = cleared(figure, image, share, fresh)
    was = neck & (bare.made > 0.95) & (bare.body > 0.95) & (np.abs(across) > 0.35) & (down > 0.55)
    was &= ~widened(collar, 4)
    assert was.sum() > 100
    assert bare.neck[was].min() > 0.95
    necked = one_neck(fresh, _flat((head | ~head, SKIN)), bare.image, bare.skin * bare.body, bare.neck)
    assert (necked[was, 2] - necked[was, 0]).max() < 0  # the collar's is 0.8


def test_a_beard_as_black_as_the_collar_that_it_reaches_goes_with_the_old_head(face: FaceLandmarks) -> None:
    head, neck, shoulders = _parts(face)
    unit = frame(face.points).height
    across, down = frame(face.points).coordinates(SHAPE)
    collar = (np.abs(across) > 0.25) & (np.abs(across) < 0.45) & (down > 0.45) & ~head
    black = shoulders | collar
    beard = neck & ~collar & widened(head, 0.12 * unit)
    image = _flat((neck, SKIN), (black | beard, 0.05), (head, (1, 0, 1)))
    skin, nobody = (neck & ~beard & ~collar).astype(np.float32), _new_head(face, np.zeros(SHAPE, np.bool_))
    bare = cleared(_whole(face, image, head, neck | black), image, skin, nobody)
    assert bare.neck[narrowed(beard, 4)].min() > 0.9
    kept = narrowed(collar, 4) & ~widened(head, 0.06 * unit) & (down > 0.6)
    assert np.abs(bare.image[kept] - 0.05).max() < 0.02


def test_a_broader_old_neck_leaves_no_corner_beside_the_new_jaw(face: FaceLandmarks) -> None:
    place = frame(face.points)
    across, down = place.coordinates(SHAPE)
    head, _, shoulders = _parts(face)
    thick = (np.abs(across) < 0.55) & (down > 0) & (down < 1.2) & ~head & ~shoulders
    bare = _bare(face, (head, thick, shoulders), np.zeros(SHAPE, np.bool_))
    beside = (down > place.chin - 0.1) & (down < place.chin + 0.05) & (np.abs(across) > 0.5)
    assert bare.body[beside].max() < 0.05


def test_how_much_of_long_hair_is_left_on_the_body_is_told(face: FaceLandmarks) -> None:
    place = frame(face.points)
    across, down = place.coordinates(SHAPE)
    low = place.chin + 0.6
    shoulders = (np.hypot(across / 1.2, (down - low) / 0.45) < 1) | ((down > low) & (np.abs(across) < 1.2))
    hair = (down > 0) & (down < low + 0.1) & (np.abs(across - 0.8) < 0.45)
    # Where it isn't known for hair: further down, and on the other side.
    locks = shoulders & (np.abs(across + 0.9) < 0.25) & (down > low) & (down < place.chin + 1)
    assert _under(face, shoulders, hair).left < 0.02
    assert _under(face, shoulders, hair, locks=locks).left == pytest.approx(locks.sum() / place.height**2, rel=0.2)
    assert _bare(face, _parts(face), np.zeros(SHAPE, np.bool_)).left == 0


def test_a_shoulder_beside_a_narrower_jaw_is_no_side_of_the_old_neck(face: FaceLandmarks) -> None:
    place = frame(face.points)
    across, down = place.coordinates(SHAPE)
    head = np.hypot(across / 0.35, (down - 0.05) / 0.6) < 1
    neck = (np.abs(across) < 0.3) & (down > 0) & (down < 1.2) & ~head
    raised = (np.abs(across) < 0.68) & (down > place.chin - 0.12) & ~head & ~neck
    image = _flat((raised, 0.4), (neck, SKIN), (head, (1, 0, 1)))
    figure = _whole(face, image, head, neck | raised)
    narrow = place.centre + (face.points - place.centre) * (1 - 0.5 * np.abs(place.across))
    fresh = structs.replace(_new_head(face, np.zeros(SHAPE, np.bool_)), aim=narrow.astype(np.float32))
    # As on a picture without colours all of it passes for skin.
    bare = cleared(figure, image, (neck | raised).astype(np.float32), fresh)
    shoulder = narrowed(raised & (np.abs(across) > 0.4), 0.03 * place.height)
    assert bare.body[shoulder & (down < place.chin + 0.2)].min() > 0.9


def test_a_neck_narrows_down_to_where_a_collar_of_one_who_stands_aside_opens(face: FaceLandmarks) -> None:
    place = frame(face.points)
    across, down = place.coordinates(SHAPE)
    head, _, _ = _parts(face)
    neck = (across > -0.05) & (across < 0.3) & (down > 0) & ~head
    coat = (down > place.chin + 0.3) & (across > -0.1) & (across < 1.3) & ~neck
    bare = _bare(face, (head, neck, coat), np.zeros(SHAPE, np.bool_))
    assert bare.body[(across < -0.15) & (down > place.chin + 0.15)].max() < 0.5
    assert bare.body[(across > 0) & (across < 0.25) & (down > place.chin - 0.1)].min() > 0.9
    # And what it is beside cloth is cloth.
    assert bare.neck[coat & ~widened(neck, 0.06 * place.height)].max() == 0


def test_a_neck_keeps_its_texture_and_takes_one_tone(face: FaceLandmarks) -> None:
    head, neck, shoulders = _parts(face)
    texture = np.random.default_rng(2).normal(0, 0.02, (*SHAPE, 1)).astype(np.float32)
    body = _flat((shoulders, 0.4), (neck, SKIN)) + texture
    throat = neck.astype(np.float32)
    wanted = lab(PALE[None, None])[0, 0]
    made = one_neck(_new_head(face, head), _flat((head, PALE)), body, throat, throat * 0)
    assert (made[~neck] == body[~neck]).all()
    _, down = frame(face.points).coordinates(SHAPE)
    jaw = neck & ~(gaussian(head.astype(np.float32), 12) > 0.02) & (down < frame(face.points).chin + 0.3)
    away = np.abs(np.median(lab(made)[jaw], axis=0) - wanted)
    assert (away < [0.25 * wanted[0], 5, 5]).all()  # darker than the face, of its hue
    fine = made - gaussian(made, 2)
    inside = gaussian(throat, 6) > 0.99
    assert np.corrcoef(fine[inside].mean(axis=1), (body - gaussian(body, 2))[inside].mean(axis=1))[0, 1] > 0.98


@pytest.mark.parametrize("shown", [True, False])
def test_a_made_neck_goes_on_from_the_jaw_and_meets_the_figures_own_without_a_step(
    face: FaceLandmarks, *, shown: bool
) -> None:
    head, neck, shoulders = _parts(face)
    across, down = frame(face.points).coordinates(SHAPE)
    low = down > frame(face.points).chin + 0.15
    made, skin = (neck & ~low).astype(np.float32), (neck & low).astype(np.float32)
    # The figure's neck lies in a light from one side; the head's photo shows another, or a collar.
    body = _flat((shoulders, 0.4), (neck, SKIN)) + np.where(neck, 0.1 * across, 0)[..., None].astype(np.float32)
    fresh = structs.replace(_new_head(face, head), neck=neck * np.float32(shown))
    own = _flat((head | neck, PALE)) if shown else _flat((neck, 0.1), (head, PALE))
    result = lab(one_neck(fresh, own, body, skin, made))
    inside = gaussian(neck.astype(np.float32), 4) > 0.99
    steps = np.linalg.norm(result[4:] - result[:-4], axis=2)[(inside & ~widened(head, 3))[2:-2]]
    assert steps.max() < 6
    assert result[..., 0][neck & inside].min() > 45  # a shadow, and nothing of a collar
    kept = (shoulders | ~neck) & ~head
    assert (np.abs(result - lab(body))[kept] < 0.1).all()


def test_a_made_neck_has_the_shadow_of_a_chin_and_the_texture_of_the_figures_own(face: FaceLandmarks) -> None:
    head, neck, shoulders = _parts(face)
    _, down = frame(face.points).coordinates(SHAPE)
    low = down > frame(face.points).chin + 0.3
    made, skin = (neck & ~low).astype(np.float32), (neck & low).astype(np.float32)
    texture = np.random.default_rng(2).normal(0, 0.02, (*SHAPE, 1)).astype(np.float32)
    body = _flat((shoulders, 0.4), (neck, SKIN)) + texture * low[..., None]
    result = one_neck(_new_head(face, head), _flat((neck, 0.1), (head, PALE)), body, skin, made)
    inside = gaussian(neck.astype(np.float32), 4) > 0.99
    near = widened(head, 0.1 * frame(face.points).height)
    light = lab(result)[..., 0]
    assert light[inside & near & ~low].mean() < 0.85 * light[inside & low].mean()
    fine = np.abs((result - gaussian(result, 2)).mean(axis=2))
    above = inside & ~low & widened(inside & low, 0.1 * frame(face.points).height)
    assert fine[above].mean() == pytest.approx(fine[inside & low].mean(), rel=0.4)


def test_a_made_neck_is_as_mottled_as_the_figures_own(face: FaceLandmarks) -> None:
    head, neck, shoulders = _parts(face)
    unit, (_, down) = frame(face.points).height, frame(face.points).coordinates(SHAPE)
    low = down > frame(face.points).chin + 0.4
    made, skin = (neck & ~low).astype(np.float32), (neck & low).astype(np.float32)
    blots = gaussian(np.random.default_rng(2).standard_normal((*SHAPE, 3), np.float32), 0.012 * unit)
    body = _flat((shoulders, 0.4), (neck, SKIN)) + low[..., None] * (blots * np.float32(0.015) / blots.std())
    values = lab(one_neck(_new_head(face, head), _flat((neck, 0.1), (head, PALE)), body, skin, made))
    blots = gaussian(values, 0.008 * unit) - gaussian(values, 0.03 * unit)  # in hue: in light there is a shadow as well
    inside = (gaussian((neck | head).astype(np.float32), 3) > 0.99) & ~widened(head, 0.03 * unit)
    inside &= low | (down < frame(face.points).chin + 0.25)
    above, below = (blots[inside & (low == under)][:, 1:].std(axis=0) for under in (False, True))
    assert (above > 0.4 * below).all()
    assert (above < 1.5 * below).all()


def test_a_neck_in_the_deep_coloured_shade_of_its_jaw_is_the_heads_own(face: FaceLandmarks) -> None:
    head, neck, shoulders = _parts(face)
    place = frame(face.points)
    _, down = place.coordinates(SHAPE)
    low = down > place.chin + 0.3
    crease = neck & (np.abs(down - place.chin - 0.15) < 0.015)
    own = _flat((neck, (0.72, 0.48, 0.36)), (crease, (0.6, 0.4, 0.3)), (head, PALE))
    fresh = structs.replace(_new_head(face, head), neck=neck.astype(np.float32))
    made, skin = (neck & ~low).astype(np.float32), (neck & low).astype(np.float32)
    light = lab(one_neck(fresh, own, _flat((shoulders, 0.4), (neck, SKIN)), skin, made))[..., 0]
    inside = gaussian(neck.astype(np.float32), 6) > 0.99
    beside = inside & ~crease & (np.abs(down - place.chin - 0.15) < 0.04)
    assert light[inside & crease].mean() < light[beside].mean() - 2


def test_between_a_beard_and_the_heads_own_neck_there_is_shadow(face: FaceLandmarks) -> None:
    head, neck, shoulders = _parts(face)
    place = frame(face.points)
    _, down = place.coordinates(SHAPE)
    low, beard = down > place.chin + 0.4, widened(head, 0.09 * place.height) & neck
    own = _flat((neck, PALE), (beard, 0.1), (head, PALE))
    fresh = structs.replace(_new_head(face, head), neck=(neck & ~beard).astype(np.float32))
    made, skin = (neck & ~low).astype(np.float32), (neck & low).astype(np.float32)
    light = lab(one_neck(fresh, own, _flat((shoulders, 0.4), (neck, PALE)), skin, made))[..., 0]
    inside = gaussian(neck.astype(np.float32), 6) > 0.99
    near = neck & ~head & widened(head, 0.06 * place.height) & ~widened(head, 3)
    below = inside & ~widened(head, 0.2 * place.height) & ~low
    assert light[near].mean() < light[below].mean() - 5


def test_a_made_neck_is_round(face: FaceLandmarks) -> None:
    head, neck, shoulders = _parts(face)
    across, down = frame(face.points).coordinates(SHAPE)
    low = down > frame(face.points).chin + 0.3
    made, skin = (neck & ~low).astype(np.float32), (neck & low).astype(np.float32)
    body = _flat((shoulders, 0.4), (neck, SKIN))
    result = one_neck(_new_head(face, head), _flat((head, PALE)), body, skin, made)
    row = neck & (np.abs(down - frame(face.points).chin - 0.15) < 0.03) & ~widened(head, 3)
    left, middle, right = (lab(result)[..., 0][row & (np.abs(across - x) < 0.05)].mean() for x in (-0.23, 0, 0.23))
    assert left < middle - 2
    assert right < middle - 2


def test_a_white_collar_of_the_heads_photo_is_no_neck(face: FaceLandmarks) -> None:
    head, neck, shoulders = _parts(face)
    across, down = frame(face.points).coordinates(SHAPE)
    low = down > frame(face.points).chin + 0.15
    made, skin = (neck & ~low).astype(np.float32), (neck & low).astype(np.float32)
    own = _flat((neck, PALE), (neck & (across > 0.05), (0.95, 0.93, 0.92)), (head, PALE))
    fresh = structs.replace(_new_head(face, head), neck=neck.astype(np.float32), oval=head.astype(np.float32))
    result = lab(one_neck(fresh, own, _flat((shoulders, 0.4), (neck, SKIN)), skin, made))
    inside = (gaussian(neck.astype(np.float32), 4) > 0.99) & ~head
    wanted = lab(PALE[None, None])[0, 0]
    assert result[..., 0][inside].max() < wanted[0] + 3
    assert np.hypot(result[..., 1], result[..., 2])[inside].min() > 0.7 * np.hypot(*wanted[1:])


def test_skin_takes_a_much_lighter_or_darker_tone_with_its_shading_and_burns_out_nowhere() -> None:
    dark = np.array([0.35, 0.22, 0.17], np.float32)
    for start, goal in ((dark, PALE), (PALE, dark)):
        light = np.linspace(0.6, 1.4, 61, dtype=np.float32)[None, :, None]
        image = np.clip(start * light, 0, 1)
        means = [lab(colour[None, None])[0, 0] for colour in (start, goal)]
        made = retoned(lab(image), means[1] - means[0], np.ones(image.shape[:2], np.float32), means[0])
        assert made[0, 30] == pytest.approx(goal, abs=0.02)
        assert (np.diff(lab(made)[0, :, 0]) > 0).all()
        assert made.max() < 1
        assert np.ptp(lab(made)[..., 0]) > 15


def test_shade_and_glints_that_skin_surrounds_are_skin_and_cloth_is_not(face: FaceLandmarks) -> None:
    head, neck, shoulders = _parts(face)
    across, down = frame(face.points).coordinates(SHAPE)
    chest = shoulders & (np.abs(across) < 0.8)
    spots = [np.hypot(across - x, down - 1.5) < 0.16 for x in (-0.4, 0.0, 0.4)]
    colours = (0.5, 0.29, 0.2), (0.95, 0.85, 0.79), (0.2, 0.3, 0.7)  # of more hue, of less, of another
    image = _flat((shoulders, 0.1), (head | neck | chest, SKIN), *zip(spots, colours, strict=True))
    person, oval = (head | neck | shoulders).astype(np.float32), head.astype(np.float32)
    skin = own_skin(_figure(face, image, person, oval, oval))
    shade, glint, print_ = (float(skin.share[narrowed(spot, 4)].mean()) for spot in spots)
    assert min(shade, glint) > 0.9
    assert print_ < 0.1
    assert skin.share[shoulders & (np.abs(across) > 0.85)].max() < 0.1


@pytest.mark.parametrize("cloth", [(0.5, 0.5, 0.52), (0.7, 0.7, 0.71)])
def test_a_collar_beside_a_neck_that_is_greyer_than_its_face_is_no_skin(
    face: FaceLandmarks, cloth: tuple[float, float, float]
) -> None:
    head, neck, shoulders = _parts(face)
    across, down = frame(face.points).coordinates(SHAPE)
    throat = neck & (down < 0.9) & (np.abs(across) < 0.2)
    collar = (neck | shoulders) & ~throat & widened(throat, 0.12 * frame(face.points).height)
    bare = (head, (0.7, 0.55, 0.48)), (throat, (0.55, 0.46, 0.42))
    image = _flat((shoulders | neck, 0.05), *bare, (collar, cloth))
    person, oval = (head | neck | shoulders).astype(np.float32), head.astype(np.float32)
    share = own_skin(_figure(face, image, person, oval, oval)).share
    assert share[narrowed(throat, 4)].mean() > 0.9
    assert share[narrowed(collar, 6)].mean() < 0.3


def test_a_white_shirt_in_warm_light_below_a_neck_that_is_greyer_than_its_face_is_no_skin(face: FaceLandmarks) -> None:
    head, neck, shoulders = _parts(face)
    across, down = frame(face.points).coordinates(SHAPE)
    throat = neck & (down < 0.9)
    shirt = (neck | (shoulders & (np.abs(across) < 0.5))) & ~throat
    colours = rgb(np.array([[(58, 14, 17), (44, 7, 9), (58, 7, 9), (75, 3, 10)]], np.float32))[0]
    image = _flat((shoulders, 0.05), (head, colours[0]), (throat, colours[1]), (throat & (across > 0), colours[2]))
    image[shirt] = colours[3]
    person, oval = (head | neck | shoulders).astype(np.float32), head.astype(np.float32)
    share = own_skin(_figure(face, image, person, oval, oval)).share
    assert share[narrowed(throat, 8)].mean() > 0.9
    assert share[narrowed(shirt, 6)].mean() < 0.1


def test_a_zip_in_the_colour_of_skin_that_begins_at_the_neck_is_none(face: FaceLandmarks) -> None:
    head, neck, shoulders = _parts(face)
    across, down = frame(face.points).coordinates(SHAPE)
    zipped = shoulders & (np.abs(across) < 0.008)
    image = _flat((shoulders, 0.1), (head | neck | zipped, SKIN))
    person, oval = (head | neck | shoulders).astype(np.float32), head.astype(np.float32)
    share = own_skin(_figure(face, image, person, oval, oval)).share
    assert share[narrowed(neck, 4)].mean() > 0.9
    assert float(down[zipped & (share > 0.1)].max(initial=0)) < 1.5


def test_a_neck_alike_in_spots_keeps_none_of_them(face: FaceLandmarks) -> None:
    head, neck, _ = _parts(face)
    image, other = _flat((neck, SKIN)), _flat((neck, PALE))
    spotted = np.where((np.arange(SHAPE[1]) % 60 < 20)[:, None], image, other)
    person, throat = (head | neck).astype(np.float32), neck.astype(np.float32)
    figure = _figure(face, image, person, head.astype(np.float32), head.astype(np.float32))
    new = structs.replace(_new_head(face, head), person=person, photo=image)
    assert in_common(new, image, figure, throat)[neck].min() > 0.9  # its own photo
    assert in_common(new, spotted, figure, throat)[neck].max() == 0


def test_what_both_photos_show_alike_comes_in_the_heads_new_tone(face: FaceLandmarks) -> None:
    head, neck, _ = _parts(face)
    image = _flat((head | neck, SKIN))
    person, throat = (head | neck).astype(np.float32), neck.astype(np.float32)
    figure = _figure(face, image, person, head.astype(np.float32), head.astype(np.float32))
    new = structs.replace(_new_head(face, head), person=person, photo=image)
    assert in_common(new, image, figure, throat)[head].min() > 0.9
    assert in_common(new, image + np.float32(0.06), figure, throat)[head].max() == 0
