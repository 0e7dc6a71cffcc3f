"""Whether a swap can be good, and whether it was: refusals that say what photo would do.

Every `judge_...` raises an EngineError, POSE_EXTRACTION_FAILED, where it finds more than its rule's `most`.
"""

import numpy as np
from msgspec import Struct, structs

from actors.engines.local.arrays import Mask, Plane, Points, Rgb8
from actors.engines.local.head.cutting import Head
from actors.engines.local.head.faces import refusal, rounded_up
from actors.engines.local.head.joining import Placed
from actors.engines.local.head.portrait import Portrait
from actors.engines.local.head.tone import Shifts
from actors.engines.local.perception.detections import Detection
from actors.engines.local.perception.faces import faces
from actors.engines.local.perception.landmarks import LEFT_EYE, RIGHT_EYE, landmarks
from actors.engines.local.raster import extent, gaussian, lab, mean_near, touching
from actors.engines.local.runtimes import Runtimes
from actors.engines.local.shapes import narrowed, widened


class _Rule(Struct, frozen=True):
    """What is found may be as much as `most`, or the photo in that `role` is refused in these `words`.

    It is counted in heights of the face, along a line, or in squares of them.
    """

    role: str
    most: tuple[float, ...]
    words: str


_CUT_OFF = _Rule(
    "source",
    (0.1,),  # of the head's outline is the border of the photo
    "The head is cut off by the border of the source photo. Please send one that shows the whole head and all of its "
    "hair, with some space around.",
)
_UNTOLD = _Rule(
    "source",
    (0.01, 0.01),  # is half transparent, in pieces of its own
    "The hair in the source photo can't be told from what is behind it. Please send a photo with a plain background in "
    "another colour than the hair's, or with tied-back hair.",
)
_NECKLESS = _Rule(
    "reference",
    (0.16, 0),  # of the body is beside the face, higher than the chin; 1 if the head stands on nothing
    "No neck for the head to stand on was found in the reference photo. Please send one in which the neck and both "
    "shoulders can be seen, from the front.",
)
_HIDDEN = _Rule(
    "reference",
    # of the body is like its long hair, comes to light from under it, is gone below the chin, and of its lower border
    (0.15, 0.12, 0.2, 0.2),
    "Long hair hides the shoulders in the reference photo, and the new head wouldn't cover them. Please send a figure "
    "with short or tied-back hair, or a head with hair as long.",
)
_COVERED = structs.replace(_HIDDEN, most=(_HIDDEN.most[0], 0.4))
"""More may come to light from under hair where it is known where the shoulders are."""
_HANGING = _Rule(
    "source",
    (0.35, 0.2),  # of the head's outline has been cut in mid-air, or from more hair
    "The hair in the source photo hangs before the neck, or runs on over shoulders or clothes that the figure doesn't "
    "have there. Please send a photo with shorter or tied-back hair, or a figure whose shoulders are as near to the "
    "face.",
)
_TORN = _Rule(
    "reference",
    (0.0052, 0.015),  # of neck and cloth is on the wrong side of a smooth border; is gone from the clothes
    "Where the clothes end at the neck in the reference photo can't be told. Please send a figure with its collar free "
    "of hair and in another colour than the skin.",
)
_LIKE_SKIN = _Rule(
    "reference",
    (4.0,),  # steps of L*a*b* are left between the two, at most, where cloth and skin can't be told apart
    "The skin tones of head and figure differ, and so much skin (or cloth of its colour) is in the reference photo "
    "that it wouldn't look even. Please send a figure whose skin is nearer to the head's or less bare.",
)
_MISSED = _Rule(
    "source",
    (0.03,),  # is the mean distance of the landmarks from their aims, in distances of the eyes
    "The head could not be fitted to the figure well enough. Please send a portrait that looks straight into the "
    "camera, with the face evenly lit and nothing before it.",
)
_BROAD = 0.05
"""What is half transparent further than that from an edge, in heights of the face, is hair that nobody could tell."""
_THREAD, _GAP = 0.06, 0.12
"""What is no broader than twice that, likewise, holds no head; nor does what is so far from it."""
_RIM, _NEAR, _FAR = 0.02, 9, 25
"""So wide a rim of the head is looked at, likewise, for what is as near to hair in L*a*b* as the one, and as far from
the face as the other, and hair therefore."""
_HEM, _BESIDE = 0.05, 0.03
"""The border of neck and cloth is smooth over so much, likewise, where it is made, and not so near to the head."""
_LINE = 0.08
"""Where so nearly half of what is around is bare, a point may be on either side of that border, which is no finer."""
_CHEST, _MUCH, _EDGELESS = 0.9, 0.4, 0.012
"""So far below the chin, likewise, a chest is covered; more skin than so much of it is doubtful, or so much, likewise,
that is neither skin nor not."""

_BARE, _SPECK, _SOLID = 0.2, 0.03, 0.3
"""From so many squares of the shoulders' breadth on, skin is at least as far from its edge as the second, in such
breadths, in so large a share of it as the last."""


def _demand(rule: _Rule, *found: float) -> None:
    for value, most in zip(found, rule.most, strict=True):
        if value > most:
            raise refusal(rule.role, rule.words, {"found": rounded_up(float(value), 3), "limit": most})


def judge_whole(head: Placed) -> None:
    """Whether the source shows all of the head that will be seen, and it could be told from what is behind."""
    _demand(_CUT_OFF, head.cut)
    unit, solid = head.frame.height, head.alpha > 0.5
    _demand(_UNTOLD, _faint(head.alpha, unit), (solid & ~touching(solid, head.oval > 0.5)).sum() / unit**2)


def _faint(share: Plane, unit: float) -> float:
    """How much is half transparent further than `_BROAD` from an edge, in squares of the `unit`."""
    return float(narrowed((share > 0.1) & (share < 0.9), _BROAD * unit).sum()) / unit**2


def judge_neck(fresh: Placed, body: Plane) -> None:
    """Whether the head stands on something: `body` (h, w, 0 to 1) is what is the figure's, without the old head."""
    unit, head = fresh.frame.height, fresh.alpha > 0.5
    sturdy = narrowed((body > 0.5) & ~head, _THREAD * unit)
    across, down = fresh.frame.coordinates(body.shape)
    raised = (body > 0.5) & ~head & (down < fresh.frame.chin - 0.1) & (np.abs(across) < 0.7)
    stands = (widened(sturdy, (_THREAD + _GAP) * unit) & head).any()
    _demand(_NECKLESS, raised.sum() / unit**2, float(not stands))


def judge_hidden(figure: Head, fresh: Placed, body: Plane, *, sure: bool, left: float) -> None:
    """Whether enough is left of the figure, loose pieces apart, or known of what its hair hid: see `judge_neck`.

    Where its shoulders are `sure` all of them is left. So much is `left` that may be more of its hair.
    """
    unit, chin = figure.frame.height, figure.frame.chin
    across, down = figure.frame.coordinates(figure.alpha.shape)
    person, head = figure.alpha > 0.5, fresh.alpha > 0.5
    hidden = person & ~head & (figure.share > 0.5) & (down > chin + 0.1)
    held = touching((body > 0.5) | head, head | (np.abs(across) < 0.2))
    there = touching(person, figure.oval > 0.5) & (down > chin)
    bare = (there & ~(held & (body > 0.5)))[-max(1, round(0.05 * unit)) :]
    if sure:
        _demand(_COVERED, left, hidden.sum() / unit**2)
    else:
        _demand(_HIDDEN, left, hidden.sum() / unit**2, (there & ~held).sum() / unit**2, bare.mean(axis=0).sum() / unit)


def judge_ends(fresh: Placed, body: Plane, common: Plane) -> None:
    """Whether hair ends as hair does, but where the photo stays as it was, in `common`.

    Cut from the source's shoulders or clothes it needs something under it: `body`. Nor does more of it lie beyond.
    """
    unit, head = fresh.frame.height, fresh.alpha > 0.5
    _, down = fresh.frame.coordinates(body.shape)
    reach = max(1.5, _RIM * unit)
    beyond = ~head & (fresh.person > 0.5) & (common < 0.5) & (down > fresh.frame.chin - 0.2)
    air = widened(head, reach) & beyond & (body < 0.5)
    severed, face = 0.0, widened(fresh.oval > 0.5, 2 * reach)
    if (here := extent(widened(head & ~face, 3 * reach) & beyond, air=round(6 * reach))) is not None:
        values, skin = (lab(np.ascontiguousarray(part)) for part in (fresh.photo[here], fresh.photo[None, face]))
        values, skin = gaussian(values, 0.5 * reach), np.median(skin[0], axis=0)
        hair = narrowed(head, reach)[here] & ~face[here]
        rim = (beyond & widened(head, 2.5 * reach) & ~widened(head, reach) & ~face)[here] & widened(hair, 3 * reach)
        near, far = (np.linalg.norm(values - it, axis=2) for it in (mean_near(values, hair, 1.5 * reach), skin))
        severed = float((rim & (near < _NEAR) & (far > _FAR)).sum()) / (1.5 * reach)
    _demand(_HANGING, air.sum() / reach / unit, severed / unit)


def judge_collar(fresh: Placed, throat: Plane, body: Plane, made: Plane, worn: Mask) -> None:
    """Whether cloth ends at the neck in a line, where `made`, as collars do: `throat` is what of the `body` is bare.

    Nor is a bite gone from what was `worn`.
    """
    unit, head = fresh.frame.height, fresh.alpha > 0.5
    bare, there, anew = (throat > 0.5) | head, body > 0.5, made > 0.5
    near = anew & widened(there & ~bare, _HEM * unit) & ~widened(head, _BESIDE * unit)
    smooth = gaussian(bare.astype(np.float32), _HEM * unit)
    torn = near & there & (bare != (smooth > np.where(bare, 0.5 - _LINE, 0.5 + _LINE)))
    gone = anew & worn & ~there & ~head
    gone &= widened(narrowed(gone, _RIM * unit), 1.25 * _RIM * unit)
    _demand(_TORN, torn.sum() / unit**2, gone.sum() / unit**2)


def much_skin(share: Plane, figure: Portrait) -> bool:
    """Whether cloth may be taken for skin: `share` (h, w, 0 to 1) is the figure's skin, and much where clothes are.

    Nor does skin end without an edge: where it does, it ends within cloth of its colour.
    """
    across, down = figure.frame.coordinates(share.shape)
    chest = (figure.alpha > 0.9) & (np.abs(across) < 0.5) & (down > figure.frame.chin + _CHEST)
    return bool(chest.any() and share[chest].mean() > _MUCH) or _faint(share, figure.frame.height) > _EDGELESS


def patchy(share: Plane, shoulders: float) -> bool:
    """Whether what passes for skin of arms and legs (`share`, 0 to 1) is so in specks, as on checked cloth.

    `shoulders` is how broad they are, in pixels.
    """
    skin = share > 0.5
    inner = narrowed(skin, _SPECK * shoulders)
    return bool(skin.sum() > _BARE * shoulders**2 and inner.sum() < _SOLID * skin.sum())


def judge_tones(change: Shifts) -> None:
    """Whether the head has come near enough to the tone of a figure whose skin stays as it is."""
    _demand(_LIKE_SKIN, np.abs(change.body).max())


def judge_outcome(image: Rgb8, aim: Points, runtimes: Runtimes) -> None:
    """Whether the face in `image` is seen where its landmarks were to go, `aim` (468, 2).

    It is looked at twice, where it has to be and where a stranger finds a face. No look is exact: their mean counts.
    """
    corners = np.concatenate([aim.min(axis=0), aim.max(axis=0)])
    eyes = np.stack([aim[list(RIGHT_EYE)].mean(axis=0), aim[list(LEFT_EYE)].mean(axis=0)])
    middle = aim.mean(axis=0)
    seen = [face for face in faces(image, runtimes) if bool(((face.box[:2] < middle) & (middle < face.box[2:])).all())]
    looks = [landmarks(image, face, runtimes).points for face in (Detection(1.0, corners, eyes), *seen[:1])]
    apart = max(float(np.hypot(*(eyes[1] - eyes[0]))), 1.0)
    _demand(_MISSED, float(np.mean([np.hypot(*(points - aim).T).mean() for points in looks])) / apart)
