"""What the edit knows of a person: the part of their picture around the head, seen closely."""

import numpy as np
from msgspec import Struct, structs

from actors.engines.local.arrays import Plane, Points, Rgb8
from actors.engines.local.head.faces import Person
from actors.engines.local.head.frame import Frame, frame
from actors.engines.local.perception.detections import Detection
from actors.engines.local.perception.landmarks import FaceLandmarks
from actors.engines.local.perception.matte import Box, Effort, refined_matte
from actors.engines.local.perception.people import people
from actors.engines.local.perception.pose import Pose
from actors.engines.local.pictures.opening import Picture
from actors.engines.local.raster import resized
from actors.engines.local.runtimes import Runtimes

_ASIDE, _ABOVE, _BELOW = 2.7, 2.2, 2.9
"""The part reaches so far from the eyes, in heights of the face: hair and shoulders are in it."""


class Portrait(Struct, frozen=True):
    """The part of a picture around a person's head; everything is in its pixels.

    `box` is where it comes from; it was scaled by `scale` from there. `alpha` (h, w) is the person's matte.
    """

    image: Rgb8
    alpha: Plane
    face: FaceLandmarks
    pose: Pose | None
    frame: Frame
    box: Box
    scale: float


def around_head(picture: Picture, face: FaceLandmarks) -> Box:
    """The part of `picture` that has to do with the head."""
    place = frame(face.points)
    x, y = (float(v) for v in place.centre)
    unit = max(place.height, 1.15 * place.width)
    return Box(
        int(max(0, x - _ASIDE * unit)),
        int(max(0, y - _ABOVE * unit)),
        int(min(picture.width, x + _ASIDE * unit)) or 1,
        int(min(picture.height, y + _BELOW * unit)) or 1,
    )


def portrait(picture: Picture, person: Person, *, scale: float, effort: Effort | None, runtimes: Runtimes) -> Portrait:
    """The `person` of `picture` at `scale`; its matte refined with `effort`, or as the network of people gives it."""
    box = around_head(picture, person.face)
    size = max(8, round(box.width * scale)), max(8, round(box.height * scale))
    image = resized(box.of(picture.image), *size)
    corner = np.array([box.left, box.top], np.float32)
    scales = np.array([size[0] / box.width, size[1] / box.height], np.float32)

    def place(points: Points) -> Points:
        return ((points - corner) * scales).astype(np.float32)

    moved_pose = None
    if (body := person.pose) is not None:
        outline = np.clip(resized(box.of(body.silhouette), *size), 0, 1)
        moved_pose = structs.replace(
            body, points=place(body.points), depth=body.depth * scales[1], silhouette=outline, others=place(body.others)
        )
    moved_face = FaceLandmarks(place(person.face.points), person.face.depth * scales[1], person.face.certainty)
    boxes = [
        Detection(one.score, place(one.box.reshape(2, 2)).reshape(4), place(one.points))
        for one in person.found
        if box.left < one.middle[0] < box.right and box.top < one.middle[1] < box.bottom
    ]
    if picture.alpha is not None:
        alpha = np.clip(resized(box.of(picture.alpha), *size), 0, 1)
    else:
        alpha = people(image, runtimes)
        if effort is not None:
            fine = refined_matte(image, alpha, moved_pose, boxes, effort, lambda _words: None)
            alpha = np.where(np.isfinite(fine), fine, alpha)
    return Portrait(image, alpha, moved_face, moved_pose, frame(moved_face.points), box, scale)
