import numpy as np

from actors.engines.local.arrays import Mask
from actors.engines.local.filling.smooth import smooth_fill
from actors.engines.local.filling.texture import textured_fill
from actors.engines.local.posing.deforming import bone_weights, deformed
from actors.engines.local.posing.mesh import Mesh, Seam, sewn_mesh
from actors.engines.local.posing.rendering import NOWHERE, source_map
from actors.engines.local.posing.skeleton import BONES, Doubles, Layer
from actors.engines.local.posing.targets import Motion


def bar() -> tuple[Mesh, Mask]:
    """An upright bar of 40 x 200 pixels, and the ends of it as cores of the first two bones."""
    mask = np.zeros((240, 240), np.bool_)
    mask[20:220, 100:140] = True
    mesh = sewn_mesh({Layer.TORSO: mask}, [], 10)
    cores = np.zeros((len(mesh.vertices), len(BONES)), np.bool_)
    cores[mesh.vertices[:, 1] <= 60, 0] = True
    cores[mesh.vertices[:, 1] >= 180, 1] = True
    return mesh, cores


def motion(angle: float = 0.0, shift: tuple[float, float] = (0, 0)) -> Motion:
    centre = np.array([120, 120])
    return Motion(centre, centre + shift, angle, np.array([0.0, 1.0]), 1.0, 1.0)


def still() -> list[Motion]:
    return [motion() for _ in BONES]


def areas(mesh: Mesh, placed: Doubles) -> Doubles:
    a, b, c = (placed[mesh.triangles[:, i]] for i in range(3))
    return np.cross(np.c_[b - a, np.zeros(len(a))], np.c_[c - a, np.zeros(len(a))])[:, 2] / 2


def test_weights_are_shares() -> None:
    mesh, cores = bar()
    weights = bone_weights(mesh, cores)
    assert np.abs(weights.sum(axis=1) - 1).max() < 1e-4
    assert (weights[cores[:, 0], 0] == 1).all()
    middle = mesh.vertices[:, 1] == 120
    assert np.abs(weights[middle, 0] - 0.5).max() < 0.05


def test_nothing_moves_when_no_bone_moves() -> None:
    mesh, cores = bar()
    placed = deformed(mesh, bone_weights(mesh, cores), cores, still())
    assert np.abs(placed - mesh.vertices).max() < 1e-6


def test_what_turns_as_a_whole_keeps_its_shape() -> None:
    mesh, cores = bar()
    moves = [motion(np.radians(130), (15, 5)) for _ in BONES]
    placed = deformed(mesh, bone_weights(mesh, cores), cores, moves)
    assert np.abs(placed - moves[0].moved(mesh.vertices)).max() < 1e-2


def test_a_bend_of_a_right_angle_tears_and_flips_nothing() -> None:
    mesh, cores = bar()
    moves = still()
    moves[1] = motion(np.radians(90))
    placed = deformed(mesh, bone_weights(mesh, cores), cores, moves)
    assert np.abs(placed[cores[:, 0]] - mesh.vertices[cores[:, 0]]).max() < 2
    assert np.abs(placed[cores[:, 1]] - moves[1].moved(mesh.vertices[cores[:, 1]])).max() < 2
    assert (areas(mesh, placed) > 0.2 * areas(mesh, mesh.vertices)).all()


def test_sheets_are_one_only_where_they_are_sewn() -> None:
    mask, zone = np.ones((100, 100), np.bool_), np.zeros((100, 100), np.bool_)
    zone[:40] = True
    mesh = sewn_mesh({Layer.TORSO: mask, Layer.LEFT_ARM: mask}, [Seam(Layer.TORSO, Layer.LEFT_ARM, zone)], 10)
    shared = mesh.members[:, Layer.TORSO] & mesh.members[:, Layer.LEFT_ARM]
    assert set(mesh.vertices[shared, 1]) == {0.0, 10.0, 20.0, 30.0}
    assert len(mesh.vertices) == 2 * 11 * 11 - 4 * 11
    assert len(mesh.triangles) == 2 * 2 * 100


def test_a_mesh_at_rest_shows_every_pixel_where_it_is() -> None:
    mesh, _ = bar()
    where = source_map(mesh.vertices, mesh.vertices, mesh.triangles, 240, 240)
    y, x = np.mgrid[0:240, 0:240]
    inside = (x >= 100) & (x <= 140) & (y >= 20) & (y <= 220)
    assert (where[~inside] == NOWHERE).all()
    assert np.abs(where[inside] - np.stack([x, y], axis=-1)[inside]).max() < 1e-3


def test_a_bent_mesh_is_drawn_without_gaps() -> None:
    mesh, cores = bar()
    moves = still()
    moves[1] = motion(np.radians(70))
    placed = deformed(mesh, bone_weights(mesh, cores), cores, moves)
    where = source_map(placed, mesh.vertices, mesh.triangles, 240, 240)
    covered = float((where[..., 0] > NOWHERE).sum())
    assert abs(covered - areas(mesh, placed).sum()) < 0.05 * covered
    # Inside each line that is covered there is no pixel that isn't.
    for row in (where[..., 0] > NOWHERE)[30:60]:
        columns = np.flatnonzero(row)
        assert len(columns) == columns[-1] - columns[0] + 1


def test_colours_are_carried_on() -> None:
    image = np.full((60, 80, 3), 0.25, np.float32)
    image[20:40, 20:60] = 0.9
    known = np.ones((60, 80), np.float32)
    known[18:42, 18:62] = 0
    assert np.abs(smooth_fill(image, known) - 0.25).max() < 0.01


def test_patterns_are_carried_on_and_the_same_every_time() -> None:
    x = np.arange(160)
    stripes = np.where((x // 8) % 2 == 0, 0.2, 0.8).astype(np.float32)
    image = np.broadcast_to(stripes[None, :, None], (120, 160, 3)).copy()
    whole = image.copy()
    hole = np.zeros((120, 160), np.bool_)
    hole[40:80, 60:100] = True
    image[hole] = 0
    first, second = (textured_fill(image, hole, ~hole, 160) for _ in range(2))
    assert np.array_equal(first, second)
    assert np.abs(first - whole)[hole].mean() < 0.08
