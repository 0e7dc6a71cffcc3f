"""Filling a hole from what is around it.

Sources: Gortler et al., "The Lumigraph" (1996), pull and push, for smooth fills. For textures: Wexler, Shechtman and
Irani, "Space-Time Completion of Video" (2007): every patch that touches the hole shall look like one that is known, and
a hole pixel is the mean of what its patches' likes say. The likes are found as in Barnes et al., "PatchMatch" (2009),
all patches at once: each tries its neighbours' finds, then random places ever nearer to its own.
"""

# Shares of a pixel stand where they are used.
# ruff: noqa: PLR2004

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from actors.engines.local.arrays import Floats, Mask, Plane, Rgb
from actors.engines.local.head.shapes import distance_to, narrowed, widened
from actors.engines.local.raster import extent, gaussian, resized, resized_linear

_REACH = 2
"""A patch reaches so far to each side."""
_FINEST, _COARSEST = 208, 44
"""Long edges in pixels between which the hole is filled, coarse to fine; finer detail is copied along."""
_ROUNDS = 3
_MIXED = 0.1
"""A reduced pixel with less of the hole in it counts as known."""
_FEW = 40
"""Fewer places to copy from are no texture."""
_FIRST_ROUNDS = 10
"""At the coarsest size, so that what is known finds its way in."""
_DECAY = 0.7
"""What a pixel counts for falls by this factor with each pixel of its distance from what is known."""

Indices = NDArray[np.int64]


def smooth_fill(image: Floats, known: Plane) -> Floats:
    """`image` (h, w, c) with smooth values where `known` (h, w, 0 to 1) is low, from those near where it is high."""
    height, width = known.shape
    if min(height, width) < 2:
        total = float(known.sum())
        mean = (image * known[..., None]).sum(axis=(0, 1)) / max(total, 1e-6)
        return np.where(known[..., None] > 0.5, image, mean).astype(np.float32)
    size = (width + 1) // 2, (height + 1) // 2
    weight = resized(known, *size)
    small = resized(image * known[..., None], *size) / np.maximum(weight, 1e-6)[..., None]
    coarse = gaussian(resized_linear(smooth_fill(small, np.minimum(weight * 2, 1)), width, height), 0.8)
    result: Floats = coarse + known[..., None] * (image - coarse)
    return result


def levelled(filled: Rgb, hole: Mask, beside: Mask, reach: float, limit: float = 1.0) -> Rgb:
    """`filled` (h, w, 3) with the inside of `hole` brought to the level of what lies `beside` it: no step at that seam.

    The difference between means within `reach` pixels on either side is spread smoothly over the hole, as far as it is
    below `limit` (0 to 1): a larger one comes from things that lie there.
    """
    height, width = hole.shape
    reduce = max(1, min(int(reach / 2), height // 16, width // 16))  # such a difference has no detail
    size = max(1, width // reduce), max(1, height // reduce)
    reach /= reduce

    def near(side: Mask, other: Mask) -> Plane:
        small = resized(side.astype(np.float32), *size)
        return small * widened(resized(other.astype(np.float32), *size) > 0, 2 * reach)

    small = resized(filled, *size)
    outer, inner = near(beside, hole), near(hole, beside)
    outer_weight, inner_weight = gaussian(outer, reach), gaussian(inner, reach)
    trust = np.clip(np.minimum(outer_weight, inner_weight) / 0.1, 0, 1)
    step = gaussian(small * outer[..., None], reach) / np.maximum(outer_weight, 1e-3)[..., None]
    step -= gaussian(small * inner[..., None], reach) / np.maximum(inner_weight, 1e-3)[..., None]
    if limit < 1:
        trust *= np.clip(2 - np.abs(step).max(axis=2) / np.float32(limit), 0, 1)
    if trust.max() < 1:
        return filled
    spread = resized_linear(smooth_fill(step, trust), width, height)
    return np.clip(filled + spread * hole[..., None], 0, 1).astype(np.float32)


def textured_fill(image: Rgb, hole: Mask, sources: Mask, start: Rgb, needed: Mask | None = None) -> Rgb:
    """`image` with `hole` filled with the texture of `sources`, beginning from the guess `start`.

    All (h, w[, 3]). Of the hole only what is `needed` gets texture, all of it if that is None. Where there are too few
    sources the guess is the result. Same input, same result.
    """
    wanted = hole if needed is None else hole & needed
    result = np.where(hole[..., None], start, image).astype(np.float32)
    part = _around(wanted)
    if part is not None:
        result[part] = _filled(image[part], hole[part].copy(), wanted[part], sources[part].copy(), result[part])
    return result


def _around(hole: Mask) -> tuple[slice, slice] | None:
    """The part of the picture that matters to the hole: as much again around it."""
    tight = extent(hole)
    return tight and extent(hole, air=int(0.6 * max(side.stop - side.start for side in tight)) + 12)


def _filled(image: Rgb, hole: Mask, wanted: Mask, sources: Mask, start: Rgb) -> Rgb:
    height, width = hole.shape
    likes: _Likes | None = None
    small = start
    random = np.random.default_rng(11)
    for side in _sides(max(height, width)):
        scale = side / max(height, width)
        size = max(8, round(width * scale)), max(8, round(height * scale))
        open_ = resized(hole.astype(np.float32), *size) > _MIXED
        free = resized(sources.astype(np.float32), *size) > 1 - _MIXED / 5
        asked = resized(wanted.astype(np.float32), *size) > 0
        begun = np.where(open_[..., None], resized_linear(small, *size), resized(start, *size))
        level = _Level(begun, open_, free, asked)
        small = level.image
        if len(level.places) < _FEW or not len(level.targets):
            continue
        rounds = _FIRST_ROUNDS if likes is None else _ROUNDS
        likes = level.begun(likes, random)
        for _ in range(rounds):
            likes = level.matched(likes, random)
            level.vote(likes)
        small = level.image
    fine = resized_linear(small, width, height)
    if likes is not None:
        fine += _detail(image, hole, wanted, likes, random)
    edge = np.maximum(gaussian(hole.astype(np.float32), 0.8), hole)[..., None]
    return np.clip(image + edge * (fine - image), 0, 1).astype(np.float32)


class _Likes(Struct, frozen=True):
    """For each target pixel the source pixel whose patch it takes after: row and column, at a level of this size."""

    target: Indices
    source: Indices
    shape: tuple[int, int]


def _sides(longest: int) -> list[int]:
    finest = min(longest, _FINEST)
    sides = [finest]
    while sides[-1] / 2 >= _COARSEST:
        sides.append(round(sides[-1] / 2))
    return sides[::-1]


class _Level:
    """One size at which what is `asked` of the hole is filled; `image` is what there is so far."""

    def __init__(self, image: Rgb, hole: Mask, sources: Mask, asked: Mask) -> None:
        self.image = image
        self.hole = hole
        self.shape = hole.shape[0], hole.shape[1]
        inner = np.zeros_like(hole)
        inner[_REACH:-_REACH, _REACH:-_REACH] = True
        side = 2 * _REACH + 1
        self.places = np.argwhere(narrowed(sources & ~hole, _REACH) & inner)
        self.allowed = np.zeros(hole.shape, np.bool_)
        self.allowed[self.places[:, 0], self.places[:, 1]] = True
        self.targets = np.argwhere(widened(hole & asked, _REACH - 1) & inner)
        trust = np.power(np.float32(_DECAY), np.minimum(distance_to(~hole), 40)).astype(np.float32)
        self._trust = trust[self.targets[:, 0], self.targets[:, 1]].astype(np.float64)
        say = np.lib.stride_tricks.sliding_window_view(trust, (side, side))
        say = say[self.targets[:, 0] - _REACH, self.targets[:, 1] - _REACH].reshape(len(self.targets), side * side)
        # Colours lie channel by channel in a patch; the root, because it is applied before squaring.
        self._say = np.tile(np.sqrt(say / say.sum(axis=1, keepdims=True)), 3).astype(np.float32)
        self.order = np.full(hole.shape, -1, np.int64)
        self.order[self.targets[:, 0], self.targets[:, 1]] = np.arange(len(self.targets))
        self._offsets = [(row, column) for row in range(-_REACH, _REACH + 1) for column in range(-_REACH, _REACH + 1)]
        self._patch = side * side * 3
        self._known = self._patches(image)

    def _patches(self, image: Rgb) -> Floats:
        """Every pixel's patch in one row, (h - 2r, w - 2r, n)."""
        side = 2 * _REACH + 1
        views = np.lib.stride_tricks.sliding_window_view(image, (side, side), axis=(0, 1))
        return np.ascontiguousarray(views).reshape(*views.shape[:2], self._patch)

    def _costs(self, wanted: Floats, source: Indices, say: Floats) -> Floats:
        """How unlike the patches of `source` are to those `wanted`; what is known says more."""
        difference = self._known[source[:, 0] - _REACH, source[:, 1] - _REACH]
        difference -= wanted
        difference *= say
        return np.einsum("ij,ij->i", difference, difference)

    def begun(self, coarser: _Likes | None, random: np.random.Generator) -> _Likes:
        """Likes to start from: those of the coarser level, where they still are sources; else any."""
        count = len(self.targets)
        source = self.places[random.integers(0, len(self.places), count)]
        if coarser is not None:
            rows, columns = self.shape[0] / coarser.shape[0], self.shape[1] / coarser.shape[1]
            table = np.full((*coarser.shape, 2), -1, np.int64)
            table[coarser.target[:, 0], coarser.target[:, 1]] = coarser.source - coarser.target
            at = np.minimum((self.targets / [rows, columns]).astype(np.int64), np.array(coarser.shape) - 1)
            there = self.order[self.targets[:, 0], self.targets[:, 1]] >= 0
            shift = table[at[:, 0], at[:, 1]]
            moved = self.targets + np.round(shift * [rows, columns]).astype(np.int64)
            good = there & self._is_source(moved)
            source = np.where(good[:, None], moved, source)
        return _Likes(self.targets, source, self.shape)

    def _is_source(self, places: Indices) -> Mask:
        inside = _inside(places, self.shape)
        kept = np.where(inside[:, None], places, 0)
        return inside & self.allowed[kept[:, 0], kept[:, 1]]

    def matched(self, likes: _Likes, random: np.random.Generator) -> _Likes:
        """Better likes for the image as it is now."""
        source = likes.source.copy()
        now = self._patches(self.image)
        wanted = now[self.targets[:, 0] - _REACH, self.targets[:, 1] - _REACH]
        costs = self._costs(wanted, source, self._say)
        for jump in (4, 1):
            for row, column in ((jump, 0), (-jump, 0), (0, jump), (0, -jump)):
                self._try(wanted, source, costs, self._from_neighbours(source, row, column))
        radius = max(self.shape) // 2
        while radius >= 1:
            step = random.integers(-radius, radius + 1, source.shape)
            self._try(wanted, source, costs, source + step)
            radius //= 3
        return _Likes(self.targets, source, self.shape)

    def _from_neighbours(self, source: Indices, row: int, column: int) -> Indices:
        places = self.targets + np.array([row, column])
        inside = _inside(places, self.shape)
        kept = np.where(inside[:, None], places, 0)
        neighbour: Indices = np.where(inside, self.order[kept[:, 0], kept[:, 1]], -1)
        return np.where(np.asarray(neighbour >= 0)[:, None], source[neighbour] - np.array([row, column]), -1)

    def _try(self, wanted: Floats, source: Indices, costs: Floats, places: Indices) -> None:
        chosen = np.flatnonzero(self._is_source(places))
        if not len(chosen):
            return
        tried = self._costs(wanted[chosen], places[chosen], self._say[chosen])
        better = tried < costs[chosen]
        source[chosen[better]] = places[chosen[better]]
        costs[chosen[better]] = tried[better]

    def vote(self, likes: _Likes) -> None:
        """Each hole pixel becomes the mean of what the patches around it say, the better likes counting more."""
        now = self._patches(self.image)
        wanted = now[self.targets[:, 0] - _REACH, self.targets[:, 1] - _REACH]
        costs = self._costs(wanted, likes.source, self._say)
        spread = float(np.percentile(costs, 75)) + 1e-6
        weights = self._trust * (np.exp(-costs / (2 * spread)).astype(np.float64) + 1e-6)
        height, width = self.shape
        total = np.zeros(height * width)
        sums = np.zeros((3, height * width))
        for row, column in self._offsets:
            flat = (likes.target[:, 0] + row) * width + likes.target[:, 1] + column
            colours = self.image[likes.source[:, 0] + row, likes.source[:, 1] + column]
            total += np.bincount(flat, weights, height * width)
            for channel in range(3):
                sums[channel] += np.bincount(flat, weights * colours[:, channel], height * width)
        voted = (sums / np.maximum(total, 1e-9)).T.reshape(height, width, 3).astype(np.float32)
        open_ = self.hole & (total.reshape(height, width) > 0)
        self.image = np.where(open_[..., None], voted, self.image)


def _inside(places: Indices, shape: tuple[int, int]) -> Mask:
    rows, columns = places[:, 0], places[:, 1]
    result: Mask = (rows >= 0) & (rows < shape[0]) & (columns >= 0) & (columns < shape[1])
    return result


def _detail(image: Rgb, hole: Mask, wanted: Mask, likes: _Likes, random: np.random.Generator) -> Rgb:
    """What is finer than the finest level, copied along with the patches: (h, w, 3), 0 where it isn't `wanted`."""
    height, width = hole.shape
    scale = max(height, width) / max(likes.shape)
    if scale <= 1:
        return np.zeros_like(image)
    blurred = resized_linear(resized(image, likes.shape[1], likes.shape[0]), width, height)
    table = np.zeros((*likes.shape, 2), np.float32)
    table[likes.target[:, 0], likes.target[:, 1]] = likes.source - likes.target
    places = np.argwhere(wanted)
    jitter = random.random(places.shape)
    at = np.minimum(
        ((places + jitter) / [height / likes.shape[0], width / likes.shape[1]]).astype(np.int64),
        np.array(likes.shape) - 1,
    )
    shifts = np.round(table[at[:, 0], at[:, 1]] * np.float32(scale)).astype(np.int64)
    rows = np.clip(places[:, 0] + shifts[:, 0], 0, height - 1)
    columns = np.clip(places[:, 1] + shifts[:, 1], 0, width - 1)
    detail = np.zeros_like(image)
    taken = image[rows, columns] - blurred[rows, columns]
    taken[hole[rows, columns]] = 0
    detail[places[:, 0], places[:, 1]] = taken
    return detail
