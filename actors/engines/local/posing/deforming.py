"""Bending a mesh along its bones.

Sources: the weights of the bones are harmonic, as in Baran, Popović, "Automatic Rigging and Animation of 3D Characters"
(2007), so they spread through the figure, not across gaps. The deformation is as rigid as possible: Igarashi et al.,
"As-Rigid-As-Possible Shape Manipulation" (2005), by the global step of Liu et al., "A Local/Global Approach to Mesh
Parameterization" (2008), with the bones' own turns, blended as angles, so that large turns take the way they are meant
to: more steps changed nothing to look at.
"""

from collections.abc import Sequence

import numpy as np
from scipy.sparse import coo_array, csc_array, diags_array
from scipy.sparse.linalg import splu

from actors.engines.local.arrays import Mask
from actors.engines.local.posing.mesh import Mesh
from actors.engines.local.posing.skeleton import Doubles
from actors.engines.local.posing.targets import Motion

_HOLD = 50.0
"""How strongly the cores of the bones are held in place, against the stiffness of one triangle."""


def bone_weights(mesh: Mesh, cores: Mask) -> Doubles:
    """The share (n, bones) that each bone has in each vertex: 1 in its own core (n, bones), harmonic in between.

    A vertex that hangs together with no core has 0 everywhere.
    """
    count, bones = cores.shape
    ends = np.concatenate([mesh.triangles[:, [0, 1]], mesh.triangles[:, [1, 2]], mesh.triangles[:, [2, 0]]])
    ones = np.ones(2 * len(ends))
    rows, columns = np.concatenate([ends[:, 0], ends[:, 1]]), np.concatenate([ends[:, 1], ends[:, 0]])
    joined = coo_array((ones, (rows, columns)), shape=(count, count)).tocsr()
    held = cores.any(axis=1)
    result = cores.astype(np.float64) / np.maximum(cores.sum(axis=1, keepdims=True), 1)
    free = np.flatnonzero(~held)
    if len(free):
        degree = np.asarray(joined.sum(axis=1)).ravel()
        system = csc_array(diags_array(degree[free] + 1e-7) - joined[free][:, free])
        right = joined[free] @ result
        result[free] = splu(system).solve(right)
    return np.clip(result.reshape(count, bones), 0, 1)


def deformed(mesh: Mesh, weights: Doubles, cores: Mask, motions: Sequence[Motion]) -> Doubles:
    """Where the vertices (n, 2) go: the cores where their bones take them, the rest as rigidly as possible."""
    gradient, area = _gradient(mesh)
    share = weights[mesh.triangles].mean(axis=1)
    share /= np.maximum(share.sum(axis=1, keepdims=True), 1e-9)
    angles = share @ np.array([motion.angle for motion in motions])
    stretch = np.tensordot(share, np.stack([motion.stretch() for motion in motions]), 1)
    held: Mask = cores.sum(axis=1) > 0
    goal = np.where(held[:, None], 0.0, mesh.vertices)
    for index, motion in enumerate(motions):
        goal += (cores[:, index] / np.maximum(cores.sum(axis=1), 1))[:, None] * motion.moved(mesh.vertices)
    hold: Doubles = np.where(held, _HOLD, 0.0)
    weighted = csc_array(gradient.T @ diags_array(np.repeat(area / area.mean(), 2)))
    # The tiny last term keeps a loose piece, which nothing holds, from making the system singular.
    solver = splu(csc_array(weighted @ gradient + diags_array(hold + 1e-9)))
    wanted = (_rotations(angles) @ stretch).transpose(0, 2, 1).reshape(-1, 2)
    return solver.solve(weighted @ wanted + (hold + 1e-9)[:, None] * goal)


def _gradient(mesh: Mesh) -> tuple[csc_array, Doubles]:
    """The operator (2 m, n) that takes values at vertices to their slope in x and y in each triangle, and the areas."""
    corners = mesh.vertices[mesh.triangles]
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    double = first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]
    opposite = corners[:, [2, 0, 1]] - corners[:, [1, 2, 0]]
    slopes = np.stack([-opposite[..., 1], opposite[..., 0]], axis=1) / double[:, None, None]
    count = len(mesh.triangles)
    rows = np.repeat(np.arange(2 * count), 3)
    columns = np.repeat(mesh.triangles, 2, axis=0).ravel()
    matrix = coo_array((slopes.ravel(), (rows, columns)), shape=(2 * count, len(mesh.vertices)))
    return csc_array(matrix), np.abs(double) / 2


def _rotations(angles: Doubles) -> Doubles:
    cosine, sine = np.cos(angles), np.sin(angles)
    return np.stack([cosine, -sine, sine, cosine], axis=-1).reshape(-1, 2, 2)
