"""Folds that come with expressions: fields that darken the skin while certain blendshapes are active."""

from functools import cache

import numpy as np

from faceimit.data.synthetic import rig
from faceimit.data.synthetic.mesh import bump, smoothstep
from faceimit.face.blendshapes import INDEX

# Fold name: blendshapes that raise it, with their shares; a name without a side means this side's.
_CAUSES: dict[str, dict[str, float]] = {
    "nasolabial": {"mouthSmile": 0.9, "mouthUpperUp": 0.6, "noseSneer": 0.8, "mouthDimple": 0.4},
    "corner": {"mouthSmile": 0.7, "mouthDimple": 0.9, "mouthFrown": 0.6, "mouthStretch": 0.5},
    "glabella": {"browDown": 1.0, "noseSneer": 0.3},
    "forehead": {"browInnerUp": 0.8, "browOuterUp": 0.7},
    "crow": {"cheekSquint": 0.8, "eyeSquint": 0.4, "mouthSmile": 0.3},
    "bridge": {"noseSneer": 1.0},
    "chin": {"mouthShrugLower": 1.0, "mouthRollLower": 0.4},
}


@cache
def fields() -> np.ndarray:
    """(7, V) strengths in [0, 1] of the folds on the skin's right (x < 0) and left halves together."""
    plane = rig.skin_plane()
    x, y, front = np.abs(plane.x), plane.y, plane.front
    path = 1.9 + 0.36 * (-4.3 - y)
    nasolabial = np.exp(-(((x - path) / 0.22) ** 2)) * smoothstep(-7.6, -6.4, y) * (1 - smoothstep(-4.4, -3.6, y))
    corner = bump(x, y, 2.95, -7.3, 0.22, 0.5)
    glabella = np.exp(-(((x - 0.55 - 0.1 * (y - 1.2)) / 0.16) ** 2)) * bump(0 * x, y, 0, 1.5, 1, 0.7)
    waves = 0.5 + 0.5 * np.cos(2 * np.pi * (y - 2.9 - 0.04 * x**2) / 0.85)
    forehead = waves**2 * bump(0 * x, y, 0, 3.7, 1, 0.8) * (1 - smoothstep(2.6, 4.8, x))
    crow = bump(x, y, 5.0, -0.5, 0.45, 0.45) * (0.5 + 0.5 * np.cos(2 * np.pi * (y + 0.5) / 0.45))
    bridge = (0.5 + 0.5 * np.cos(2 * np.pi * (y + 0.8) / 0.6)) * bump(x, y, 0.3, -0.7, 0.5, 0.6)
    chin = bump(x, y, 0, -9.35, 1.3, 0.25) + 0.4 * bump(x, y, 0.5, -10.4, 0.4, 0.4)
    return np.stack([nasolabial, corner, glabella, forehead, crow, bridge, chin]) * front


@cache
def _weights(side: str) -> np.ndarray:
    """(52, 7) share of each blendshape in each fold of one side."""
    table = np.zeros((len(INDEX), len(_CAUSES)))
    for column, causes in enumerate(_CAUSES.values()):
        for name, share in causes.items():
            table[INDEX[name] if name in INDEX else INDEX[name + side], column] = share
    return table


@cache
def _halves() -> np.ndarray:
    """(V,) weight of the person's left half."""
    return smoothstep(-0.6, 0.6, rig.skin_plane().x)


def shade(coefficients: np.ndarray, strength: float) -> np.ndarray:
    """(V,) factor in (0, 1] on the skin's light for one frame's coefficients (52,)."""
    left, right = (np.clip(coefficients @ _weights(side), 0, 1.2) @ fields() for side in ("Left", "Right"))
    share = _halves()
    return 1.0 - np.clip(strength * (share * left + (1 - share) * right), 0.0, 0.7)
