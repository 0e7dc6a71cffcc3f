"""Running models that were brought."""

import numpy as np

from actors.engines.local.arrays import Floats, Mask, Plane, Rgb, Rgb8, as_rgb
from actors.engines.local.brought.choice import Kind, UnusableModelError, chosen
from actors.engines.local.brought.contract import Triple, Weights, weights_in
from actors.engines.local.filling.texture import paint_with
from actors.engines.local.raster import resized, resized_linear
from actors.engines.local.runtimes import Runtimes

_SLACK = 0.01
"""How far beyond 0 and 1 rounding may lead."""
_LIGHT, _DARK = (225, 180, 150), (30, 60, 90)
_AS_BYTES = 2
"""Colours beyond this are told from 0 to 255."""
_BEYOND_LOGITS = 60
"""A matte that is nowhere below 0 and goes beyond this is told from 0 to 255, too."""


class Brought:
    """The models of an operator, and which of them the edit under way has used."""

    def __init__(self, weights: dict[Kind, Weights], runtimes: Runtimes) -> None:
        self._weights = weights
        self._runtimes = runtimes
        self.used: dict[str, dict[str, str]] = {}
        for one in weights.values():
            runtimes.bring(one.sha256, one.path)

    def __contains__(self, kind: Kind) -> bool:
        return kind in self._weights

    def matte(self, image: Rgb8) -> Floats:
        """What the model says of `image` (h, w, 3): (rows, columns) of its own, 0 to 1."""
        weights = self._of(Kind.MATTE)
        small = resized(as_rgb(image), *weights.size)
        pixels = _planes((small - _triple(weights.mean)) / _triple(weights.deviation))
        said = self._runtimes.run(weights.sha256, {weights.image: pixels})
        if said.ndim not in {3, 4} or said.shape[0] != 1 or said.shape[-3] != 1:
            raise UnusableModelError(f"{weights.path} answers {list(said.shape)}; it should be [1, 1, height, width]")
        said = said.reshape(said.shape[-2:]).astype(np.float32)
        if not np.isfinite(said).all():
            raise UnusableModelError(f"{weights.path} answers with what are no numbers")
        if said.min() >= -_SLACK and said.max() > _BEYOND_LOGITS:
            return said / 255
        logits = said.min() < -_SLACK or said.max() > 1 + _SLACK
        return (1 / (1 + np.exp(-np.clip(said, -30, 30)))).astype(np.float32) if logits else said

    def inpainted(self, image: Rgb, hole: Mask) -> Rgb:
        """`image` (h, w, 3) with what the model puts where `hole` (h, w) is."""
        weights = self._of(Kind.INPAINT)
        height, width = hole.shape
        small = _planes((resized(image, *weights.size) - _triple(weights.mean)) / _triple(weights.deviation))
        gaps = (resized(hole.astype(np.float32), *weights.size) > 0).astype(np.float32)[None, None]
        said = self._runtimes.run(weights.sha256, {weights.image: small, weights.mask or "": gaps})
        if said.shape != small.shape:
            raise UnusableModelError(f"{weights.path} answers {list(said.shape)}; it should be {list(small.shape)}")
        made = said[0].transpose(1, 2, 0).astype(np.float32)
        if not np.isfinite(made).all():
            raise UnusableModelError(f"{weights.path} answers with what are no numbers")
        made = made / 255 if made.max() > _AS_BYTES else made
        return np.clip(resized_linear(np.ascontiguousarray(made), width, height), 0, 1)

    def _of(self, kind: Kind) -> Weights:
        weights = self._weights[kind]
        self.used[kind.value] = weights.told
        return weights


def brought_by(runtimes: Runtimes) -> Brought:
    """Have the models that the environment names used in place of ours. Raises UnusableModelError."""
    brought = Brought({kind: weights_in(path, kind) for kind, path in chosen().items()}, runtimes)
    runtimes.matte = brought.matte if Kind.MATTE in brought else None
    paint_with(brought.inpainted if Kind.INPAINT in brought else None)
    return brought


def _triple(values: Triple) -> Floats:
    return np.array(values, np.float32)


def _planes(image: Rgb) -> Floats:
    return np.ascontiguousarray(image.transpose(2, 0, 1)[None], np.float32)


def tried(weights: Weights, runtimes: Runtimes) -> Plane:
    """Run a model once on a picture made by code: a light disc on dark ground. Raises UnusableModelError."""
    rows, columns = np.mgrid[:256, :256]
    disc: Mask = (rows - 128) ** 2 + (columns - 128) ** 2 < 80**2
    picture = np.where(disc[..., None], np.array(_LIGHT, np.uint8), np.array(_DARK, np.uint8))
    brought = Brought({weights.kind: weights}, runtimes)
    try:
        if weights.kind is Kind.MATTE:
            return brought.matte(picture)
        return brought.inpainted(as_rgb(picture), disc)[..., 0]
    except RuntimeError as error:  # what OpenVINO raises
        raise UnusableModelError(
            f"{weights.path} can't be run on a picture of {weights.size[0]} x {weights.size[1]}"
        ) from error
