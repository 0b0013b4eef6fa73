"""Blendshape displacement fields on the canonical head, and the eyelids that close over the eyeballs.

Fields are analytic functions of the flat face plane. The mouth slit splits them: points on the lower side follow the
jaw. Amplitudes (cm) are set so that MediaPipe's reading of the rendered face follows the driving coefficients.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from faceimit.data.synthetic import mesh
from faceimit.data.synthetic.mesh import bump, smoothstep
from faceimit.face.blendshapes import BLENDSHAPES, INDEX


@dataclass(frozen=True)
class Plane:
    """Flat face-plane positions (V,) of skin vertices with their side of the mouth slit, and a front mask."""

    x: np.ndarray
    y: np.ndarray
    mouth_side: np.ndarray
    front: np.ndarray

    @property
    def lower(self) -> np.ndarray:
        """Weight in [0, 1] of the lower side of the mouth; jumps at the slit, 0.5 at and beyond the corners."""
        share = 0.5 * np.clip(np.abs(self.x) / mesh.MOUTH_HALF, 0, 1) ** 2.6
        distance = np.abs(self.mouth_side)
        return np.where(
            self.mouth_side > 0,
            share * (1 - smoothstep(0, 1.9, distance)),
            1 - share * (1 - smoothstep(0, 2.3, distance)),
        )

    @property
    def lips(self) -> np.ndarray:
        """Weight in [0, 1] of the lips, fading into the skin around them."""
        return (1 - smoothstep(1.8, 4.3, np.abs(self.x))) * np.exp(-0.5 * ((self.y + 7.25) / 1.05) ** 2) * self.front


def _field(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    return np.stack([x, y, z], axis=-1)


def _symmetric(plane: Plane) -> dict[str, np.ndarray]:
    x, lower, lips, front = plane.x, plane.lower, plane.lips, plane.front
    zero, ax, y = 0 * x, np.abs(x), plane.y
    low, up = lower * lips, (1 - lower) * lips
    jaw = jaw_weight(plane)
    near = np.exp(-np.abs(plane.mouth_side) / 1.3)
    rim = np.exp(-np.abs(plane.mouth_side) / 0.5)
    corner = bump(ax, y, 2.7, mesh.MOUTH_Y, 1.05, 1.0) * front
    forward = 1 - smoothstep(0.7, 3.1, ax)
    inward = -np.sign(x) * np.minimum(ax, 3.4) * lips
    brow = (bump(ax, y, 1.5, 1.9, 1.35, 1.0) + 0.35 * bump(ax, y, 1.5, 3.6, 1.6, 1.3)) * front
    puff = bump(ax, y, 4.0, -6.1, 1.4, 1.5) * front
    chin = bump(x, y, 0, -10.2, 1.6, 1.0) * front
    return {
        "jawOpen": _field(zero, -(2.4 * jaw + 1.05 * low), -1.2 * jaw),
        "jawForward": _field(zero, 0.1 * jaw, 0.9 * jaw),
        "jawLeft": _field(1.0 * jaw, zero, zero),
        "jawRight": _field(-1.0 * jaw, zero, zero),
        "mouthClose": _field(zero, 1.9 * low * near - 1.1 * up * near, -0.1 * lips),
        "mouthFunnel": _field(0.33 * inward, 0.75 * up - 0.6 * low, 0.75 * lips * forward),
        "mouthPucker": _field(0.46 * inward, -0.4 * up * rim - 0.33 * low - 0.28 * corner, 0.85 * lips * forward),
        "mouthLeft": _field(1.5 * lips, zero, zero),
        "mouthRight": _field(-1.5 * lips, zero, zero),
        "mouthRollLower": _field(zero, 0.75 * low, -0.6 * low),
        "mouthRollUpper": _field(zero, -0.55 * up, -0.55 * up),
        "mouthShrugLower": _field(zero, 1.1 * low + 0.5 * up + 0.75 * chin, 0.35 * low + 0.4 * chin),
        "mouthShrugUpper": _field(zero, 0.85 * up + 0.5 * low, 0.25 * up),
        "cheekPuff": _field(0.55 * np.sign(x) * puff, zero, 1.0 * puff + 0.15 * lips),
        "browInnerUp": _field(zero, 1.0 * brow, 0.1 * brow),
        "tongueOut": _field(zero, -0.25 * low, 0.1 * low),
    }


def _left_sided(plane: Plane, s: int) -> dict[str, np.ndarray]:
    """Fields of one side, ``s`` = +1 for the person's left (positive x)."""
    x, y, zero = plane.x * s, plane.y, 0 * plane.x
    front = plane.front
    half = smoothstep(-0.7, 0.7, x)
    lips, lower = plane.lips * half, plane.lower
    corner = bump(x, y, 2.7, -7.2, 1.05, 1.0) * front
    wide = bump(x, y, 2.9, -7.0, 1.5, 1.5) * front
    cheek = bump(x, y, 3.9, -3.9, 1.2, 1.1) * front
    eye_bag = bump(x, y, 3.1, -1.5, 1.4, 0.5) * front
    wing = bump(x, y, 1.3, -3.9, 0.7, 0.8) * front
    brow = (bump(x, y, 2.6, 1.75, 1.7, 0.85) + 0.4 * bump(x, y, 1.0, 1.2, 0.6, 0.7)) * front
    outer = (bump(x, y, 4.4, 1.9, 1.5, 1.0) + 0.3 * bump(x, y, 4.2, 3.6, 1.6, 1.2)) * front
    fold = bump(x, y, 2.7, -5.5, 0.35, 0.9) * front
    up_lip = (1 - lower) * bump(x, y, 1.3, -6.6, 1.1, 0.9) * front
    low_lip = lower * bump(x, y, 1.5, -8.0, 1.25, 0.9) * front
    squeeze = -np.sign(plane.mouth_side) * np.minimum(np.abs(plane.mouth_side), 0.9) * lips
    stretch = lips * np.clip(x / 2.6, 0, 1)
    fields = {
        "browDown": (-0.32 * brow, -0.85 * brow, 0.15 * brow),
        "browOuterUp": (zero, 1.0 * outer, 0.05 * outer),
        "cheekSquint": (zero, 0.55 * cheek + 0.25 * eye_bag, 0.35 * cheek + 0.1 * eye_bag),
        "eyeSquint": (zero, 0.16 * eye_bag - 0.1 * brow, 0.1 * eye_bag),
        "mouthDimple": (0.45 * corner, 0.2 * corner, -0.6 * corner),
        "mouthFrown": (0.8 * wide, -0.8 * wide - 0.42 * corner, -0.1 * wide),
        "mouthLowerDown": (0.3 * low_lip, -1.15 * low_lip, -0.25 * low_lip),
        "mouthPress": (0.33 * corner, 0.58 * squeeze + 0.03 * corner, -0.35 * lips),
        "mouthSmile": (
            0.8 * wide + 0.1 * stretch,
            0.8 * wide + 0.3 * corner + 0.35 * cheek - 0.05 * stretch,
            -0.4 * wide + 0.35 * cheek - 0.3 * fold,
        ),
        "mouthStretch": (1.1 * wide, -0.45 * wide, -0.35 * wide),
        "mouthUpperUp": (zero, 1.05 * up_lip + 0.22 * wing, 0.15 * up_lip - 0.12 * fold),
        "noseSneer": (
            -0.1 * wing,
            0.5 * wing + 0.35 * up_lip - 0.15 * brow,
            0.2 * wing + 0.12 * bump(x, y, 0.7, -1.2, 0.5, 0.6) - 0.2 * fold,
        ),
    }
    side = "Left" if s > 0 else "Right"
    return {name + side: _field(s * dx, dy, dz) for name, (dx, dy, dz) in fields.items()}


def jaw_weight(plane: Plane) -> np.ndarray:
    """How far skin follows the jaw, in [0, 1]."""
    ax = np.abs(plane.x)
    lateral = 1.0 - 0.75 * smoothstep(2.2, 5.4, ax) - 0.25 * smoothstep(5.4, 7.2, ax)
    neck = 1.0 - smoothstep(-12.6, -16.0, plane.y) if plane.y.size else plane.y
    return plane.lower * lateral * neck * plane.front


@cache
def skin_plane() -> Plane:
    """The face plane of the canonical skin grid."""
    grid = mesh.head_grid()
    x, y, z = grid.flat.T
    return Plane(x, y, grid.mouth_side, smoothstep(-9.5, -6.5, z))


@cache
def skin_basis() -> np.ndarray:
    """(52, V, 3) displacements of the canonical skin for coefficient 1; lids and gaze are not in it."""
    plane = skin_plane()
    fields = _symmetric(plane) | _left_sided(plane, 1) | _left_sided(plane, -1)
    basis = np.zeros((len(BLENDSHAPES), plane.x.size, 3))
    for name, field in fields.items():
        basis[INDEX[name]] = field
    return basis


def inner_basis(points: np.ndarray, jaw: float, is_tongue: bool) -> np.ndarray:
    """(52, V, 3) displacements of teeth and tongue that follow the jaw with weight ``jaw``."""
    basis = np.zeros((len(BLENDSHAPES), len(points), 3))
    basis[INDEX["jawOpen"]] = np.array([0, -2.3, -1.15]) * jaw
    basis[INDEX["jawForward"]] = np.array([0, 0.1, 0.9]) * jaw
    basis[INDEX["jawLeft"]] = np.array([1.0, 0, 0]) * jaw
    basis[INDEX["jawRight"]] = np.array([-1.0, 0, 0]) * jaw
    if is_tongue:
        tip = smoothstep(-4.5, -1.5, points[:, 2])[:, None]
        basis[INDEX["tongueOut"]] = tip * np.array([0, 0.15, 3.6]) + tip**3 * np.array([0, -1.2, 0])
    return basis


@dataclass(frozen=True)
class Lids:
    """Displacement fields (V, 3) that open one eye: upper and lower lid, and the vertices that touch the eyeball."""

    upper: np.ndarray
    lower: np.ndarray
    contact: np.ndarray


@cache
def lids(side: int) -> Lids:
    """The lids of one eye; ``side`` is +1 for the person's left."""
    grid = mesh.head_grid()
    x, y, _ = grid.flat.T
    t = np.clip(1.0 - ((x * side - mesh.EYE_X) / mesh.EYE_HALF) ** 2, 0.0, 1.0) ** 0.62
    above, below = np.clip(grid.eye_side, 0, None), np.clip(-grid.eye_side, 0, None)
    front = smoothstep(-9.5, -6.5, grid.flat[:, 2])
    up = UPPER_LID * t * np.clip(1 - above / 1.75, 0, 1) ** 1.8 * (grid.eye_side > 0) * front
    low = -LOWER_LID * t * np.clip(1 - below / 1.0, 0, 1) ** 1.8 * (grid.eye_side < 0) * front
    zero = 0 * x
    near = (np.abs(x * side - mesh.EYE_X) < 1.9) & (np.abs(y - mesh.EYE_Y) < 1.7) & (front > 0.5)
    return Lids(_field(zero, up, 0.0 * up), _field(zero, low, zero), np.flatnonzero(near))


UPPER_LID, LOWER_LID = 0.66, 0.24


def lid_opening(coefficients: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Opening factors (T,) of upper and lower lid, 1 at rest; the upper one never passes the lower lid.

    Args:
        coefficients: (T, 52) in [0, 1].
        side: +1 for the person's left.
    """
    name = "Left" if side > 0 else "Right"
    blink, squint, wide, down, up, cheek = (
        coefficients[:, INDEX[key + name]]
        for key in ("eyeBlink", "eyeSquint", "eyeWide", "eyeLookDown", "eyeLookUp", "cheekSquint")
    )
    lower = 1.0 - 1.0 * squint - 0.5 * cheek + 0.25 * wide + 0.35 * down - 0.25 * up
    upper = 1.0 - 1.45 * blink - 0.2 * squint + 0.62 * wide - 0.75 * down + 0.4 * up
    lower = np.clip(lower * (1 - 0.25 * blink), -0.6, 1.6)
    closed = -LOWER_LID / UPPER_LID * lower + 0.015
    return np.maximum(upper, closed), lower


GAZE_HORIZONTAL, GAZE_UP, GAZE_DOWN = np.radians(33.0), np.radians(22.0), np.radians(27.0)


def gaze(coefficients: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Eye rotation (T,) to the right of the picture and upwards, radians."""
    name = "Left" if side > 0 else "Right"
    inward, outward, up, down = (
        coefficients[:, INDEX[key + name]] for key in ("eyeLookIn", "eyeLookOut", "eyeLookUp", "eyeLookDown")
    )
    return side * (outward - inward) * GAZE_HORIZONTAL, up * GAZE_UP - down * GAZE_DOWN
