"""What can't become a good picture is refused, with words that say what photo would do."""

from pathlib import Path

import numpy as np
import pytest
from msgspec import structs
from PIL import Image, ImageDraw

from actors.engines.local.arrays import Plane, Points, Rgb8, as_rgb
from actors.engines.local.head import faces
from actors.engines.local.head.alignment import fitted
from actors.engines.local.head.cutting import head_of
from actors.engines.local.head.edit import swap_head
from actors.engines.local.head.faces import the_person
from actors.engines.local.head.frame import Frame, frame
from actors.engines.local.head.joining import Placed, placed
from actors.engines.local.head.judging import (
    judge_collar,
    judge_ends,
    judge_hidden,
    judge_neck,
    judge_outcome,
    judge_tones,
    judge_whole,
    much_skin,
    patchy,
)
from actors.engines.local.head.portrait import Portrait
from actors.engines.local.head.tone import Tone, shifts
from actors.engines.local.perception.detections import Detection
from actors.engines.local.perception.landmarks import FaceLandmarks
from actors.engines.local.perception.matte import Box
from actors.engines.local.raster import resized
from actors.engines.local.runtimes import Runtimes
from actors.engines.local.shapes import polygon
from actors.engines.seam import EngineError
from schema.models.edits import HeadSwapConfig
from schema.models.problems import FailureCode
from tests.actors.engines.head.conftest import ASTRONAUT, HOPPER, MAX_PIXELS, Swapping, opened, quiet
from tests.quality.head import face_points

HAIR = (120, 60, 20)
CLOTHES = (40, 70, 140)


@pytest.fixture(scope="session")
def face(runtimes: Runtimes) -> FaceLandmarks:
    return the_person(opened(ASTRONAUT), "source", runtimes).face


def _drawn(
    face: FaceLandmarks, hair_to: float, clothes: tuple[int, int, int] = CLOTHES, broad: float = 0.65
) -> Portrait:
    """A bust around `face`, its hair hanging beside it down to `hair_to` (heights of the face below the eyes)."""
    place = frame(face.points)
    moved = FaceLandmarks(face.points + (np.array([300, 260], np.float32) - place.centre), face.depth, face.certainty)
    place = frame(moved.points)
    image, alpha = Image.new("RGB", (600, 620), (200, 200, 200)), Image.new("L", (600, 620))
    colours, shape = ImageDraw.Draw(image), ImageDraw.Draw(alpha)

    def paint(left: float, top: float, right: float, bottom: float, colour: tuple[int, int, int]) -> None:
        corners = [tuple(float(v) for v in place.place(x, y)) for x, y in ((left, top), (right, bottom))]
        colours.rectangle([*corners[0], *corners[1]], fill=colour)
        shape.rectangle([*corners[0], *corners[1]], fill=255)

    paint(-1.2, 1.0, 1.2, 3.4, clothes)
    paint(-0.25, 0.4, 0.25, 1.1, (215, 160, 130))
    paint(-0.65, -0.8, 0.65, -0.1, HAIR)
    for side in (-1, 1):
        paint(min(side * 0.4, side * broad), -0.2, max(side * 0.4, side * broad), hair_to, HAIR)
    colours.polygon([tuple(map(float, point)) for point in moved.points[list(_OVAL)]], fill=(215, 160, 130))
    noise = np.random.default_rng(1).normal(0, 4, (620, 600, 3))
    pixels = np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8)
    box = Box(0, 0, 600, 620)
    return Portrait(pixels, np.asarray(alpha, np.float32) / 255, moved, None, place, box, 1.0)


_OVAL = (10, 297, 284, 389, 454, 361, 397, 379, 400, 152, 176, 150, 172, 132, 234, 162, 54, 67)


@pytest.mark.parametrize("hair_to", [0.3, 1.0, 1.8])
def test_long_hair_belongs_to_the_head_and_clothes_do_not(face: FaceLandmarks, hair_to: float) -> None:
    person = _drawn(face, hair_to)
    head = head_of(person)
    _, down = person.frame.coordinates(person.alpha.shape)
    assert down[(head.share > 0.5) & (person.alpha > 0.5)].max() == pytest.approx(
        max(hair_to, person.frame.chin), abs=0.15
    )
    x, y = (int(v) for v in person.frame.place(0.5, 0.9))
    assert (head.share[y, x] > 0.5) == (hair_to > 0.9)
    x, y = (int(v) for v in person.frame.place(0.95, 1.4))
    assert head.share[y, x] < 0.5


def test_hair_that_cannot_be_told_from_the_clothes_beside_it_is_hair_down_to_the_chin(face: FaceLandmarks) -> None:
    person = _drawn(face, 1.0, clothes=HAIR)
    head = head_of(person)
    across, down = person.frame.coordinates(person.alpha.shape)
    beside = (np.abs(np.abs(across) - 0.55) < 0.04) & (down > 0) & (down < person.frame.chin - 0.1)
    assert head.share[beside].min() > 0.5


@pytest.mark.parametrize("size", [1.0, 0.35])
def test_the_outline_tells_short_hair_from_clothes_of_its_colour_at_any_size(face: FaceLandmarks, size: float) -> None:
    short, long = _drawn(face, 0.5, clothes=HAIR), _drawn(face, 0.9)
    for person in (short, long):
        small = _resized(person, size)
        head = head_of(small)
        for across, down, own in ((0.55, 0.45, True), (0.55, 0.8, person is long), (0.55, 1.1, False)):
            x, y = (int(v) for v in small.frame.place(across, down))
            assert (head.share[y, x] * small.alpha[y, x] > 0.5) == own, (across, down)


def _resized(person: Portrait, size: float) -> Portrait:
    height, width = (round(side * size) for side in person.alpha.shape)
    points = person.face.points * np.float32(size)
    return structs.replace(
        person,
        image=resized(person.image, width, height),
        alpha=np.clip(resized(person.alpha, width, height), 0, 1),
        face=structs.replace(person.face, points=points, depth=person.face.depth * np.float32(size)),
        frame=frame(points),
    )


def test_a_lock_that_lies_on_the_shoulder_is_the_heads(face: FaceLandmarks) -> None:
    person = _drawn(face, 1.0)
    places = np.array([person.frame.place(x, y) for x, y in ((0.5, 0.9), (1.0, 1.5), (1.15, 1.4), (0.6, 0.85))])
    lock = polygon(person.alpha.shape, places.astype(np.float32)) > 0.5
    person.image[lock] = HAIR
    assert head_of(person).share[lock].mean() > 0.8


@pytest.mark.parametrize("bearded", [False, True])
def test_a_collar_before_the_jaw_is_none_of_the_face_and_a_beard_of_its_colour_is(
    face: FaceLandmarks, *, bearded: bool
) -> None:
    person = _drawn(face, 0.0)
    across, down = person.frame.coordinates(person.alpha.shape)
    face_only = head_of(person).oval > 0.9
    beard = bearded & face_only & (down > 0.2)
    collar = (np.abs(across) > 0.3) & (np.abs(across) < 0.6) & (down > 0.12) & (down < 1.1)
    person.image[collar | beard] = CLOTHES
    person.alpha[collar] = 1
    head = head_of(person)
    covered = collar & face_only
    assert covered.sum() > 100
    for part in (head.oval, head.share):
        assert (part[covered].mean() > 0.8) == bearded
        assert part[face_only & ~collar].mean() > 0.95


def _placed(place: Frame, alpha: "np.ndarray[tuple[int, ...], np.dtype[np.float32]]", cut: float = 0.0) -> Placed:
    nothing = np.zeros_like(alpha)
    black = np.zeros((*alpha.shape, 3), np.float32)
    aim = np.zeros((468, 2), np.float32)
    return Placed(black, alpha, nothing, aim, place, photo=black, neck=nothing, person=alpha, cut=cut)


def test_shoulders_under_long_hair_come_to_light_only_a_little(face: FaceLandmarks) -> None:
    short, long = _drawn(face, 0.3), _drawn(face, 1.8, broad=0.85)
    bald = _placed(long.frame, np.zeros_like(long.alpha, np.float32))
    judge_hidden(head_of(short), bald, _body(short), sure=False, left=0)
    with pytest.raises(EngineError, match="Long hair hides the shoulders") as caught:
        judge_hidden(head_of(long), bald, _body(long), sure=False, left=0)
    assert caught.value.code == FailureCode.POSE_EXTRACTION_FAILED
    hairy = head_of(long)
    judge_hidden(hairy, _placed(long.frame, hairy.share.astype(np.float32)), _body(long), sure=False, left=0)


def test_where_the_shoulders_are_known_more_of_them_may_come_to_light(face: FaceLandmarks) -> None:
    long, longest = _drawn(face, 1.2, broad=0.75), _drawn(face, 1.8, broad=0.85)
    bald = _placed(long.frame, np.zeros_like(long.alpha, np.float32))
    judge_hidden(head_of(long), bald, _body(long), sure=True, left=0)
    with pytest.raises(EngineError, match="Long hair hides the shoulders"):
        judge_hidden(head_of(long), bald, _body(long), sure=False, left=0)
    with pytest.raises(EngineError, match="Long hair hides the shoulders"):
        judge_hidden(head_of(longest), bald, _body(longest), sure=True, left=0)


@pytest.mark.parametrize("sure", [False, True])
def test_no_locks_of_the_old_hair_stay_on_the_body(face: FaceLandmarks, *, sure: bool) -> None:
    short = _drawn(face, 0.3)
    bald = _placed(short.frame, np.zeros_like(short.alpha, np.float32))
    judge_hidden(head_of(short), bald, _body(short), sure=sure, left=0.1)
    with pytest.raises(EngineError, match="Long hair hides the shoulders"):
        judge_hidden(head_of(short), bald, _body(short), sure=sure, left=0.2)


def _body(person: Portrait) -> Plane:
    return person.alpha * (head_of(person).share < 0.5)


def test_of_a_close_portrait_more_than_a_neck_is_left_at_the_lower_border(face: FaceLandmarks) -> None:
    person = _drawn(face, 1.8, broad=0.85)
    head = head_of(person)
    bottom = int(person.frame.place(0, person.frame.chin + 0.04)[1])
    close = structs.replace(head, alpha=head.alpha[:bottom], share=head.share[:bottom], oval=head.oval[:bottom])
    bald = _placed(person.frame, np.zeros_like(close.alpha))
    judge_hidden(close, bald, close.alpha, sure=False, left=0)
    with pytest.raises(EngineError, match="Long hair hides the shoulders"):
        judge_hidden(close, bald, close.alpha * (close.share < 0.5), sure=False, left=0)


def test_hair_cut_from_shoulders_needs_others_under_it(face: FaceLandmarks) -> None:
    person = _drawn(face, 1.3, broad=1.0)
    head, nothing = head_of(person), np.zeros_like(person.alpha)
    fresh = _with_photo(person, (head.share * person.alpha).astype(np.float32))
    judge_ends(fresh, person.alpha.astype(np.float32), nothing)
    judge_ends(fresh, nothing, nothing + 1)
    with pytest.raises(EngineError, match="hangs before the neck, or runs on over shoulders"):
        judge_ends(fresh, nothing, nothing)


def _with_photo(person: Portrait, alpha: Plane) -> Placed:
    oval = polygon(alpha.shape, person.face.points[list(_OVAL)])
    return structs.replace(_placed(person.frame, alpha), person=person.alpha, photo=as_rgb(person.image), oval=oval)


@pytest.mark.parametrize(("left", "refused"), [(-0.65, False), (-0.5, True)])
def test_hair_does_not_end_in_a_straight_line_with_more_of_it_beyond(
    face: FaceLandmarks, left: float, refused: bool
) -> None:
    person = _drawn(face, 1.0)
    across, down = person.frame.coordinates(person.alpha.shape)
    cut = (head_of(person).share * ((across > left) | (down < 0.5))).astype(np.float32) * person.alpha
    fresh = _with_photo(person, cut)
    common = np.zeros_like(person.alpha)
    judge_ends(fresh, person.alpha.astype(np.float32), common + 1)
    if refused:
        with pytest.raises(EngineError, match="hangs before the neck, or runs on over shoulders"):
            judge_ends(fresh, person.alpha.astype(np.float32), common)
    else:
        judge_ends(fresh, person.alpha.astype(np.float32), common)


def test_cloth_that_is_made_ends_at_the_neck_in_a_line(face: FaceLandmarks) -> None:
    person = _drawn(face, 0.3)
    across, down = person.frame.coordinates(person.alpha.shape)
    fresh = _placed(person.frame, (np.hypot(across / 0.45, (down - 0.1) / 0.55) < 1).astype(np.float32))
    made = ((np.abs(across) < 0.5) & (down > 0) & (down < 1.2)).astype(np.float32)
    whole = np.ones_like(made)
    worn = whole > 0
    for wave in (0.0, 0.04):
        hem = person.frame.chin + 0.3 + wave * np.sin(60 * across)
        throat = ((np.abs(across) < 0.4) & (down < hem)).astype(np.float32)
        if not wave:
            judge_collar(fresh, throat, whole, made, worn)
            bitten = whole * (np.hypot(across - 0.3, down - hem - 0.2) > 0.12)
            judge_collar(fresh, throat, bitten, made, ~worn)
            with pytest.raises(EngineError, match="Where the clothes end"):
                judge_collar(fresh, throat, bitten, made, worn)
            continue
        with pytest.raises(EngineError, match="Where the clothes end") as caught:
            judge_collar(fresh, throat, whole, made, worn)
        assert caught.value.details["image"] == "reference"
        judge_collar(fresh, throat, whole, made * 0, worn)


def test_a_loose_piece_is_not_left_of_the_figure(face: FaceLandmarks) -> None:
    person = _drawn(face, 0.3)
    across, _ = person.frame.coordinates(person.alpha.shape)
    head, bald = head_of(person), _placed(person.frame, np.zeros_like(person.alpha))
    judge_hidden(head, bald, person.alpha, sure=False, left=0)
    with pytest.raises(EngineError, match="Long hair hides the shoulders"):
        judge_hidden(head, bald, person.alpha * (np.abs(across - 0.6) > 0.01), sure=False, left=0)


def test_hair_along_the_border_is_cut_off_though_the_matte_fades_there(face: FaceLandmarks) -> None:
    person = _drawn(face, 0.9)
    side = int(person.frame.place(0.55, 0)[0])
    cut = structs.replace(person, image=person.image[:, :side], alpha=person.alpha[:, :side].copy())
    cut.alpha[:, -2:] = 0.3
    fit = fitted(person.face.solid, person.face.solid)
    judge_whole(placed(head_of(person), person.alpha, fit, person.alpha.shape))
    with pytest.raises(EngineError, match="cut off by the border"):
        judge_whole(placed(head_of(cut), cut.alpha, fit, person.alpha.shape))


@pytest.mark.parametrize(("left", "low", "seen"), [(-0.5, -0.8, 0.6), (0.9, -1.2, 1.0)], ids=["faint", "in pieces"])
def test_hair_that_could_not_be_told_from_what_is_behind_it_is_refused(
    face: FaceLandmarks, left: float, low: float, seen: float
) -> None:
    person = _drawn(face, 0.3)
    fresh = placed(head_of(person), person.alpha, fitted(person.face.solid, person.face.solid), person.alpha.shape)
    judge_whole(fresh)
    (x, y), unit = fresh.frame.place(left, low).astype(int), fresh.frame.height
    for size, fits in ((0.05, True), (0.3, False)):
        alpha = fresh.alpha.copy()
        alpha[y : y + round(size * unit), x : x + round(size * unit)] = seen
        if fits:
            judge_whole(structs.replace(fresh, alpha=alpha))
        else:
            with pytest.raises(EngineError, match="can't be told from what is behind it"):
                judge_whole(structs.replace(fresh, alpha=alpha))


def test_a_head_never_floats(face: FaceLandmarks) -> None:
    person = _drawn(face, 0.3)
    _, down = person.frame.coordinates(person.alpha.shape)
    head = _placed(person.frame, np.maximum(person.alpha, head_of(person).oval) * (down < 0.6))
    judge_neck(head, person.alpha * (down > 0.6))
    with pytest.raises(EngineError, match="No neck") as caught:
        judge_neck(head, person.alpha * (down > 0.9))
    assert caught.value.details["image"] == "reference"


def test_shoulders_that_hide_the_neck_carry_no_head(face: FaceLandmarks) -> None:
    person = _drawn(face, 0.3)
    across, down = person.frame.coordinates(person.alpha.shape)
    head = _placed(person.frame, head_of(person).oval)
    judge_neck(head, (down > 0.6).astype(np.float32))
    with pytest.raises(EngineError, match="No neck"):
        judge_neck(head, ((down > 0.6) | (down > 0.1) & (np.abs(across) > 0.35)).astype(np.float32))


def test_cloth_in_the_colour_of_skin_is_refused_if_the_head_stays_another(face: FaceLandmarks) -> None:
    person = _drawn(face, 0.1)
    across, down = person.frame.coordinates(person.alpha.shape)
    body = (person.alpha > 0.5) & (down > person.frame.chin)
    neckline, jumper = ((body & part).astype(np.float32) for part in (down < person.frame.chin + 0.7, down < 9))
    assert much_skin(jumper, person)
    assert not much_skin(neckline, person)
    assert not much_skin(jumper * (np.abs(across) > 0.7), person)  # bare arms
    assert much_skin(neckline * np.clip(0.5 + 2 * across, 0, 1), person)  # a dress ever more like it
    skin, (y, x) = np.zeros((200, 200), np.float32), np.mgrid[:200, :200]
    skin[:, :60] = 1
    assert not patchy(skin, 100)
    assert patchy(skin * (x % 8 < 4) * (y % 8 < 6), 100)
    ours, near, far = (Tone(np.array([x, 15, 15], np.float32), np.ones(3, np.float32)) for x in (60, 45, 40))
    change = shifts(ours, near, 0.75, head_alone=True)
    assert change.head == pytest.approx([-14, 0, 0])
    judge_tones(change)
    with pytest.raises(EngineError, match="so much skin"):
        judge_tones(shifts(ours, far, 0.75, head_alone=True))


@pytest.mark.parametrize("side", [-1, 1])
def test_a_collar_that_begins_below_short_hair_is_not_the_heads(face: FaceLandmarks, side: int) -> None:
    person = _drawn(face, 0.15, clothes=HAIR)
    x, y = (int(v) for v in person.frame.place(side * 0.5, 1.1))
    assert head_of(person).share[y, x] < 0.5


def test_a_head_cut_off_by_the_border_is_refused(runtimes: Runtimes, tmp_path: Path) -> None:
    path = tmp_path / "cut.png"
    with Image.open(ASTRONAUT) as file:
        file.convert("RGB").crop((100, 64, 400, 400)).save(path)  # at the forehead
    with pytest.raises(EngineError, match="cut off by the border") as caught:
        swap_head(path, HOPPER, HeadSwapConfig(), MAX_PIXELS, runtimes, quiet())
    assert caught.value.code == FailureCode.POSE_EXTRACTION_FAILED
    assert caught.value.details["image"] == "source"


def test_a_head_that_touches_the_border_is_not(face: FaceLandmarks) -> None:
    judge_whole(_placed(frame(face.points), np.zeros((8, 8), np.float32), cut=0.08))


@pytest.mark.parametrize(("across", "down", "refused"), [(0.6, 0.3, True), (0.2, 0.9, True), (1.3, 0.3, False)])
def test_a_hand_at_head_or_neck_is_refused(
    runtimes: Runtimes, monkeypatch: pytest.MonkeyPatch, face: FaceLandmarks, across: float, down: float, refused: bool
) -> None:
    place = frame(face.points)
    corner = np.maximum(place.centre - 1.5 * max(place.height, 1.15 * place.width), 0).astype(int)
    fingers = np.tile(place.place(across, down) - corner, (7, 1)).astype(np.float32)

    def hands(_image: Rgb8, _runtimes: Runtimes) -> list[Detection]:
        return [Detection(0.9, np.zeros(4, np.float32), fingers)]

    monkeypatch.setattr(faces, "hands", hands)
    if refused:
        with pytest.raises(EngineError, match="hand is at the head or the neck"):
            the_person(opened(ASTRONAUT), "reference", runtimes)
    else:
        the_person(opened(ASTRONAUT), "reference", runtimes)


def test_an_outcome_that_missed_its_aim_is_not_delivered(swap: Swapping, runtimes: Runtimes) -> None:
    image: Rgb8 = swap(ASTRONAUT, HOPPER).image
    aim: Points = face_points(image, runtimes)
    judge_outcome(image, aim, runtimes)
    eyes = float(np.hypot(*(aim[263] - aim[33])))
    with pytest.raises(EngineError, match="straight into the camera") as caught:
        judge_outcome(image, aim + np.array([0.1 * eyes, 0], np.float32), runtimes)
    assert caught.value.code == FailureCode.POSE_EXTRACTION_FAILED
    assert caught.value.details["found"] > caught.value.details["limit"]
