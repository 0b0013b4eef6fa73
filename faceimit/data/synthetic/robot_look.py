"""What the robot is made of: a grey silicone face mask with seams on a dark shell, metal neck, glass eyes."""

from functools import cache, partial

import numpy as np

from faceimit.data.synthetic import mesh
from faceimit.data.synthetic.colour import linear, mix, noise
from faceimit.data.synthetic.mesh import bump, smoothstep
from faceimit.data.synthetic.texture import EYE_SPAN, assemble_atlas, plain

# sRGB colours and gloss of the materials.
MASK, LIPS, SHELL, SEAM, METAL = (
    np.array(c)
    for c in ((0.62, 0.64, 0.66), (0.50, 0.45, 0.47), (0.27, 0.29, 0.32), (0.10, 0.10, 0.11), (0.36, 0.37, 0.39))
)
_EDGE = 1.13  # angle around the head (radians) where the mask ends; beyond is shell


@cache
def paint_robot_atlas(scale: float) -> np.ndarray:
    """The robot's atlas, coded as :func:`texture.assemble_atlas` says."""
    return assemble_atlas(
        {
            mesh.SKIN: _face,
            mesh.EYE: _eye,
            mesh.TEETH: _teeth,
            mesh.TONGUE: partial(plain, (0.40, 0.30, 0.32), 0.4, 0.1),
            mesh.GLASSES: partial(plain, (0.62, 0.64, 0.67), 1.0, 0.0),
            mesh.CLOTH: _torso,
            mesh.HAIR: _disc,
        },
        scale,
    )


def _face(width: int, height: int) -> np.ndarray:
    angle, y = mesh.texture_positions(width, height)
    x = mesh.head_surface(angle, y)[..., 0]
    rng, unit = np.random.default_rng(7), width / 256
    grain = 1 + 0.012 * noise(rng, x.shape, (1.2 * unit, 1.2 * unit)) + 0.015 * noise(rng, x.shape, (12 * unit,) * 2)
    colour = MASK * grain[..., None]
    colour = _features(colour, x, y)
    shell, neck = _shell(angle, y), smoothstep(-12.3, -12.6, y - 0.10 * np.abs(x))
    colour = mix(colour, SHELL * grain[..., None], shell)
    rings = 0.55 + 0.45 * np.cos(2 * np.pi * y / 1.1) ** 2
    colour = mix(colour, METAL * 0.62 * rings[..., None], neck)
    colour = mix(colour, SEAM, 0.9 * _seams(x, y, angle))
    patch = np.empty((height, width, 5), dtype=np.float32)
    patch[..., :3] = linear(np.clip(colour, 0.01, 0.98))
    patch[..., 3] = np.where(neck > 0.5, 0.55, 0.62 + 0.3 * shell + 0.25 * _lips(x, y))
    patch[..., 4] = 0.12 * (1 - shell)
    return patch


def _shell(angle: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Share of the dark shell behind and above the mask."""
    edge = _EDGE - 0.10 * smoothstep(-4, -10, y)
    top = 5.7 - 0.9 * (angle / _EDGE) ** 2
    return np.maximum(smoothstep(-0.01, 0.01, np.abs(angle) - edge), smoothstep(-0.05, 0.05, y - top))


def _seams(x: np.ndarray, y: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Dark lines between the panels: around the mask, across the forehead, down the temples, along the jaw."""
    ax, edge = np.abs(x), _EDGE - 0.10 * smoothstep(-4, -10, y)
    top = 5.7 - 0.9 * (angle / _EDGE) ** 2
    front = np.abs(angle) < edge + 0.05
    around = np.exp(-(((np.abs(angle) - edge) / 0.018) ** 2)) * (y < top)
    across = np.exp(-(((y - top) / 0.12) ** 2)) * front
    brow = 0.75 * np.exp(-(((y - 4.15 + 0.05 * ax**1.6) / 0.08) ** 2)) * (ax < 5.4)
    temple = 0.75 * np.exp(-(((ax - 5.4 - 0.10 * (y - 1.5)) / 0.08) ** 2)) * (y > -1.6) * (y < 4.15 - 0.05 * ax**1.6)
    cheek = 0.6 * np.exp(-(((y + 1.7 + 0.75 * (ax - 5.3)) / 0.09) ** 2)) * (ax > 5.15) * front
    crown = 0.6 * np.exp(-((x / 0.08) ** 2)) * (y > top)
    chin = np.exp(-(((y + 12.35 - 0.10 * ax) / 0.13) ** 2)) * front
    return np.clip(np.max([around, across, brow, temple, cheek, crown, chin], axis=0), 0, 1)


def _lips(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    q = np.clip(np.abs(x) / mesh.MOUTH_HALF, 0, 1)
    bow = 0.66 * (1 - q**1.8) ** 0.95 + 0.12 * bump(np.abs(x), 0.0, 0.75, 0, 0.45, 1)
    full = 0.92 * (1 - q**1.9) ** 0.95
    upper = smoothstep(0.08, -0.06, y - mesh.MOUTH_Y - bow) * (y >= mesh.MOUTH_Y)
    lower = smoothstep(0.10, -0.08, mesh.MOUTH_Y - y - full) * (y < mesh.MOUTH_Y)
    return (upper + lower) * (q < 1)


def _features(colour: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Tinted lips, moulded brows, dark rims of lids, mouth and nostrils, ambient shade."""
    ax = np.abs(x)
    dark = 0.22 * bump(ax, y, 2.1, 0.15, 0.9, 0.55) + 0.12 * bump(ax, y, 3.0, -1.35, 1.2, 0.3)
    dark += 0.24 * bump(x, y, 0, -5.25, 0.9, 0.22) + 0.14 * bump(x, y, 0, -9.3, 1.3, 0.3)
    dark += 0.30 * smoothstep(-10.5, -12.2, y)
    colour = colour * (1 - np.clip(0.7 * dark, 0, 0.7))[..., None]
    colour = mix(colour, LIPS * (1 - 0.08 * (y > mesh.MOUTH_Y))[..., None], 0.85 * _lips(x, y))
    t = np.clip((ax - 1.1) / 4.7, 0, 1)
    center = 1.62 + 0.75 * np.sin(np.clip(t * 1.15, 0, 1) * np.pi * 0.72) - 0.95 * t**2.2
    thick = 0.40 * np.clip(0.85 + 0.4 * t - 1.1 * t**2, 0.15, 1)
    brow = np.exp(-(np.abs((y - center) / thick) ** 3)) * smoothstep(0.95, 1.25, ax) * (1 - smoothstep(5.3, 5.7, ax))
    colour = mix(colour, MASK * 0.42, 0.85 * brow)
    q, above = np.clip((ax - mesh.EYE_X) / mesh.EYE_HALF, -1.3, 1.3), y - mesh.EYE_Y
    inside = 1 - smoothstep(0.92, 1.08, np.abs(q))
    rim = np.exp(-((above / np.where(above > 0, 0.13, 0.10)) ** 2)) * inside
    crease = np.exp(-(((above - 0.9 * np.sqrt(np.clip(1 - 0.6 * q**2, 0.05, 1))) / 0.10) ** 2)) * inside
    colour = mix(colour, SEAM * 1.3, np.clip(0.9 * rim + 0.45 * crease, 0, 1))
    line = np.exp(-(((y - mesh.MOUTH_Y) / 0.10) ** 2)) * (1 - smoothstep(2.35, 2.75, ax))
    hole = np.exp(-((((ax - 0.78) / 0.40) ** 2 + ((y + 4.86) / 0.17) ** 2) ** 2))
    return mix(colour, SEAM, np.clip(0.8 * line + 0.85 * hole, 0, 1))


def _eye(width: int, height: int) -> np.ndarray:
    v, u = np.meshgrid((np.arange(height) + 0.5) / height - 0.5, (np.arange(width) + 0.5) / width - 0.5, indexing="ij")
    polar, around = np.hypot(u, v) / 0.48 * EYE_SPAN, np.arctan2(v, u)
    colour = np.broadcast_to(np.array([0.86, 0.87, 0.88]), (height, width, 3)).copy()
    blades = 1 + 0.18 * np.sign(np.sin(around * 12)) * np.exp(-(((polar - 0.32) / 0.1) ** 2))
    iris = np.array([0.22, 0.46, 0.60]) * blades[..., None] * (1.2 - 0.8 * smoothstep(0.34, 0.46, polar))[..., None]
    colour = mix(colour, iris, smoothstep(0.475, 0.425, polar))
    colour = colour * (1 - 0.96 * smoothstep(0.20, 0.16, polar))[..., None]
    patch = np.empty((height, width, 5), dtype=np.float32)
    patch[..., :3], patch[..., 3], patch[..., 4] = linear(np.clip(colour, 0.005, 1)), 1.0, 0.1
    return patch


def _teeth(width: int, height: int) -> np.ndarray:
    _, u = np.meshgrid(np.linspace(0, 1, height), np.linspace(-1, 1, width), indexing="ij")
    gaps = np.abs(np.sin(np.sign(u) * np.abs(u) ** 0.9 * np.pi * 4))
    shade = (1 - 0.2 * (1 - smoothstep(0.0, 0.2, gaps))) * (1 - 0.7 * smoothstep(0.4, 1.0, np.abs(u)))
    patch = plain((0.85, 0.86, 0.87), 0.8, 0.1, width, height)
    patch[..., :3] *= shade[..., None]
    return patch


def _torso(width: int, height: int) -> np.ndarray:
    v, u = np.meshgrid(np.linspace(0, 1, height), np.linspace(-1, 1, width), indexing="ij")
    seams = np.exp(-(((np.abs(u) - 0.22 - 0.2 * v) / 0.012) ** 2)) + np.exp(-((u / 0.01) ** 2)) * (v > 0.3)
    colour = mix(np.broadcast_to(SHELL * 1.25, (*u.shape, 3)), SEAM, 0.9 * np.clip(seams, 0, 1))
    patch = np.empty((height, width, 5), dtype=np.float32)
    patch[..., :3], patch[..., 3], patch[..., 4] = linear(np.clip(colour, 0.01, 0.97)), 0.5, 0.0
    return patch


def _disc(width: int, height: int) -> np.ndarray:
    v, u = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
    rings = 0.7 + 0.3 * np.cos(np.hypot(u, v) * 14)
    patch = plain(METAL, 0.8, 0.0, width, height)
    patch[..., :3] *= rings[..., None]
    return patch
