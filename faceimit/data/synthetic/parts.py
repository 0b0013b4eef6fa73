"""Simple mesh parts beside the skin: eyeballs, teeth, tongue, ears, shoulders, hair, spectacles, a passing hand."""

from dataclasses import dataclass

import numpy as np

from faceimit.data.synthetic.mesh import (
    AXIS_Z,
    CLOTH,
    EYE_X,
    GLASSES,
    HAIR,
    HAND,
    SKIN,
    TEETH,
    TONGUE,
    quads,
)


@dataclass(frozen=True)
class Part:
    """A mesh part: vertices (V, 3), triangles (F, 3) int32, texture coordinates (V, 2) in [0, 1] of its material."""

    vertices: np.ndarray
    triangles: np.ndarray
    uv: np.ndarray
    material: int


def sphere(rings: int, sectors: int, span: float, material: int) -> Part:
    """Unit sphere cap around +z, from its pole to ``span`` radians; uv is the azimuthal projection."""
    ring, sector = np.meshgrid(np.linspace(1e-3, 1, rings), np.linspace(0, 2 * np.pi, sectors + 1), indexing="ij")
    polar = ring * span
    points = np.stack([np.sin(polar) * np.cos(sector), np.sin(polar) * np.sin(sector), np.cos(polar)], axis=-1)
    uv = 0.5 + 0.48 * ring[..., None] * np.stack([np.cos(sector), -np.sin(sector)], axis=-1)
    index = np.arange(ring.size).reshape(ring.shape)
    triangles = quads(index.T[::-1], np.ones((sectors, rings - 1), dtype=bool))
    return Part(points.reshape(-1, 3), outward(points.reshape(-1, 3), triangles), uv.reshape(-1, 2), material)


def grid_part(points: np.ndarray, material: int) -> Part:
    """A part from a grid of points (R, C, 3); uv runs over the grid."""
    rows, cols = points.shape[:2]
    v, u = np.meshgrid(np.linspace(0.02, 0.98, rows), np.linspace(0.02, 0.98, cols), indexing="ij")
    index = np.arange(rows * cols).reshape(rows, cols)
    triangles = quads(index[::-1], np.ones((rows - 1, cols - 1), dtype=bool))
    return Part(points.reshape(-1, 3), triangles, np.stack([u, v], -1).reshape(-1, 2), material)


def outward(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Triangles turned so that their normals point away from the centroid."""
    a, b, c = (points[triangles[:, i]] for i in range(3))
    inward = np.einsum("ij,ij->i", np.cross(b - a, c - a), (a + b + c) / 3 - points.mean(0)) < 0
    flipped = triangles.copy()
    flipped[inward] = flipped[inward][:, ::-1]
    return flipped


def teeth(upper: bool) -> Part:
    """A curved strip of teeth behind the lips."""
    t, s = np.meshgrid(np.linspace(0, 1, 5), np.linspace(-1, 1, 17), indexing="ij")
    x = 2.15 * s
    y = (-6.1 - 1.42 * t) if upper else (-7.75 - 1.3 * t)
    z = -0.75 - 0.34 * x**2 - 0.25 * (np.abs(2 * t - 1)) ** 2
    return grid_part(np.stack([x, y + 0 * x, z], axis=-1), TEETH)


def tongue() -> Part:
    """A flattened ellipsoid behind the lower teeth."""
    ball = sphere(7, 12, np.pi * 0.98, TONGUE)
    return Part(ball.vertices * [1.55, 0.5, 2.4] + [0, -8.15, -3.6], ball.triangles, ball.uv, TONGUE)


def ear(side: int) -> Part:
    """A flat ellipsoid at the side of the head; ``side`` is +1 for the person's left."""
    ball = sphere(7, 12, np.pi * 0.98, SKIN)
    points = ball.vertices[:, [2, 1, 0]] * [0.35, 1.75, 1.0]
    points[:, 0] += 0.55 * points[:, 2] * -0.7 + 0.0
    points[:, 2] += 0.12 * points[:, 1]
    points = points * [side, 1, 1] + [side * 7.35, -1.9, -8.5]
    uv = np.tile([0.13 if side < 0 else 0.87, 0.42], (len(points), 1)) + 0.02 * (ball.uv - 0.5)
    return Part(points, outward(points, ball.triangles), uv, SKIN)


def shoulders() -> Part:
    """Chest and shoulders, a curved sheet that the neck sinks into."""
    v, u = np.meshgrid(np.linspace(0, 1, 10), np.linspace(-1, 1, 25), indexing="ij")
    top = -12.6 - 9.4 * np.abs(u) ** 1.2 - 2.8 * np.exp(-((u / 0.2) ** 2))
    depth = np.sqrt(np.clip(1 - u**2, 0, 1)) * (2.5 + 7.5 * v**0.4)
    points = np.stack([20.0 * u, top - 17.0 * v, -12.5 + depth], axis=-1)
    return grid_part(points, CLOTH)


def long_hair(length: float, opening: float) -> Part:
    """Hair around ears and neck: a shell down to ``length`` (y), open to the front by ``opening`` radians a side."""
    t, angle = np.meshgrid(np.linspace(0, 1, 14), np.linspace(opening, 2 * np.pi - opening, 27), indexing="ij")
    y = 10.3 + t * (length - 10.3)
    radius = np.interp(y, [-22, -10, -4, 3, 7, 9.2, 10.3], [7.2, 7.9, 8.2, 8.3, 7.4, 4.2, 0.3])
    radius = radius * (1 + 0.03 * np.sin(9 * angle + 0.2 * y) + 0.02 * np.sin(0.9 * y))
    points = np.stack([radius * np.sin(angle), y, AXIS_Z - 0.6 + 1.25 * radius * np.cos(angle)], axis=-1)
    return grid_part(points, HAIR)


def spectacles(width: float, height: float, roundness: float) -> Part:
    """Two rims, the bridge and the temples, as thin tubes before the eyes."""
    parts = []
    t = np.linspace(0, 2 * np.pi, 29)
    for side in (-1, 1):
        rim = np.stack([_super(np.cos(t), roundness) * width, _super(np.sin(t), roundness) * height, 0 * t], axis=-1)
        rim += [side * EYE_X, -0.45, 0.0]
        rim[:, 2] = -0.1 - 0.06 * rim[:, 0] ** 2
        parts.append(tube(rim, 0.13))
        ends = np.linspace(0, 1, 6)[:, None]
        start = np.array([side * (EYE_X + width), -0.1, -0.1 - 0.06 * (EYE_X + width) ** 2])
        parts.append(tube(start + ends * (np.array([side * 7.6, -0.5, -8.5]) - start), 0.13))
    gap = EYE_X - width
    x = np.linspace(-gap, gap, 7)
    parts.append(tube(np.stack([x, -0.25 + 0.25 * (1 - (x / gap) ** 2), 0.25 - 0.05 * x**2], axis=-1), 0.14))
    return join(parts)


def _super(value: np.ndarray, roundness: float) -> np.ndarray:
    return np.sign(value) * np.abs(value) ** roundness


def tube(path: np.ndarray, radius: float) -> Part:
    """A thin tube of the spectacles' material around a path (N, 3)."""
    around = np.linspace(0, 2 * np.pi, 6)
    tangent = np.gradient(path, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    side = np.cross(tangent, [0.3, 0.2, 1.0])
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    up = np.cross(side, tangent)
    offset = np.cos(around)[None, :, None] * side[:, None] + np.sin(around)[None, :, None] * up[:, None]
    return grid_part(path[:, None] + radius * offset, GLASSES)


def hand(pose_spread: float) -> Part:
    """A hand: palm, fingers, thumb and forearm as ellipsoids; the palm's centre is the origin, fingers point up."""
    ball = sphere(7, 10, np.pi * 0.98, HAND)
    palm = (np.zeros(3), np.array([3.0, 3.6, 1.1]), 0.0)
    blobs = [palm, (np.array([0, -11.0, 0]), np.array([2.1, 9.0, 2.0]), 0.0)]
    for i, length in enumerate((2.9, 3.4, 3.2, 2.5)):
        angle = (1.5 - i) * 0.1 * (1 + pose_spread)
        base = np.array([(i - 1.5) * 1.4, 3.0, 0.0])
        blobs.append(
            (base + length * 0.9 * np.array([-np.sin(angle), np.cos(angle), 0]), np.array([0.72, length, 0.7]), angle)
        )
    blobs.append((np.array([-3.6, 0.6, 0.2]), np.array([0.85, 2.6, 0.8]), 0.7))
    parts = []
    for center, radii, angle in blobs:
        c, s = np.cos(angle), np.sin(angle)
        points = (ball.vertices * radii) @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]]) + center
        parts.append(Part(points, ball.triangles, ball.uv, HAND))
    return join(parts)


def join(parts: list[Part]) -> Part:
    """One part of several of the same material."""
    offsets = np.cumsum([0] + [len(part.vertices) for part in parts[:-1]])
    triangles = [part.triangles + offset for part, offset in zip(parts, offsets, strict=True)]
    return Part(
        np.concatenate([part.vertices for part in parts]),
        np.concatenate(triangles).astype(np.int32),
        np.concatenate([part.uv for part in parts]),
        parts[0].material,
    )
