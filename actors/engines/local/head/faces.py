"""Who is meant: the one face in each photo, or a refusal that says what photo would do."""

from collections.abc import Sequence
from math import ceil, floor

import numpy as np
from msgspec import Struct

from actors.engines.local.arrays import Floats, Rgb8
from actors.engines.local.head.alignment import turned
from actors.engines.local.head.frame import frame
from actors.engines.local.perception.detections import Detection
from actors.engines.local.perception.faces import faces
from actors.engines.local.perception.hands import hands
from actors.engines.local.perception.landmarks import CHIN, FOREHEAD, LEFT_CHEEK, RIGHT_CHEEK, FaceLandmarks, landmarks
from actors.engines.local.perception.pose import NOSE, Pose, pose
from actors.engines.local.pictures.opening import Picture
from actors.engines.local.runtimes import Runtimes
from actors.engines.seam import EngineError
from schema.models.problems import FailureCode

TURN_LIMIT = 40.0
"""Degrees by which the two heads may be turned against each other, out of the picture's plane or within it."""
_SIDE_LIMIT = 38.0
"""Degrees from which half a face is hidden."""
_LEAST = {"source": 56, "reference": 36}
"""Height of a face in pixels below which there is too little of it, by the photo's role."""
_RIVAL = 0.4
"""A second face this large, relative to the first, makes it unclear who is meant."""
_LEVEL = 5.0
"""The slope of a face that looks straight ahead, degrees, as the landmarks' depth has it."""
_WAYS = (
    ("turned to the left", "turned to the right"),
    ("held up", "bowed"),
    ("tilted to the left", "tilted to the right"),
)
_UNFIT = FailureCode.POSE_EXTRACTION_FAILED
_SURE, _CERTAIN = 0.7, 0.6
_FINGERS = 2
"""The point of a palm where its middle finger begins."""


class Person(Struct, frozen=True):
    """The person who is meant: their face, their pose if it is seen, and all faces that were found."""

    face: FaceLandmarks
    pose: Pose | None
    found: list[Detection]


def the_person(picture: Picture, role: str, runtimes: Runtimes) -> Person:
    """The person in `picture`; `role` ("source", "reference") is how a message names the photo.

    Raises:
        EngineError: NO_FACE_DETECTED, MULTIPLE_FACES_DETECTED or POSE_EXTRACTION_FAILED.
    """
    image = picture.image
    found = faces(image, runtimes)
    chosen = _chosen(found, role)
    face = landmarks(image, chosen, runtimes)
    if face.certainty < _CERTAIN:
        raise _no_face(role)
    place = frame(face.points)
    if place.height < _LEAST[role]:
        raise refusal(
            role,
            f"The face in the {role} photo is only {floor(place.height)} pixels tall; at least {_LEAST[role]} are "
            "needed. Please send a larger photo, or one taken from nearer.",
            {"face_height": floor(place.height), "needed": _LEAST[role]},
            FailureCode.NO_FACE_DETECTED,
        )
    if (aside := abs(float(_held(face)[0]))) > _SIDE_LIMIT:
        raise refusal(
            role,
            f"The head in the {role} photo is turned too far to the side ({aside:.0f} degrees). Please send one "
            "in which it looks towards the camera.",
            {"degrees": rounded_up(aside, 1), "limit": _SIDE_LIMIT},
        )
    if _hand_at_head(face, image, runtimes):
        raise refusal(
            role, f"A hand is at the head or the neck in the {role} photo. Please send one in which the head is free."
        )
    body = pose(image, runtimes)
    if body is None or body.certainty < 0.5 or np.hypot(*(body.points[NOSE] - place.centre)) >= 0.8 * place.height:
        body = None  # it isn't seen, or is somebody else's
    return Person(face, body, found)


def judge_together(head: Person, figure: Person) -> None:
    """Whether the two heads are held alike enough.

    Raises:
        EngineError: POSE_EXTRACTION_FAILED: they aren't.
    """
    out, roll = turned(head.face.solid, figure.face.solid)
    angle = out if out > TURN_LIMIT else abs(roll)
    if angle <= TURN_LIMIT:
        return
    ours, theirs = _held(head.face), _held(figure.face)
    way = 2 if out <= TURN_LIMIT else int(np.argmax(np.abs(ours - theirs)[:2]))
    role, held = ("source", ours[way]) if abs(ours[way]) >= abs(theirs[way]) else ("reference", theirs[way])
    raise refusal(
        role,
        f"The head in the {role} photo is {_WAYS[way][int(held > 0)]}: the two are held {ceil(angle)} degrees apart, "
        f"and at most {TURN_LIMIT:.0f} can be made up for. Please send a {role} photo in which the head looks straight "
        "into the camera, or two in which both heads are held alike.",
        {"degrees": rounded_up(angle, 1), "limit": TURN_LIMIT},
    )


def rounded_up(value: float, digits: int) -> float:
    """What is more than a limit, and told with it: never as much as that."""
    return ceil(value * 10**digits) / 10**digits


def refusal(
    role: str, message: str, details: dict[str, float] | None = None, code: FailureCode = _UNFIT
) -> EngineError:
    """What refuses the photo in that `role` ("source", "reference")."""
    return EngineError(code, message, details={"image": role, **(details or {})})


def _chosen(found: Sequence[Detection], role: str) -> Detection:
    if not found:
        raise _no_face(role)
    by_size = sorted((face for face in found if face.score > _SURE), key=lambda face: -face.height) or list(found)
    rivals = [face for face in by_size[1:] if face.height > _RIVAL * by_size[0].height]
    if rivals:
        meant = "whose head is to be used" if role == "source" else "who gets the new head"
        raise refusal(
            role,
            f"There are {len(rivals) + 1} faces of about the same size in the {role} photo, so it isn't clear {meant}. "
            "Please send a photo, or a part of this one, that shows only one person.",
            {"faces": len(rivals) + 1},
            FailureCode.MULTIPLE_FACES_DETECTED,
        )
    return by_size[0]


def _no_face(role: str) -> EngineError:
    words = f"No face was found in the {role} photo. Please send one in which a face can be seen clearly: from the "
    return refusal(role, words + "front, well lit, and not covered.", code=FailureCode.NO_FACE_DETECTED)


def _hand_at_head(face: FaceLandmarks, image: Rgb8, runtimes: Runtimes) -> bool:
    """Whether fingers begin where head or neck are."""
    place = frame(face.points)
    reach = 1.5 * max(place.height, 1.15 * place.width)
    corner = np.maximum(place.centre - reach, 0).astype(int)
    right, bottom = (place.centre + reach).astype(int)
    part = np.ascontiguousarray(image[corner[1] : bottom, corner[0] : right])
    for hand in hands(part, runtimes):
        across, down = (float(v) for v in place.of(hand.points[_FINGERS][None] + corner)[0])
        if abs(across) < 0.95 and -1.1 < down < place.chin + (0.5 if abs(across) < 0.5 else 0.25):
            return True
    return False


def _held(face: FaceLandmarks) -> Floats:
    """Degrees (3,) by which a head is turned aside, bowed (by the depth of cheeks, forehead and chin) and tilted."""

    def deep(first: int, last: int) -> float:
        flat = float(np.hypot(*(face.points[last] - face.points[first])))
        return float(np.degrees(np.arctan2(face.depth[last] - face.depth[first], max(flat, 1e-3))))

    down = frame(face.points).down
    tilt = float(np.degrees(np.arctan2(-down[0], down[1])))
    return np.array([deep(RIGHT_CHEEK, LEFT_CHEEK), deep(FOREHEAD, CHIN) - _LEVEL, tilt], np.float32)
