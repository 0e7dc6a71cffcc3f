"""Whether a swap can be good, and whether it was: refusals that say what photo would do."""

import numpy as np

from actors.engines.local.arrays import Mask, Plane, Points, Rgb8, as_rgb
from actors.engines.local.head.cutting import Head
from actors.engines.local.head.faces import refusal
from actors.engines.local.head.joining import Placed
from actors.engines.local.head.portrait import Portrait
from actors.engines.local.head.skin import Shifts
from actors.engines.local.perception.detections import Detection
from actors.engines.local.perception.faces import faces
from actors.engines.local.perception.landmarks import LEFT_EYE, RIGHT_EYE, landmarks
from actors.engines.local.raster import (
    extent,
    gaussian,
    greatest,
    lab,
    mean_near,
    resized,
    resized_linear,
    summed,
    touching,
)
from actors.engines.local.runtimes import Runtimes
from actors.engines.local.shapes import narrowed, widened

_CUT = 0.1
"""So much of the head's outline, in heights of the face, may be the border of the photo."""
_FAINT, _BROAD = 0.01, 0.05
"""So much of a head, in squares of the face's height, may be half transparent further from an edge than so many
heights, or be in pieces of its own: hair that nobody could tell from what is behind it."""
_HIDDEN, _GONE, _BREADTH, _RAISED = 0.12, 0.2, 0.2, 0.15
"""So much of the figure's body, in squares of its face's height, may have been under its hair and come to light; be
gone below the chin (in heights, at the lower border, also under hair); or be beside the face, higher than the chin."""
_INVENTED = 0.4
"""So many squares of the face's height of a background with detail may have to be made up."""
_THREAD, _GAP = 0.06, 0.12
"""What is no broader than twice that, in heights of the face, holds no head; nor does what is so far from it."""
_RIM, _ENDS, _SEVERED, _MORE = 0.02, 0.35, 0.07, (9, 25)
"""So wide a rim of the head is looked at, in heights of the face, and so much of it may have been cut in mid-air, or
from what is as near to hair in L*a*b* as the one, and as far from the face as the other, and hair therefore."""
_HEM, _BESIDE, _RAGGED, _BITE = 0.05, 0.03, 0.006, 0.025
"""The border of neck and cloth is smooth over so many heights of the face, where it is made, and not so near to the
head: no more squares of it may lie on the wrong side of that, nor may more of the clothes be gone."""
_CHEST, _CLOTH, _SLIGHT = 0.9, 0.4, 4.0
"""So far below the chin, in heights of the face, so much of a chest is covered; a change of so few steps of L*a*b* is
seen nowhere."""
_PATCHY, _BURNT, _STEP, _UNIT = 2.7, 0.03, 3.0, 80
"""New edges of so many heights of the face times steps of L*a*b* make patches, so many squares of it are burnt out, no
smaller step is seen: at so many pixels to the height."""
_UNEVEN = (
    "The skin tones of head and figure differ, and so much skin (or cloth of its colour) is in the reference "
    "photo that it wouldn't look even. Please send a figure whose skin is nearer to the head's or less bare."
)
_ERROR = 0.03
"""Mean distance of the landmarks from their aims, in distances of the eyes, above which the outcome isn't delivered."""


def judge_whole(head: Placed) -> None:
    """Whether the source shows all of the head that will be seen, and it could be told from what is behind.

    Raises:
        EngineError: POSE_EXTRACTION_FAILED: its border cuts the head off, or it is half transparent or in pieces.
    """
    if head.cut > _CUT:
        raise refusal(
            "source",
            "The head is cut off by the border of the source photo. Please send one that shows the whole head and all "
            "of its hair, with some space around.",
        )
    unit, solid = head.frame.height, head.alpha > 0.5
    faint = narrowed((head.alpha > 0.1) & (head.alpha < 0.9), _BROAD * unit)
    if max(faint.sum(), (solid & ~touching(solid, head.oval > 0.5)).sum()) > _FAINT * unit**2:
        raise refusal(
            "source",
            "The hair in the source photo can't be told from what is behind it. Please send a photo with a plain "
            "background in another colour than the hair's, or with tied-back hair.",
        )


def judge_hidden(figure: Portrait, old: Head, fresh: Placed, body: Plane) -> None:
    """Whether enough is left of the figure, loose pieces apart, or known of what its hair hid: see `judge_neck`.

    Raises:
        EngineError: POSE_EXTRACTION_FAILED: too much of it comes to light, or is gone.
    """
    unit, chin = figure.frame.height, figure.frame.chin
    across, down = figure.frame.coordinates(figure.alpha.shape)
    person, head = figure.alpha > 0.5, fresh.alpha > 0.5
    hidden = person & ~head & (old.share > 0.5) & (down > chin + 0.1)
    left = touching((body > 0.5) | head, head | (np.abs(across) < 0.2))
    there = touching(person, old.oval > 0.5) & (down > chin)
    bare = (there & ~(left & (body > 0.5)))[-max(1, round(0.05 * unit)) :]
    lost = hidden.sum() / _HIDDEN, (there & ~left).sum() / _GONE, bare.mean(axis=0).sum() * unit / _BREADTH
    if max(lost) > unit**2:
        raise refusal(
            "reference",
            "Long hair hides the shoulders in the reference photo, and the new head wouldn't cover them. Please send "
            "a figure with short or tied-back hair, or a head with hair as long.",
        )


def judge_behind(invented: float) -> None:
    """Whether little of a background with detail has to be `invented`, in squares of the face's height.

    Raises:
        EngineError: POSE_EXTRACTION_FAILED: it would be a smear where the old head was.
    """
    if invented > _INVENTED:
        raise refusal(
            "reference",
            "What is behind the head in the reference photo can't be made up where the new head wouldn't cover it. "
            "Please send a figure before a plainer background or with less hair, or a head with as much.",
        )


def judge_neck(fresh: Placed, body: Plane) -> None:
    """Whether the head stands on something: `body` (h, w, 0 to 1) is what is the figure's, without the old head.

    Raises:
        EngineError: POSE_EXTRACTION_FAILED: there would be a gap, or the shoulders hide the neck.
    """
    unit, head = fresh.frame.height, fresh.alpha > 0.5
    sturdy = narrowed((body > 0.5) & ~head, _THREAD * unit)
    across, down = fresh.frame.coordinates(body.shape)
    raised = (body > 0.5) & ~head & (down < fresh.frame.chin - 0.1) & (np.abs(across) < 0.7)
    if raised.sum() > _RAISED * unit**2 or not (widened(sturdy, (_THREAD + _GAP) * unit) & head).any():
        raise refusal(
            "reference",
            "No neck for the head to stand on was found in the reference photo. Please send one in which the neck and "
            "both shoulders can be seen, from the front.",
        )


def judge_ends(fresh: Placed, body: Plane, common: Plane) -> None:
    """Whether hair ends as hair does, but where the photo stays as it was, in `common`.

    Cut from the source's shoulders or clothes it needs something under it: `body`. Nor does more of it lie beyond.

    Raises:
        EngineError: POSE_EXTRACTION_FAILED: it would end in mid-air, or in a straight line before the neck.
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
        severed = float((rim & (near < _MORE[0]) & (far > _MORE[1])).sum()) / (1.5 * reach)
    if air.sum() > _ENDS * reach * unit or severed > _SEVERED * unit:
        raise refusal(
            "source",
            "The hair in the source photo hangs before the neck, or runs on over shoulders or clothes that the figure "
            "doesn't have there. Please send a photo with shorter or tied-back hair, or a figure whose shoulders are "
            "as near to the face.",
        )


def judge_collar(fresh: Placed, throat: Plane, body: Plane, made: Plane, worn: Mask) -> None:
    """Whether cloth ends at the neck in a line, where `made`, as collars do: `throat` is what of the `body` is bare.

    Nor is a bite gone from what was `worn`.

    Raises:
        EngineError: POSE_EXTRACTION_FAILED: it is torn, since skin and cloth couldn't be told from each other.
    """
    unit, head = fresh.frame.height, fresh.alpha > 0.5
    bare, there, anew = (throat > 0.5) | head, body > 0.5, made > 0.5
    near = anew & widened(there & ~bare, _HEM * unit) & ~widened(head, _BESIDE * unit)
    torn = near & there & (bare != (gaussian(bare.astype(np.float32), _HEM * unit) > 0.5))
    gone = anew & worn & ~there & ~head
    gone &= widened(narrowed(gone, _RIM * unit), 1.25 * _RIM * unit)
    if max(torn.sum() / _RAGGED, gone.sum() / _BITE) > unit**2:
        raise refusal(
            "reference",
            "Where the clothes end at the neck in the reference photo can't be told. Please send a figure with its "
            "collar free of hair and in another colour than the skin.",
        )


def judge_skin(share: Plane, figure: Portrait, change: Shifts) -> None:
    """Whether cloth that looks like skin would change its tone as well: `share` (h, w, 0 to 1) is the figure's skin.

    Raises:
        EngineError: POSE_EXTRACTION_FAILED: where clothes are on nearly everybody there is more skin than anything.
    """
    across, down = figure.frame.coordinates(share.shape)
    chest = (figure.alpha > 0.9) & (np.abs(across) < 0.5) & (down > figure.frame.chin + _CHEST)
    if np.abs(change.body).max() > _SLIGHT and chest.any() and share[chest].mean() > _CLOTH:
        raise refusal("reference", _UNEVEN)


def judge_change(image: Rgb8, after: Rgb8, figure: Portrait, made: Plane) -> None:
    """Whether what changed its tone alone, where nothing of the `figure` was `made`, looks as even as in `image`.

    Raises:
        EngineError: POSE_EXTRACTION_FAILED: it has got borders or burnt-out lights of its own.
    """
    box, anew = figure.box, np.zeros(image.shape[:2], np.float32)
    anew[box.top : box.bottom, box.left : box.right] = resized_linear(made, box.width, box.height)
    unit = min(_UNIT, figure.frame.height / figure.scale)
    size = [max(8, round(side * unit / figure.frame.height * figure.scale)) for side in anew.shape[::-1]]
    old, new = resized(image, *size), resized(after, *size)
    same = ~widened(resized_linear(anew, *size) > 0.05, 3)
    # A clear border of old, with what is behind somebody say, may become clearer.
    before, now = _steps(old), _steps(new)
    smooth = same & ~widened(before > 2 * _STEP, 2)
    patchy = (now - np.float32(1.3) * before - np.float32(_STEP))[smooth].clip(0).sum() / 4 / unit
    burnt = same & (greatest(new) >= 254) & ~widened(greatest(old) >= 245, 1.5)
    if patchy > _PATCHY or burnt.sum() > _BURNT * unit**2:
        raise refusal("reference", _UNEVEN)


def _steps(image: Rgb8) -> Plane:
    """How steep `image` is, in steps of L*a*b* on four pixels: (h, w)."""
    values = gaussian(lab(as_rgb(image)), 0.8)
    result: Plane = 4 * np.sqrt(sum(summed(np.gradient(values, axis=way) ** 2) for way in (0, 1)))
    return result


def judge_outcome(image: Rgb8, aim: Points, runtimes: Runtimes) -> None:
    """Whether the face in `image` is seen where its landmarks were to go, `aim` (468, 2).

    It is looked at twice, where it has to be and where a stranger finds a face. No look is exact: their mean counts.

    Raises:
        EngineError: POSE_EXTRACTION_FAILED: it isn't.
    """
    corners = np.concatenate([aim.min(axis=0), aim.max(axis=0)])
    eyes = np.stack([aim[list(RIGHT_EYE)].mean(axis=0), aim[list(LEFT_EYE)].mean(axis=0)])
    middle = aim.mean(axis=0)
    seen = [face for face in faces(image, runtimes) if bool(((face.box[:2] < middle) & (middle < face.box[2:])).all())]
    looks = [landmarks(image, face, runtimes).points for face in (Detection(1.0, corners, eyes), *seen[:1])]
    apart = max(float(np.hypot(*(eyes[1] - eyes[0]))), 1.0)
    error = float(np.mean([np.hypot(*(points - aim).T).mean() for points in looks])) / apart
    if error > _ERROR:
        raise refusal(
            "source",
            "The head could not be fitted to the figure well enough. Please send a portrait that looks straight into "
            "the camera, with the face evenly lit and nothing before it.",
            {"error": round(error, 3), "limit": _ERROR},
        )
