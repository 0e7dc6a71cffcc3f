"""How a file without an ICC profile means its colours (ITU-T H.273; PNG's gAMA and cHRM): what browsers take of it.

They read the curve of BT.709 cameras as 2.4, but in HEIC and AVIF as sRGB's; they leave aside primaries without a
curve, and a gamma close to that of sRGB.
"""

from typing import Final, Literal

import msgspec

Curve = float | Literal["srgb", "pq", "hlg"]
"""How light is coded: an exponent, sRGB's curve, or one of the two of high dynamic range."""
Chromaticities = tuple[float, float, float, float, float, float, float, float]
"""CIE x and y of white, red, green and blue."""


class Colours(msgspec.Struct, frozen=True):
    """What numbers mean."""

    chromaticities: Chromaticities
    curve: Curve


_D65 = (0.3127, 0.3290)
SRGB: Final = Colours((*_D65, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06), "srgb")

_PRIMARIES: dict[int, Chromaticities] = {
    1: SRGB.chromaticities,
    4: (0.310, 0.316, 0.67, 0.33, 0.21, 0.71, 0.14, 0.08),
    5: (*_D65, 0.64, 0.33, 0.29, 0.60, 0.15, 0.06),
    6: (*_D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070),
    7: (*_D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070),
    9: (*_D65, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046),
    11: (0.314, 0.351, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
    12: (*_D65, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
}
_CAMERA = (1, 6, 14, 15)
"""BT.709 and its like."""
_CURVES: dict[int, Curve] = {4: 2.2, 5: 2.8, 8: 1.0, 13: "srgb", 16: "pq", 17: 2.6, 18: "hlg"}
_NEAR = 0.05
"""Gammas are as good as 1/2.2 within this share."""


def by_code(primaries: int, transfer: int) -> Colours | None:
    """What the codes of a PNG's cICP mean; None for sRGB, and for what isn't told or known."""
    curve: Curve | None = 2.4 if transfer in _CAMERA else _CURVES.get(transfer)
    return None if curve is None else _unless_srgb(primaries, curve)


def by_video_code(primaries: int, transfer: int) -> Colours | None:
    """What the codes of an HEIC's or AVIF's `nclx` mean; None for sRGB, and for what isn't known."""
    return _unless_srgb(primaries, _CURVES.get(transfer, "srgb"))


def _unless_srgb(primaries: int, curve: Curve) -> Colours | None:
    known = _PRIMARIES.get(primaries)
    colours = None if known is None else Colours(known, curve)
    return None if colours == SRGB else colours


def by_measure(gamma: float, chromaticities: Chromaticities | None) -> Colours | None:
    """What a PNG's gAMA, and cHRM if there is one, mean; None for sRGB, and for nonsense."""
    if gamma <= 0:
        return None
    if chromaticities is None:
        return None if abs(gamma * 2.2 - 1) < _NEAR else Colours(SRGB.chromaticities, 1 / gamma)
    white, red, green, blue = zip(chromaticities[::2], chromaticities[1::2], strict=True)
    if not all(y > 0 for _, y in (white, red, green, blue)):
        return None
    area = (green[0] - red[0]) * (blue[1] - red[1]) - (green[1] - red[1]) * (blue[0] - red[0])
    return Colours(chromaticities, 1 / gamma) if abs(area) > _NEAR / 10 else None
