"""Who is meant: the one face in each photo, or a refusal that says what photo would do."""

# Shares of a face's height and steps of L*a*b* stand where they are used.
# ruff: noqa: PLR2004

from collections.abc import Sequence

import numpy as np
from msgspec import Struct

from actors.engines.local.arrays import Rgb8
from actors.engines.local.head.alignment import Turn, turned
from actors.engines.local.head.frame import frame
from actors.engines.local.perception.detections import Detection
from actors.engines.local.perception.faces import faces, faces_in
from actors.engines.local.perception.landmarks import LEFT_CHEEK, RIGHT_CHEEK, FaceLandmarks, landmarks
from actors.engines.local.perception.pose import LEFT_SHOULDER, NOSE, RIGHT_SHOULDER, Pose, pose
from actors.engines.local.pictures.opening import Picture
from actors.engines.local.runtimes import Runtimes
from actors.engines.seam import EngineError
from schema.models.problems import FailureCode

TURN_LIMIT = 15.0
"""Degrees by which the two heads may be turned against each other, out of the picture's plane."""
_SIDE_LIMIT = 38.0
"""Degrees from which half a face is hidden."""
ROLL_LIMIT = 40.0
_LEAST = {"source": 56, "reference": 36}
"""Height of a face in pixels below which there is too little of it, by the photo's role."""
_RIVAL = 0.4
"""A second face this large, relative to the first, makes it unclear who is meant."""
_SURE, _CERTAIN = 0.7, 0.6
_HANDS = (15, 16, 17, 18, 19, 20, 21, 22)


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
    body = pose(image, runtimes)
    if body is not None and body.certainty < 0.5:
        body = None
    found = faces(image, runtimes) or _looked_closer(image, body, runtimes)
    chosen = _chosen(found, role)
    face = landmarks(image, chosen, runtimes)
    if face.certainty < _CERTAIN:
        raise _no_face(role)
    size = frame(face.points).height
    if size < _LEAST[role]:
        raise EngineError(
            FailureCode.NO_FACE_DETECTED,
            f"The face in the {role} photo is only {size:.0f} pixels tall; at least {_LEAST[role]} are needed. "
            "Please send a larger photo, or one taken from nearer.",
            details={"image": role, "face_height": round(size), "needed": _LEAST[role]},
        )
    _judge_alone(face, body, role)
    return Person(face, body if body is None or _same(body, face) else None, found)


def judge_together(head: Person, figure: Person) -> Turn:
    """How the figure's head is turned against the other.

    Raises:
        EngineError: POSE_EXTRACTION_FAILED: too far.
    """
    turn = turned(head.face.solid, figure.face.solid)
    if turn.out <= TURN_LIMIT and abs(turn.roll) <= ROLL_LIMIT:
        return turn
    if turn.out > TURN_LIMIT:
        way = "to the side" if abs(turn.aside) >= abs(turn.up) else "up or down"
        angle, limit = turn.out, TURN_LIMIT
    else:
        way, angle, limit = "towards a shoulder", abs(turn.roll), ROLL_LIMIT
    raise EngineError(
        FailureCode.POSE_EXTRACTION_FAILED,
        f"The two heads are held differently: one is turned {angle:.0f} degrees further {way} than the other, and at "
        f"most {limit:.0f} can be made up for. Please send a portrait in which the head is held as the "
        "figure's is; looking straight into the camera suits most.",
        details={"degrees": round(angle, 1), "limit": limit, "aside": round(turn.aside, 1), "up": round(turn.up, 1)},
    )


def _looked_closer(image: Rgb8, body: Pose | None, runtimes: Runtimes) -> list[Detection]:
    """The faces where the pose has the head: a small one is missed in a whole picture."""
    if body is None:
        return []
    shoulders = float(np.hypot(*(body.points[LEFT_SHOULDER] - body.points[RIGHT_SHOULDER])))
    reach = max(32.0, 1.1 * shoulders)
    x, y = (float(v) for v in body.points[NOSE])
    height, width = image.shape[:2]
    box = int(max(0, x - reach)), int(max(0, y - reach)), int(min(width, x + reach)), int(min(height, y + reach))
    if box[2] - box[0] < 24 or box[3] - box[1] < 24:
        return []
    return faces_in(image, box, runtimes)


def _chosen(found: Sequence[Detection], role: str) -> Detection:
    if not found:
        raise _no_face(role)
    by_size = sorted((face for face in found if face.score > _SURE), key=lambda face: -face.height) or list(found)
    rivals = [face for face in by_size[1:] if face.height > _RIVAL * by_size[0].height]
    if rivals:
        meant = "whose head is to be used" if role == "source" else "who gets the new head"
        raise EngineError(
            FailureCode.MULTIPLE_FACES_DETECTED,
            f"There are {len(rivals) + 1} faces of about the same size in the {role} photo, so it isn't clear {meant}. "
            "Please send a photo, or a part of this one, that shows only one person.",
            details={"image": role, "faces": len(rivals) + 1},
        )
    return by_size[0]


def _no_face(role: str) -> EngineError:
    return EngineError(
        FailureCode.NO_FACE_DETECTED,
        f"No face was found in the {role} photo. Please send one in which a face can be seen clearly: from the front, "
        "well lit, and not covered.",
        details={"image": role},
    )


def _judge_alone(face: FaceLandmarks, body: Pose | None, role: str) -> None:
    """Raises EngineError for a head turned too far away, or with a hand at it."""
    aside = _side_angle(face)
    if abs(aside) > _SIDE_LIMIT:
        raise EngineError(
            FailureCode.POSE_EXTRACTION_FAILED,
            f"The head in the {role} photo is turned too far to the side ({abs(aside):.0f} degrees). Please send one "
            "in which it looks towards the camera.",
            details={"image": role, "degrees": round(abs(aside), 1), "limit": _SIDE_LIMIT},
        )
    if body is None or not _same(body, face):
        return
    place = frame(face.points)
    for index in _HANDS:
        across, down = (float(v) for v in place.of(body.points[index][None])[0])
        if body.visible[index] > 0.6 and abs(across) < 0.75 and -1.0 < down < place.chin + 0.1:
            raise EngineError(
                FailureCode.POSE_EXTRACTION_FAILED,
                f"A hand is at the head or in front of the face in the {role} photo. Please send one in which "
                "the head is free.",
                details={"image": role},
            )


def _side_angle(face: FaceLandmarks) -> float:
    """Degrees by which a head is turned aside, by the depth of its cheeks."""
    flat = face.points[LEFT_CHEEK] - face.points[RIGHT_CHEEK]
    deep = face.depth[LEFT_CHEEK] - face.depth[RIGHT_CHEEK]
    return float(np.degrees(np.arctan2(deep, max(float(np.hypot(*flat)), 1e-3))))


def _same(body: Pose, face: FaceLandmarks) -> bool:
    """Whether the pose is that of the face's owner."""
    place = frame(face.points)
    return float(np.hypot(*(body.points[NOSE] - place.centre))) < 0.8 * place.height
