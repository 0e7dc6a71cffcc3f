"""Whose each part of a photo is, as eyes said once: how much of an outcome is otherwise can be told without them."""

import base64
import io
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import msgspec
import numpy as np
from PIL import Image

from actors.engines.local.arrays import Plane
from actors.engines.local.raster import components, grown, resized, shrunk

OUTLINES = Path(__file__).parent / "outlines.json"
"""By a photo's name a small picture, a PNG in base64: 2 what stays, 0 what goes, 1 where either is right."""
LARGE = 0.01
"""A piece of this share of what stays is seen at first sight."""


@cache
def read_outlines() -> Mapping[str, str]:
    """What OUTLINES holds.

    Raises:
        msgspec.MsgspecError: it can't be understood.
    """
    return msgspec.json.decode(OUTLINES.read_bytes(), type=dict[str, str])


def misplaced(alpha: Plane, outline: str) -> dict[str, float | None]:
    """How much of `alpha` (h, w) is otherwise than its `outline`, as shares of what stays.

    `misplaced`: all of it, but for what is no broader than an edge's place; `largest`: its largest piece.
    """
    with Image.open(io.BytesIO(base64.b64decode(outline))) as opened:
        said = np.asarray(opened)
    kept = resized(alpha, said.shape[1], said.shape[0]) > 0.5
    wrong = (kept != (said == 2)) & (said != 1)
    wrong &= grown(shrunk(wrong, 1), 1)
    pieces = components(wrong)[1][1:, 4]
    stays = max(1, int((said == 2).sum()))
    return {"misplaced": float(pieces.sum() / stays), "largest": float(pieces.max(initial=0) / stays)}
