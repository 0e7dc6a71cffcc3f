"""Putting a part of a picture that was worked on, perhaps at a smaller size, back into its place."""

import numpy as np

from actors.engines.local.arrays import Floats, Plane, Rgb, Rgb8, as_rgb, as_rgb8
from actors.engines.local.raster import bent, greatest

_STRIP = 256
"""So many rows are put together at a time, for memory."""


def inserted(seen: Rgb8, here: tuple[slice, slice], whole: Rgb8, part: Rgb, made: Plane) -> Rgb8:
    """`whole` with `part` (h, w, 3) `here` (its rows and columns), wherever that is another than was `seen` there.

    Where it wasn't `made` (h, w, 0 to 1) anew only its difference is taken over: the whole may be finer than the part.
    """
    rows, columns = here
    height, width = rows.stop - rows.start, columns.stop - columns.start
    before = as_rgb(seen)
    changed: Plane = greatest(np.abs(part - before))
    share = np.clip(changed * 255 - 0.5, 0, 1)
    result = whole.copy()
    if share.shape == (height, width):
        result[here] = as_rgb8(whole[here] / np.float32(255) * (1 - share[..., None]) + part * share[..., None])
        return result
    difference = part - before
    for top in range(0, height, _STRIP):
        strip = slice(top, min(top + _STRIP, height))
        there = slice(rows.start + strip.start, rows.start + strip.stop), columns
        places = _places(strip, (height, width), share.shape)
        weight = bent(share, places, smooth=False, edge=True)[..., None]
        new = bent(made, places, smooth=False, edge=True)[..., None]
        old = as_rgb(whole[there])
        toned = old + bent(difference, places, smooth=False)
        anew = bent(part, places, smooth=True)
        result[there] = as_rgb8(old + weight * (toned + new * (anew - toned) - old))
    return result


def _places(rows: slice, size: tuple[int, int], shape: tuple[int, ...]) -> Floats:
    """Where the pixels of these rows of a picture of this `size` lie in one of this `shape`: (h, w, 2), x and y."""
    y = (np.arange(rows.start, rows.stop, dtype=np.float32) + 0.5) * np.float32(shape[0] / size[0]) - 0.5
    x = (np.arange(size[1], dtype=np.float32) + 0.5) * np.float32(shape[1] / size[1]) - 0.5
    return np.stack(np.broadcast_arrays(x[None, :], y[:, None]), axis=-1)
