"""Baked shadows: how much of the sky and of the key light each vertex of the resting head sees.

Baked once a clip at its rest pose, so shadows stick to the skin; heads turn little within a clip.
"""

import numpy as np
from numba import njit

from faceimit.data.synthetic import raster

BIAS, SPREAD = 0.25, 0.45  # cm: self-shadow tolerance and softness
_FAR = 100.0


def visibility(points: np.ndarray, triangles: np.ndarray, direction: np.ndarray, size: int = 160) -> np.ndarray:
    """Share in [0, 1] of each vertex (V,) that light from ``direction`` (unit (3,)) reaches.

    Args:
        points: (V, 3) camera space, cm.
        triangles: (F, 3) int32; they cast shadows from both sides.
        direction: (3,) unit vector towards the light.
        size: side of the shadow map in texels.
    """
    up = np.array([0.0, 1.0, 0.0]) if abs(direction[1]) < 0.9 else np.array([0.0, 0.0, 1.0])
    right = np.cross(up, direction)
    right /= np.linalg.norm(right)
    view = points @ np.stack([right, np.cross(direction, right), direction], axis=1)
    low, high = view.min(0), view.max(0)
    texel = max(high[0] - low[0], high[1] - low[1]) / (size - 4)
    screen = np.empty((len(points), 3), np.float32)
    screen[:, :2] = (view[:, :2] - low[:2]) / texel + 2
    screen[:, 2] = view[:, 2] - low[2] + _FAR
    depth, face = np.empty((size, size), np.float32), np.empty((size, size), np.int32)
    bary = np.empty((size, size, 2), np.float32)
    raster.rasterise(screen, triangles, np.ones(len(triangles), dtype=np.bool_), size, depth, face, bary)
    result = np.empty(len(points), np.float32)
    _lookup(screen, depth, SPREAD / texel, BIAS, result)
    return result


@njit(nogil=True, cache=True, fastmath=True)
def _lookup(screen, depth, spread, bias, result):
    size = depth.shape[0]
    for v in range(screen.shape[0]):
        seen = 0.0
        for a in range(-2, 3):
            for b in range(-2, 3):
                i = min(max(int(screen[v, 1] + 0.5 * a * spread), 0), size - 1)
                j = min(max(int(screen[v, 0] + 0.5 * b * spread), 0), size - 1)
                # Slopes seen askance shadow themselves less with a bias that grows with the offset.
                allowed = bias + 0.12 * (abs(a) + abs(b))
                seen += 1.0 if depth[i, j] <= screen[v, 2] + allowed else 0.0
        result[v] = seen / 25.0


def ambient(points: np.ndarray, triangles: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """Share in [0, 1] of the surrounding light that reaches each vertex (V,): visibility averaged over directions."""
    total, weight = np.zeros(len(points), np.float32), np.full(len(points), 1e-3, np.float32)
    for direction in _directions():
        facing = np.clip(normals @ direction.astype(np.float32), 0, None)
        total += facing * visibility(points, triangles, direction, 96)
        weight += facing
    return total / weight


def _directions() -> np.ndarray:
    """14 directions around the viewer's half of space, more from above."""
    rings = [(0.45, 4, 0.4), (1.0, 6, 0.0), (1.45, 4, 0.8)]
    found = []
    for polar, count, start in rings:
        for k in range(count):
            around = start + 2 * np.pi * k / count
            found.append((np.sin(polar) * np.cos(around), np.sin(polar) * np.sin(around) + 0.15, np.cos(polar)))
    found = np.array(found)
    return found / np.linalg.norm(found, axis=1, keepdims=True)
