"""Bending a figure's layers into another pose."""

from collections.abc import Collection, Mapping

import numpy as np
from msgspec import Struct

from actors.engines.local.arrays import Mask
from actors.engines.local.perception.pose import LEFT_HIP, LEFT_SHOULDER, NOSE, RIGHT_HIP, RIGHT_SHOULDER
from actors.engines.local.posing.deforming import bone_weights, deformed
from actors.engines.local.posing.mesh import Mesh, Seam, sewn_mesh
from actors.engines.local.posing.shapes import distances
from actors.engines.local.posing.sheets import Sheet, reaches
from actors.engines.local.posing.skeleton import (
    BONES,
    CHAINS,
    CHEST,
    COLLARS,
    HEAD,
    HIPS,
    LEGS,
    NECK,
    PELVIS,
    SKULL,
    Doubles,
    Layer,
    length,
    torso_length,
)
from actors.engines.local.posing.targets import Target
from actors.engines.local.raster import grown

_PRESENT, _LOOSE = 0.02, 0.5
"""A layer is where its alpha is above the first; a triangle that belongs to bones by less than the second is loose."""
_CORE_WIDTH = 0.6
"""The stiff middle of a limb, as a share of its thickness."""
_MOUTH = (9, 10)
"""The landmarks of its corners."""


class Bent(Struct, frozen=True):
    """A figure's layers with where each pixel of them comes from."""

    mesh: Mesh
    placed: Doubles


def bent_sheets(
    layers: Mapping[Layer, Sheet],
    figure: Doubles,
    target: Target,
    shape: tuple[int, int],
    smoothness: float,
    bare: Collection[Layer] = (),
) -> Bent:
    """The mesh of all layers, at rest and as it is to be, in a picture of `shape`.

    `smoothness` 0 to 1: how much of a limb bends at a joint; `bare`: which arms have no sleeve.
    """
    unit = torso_length(figure)
    step = max(5, round(unit / 26))
    masks = {layer: _whole(sheet, shape) for layer, sheet in layers.items()}
    seams = [
        Seam(layer, other, grown(zone > 0, step))
        for layer, others in reaches(figure, shape, bare).items()
        for other, zone in others
        if layer < other
    ]
    mesh = sewn_mesh(masks, seams, step)
    held = _held(mesh, figure, smoothness, step)
    weights = bone_weights(mesh, held)
    placed = deformed(mesh, weights, held, target.motions)
    stiff = held[:, SKULL]
    placed[stiff] = target.motions[SKULL].moved(mesh.vertices[stiff])
    loose = weights.sum(axis=1)[mesh.triangles].min(axis=1) < _LOOSE
    order = np.flatnonzero(~loose)[np.argsort(_solidity(layers, mesh)[~loose], kind="stable")]
    return Bent(Mesh(mesh.vertices, mesh.triangles[order], mesh.layer_of[order], mesh.members), placed)


def _whole(sheet: Sheet, shape: tuple[int, int]) -> Mask:
    """Where in the whole picture a layer is."""
    result = np.zeros(shape, np.bool_)
    height, width = sheet.alpha.shape
    result[sheet.top : sheet.top + height, sheet.left : sheet.left + width] = sheet.alpha > _PRESENT
    return result


def _solidity(layers: Mapping[Layer, Sheet], mesh: Mesh) -> Doubles:
    """The mean alpha of each triangle's layer at its corners and centre.

    Where a sheet folds, what is solid is drawn on top.
    """
    corners = mesh.vertices[mesh.triangles]
    points = np.concatenate([corners, corners.mean(axis=1, keepdims=True)], axis=1).round().astype(np.int64)
    result = np.zeros(len(mesh.triangles))
    for layer, sheet in layers.items():
        mine = mesh.layer_of == layer
        height, width = sheet.alpha.shape
        x = np.clip(points[mine, :, 0] - sheet.left, 0, width - 1)
        y = np.clip(points[mine, :, 1] - sheet.top, 0, height - 1)
        result[mine] = sheet.alpha[y, x].mean(axis=1)
    return np.round(result, 2)


def _held(mesh: Mesh, figure: Doubles, smoothness: float, step: int) -> Mask:
    """The vertices (n, bones) in the core of each bone."""
    unit = torso_length(figure)
    held = np.zeros((len(mesh.vertices), len(BONES)), np.bool_)
    room = 0.3 + 1.4 * smoothness
    for chain in CHAINS.values():
        for order, index in enumerate(chain):
            bone = BONES[index]
            start, end = figure[bone.start], figure[bone.end]
            size = max(float(np.hypot(*(end - start))), 1e-6)
            near_share = min(0.45, room * bone.half * unit / size * (1.5 if order == 0 else 1.0))
            last = order == len(chain) - 1
            far_share = 0.0 if last else min(0.45, room * bone.half * unit / size)
            a, b = start + near_share * (end - start), end - far_share * (end - start)
            if last:
                b = end + 0.9 * (end - start) * (1.0 if bone.layer in LEGS else 0.5)
            radius = max(_CORE_WIDTH * bone.half * unit, 0.75 * step)
            held[:, index] = (distances(mesh.vertices, a, b) < radius) & mesh.members[:, bone.layer]
    _hold_trunk(held, mesh, figure, unit)
    return held


def _hold_trunk(held: Mask, mesh: Mesh, figure: Doubles, unit: float) -> None:
    spine = figure[PELVIS] - figure[NECK]
    across = (figure[LEFT_SHOULDER] - figure[RIGHT_SHOULDER]) * 0.22
    chest = figure[NECK] + 0.30 * spine
    held[:, CHEST] = distances(mesh.vertices, chest - across, chest + across) < 0.13 * unit
    hips = figure[PELVIS] - 0.06 * spine
    broad = (figure[LEFT_HIP] - figure[RIGHT_HIP]) * 0.45
    held[:, HIPS] = distances(mesh.vertices, hips - broad, hips + broad) < 0.09 * unit
    for index in (CHEST, HIPS):
        held[:, index] &= mesh.members[:, Layer.TORSO]
    # The whole face, from the chin up: as far below the mouth as that is below the nose.
    mouth = figure[list(_MOUTH)].mean(axis=0)
    up = (figure[HEAD] - figure[NECK]) / length(figure, NECK, HEAD)
    chin = float((2 * mouth - figure[NOSE] - figure[NECK]) @ up)
    lowest = float(np.clip(chin, 0.05 * unit, 0.55 * length(figure, NECK, HEAD)))
    held[:, SKULL] = mesh.members[:, Layer.HEAD] & ((mesh.vertices - figure[NECK]) @ up > lowest - 0.01 * unit)
    # Else cloth that is pressed together in an armpit pushes the shoulder up.
    for collar in COLLARS.values():
        along = figure[BONES[collar].end] - figure[NECK]
        inner, outer = figure[NECK] + 0.55 * along, figure[NECK] + 0.85 * along
        near = distances(mesh.vertices, inner, outer) < BONES[collar].half * unit
        held[:, collar] = near & mesh.members[:, Layer.TORSO] & ~mesh.members[:, Layer.HEAD]
    owners = held.sum(axis=1)
    held[owners > 1] &= np.eye(len(BONES), dtype=np.bool_)[np.argmax(held[owners > 1], axis=1)]
