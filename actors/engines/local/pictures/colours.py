"""An ICC profile (ICC.1:2010) for colours that a file tells without one."""

import struct

import numpy as np
from numpy.typing import NDArray

from schema.pictures.colours import Colours, Curve

Matrix = NDArray[np.float64]

_D50 = np.array([0.9642, 1.0, 0.8249])
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
"""From XYZ to what the eye adapts by (ICC.1:2010, annex E)."""
_WHITE = 406.0
"""Nits of high dynamic range that are shown as white: browsers show twice the reference white (BT.2408: 203) so."""
_STEPS = 4096
"""Of a curve in a table."""


def profile_of(colours: Colours) -> bytes:
    """A profile with the primaries and the curve of `colours`."""
    curve = _curve(colours.curve)
    tags = {b"wtpt": _xyz(_D50)}
    for name, column in zip((b"r", b"g", b"b"), _to_d50(colours).T, strict=True):
        tags |= {name + b"XYZ": _xyz(column), name + b"TRC": curve}
    table, body = struct.pack(">I", len(tags)), b""
    first = 128 + 4 + 12 * len(tags)
    for kind, data in tags.items():
        table += struct.pack(">4sII", kind, first + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    header = struct.pack(">I4xI4s4s4s12x4s", first + len(body), 0x04200000, b"mntr", b"RGB ", b"XYZ ", b"acsp")
    return header.ljust(68, b"\0") + _xyz(_D50)[8:].ljust(60, b"\0") + table + body


def _to_d50(colours: Colours) -> Matrix:
    """From linear colours to XYZ under D50, (3, 3): the adaptation is Bradford's."""
    points = np.array(colours.chromaticities).reshape(4, 2)
    white, *primaries = (np.array([x / y, 1, (1 - x - y) / y]) for x, y in points)
    basis = np.stack(primaries, axis=1)
    matrix = basis * np.linalg.solve(basis, white)
    gains = (_BRADFORD @ _D50) / (_BRADFORD @ white)
    return np.linalg.inv(_BRADFORD) @ np.diag(gains) @ _BRADFORD @ matrix


def _curve(curve: Curve) -> bytes:
    match curve:
        case "srgb":
            return _parametric(3, 2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
        case "pq" | "hlg":
            codes = np.linspace(0, 1, _STEPS)
            nits = _pq(codes) if curve == "pq" else _hlg(codes)
            values = np.round(np.clip(nits / _WHITE, 0, 1) * 65535).astype(">u2")
            return struct.pack(">4s4xI", b"curv", _STEPS) + values.tobytes()
        case exponent:
            return _parametric(0, exponent)


def _pq(codes: Matrix) -> Matrix:
    """SMPTE ST 2084: nits."""
    root = codes ** (32 / 2523)
    return 10_000 * (np.maximum(root - 3424 / 4096, 0) / (2413 / 128 - 2392 / 128 * root)) ** (16384 / 2610)


def _hlg(codes: Matrix) -> Matrix:
    """ITU-R BT.2100's hybrid log-gamma on a display of 1,000 nits."""
    bright = (np.exp((codes - 0.55991073) / 0.17883277) + 0.28466892) / 12
    return 1000 * np.where(codes * 2 <= 1, codes**2 / 3, bright) ** 1.2


def _parametric(kind: int, *values: float) -> bytes:
    return struct.pack(f">4s4xHH{len(values)}i", b"para", kind, 0, *(round(value * 65536) for value in values))


def _xyz(values: Matrix) -> bytes:
    return struct.pack(">4s4x3i", b"XYZ ", *(round(float(value) * 65536) for value in values))
