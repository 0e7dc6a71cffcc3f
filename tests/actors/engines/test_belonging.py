"""What belongs to people, from what two networks say: on drawn shapes, without the networks."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from msgspec import structs
from PIL import Image

from actors.engines.local.arrays import Floats, Plane, Rgb8, as_rgb8
from actors.engines.local.background import edit
from actors.engines.local.background.edit import is_torn, lost_limbs, told_of_people
from actors.engines.local.perception import people, selfie
from actors.engines.local.perception.belonging import decided, ending, of_people, without_loose
from actors.engines.local.perception.detections import Detection
from actors.engines.local.perception.matte import Effort, coarse_matte
from actors.engines.local.perception.nearby import alike
from actors.engines.local.perception.pose import Pose
from actors.engines.local.runtimes import Runtimes
from actors.engines.local.steps import Steps
from actors.engines.seam import EngineError
from schema.models.edits import BackgroundChangeConfig
from schema.models.problems import FailureCode

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


def posed(silhouette: Plane, point: tuple[int, int] = (80, 80)) -> Pose:
    """All of whose keypoints are in one place."""
    points = np.full((33, 2), point, np.float32)
    nobody = np.zeros((0, 2), np.float32), np.zeros(0, np.float32)
    depth = np.zeros(33, np.float32)
    return Pose(points, depth, depth + 1, depth + 1, silhouette, 1.0, *nobody)


def face_in(box: tuple[int, int, int, int], score: float) -> Detection:
    return Detection(score, np.array(box, np.float32), np.zeros((6, 2), np.float32))


def blue_on_red(*parts: Plane) -> Rgb8:
    """A picture in which what any of the `parts` (h, w) has is blue, and all else red."""
    blue = np.maximum.reduce(parts)[..., None] > 0
    return np.where(blue, np.array([20, 40, 220], np.uint8), np.array([200, 30, 30], np.uint8))


def theirs(salient: Plane, seen: Plane, person: Pose | None, *, trusted: bool = False) -> Plane:
    """Where the rough network sees nobody."""
    return of_people(blue_on_red(salient, seen), salient, seen, np.zeros_like(seen), person, trusted=trusted)


MAN, WOMAN = (40, 60, 110, 300), (200, 60, 270, 300)
FAR = (200, 60, 240, 140)
BAG, TOWER, LAMP = (110, 160, 150, 220), (110, 20, 170, 300), (180, 20, 300, 200)


def test_people_stay_whole_and_what_both_deny_stays_away() -> None:
    found = theirs(shapes(MAN, WOMAN), shapes(MAN, WOMAN), None)
    assert within(found, MAN).min() > 0.99
    assert within(found, WOMAN).min() > 0.99
    assert found[:50].max() == 0


def with_things(thing: tuple[int, int, int, int], sure: float) -> Plane:
    """Of what stands out, somebody and a thing, which the rough network is so sure of."""
    rough = np.maximum(shapes(MAN), shapes(thing, alpha=sure))
    return of_people(blue_on_red(shapes(MAN, thing)), shapes(MAN, thing), shapes(MAN), rough, None)


@pytest.mark.parametrize(("thing", "kept"), [(BAG, True), (TOWER, False), (LAMP, False)], ids=["bag", "tower", "lamp"])
def test_what_touches_somebody_and_is_small_is_theirs(thing: tuple[int, int, int, int], *, kept: bool) -> None:
    found = with_things(thing, 0.5)
    assert within(found, MAN).min() > 0.99
    assert (within(found, thing) > 0.5).mean() == (1 if kept else 0)


def test_what_nobody_has_with_people_is_behind_them() -> None:
    assert within(with_things(BAG, 0.1), BAG).max() == 0


def test_a_thing_that_stands_out_but_half_is_whole() -> None:
    bag = shapes(BAG, alpha=0.7)
    both = np.maximum(shapes(MAN), bag)
    found = of_people(blue_on_red(both), both, shapes(MAN), both, None)
    assert within(found, BAG).min() > 0.99


def test_of_a_large_thing_no_piece_stays() -> None:
    piece = (110, 120, 170, 180)
    image = blue_on_red(shapes(MAN, TOWER))
    found = of_people(image, shapes(MAN, TOWER), shapes(MAN), shapes(MAN, piece), None)
    assert within(found, TOWER)[:, 4:].max() == 0


@pytest.mark.parametrize("trusted", [False, True])
def test_what_surely_is_no_person_is_held_if_who_says_so_was_brought(*, trusted: bool) -> None:
    found = theirs(shapes(MAN, BAG), shapes(MAN), None, trusted=trusted)
    assert (within(found, BAG) > 0.9).mean() == (1 if trusted else 0)


def test_a_gap_between_an_arm_and_the_body_is_no_thing() -> None:
    arm, gap = (150, 60, 170, 300), (110, 120, 150, 190)
    likely = shapes(MAN, arm, (110, 190, 170, 230))
    rough = np.maximum(likely, shapes(gap, alpha=0.7))
    salient = np.maximum(likely, shapes(gap))
    found = of_people(blue_on_red(likely), salient, likely, rough, None)
    assert within(found, gap).max() < 0.1


@pytest.mark.parametrize("known", ["to the first", "by what stands out", "by both"])
def test_a_small_loose_piece_is_kept_which_two_networks_know(known: str) -> None:
    piece = (200, 60, 220, 110)
    nobody, both = shapes(MAN), np.maximum(shapes(MAN), shapes(piece, alpha=0.6))
    seen = nobody if known == "by what stands out" else both
    salient = nobody if known == "to the first" else both
    found = without_loose(shapes(MAN, piece), seen, salient)
    assert within(found, MAN).min() > 0.99
    assert (within(found, piece) > 0.9).mean() == (1 if known == "by both" else 0)


@pytest.mark.parametrize("other", [WOMAN, FAR])
def test_who_is_no_small_piece_belongs_to_the_group(other: tuple[int, int, int, int]) -> None:
    assert within(without_loose(shapes(MAN, other), shapes(MAN), shapes(MAN)), other).min() > 0.95


LEGS = (40, 200, 110, 300)


@pytest.mark.parametrize(
    ("who", "half", "kept"),
    [
        ("two networks", 0.2, True),
        ("the rough network and a pose", 0.2, True),
        ("the rough network and a pose", 0.0, False),
        ("what stands out and a pose", 0.0, True),
        ("the rough network", 0.2, False),
    ],
)
def test_what_two_others_see_of_somebody_is_kept(who: str, half: float, *, kept: bool) -> None:
    trunk = shapes((40, 60, 110, 200))
    salient = shapes(MAN) if who.startswith(("two", "what")) else trunk
    rough = trunk if who.startswith("what") else shapes(MAN)
    person = posed(shapes(MAN)) if "pose" in who else None
    seen = np.maximum(trunk, shapes(LEGS, alpha=half))
    found = within(of_people(blue_on_red(shapes(MAN)), salient, seen, rough, person), LEGS)
    assert found[8:].min() > 0.9 if kept else found[20:].max() < 0.5


def test_a_thing_in_the_colours_of_what_is_around_is_a_piece_of_it() -> None:
    both = shapes(MAN, BAG)
    found = of_people(blue_on_red(shapes(MAN)), both, shapes(MAN), both, None)
    assert within(found, MAN).min() > 0.99
    assert within(found, BAG).max() == 0


def test_a_silhouette_alone_brings_nothing_in() -> None:
    wall = (104, 20, 300, 300)
    assert within(theirs(shapes(MAN), shapes(MAN), posed(shapes(MAN, wall))), wall).max() == 0


def test_what_is_faint_and_away_from_anybody_goes() -> None:
    hair, smudge = (110, 60, 113, 100), (110, 250, 180, 300)
    alpha = np.maximum(shapes(MAN), shapes(hair, smudge, alpha=0.4))
    found, _ = decided(alpha, shapes(MAN), shapes(MAN))
    assert found[62:98, 111].min() > 0.25
    assert found[250:300, 116:].max() < 0.1


@pytest.mark.parametrize(
    ("alpha", "salient", "rough", "kept"),
    [(0.6, 0.5, 0.5, True), (0.4, 0.5, 0.5, False), (0.4, 1, 0.5, True), (0.6, 0.5, 0, False), (0.6, 1, 0, True)],
)
def test_what_is_half_transparent_further_than_an_edge_is_decided_by_other_networks_too(
    alpha: float, salient: float, rough: float, *, kept: bool
) -> None:
    man = shapes(MAN)
    half, stands_out, likely = (np.maximum(man, shapes(BAG, alpha=share)) for share in (alpha, salient, rough))
    found, _ = decided(half, stands_out, likely)
    assert within(found, MAN).min() > 0.99
    thing = within(found, BAG)
    assert thing.min() > 0.95 if kept else thing.max() < 0.05


@pytest.mark.parametrize(("alpha", "like", "kept"), [(0.4, 1.0, True), (0.4, 0.5, False), (0.6, 0.0, True)])
def test_what_is_half_transparent_is_there_if_it_is_like_people_as_well_and_never_goes_for_it(
    alpha: float, like: float, *, kept: bool
) -> None:
    half, others = (np.maximum(shapes(MAN), shapes(BAG, alpha=share)) for share in (alpha, 0.5))
    found, _ = decided(half, others, others, np.maximum(shapes(MAN), shapes(BAG, alpha=like)))
    thing = within(found, BAG)
    assert thing.min() > 0.95 if kept else thing.max() < 0.05


@pytest.mark.parametrize("theirs", [True, False])
def test_what_some_see_is_like_people_where_its_features_are(*, theirs: bool) -> None:
    man, thing = shapes(MAN), shapes(BAG)
    one = np.maximum(man, thing) if theirs else man
    noise = np.random.default_rng(1).normal(0, 0.1, (20, 320, 320)).astype(np.float32)
    features = [(noise + one)[:, ::step, ::step] for step in (2, 4, 8)]
    like = alike(np.full((320, 320, 3), 90, np.uint8), features, [man, np.maximum(man, thing), man])
    assert within(like, MAN).mean() > 0.9
    assert within(like, BAG).mean() > 0.8 if theirs else within(like, BAG).mean() < 0.2


def test_what_is_like_people_is_not_learnt_of_nobody() -> None:
    features = [np.zeros((20, size, size), np.float32) for size in (40, 80)]
    like = alike(np.zeros((320, 320, 3), np.uint8), features, [shapes(), shapes(BAG), shapes()])
    assert like.max() < 0.5


@pytest.mark.parametrize(("salient", "doubted"), [(0.5, True), (0.0, False), (1.0, False)])
def test_what_is_decided_by_next_to_nothing_is_told(salient: float, *, doubted: bool) -> None:
    half, stands_out = (np.maximum(shapes(MAN), shapes(BAG, alpha=share)) for share in (0.5, salient))
    _, doubt = decided(half, stands_out, np.maximum(shapes(MAN), shapes(BAG, alpha=salient)))
    assert (doubt > 0.1) if doubted else (doubt < 0.02)


@pytest.mark.parametrize(
    ("alpha", "like", "kept"),
    [(0.65, "people", True), (0.35, "others", False), (0.4, "people", True), (0.6, "others", False)],
)
def test_of_hair_what_is_half_transparent_is_decided_by_its_colours(alpha: float, like: str, *, kept: bool) -> None:
    image = blue_on_red(shapes(MAN, BAG) if like == "people" else shapes(MAN))
    half = np.maximum(shapes(MAN), shapes(BAG, alpha=alpha))
    found, _ = decided(half, shapes(MAN), shapes(MAN, BAG), hair_of=image)
    assert within(found, MAN).min() > 0.99
    thing = within(found, BAG)
    assert thing.min() > 0.95 if kept else thing.max() < 0.05


def test_a_lock_of_hair_that_is_half_transparent_stays_so() -> None:
    lock = (112, 60, 122, 160)
    half = np.maximum(shapes(MAN), shapes(lock, alpha=0.4))
    found, _ = decided(half, shapes(MAN), shapes(MAN), hair_of=blue_on_red(shapes(MAN)))
    assert abs(found[70:150, 115:119] - 0.4).max() < 0.05


def test_what_runs_on_beyond_what_was_looked_at_is_nobodys() -> None:
    salient = np.maximum(shapes(MAN), shapes(BAG))
    for at, kept in ((MAN, True), (BAG, False)):
        sides = np.zeros(salient.shape, np.bool_)
        sides[at[3] - 2 : at[3]] = True
        assert bool(within(ending(salient, shapes(MAN), sides), BAG).mean() > 0.9) is kept
        assert within(ending(salient, shapes(MAN), sides), MAN).min() == 1


HEAD, FACE = (55, 60, 95, 110), (60, 65, 90, 105)


@pytest.mark.parametrize(
    ("parts", "torn"),
    [
        ((HEAD,), True),
        ((HEAD, (40, 110, 110, 300)), False),
        ((HEAD, (60, 110, 90, 320)), False),
        ((HEAD, WOMAN), True),
        ((HEAD, (40, 130, 110, 300)), True),
    ],
    ids=["a head", "somebody whole", "a portrait", "a head beside somebody", "a head above a body"],
)
def test_nobody_is_left_but_a_head(parts: tuple[tuple[int, int, int, int], ...], *, torn: bool) -> None:
    assert is_torn(shapes(*parts) > 0.5, None, [face_in(FACE, 0.9)]) == torn


def test_a_head_far_behind_is_no_reason_to_refuse() -> None:
    near = face_in((210, 60, 260, 120), 0.9)
    far = face_in((55, 60, 75, 80), 0.9)
    assert not is_torn(shapes((55, 60, 77, 82), WOMAN) > 0.5, None, [near, far])


@pytest.mark.parametrize("gap", [0, 8])
def test_a_figure_whose_legs_hang_nowhere_is_torn(gap: int) -> None:
    person = posed(shapes(MAN), (75, 100))
    person.points[25:29] = (75, 260)
    solid = shapes((40, 60, 110, 200), (40, 200 + gap, 110, 300)) > 0.5
    assert is_torn(solid, person, []) == (gap > 0)


@pytest.mark.parametrize(
    ("hips", "kept"),
    [
        ((235, 200), "all were kept."),
        ((150, 200), "only those who stand out were kept."),
        ((235, 330), "all were kept."),
    ],
    ids=["kept", "left out", "below the photo"],
)
def test_who_else_is_kept_is_told_by_hips_that_are_in_the_photo(hips: tuple[int, int], kept: str) -> None:
    person = structs.replace(
        posed(shapes(MAN)), others=np.array([hips], np.float32), others_certainty=np.array([0.8], np.float32)
    )
    found = [face_in(FACE, 0.9), face_in((220, 65, 250, 105), 0.9)]
    assert told_of_people(shapes(MAN, WOMAN) > 0.5, person, found) == [f"More than one person was found; {kept}"]


def with_left_hand(at: tuple[int, int], visible: float = 0.9, present: float = 0.9) -> Pose:
    person = posed(shapes(MAN, (110, 130, 160, 170)))
    person.points[[11, 12, 23, 24]] = (50, 110), (100, 110), (55, 190), (95, 190)
    person.points[15], person.visible[15], person.present[15] = at, visible, present
    return person


@pytest.mark.parametrize(
    ("hand", "visible", "present", "lost"),
    [
        ((140, 150), 0.9, 0.9, True),
        ((114, 150), 0.9, 0.9, False),
        ((140, 150), 0.4, 0.9, False),
        ((140, 150), 0.9, 0.7, False),
        ((140, 240), 0.9, 0.9, False),
        ((340, 150), 0.9, 0.9, False),
    ],
    ids=["lost", "at the edge", "hidden", "not there", "off the silhouette", "beside the photo"],
)
def test_somebody_alone_keeps_the_limbs_that_they_show(
    hand: tuple[int, int], visible: float, present: float, *, lost: bool
) -> None:
    person = with_left_hand(hand, visible, present)
    solid = shapes(MAN) > 0.5
    assert lost_limbs(solid, person, []) == (["left hand"] if lost else [])
    both = [face_in(FACE, 0.9), face_in((220, 65, 250, 105), 0.9)]
    assert lost_limbs(solid, person, both) == []  # which may be before it
    person.points[12] = (230, 110)  # that is somebody else, who wasn't cut out
    assert lost_limbs(solid, person, []) == []


@pytest.mark.parametrize(
    ("score", "cut", "doubt", "person", "said"),
    [
        (0.9, WOMAN, 0.0, None, "Only a part of somebody"),
        (0.9, FAR, 0.0, None, "No person was found"),
        (0.9, MAN, 0.5, None, "Only a part of somebody"),
        (0.5, MAN, 0.5, None, "No person was found"),
        (0.9, MAN, 0.0, with_left_hand((140, 150)), "The left hand of the person"),
    ],
    ids=[
        "a face, and a hand before it",
        "a face, and next to nothing",
        "somebody in half",
        "a shirt on a shelf",
        "a hand",
    ],
)
def test_only_of_somebody_who_was_found_a_part_could_be_told(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    score: float,
    cut: tuple[int, int, int, int],
    doubt: float,
    person: Pose | None,
    said: str,
) -> None:
    photo = tmp_path / "photo.png"
    Image.fromarray(blue_on_red(shapes(cut))).save(photo)

    def telling(said: object) -> Callable[..., object]:
        def tell(*_: object, **__: object) -> object:
            return said

        return tell

    monkeypatch.setattr(edit, "faces", telling([face_in(FACE, score)]))
    monkeypatch.setattr(edit, "pose", telling(person))
    monkeypatch.setattr(edit, "coarse_matte", telling((shapes(cut), doubt)))
    steps = Steps(edit.PLAN, lambda _percent, _words: None, lambda: False)
    with pytest.raises(EngineError, match=said) as refused:
        edit.change_background(photo, None, BackgroundChangeConfig(), 10**6, Runtimes(1), steps)
    assert refused.value.code is FailureCode.NO_PERSON_DETECTED


class Beholder(Runtimes):
    """To whom yellow stands out, and where there is none red; a person is red."""

    def __init__(self) -> None:
        super().__init__(1)
        self.matte = _striking
        self.shown: list[int] = []
        """How high each picture was that people were looked for in."""

    def tflite(self, name: str, image: Floats) -> Mapping[Sequence[int], Floats]:
        assert name == selfie.MODEL
        seen = _red(as_rgb8(image[0]))
        return {(1, *seen.shape, 1): seen[None, ..., None]}

    def looked(self, name: str, inputs: Mapping[str, Floats], times: int) -> dict[str, Floats]:
        assert name == people.MODEL
        frame = inputs["src"]
        self.shown.extend([frame.shape[2]] * times)
        alpha = _red(as_rgb8(frame[0].transpose(1, 2, 0)))[None, None]
        return {"pha": alpha, **{f"r{number}i": alpha for number in range(1, 5)}}


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
    effort = Effort(closer=False, whole=768, head=512)
    found, _ = coarse_matte(image, None, [face_in((120, 450, 160, 490), 0.9)], effort, Beholder(), lambda _step: None)
    assert min(within(found, figure).min() for figure in group) > 0.95
    assert found[:400].max() == 0


@pytest.mark.parametrize(("figure", "once"), [((300, 300, 400, 500), 1), ((20, 20, 620, 640), 4)], ids=["far", "near"])
def test_a_glance_is_enough_of_what_can_be_looked_at_closely(figure: tuple[int, int, int, int], once: int) -> None:
    left, top, right, bottom = figure
    image = np.zeros((640, 640, 3), np.uint8)
    image[top:bottom, left:right] = (200, 0, 0)
    beholder = Beholder()
    effort = Effort(closer=False, whole=768, head=512)
    found, _ = coarse_matte(image, None, [], effort, beholder, lambda _step: None)
    assert within(found, figure).min() > 0.95
    assert (beholder.shown.count(640), len(beholder.shown)) == (once, 4)
