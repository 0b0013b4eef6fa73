"""The canonical head: one dense grid around the head with slits for the mouth and the eyes, and its inner parts.

Units: 1 is about 1 cm (8.9 between the outer eye corners). Axes as in :mod:`faceimit.face.pose`: x to the right of
the picture (the person's left), y up, z to the viewer; the origin lies on the nasion (between the eyes).
The grid is laid out with eyes and mouth closed ("flat"); the neutral face opens the eyes. A slit is a grid row that
exists twice, so that lips and lids are free edges. Proportions follow averages of adult faces.
"""

import itertools
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.interpolate import PchipInterpolator

EYE_X, EYE_HALF, EYE_Y = 3.085, 1.365, -0.48
EYE_CENTER_Y, EYE_Z, EYE_RADIUS = -0.28, -3.05, 1.42
MOUTH_Y, MOUTH_HALF = -7.2, 2.55
AXIS_Z = -8.0
REFERENCE_HALF_WIDTH = 7.3
SUPERELLIPSE = 2.5
JAW_HINGE = np.array([0.0, -2.5, -8.5])
NECK_PIVOT = np.array([0.0, -10.0, -9.0])
NECK_TOP, NECK_BOTTOM = -12.5, -21.0

# Materials, one an atlas region (see texture.py).
SKIN, EYE, TEETH, TONGUE, CLOTH, GLASSES, HAIR, HAND, OBJECT = range(9)


@dataclass(frozen=True)
class HeadGrid:
    """The skin of head and neck.

    Attributes:
        flat: (V, 3) vertices with eyes and mouth closed.
        triangles: (F, 3) int32, counter-clockwise seen from outside.
        uv: (V, 2) texture coordinates in [0, 1].
        eye_side: (V,) signed distance above (+) or below (-) the eye slit; a slit's two copies differ in sign.
        mouth_side: (V,) the same of the mouth slit.
        twins: (N, 2) pairs of coincident vertices whose normals are to be shared.
    """

    flat: np.ndarray
    triangles: np.ndarray
    uv: np.ndarray
    eye_side: np.ndarray
    mouth_side: np.ndarray
    twins: np.ndarray


def smoothstep(low: float, high: float, value: np.ndarray) -> np.ndarray:
    """Cubic ramp from 0 at ``low`` to 1 at ``high``."""
    t = np.clip((value - low) / (high - low), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def bump(x: np.ndarray, y: np.ndarray | float, cx: float, cy: float, sx: float, sy: float) -> np.ndarray:
    """Gaussian of height 1 at (cx, cy) with standard deviations (sx, sy)."""
    return np.exp(-0.5 * (((x - cx) / sx) ** 2 + ((y - cy) / sy) ** 2))


def _curve(*points: tuple[float, float]) -> PchipInterpolator:
    table = np.array(sorted(points))
    return PchipInterpolator(table[:, 0], table[:, 1], extrapolate=True)


# Half width of the head, its depth before and behind the axis, and the jaw line's height, over y (the last over x).
_HALF_WIDTH = _curve(
    *[
        (-21, 6.0),
        (-16, 5.0),
        (-14, 4.75),
        (-12.5, 4.95),
        (-11, 5.35),
        (-10, 5.75),
        (-8.6, 6.2),
        (-7.2, 6.55),
        (-5, 6.85),
    ],
    *[(-2.4, 7.15), (0, 7.25), (2, 7.25), (4, 7.1), (6, 6.6), (8, 5.3), (9, 3.9), (9.6, 2.2), (9.85, 0.4)],
)
_FRONT = _curve(
    *[
        (-21, 7.0),
        (-12.5, 7.1),
        (-11.5, 7.5),
        (-10.8, 7.75),
        (-9.5, 7.65),
        (-8, 7.95),
        (-6, 8.05),
        (-5, 8.0),
        (-4, 7.9),
    ],
    *[(-2, 7.75), (-0.3, 7.6), (1, 7.95), (2, 8.1), (3.5, 7.95), (4.9, 7.5), (6.5, 6.8), (8, 5.5), (9, 4.1)],
    *[(9.6, 2.3), (9.85, 0.4)],
)
_BACK = _curve((-21, 6.0), (-8, 6.8), (-3, 8.6), (2, 9.6), (5, 9.2), (7, 7.8), (8.5, 5.6), (9.5, 2.6), (9.85, 0.4))
_JAW_BOTTOM = _curve(
    *[(0, -12.75), (1.3, -12.65), (2.3, -12.3), (3.1, -12.05), (3.9, -11.75), (4.76, -11.2), (5.46, -10.5)],
    *[(6.1, -9.5), (6.8, -8.0), (7.3, -7.0)],
)
# Height and width of the nose over y.
_NOSE = _curve(
    *[(2, 0), (1.0, 0.1), (0.3, 0.3), (-0.7, 0.75), (-1.52, 1.25), (-2.77, 2.2), (-3.58, 2.55), (-4.1, 2.45)],
    *[(-4.5, 2.0), (-4.85, 0.9), (-5.05, 0.4), (-5.4, 0.12), (-6, 0)],
)
_NOSE_WIDTH = _curve((2, 1.0), (0, 0.72), (-1.5, 0.8), (-2.8, 0.95), (-3.8, 1.12), (-4.6, 1.15), (-6, 1.2))


def _columns() -> np.ndarray:
    """Column positions as reference angles around the head, seam at the back included twice."""
    mouth = MOUTH_HALF * REFERENCE_HALF_WIDTH / float(_HALF_WIDTH(MOUTH_Y))
    inner, outer = ((EYE_X + s * EYE_HALF) * REFERENCE_HALF_WIDTH / float(_HALF_WIDTH(EYE_Y)) for s in (-1, 1))
    stops = [(0.0, 9), (inner, 5), (mouth, 8), (outer, 6), (5.9, 6)]
    xs = [np.linspace(a, b, n, endpoint=False) for (a, n), (b, _) in itertools.pairwise(stops)]
    front = np.arcsin((np.concatenate([*xs, [5.9]]) / REFERENCE_HALF_WIDTH) ** (SUPERELLIPSE / 2))
    half = np.concatenate([front, np.linspace(front[-1], np.pi / 2, 6)[1:], np.linspace(np.pi / 2, np.pi, 9)[1:]])
    return np.concatenate([-half[:0:-1], half])


def _rows() -> tuple[np.ndarray, int, int]:
    """Row heights from the neck up, and the index of the lower copy of the mouth and of the eye slit."""
    stops = [(-21, 5), (-14, 6), (-12.6, 7), (-10.6, 6), (-9.2, 10), (MOUTH_Y, 0)]
    low = _spans(stops)
    middle = _spans([(MOUTH_Y, 8), (-6.1, 5), (-5.1, 8), (-3.4, 9), (-0.95, 5), (EYE_Y, 0)])
    top = _spans([(EYE_Y, 9), (0.8, 7), (2.6, 13), (5.2, 6), (8.0, 4), (9.3, 3), (9.8, 0)])
    return np.concatenate([low, middle, top]), len(low) - 1, len(low) + len(middle) - 1


def _spans(stops: list[tuple[float, int]]) -> np.ndarray:
    parts = [np.linspace(a, b, n, endpoint=False) for (a, n), (b, _) in itertools.pairwise(stops)]
    return np.concatenate([*parts, [stops[-1][0]]])


def head_surface(angle: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Points (..., 3) of the featureless skull, jaw and neck at angles around the vertical axis and heights."""
    sin, cos = np.sin(angle), np.cos(angle)
    power = 2.0 / SUPERELLIPSE
    back = np.where(cos < 0, 1.0, power)
    side = np.sign(sin) * np.abs(sin) ** power
    depth = np.sign(cos) * np.abs(cos) ** back * np.where(cos >= 0, _FRONT(y), _BACK(y))
    x0 = np.where(cos >= 0, np.abs(side) * REFERENCE_HALF_WIDTH, REFERENCE_HALF_WIDTH)
    jaw = _JAW_BOTTOM(x0)
    s = np.clip((y - jaw + 0.25) / 1.8, 0.0, 1.0)
    rounding = np.sqrt(1.0 - (1.0 - s) ** 2)
    flare = smoothstep(-16.0, -21.0, y)
    neck = np.where(cos >= 0, 0.5 + 0.5 * sin**2 - 0.1 * flare, 0.75 + 0.25 * sin**2) + 0.1 * flare * sin**2
    scale = np.minimum(0.5 * (rounding + neck + np.sqrt((rounding - neck) ** 2 + 0.006)), 1.0)
    return np.stack([side * _HALF_WIDTH(y) * scale, y + 0 * side, AXIS_Z + depth * scale], axis=-1)


def _features(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Height (towards the viewer) of the facial features over the skull at front positions (x, y)."""
    ax = np.abs(x)
    nose = np.clip(_NOSE(np.clip(y, -6, 2)), 0, None) * np.exp(-((ax / _NOSE_WIDTH(np.clip(y, -6, 2))) ** 2.4))
    wings = 0.95 * bump(ax, y, 1.32, -4.2, 0.5, 0.5)
    nostrils = -0.5 * bump(ax, y, 0.72, -4.95, 0.3, 0.16)
    socket = -1.0 * bump(ax, y, 3.0, -0.35, 1.75, 0.95) - 0.45 * bump(ax, y, 1.3, -0.3, 0.5, 0.7)
    brow = 0.5 * bump(ax, y, 3.6, 1.7, 1.7, 0.6) + 0.2 * bump(ax, y, 0, 1.4, 1.3, 0.7)
    cheek = 0.4 * bump(ax, y, 4.4, -2.7, 1.4, 1.2) - 0.35 * bump(ax, y, 4.6, -6.2, 1.3, 1.5)
    fold = -0.22 * bump(ax, y, 2.6, -5.6, 0.45, 0.9)
    return nose + wings + nostrils + socket + brow + cheek + fold + _mouth_relief(ax, y)


def _mouth_relief(ax: np.ndarray, y: np.ndarray) -> np.ndarray:
    arch = -0.13 * np.minimum(ax, 3.2) ** 2 * np.exp(-0.5 * ((y + 7.3) / 1.5) ** 2) * (1 - smoothstep(2.6, 5.0, ax))
    corner = -0.3 * bump(ax, y, 2.6, -7.25, 0.45, 0.5)
    taper = np.clip(1.0 - (ax / 2.7) ** 2, 0.0, 1.0)
    upper = 0.5 * np.exp(-0.5 * ((y + 6.72) / 0.36) ** 2) * taper
    lower = 0.6 * np.exp(-0.5 * ((y + 7.85) / 0.45) ** 2) * taper
    crease = -0.3 * np.exp(-0.5 * ((y - MOUTH_Y) / 0.13) ** 2) * np.sqrt(taper)
    philtrum = -0.16 * bump(ax, y, 0, -5.75, 0.28, 0.45) + 0.08 * bump(ax, y, 0.55, -5.75, 0.22, 0.5)
    chin = 0.45 * bump(ax, y, 0, -10.9, 1.5, 0.9) - 0.42 * bump(ax, y, 0, -9.35, 1.7, 0.42)
    return arch + corner + upper + lower + crease + philtrum + chin


@cache
def head_grid() -> HeadGrid:
    """The skin grid with closed eyes and mouth (about 7,000 vertices)."""
    angles, (heights, mouth_row, eye_row) = _columns(), _rows()
    angle, y = np.meshgrid(angles, heights)
    points = head_surface(angle, y)
    front = smoothstep(0.0, 0.35, np.cos(angle))
    points[..., 2] += _features(points[..., 0], y) * front
    rows, cols = y.shape
    eye_side, mouth_side = y - EYE_Y, y - MOUTH_Y
    for side, row in ((eye_side, eye_row), (mouth_side, mouth_row)):
        side[row], side[row + 1] = -1e-6, 1e-6
    index = np.arange(rows * cols).reshape(rows, cols)
    keep = np.ones((rows - 1, cols - 1), dtype=bool)
    keep[[mouth_row, eye_row]] = False
    triangles = quads(index, keep)
    twins = [np.stack([index[:, 0], index[:, -1]], axis=1)]
    for row, inside in ((mouth_row, _in_mouth), (eye_row, _in_eye)):
        outside = ~inside(points[row, :, 0]) | (np.cos(angles) < 0)
        twins.append(np.stack([index[row][outside], index[row + 1][outside]], axis=1))
    uv = texture_coordinates(angle, y)
    return HeadGrid(
        points.reshape(-1, 3), triangles, uv.reshape(-1, 2), eye_side.ravel(), mouth_side.ravel(), np.concatenate(twins)
    )


def _in_mouth(x: np.ndarray) -> np.ndarray:
    return np.abs(x) < MOUTH_HALF - 1e-3


def _in_eye(x: np.ndarray) -> np.ndarray:
    return np.abs(np.abs(x) - EYE_X) < EYE_HALF - 1e-3


def quads(index: np.ndarray, keep: np.ndarray) -> np.ndarray:
    """Triangles (F, 3) int32 of the cells of a vertex grid (R, C) where ``keep`` (R - 1, C - 1)."""
    a, b, c, d = index[:-1, :-1][keep], index[:-1, 1:][keep], index[1:, :-1][keep], index[1:, 1:][keep]
    return np.concatenate([np.stack([a, b, d], 1), np.stack([a, d, c], 1)]).astype(np.int32)


# Texture layout: (position, share) knots; the front of the face gets most texels.
_U_KNOTS = (np.array([-np.pi, -1.02, 1.02, np.pi]), np.array([0.01, 0.13, 0.87, 0.99]))
_V_KNOTS = (np.array([-21.0, -13.0, 7.0, 9.85]), np.array([0.99, 0.9, 0.08, 0.01]))
_SIDE_LIMIT = float(np.sin(1.02) ** (2 / SUPERELLIPSE))


def texture_coordinates(angle: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Texture coordinates (..., 2) in [0, 1] of grid positions; the front is linear in x, not in the angle."""
    side = np.sign(np.sin(angle)) * np.abs(np.sin(angle)) ** (2 / SUPERELLIPSE) / _SIDE_LIMIT
    front = np.abs(angle) <= 1.02
    u = np.where(front, 0.5 + 0.37 * side, np.interp(angle, *_U_KNOTS))
    return np.stack([u, np.interp(y, *_V_KNOTS)], axis=-1)


def texture_positions(width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """Angle and y, each (height, width), of the texels' centres: the inverse of :func:`texture_coordinates`."""
    u, v = (np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height
    side = np.clip((u - 0.5) / 0.37, -1, 1) * _SIDE_LIMIT
    angle = np.sign(side) * np.arcsin(np.abs(side) ** (SUPERELLIPSE / 2))
    angle = np.where(np.abs(u - 0.5) <= 0.37, angle, np.interp(u, _U_KNOTS[1], _U_KNOTS[0]))
    y = np.interp(v, _V_KNOTS[1][::-1], _V_KNOTS[0][::-1])
    return np.meshgrid(angle, y)
