"""Cutting the person out of the photo. Their pose is known, so only the part of the photo around them is looked at."""

import numpy as np
from msgspec import Struct, structs

from actors.engines.local.arrays import Plane, Rgb, as_rgb
from actors.engines.local.perception.belonging import of_people, without_loose
from actors.engines.local.perception.detections import Detection
from actors.engines.local.perception.foreground import separated
from actors.engines.local.perception.matte import Effort, coarse_matte, refined_matte
from actors.engines.local.perception.people import people
from actors.engines.local.perception.pose import Pose
from actors.engines.local.perception.saliency import subject
from actors.engines.local.perception.selfie import of_selfies
from actors.engines.local.perception.spill import without_spill
from actors.engines.local.pictures.opening import Picture
from actors.engines.local.posing.shapes import around, distance_to_line, near_soles
from actors.engines.local.posing.skeleton import BONES, CHAINS, HEAD, Doubles, joints, torso_length
from actors.engines.local.raster import grown_values, shrunk_values
from actors.engines.local.runtimes import Runtimes
from actors.engines.local.steps import Steps
from actors.engines.seam import EngineError
from schema.models.problems import FailureCode

_HALF = 0.5
_SEEN = 0.6
"""What stands out must hold this share of the silhouette that comes with the pose."""
_AIR = 0.5
"""Around the joints, in torso lengths: hands, hair and wide clothes."""
_SLIT = 0.02
"""A slit between a shoe and its sole is no wider than twice that, in torso lengths."""


class Work(Struct, frozen=True):
    """How much work the cut may take.

    `head`: whether to look at the head alone; `side`: the long edge in pixels at which edge and colours are solved for.
    """

    head: bool
    side: int


class Cut(Struct, frozen=True):
    """The person alone: clean colours (h, w, 3), alpha (h, w), and what the user should know."""

    colours: Rgb
    alpha: Plane
    warnings: list[str]


def cut_out(photo: Picture, person: Pose, work: Work, runtimes: Runtimes, step: Steps) -> Cut:
    """The person of `photo` whose pose is `person`.

    Raises:
        EngineError: NO_PERSON_DETECTED, when nothing stands out where the person should be.
    """
    top, bottom, left, right = _box(person, photo.width, photo.height)
    box = (slice(top, bottom), slice(left, right))
    image = np.ascontiguousarray(photo.image[box])
    shift = np.array([left, top], np.float32)
    silhouette = np.ascontiguousarray(person.silhouette[box])
    inside = structs.replace(person, points=person.points - shift, silhouette=silhouette, others=person.others - shift)
    nobody: list[Detection] = []
    effort = Effort(closer=False, whole=work.side, head=work.side * 3 // 5)
    if work.head:
        coarse, _ = coarse_matte(image, inside, nobody, effort, runtimes, step)
    else:
        step("Finding the outline")
        # A second look, in a mirror, made no edge better here: the person fills this part of the photo.
        salient, seen, rough = subject(image, runtimes), people(image, runtimes), of_selfies(image, runtimes)
        coarse = without_loose(of_people(image, salient, seen, rough, inside), seen, salient)
    coarse = with_limbs(coarse, inside)
    body = inside.silhouette > _HALF
    if float((body & (coarse > _HALF)).sum()) < _SEEN * float(body.sum()):
        raise EngineError(
            FailureCode.NO_PERSON_DETECTED,
            "The person can't be told from the background. Please send a photo with a calmer background.",
            details={"image": "source"},
        )
    alpha = refined_matte(image, coarse, inside, nobody, effort, step)
    step("Cleaning the colours")
    front, back = separated(as_rgb(image), alpha, work_side=work.side)
    front, alpha = without_spill(front, back, alpha)
    colours, cover = as_rgb(photo.image), np.zeros((photo.height, photo.width), np.float32)
    cover[box] = with_soles(alpha, joints(inside.points))
    colours[box] = front + (colours[box] - front) * (cover[box] - alpha)[..., None]
    several = len(person.others) > 0
    return Cut(
        colours, cover, ["More than one person was found; the most prominent one was changed."] if several else []
    )


def with_limbs(coarse: Plane, person: Pose) -> Plane:
    """`coarse` with the middle of every limb in it, hands and feet too, where the pose's own silhouette agrees.

    The networks alone lose what is of the background's colour.
    """
    figure = joints(person.points)
    unit = torso_length(figure)
    core = np.zeros_like(coarse)
    for bone in (BONES[index] for chain in CHAINS.values() for index in chain):
        line = figure[bone.start], figure[bone.end]
        box = around(*line, bone.half * unit, coarse.shape)
        reach = distance_to_line(*line, coarse.shape, box) / np.float32(bone.half * unit)
        core[box] = np.maximum(core[box], np.clip((0.75 - reach) / 0.25, 0, 1))
    return np.maximum(coarse, core * np.clip((person.silhouette - 0.3) / 0.3, 0, 1))


def with_soles(alpha: Plane, figure: Doubles) -> Plane:
    """`alpha` (h, w) without slits between shoes and the rims of their soles, which have other colours."""
    size = max(1, round(_SLIT * torso_length(figure)))
    closed = shrunk_values(grown_values(alpha, size), size)
    return alpha + (np.maximum(closed, alpha) - alpha) * near_soles(figure, alpha.shape)


def _box(person: Pose, width: int, height: int) -> tuple[int, int, int, int]:
    """Top, bottom, left and right of the part that holds the person."""
    figure = joints(person.points)
    air = _AIR * torso_length(figure)
    low, high = figure.min(axis=0) - air, figure.max(axis=0) + air
    # Hats and hair reach higher above the ears than anything reaches elsewhere.
    low[1] = min(low[1], figure[HEAD][1] - air)
    return max(0, int(low[1])), min(height, int(high[1])), max(0, int(low[0])), min(width, int(high[0]))
