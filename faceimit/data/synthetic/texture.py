"""Procedural colours of one identity: an atlas of linear albedo, gloss and light wrap, one region a material.

Colours are chosen in sRGB [0, 1] and stored as linear light. Positions on the face are those of the flat face plane
(:mod:`faceimit.data.synthetic.mesh`), so features stay on the skin that carries them.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

from faceimit.data.synthetic import mesh
from faceimit.data.synthetic.mesh import bump, smoothstep

# Region of each material in the atlas: x, y, width, height in texels at scale 1.
REGIONS: dict[int, tuple[int, int, int, int]] = {
    mesh.SKIN: (2, 2, 256, 384),
    mesh.EYE: (262, 2, 96, 96),
    mesh.TEETH: (262, 102, 96, 24),
    mesh.TONGUE: (262, 130, 48, 24),
    mesh.GLASSES: (314, 130, 44, 24),
    mesh.CLOTH: (262, 158, 96, 96),
    mesh.HAIR: (262, 258, 96, 96),
    mesh.HAND: (262, 358, 46, 28),
    mesh.OBJECT: (312, 358, 46, 28),
}
ATLAS_SIZE = (362, 390)

# Skin colours in sRGB, from very light to very dark, as measured on photographs of faces.
_SKIN_TONES = np.array(
    [
        (0.93, 0.78, 0.70),
        (0.89, 0.71, 0.61),
        (0.84, 0.65, 0.53),
        (0.78, 0.58, 0.45),
        (0.70, 0.50, 0.38),
        (0.58, 0.40, 0.30),
        (0.46, 0.31, 0.23),
        (0.34, 0.23, 0.18),
    ]
)
_HAIR_TONES = np.array(
    [
        *[(0.09, 0.08, 0.08), (0.14, 0.11, 0.09), (0.24, 0.16, 0.11), (0.38, 0.26, 0.17), (0.55, 0.42, 0.27)],
        *[(0.72, 0.60, 0.42), (0.45, 0.22, 0.12), (0.55, 0.54, 0.53), (0.78, 0.77, 0.75)],
    ]
)
_HAIR_ODDS = np.array([4, 3, 3, 2, 1.5, 1.0, 0.7, 0.8, 0.5])
_IRIS_TONES = np.array(
    [(0.20, 0.12, 0.07), (0.33, 0.21, 0.11), (0.36, 0.36, 0.20), (0.36, 0.47, 0.56), (0.42, 0.50, 0.48)]
)


@dataclass(frozen=True)
class Look:
    """Colours and surface traits of one identity; shares and strengths in [0, 1], colours sRGB."""

    skin: np.ndarray
    hair: np.ndarray
    iris: np.ndarray
    lips: np.ndarray
    brow_weight: float
    brow_height: float
    lashes: float
    makeup: float
    stubble: float
    moustache: float
    age: float
    freckles: float
    moles: int
    gloss: float
    hairline: float
    fringe: float
    part: float
    parted: float
    recede: float
    bald: float
    cloth: np.ndarray
    cloth_stripes: float
    neckline: float
    glasses: np.ndarray
    texture_seed: int


def draw_look(rng: np.random.Generator) -> Look:
    """A random look."""
    tone = rng.uniform(0, len(_SKIN_TONES) - 1.2) if rng.random() < 0.75 else rng.uniform(0, 3)
    low = int(tone)
    skin = _SKIN_TONES[low] + (tone - low) * (_SKIN_TONES[low + 1] - _SKIN_TONES[low])
    skin = np.clip(skin * rng.uniform(0.95, 1.04) + rng.normal(0, 0.012, 3), 0.1, 0.97)
    dark = tone > 3.2
    odds = _HAIR_ODDS * ([1, 1, 1, 0.1, 0, 0, 0, 0.5, 0.2] if dark else 1)
    hair = _HAIR_TONES[rng.choice(len(_HAIR_TONES), p=odds / odds.sum())] * rng.uniform(0.8, 1.2)
    beard = rng.random()
    male = rng.random() < 0.5
    age = float(rng.beta(1.3, 2.0))
    makeup = 0.0 if male else float(rng.random() ** 1.5)
    blush = np.array([0.70, 0.44, 0.44]) if not dark else np.array([0.64, 0.44, 0.43])
    lips = skin * blush / np.mean(blush) * rng.uniform(0.64, 0.82)
    lipstick = np.array([(0.70, 0.12, 0.20), (0.62, 0.25, 0.28), (0.75, 0.35, 0.38)])[rng.integers(3)]
    lips = lips + (lipstick - lips) * (0.7 * makeup if rng.random() < 0.6 else 0.0)
    return Look(
        skin=skin,
        hair=np.clip(hair, 0.03, 0.9),
        iris=_IRIS_TONES[rng.integers(0, 2 if dark else len(_IRIS_TONES))] * rng.uniform(0.8, 1.15),
        lips=np.clip(lips, 0.05, 0.9),
        brow_weight=float(rng.uniform(0.55, 1.15) * (1.1 if male else 0.85)),
        brow_height=float(rng.normal(0, 0.1)),
        lashes=float(np.clip(rng.uniform(0.3, 0.7) + 0.4 * makeup, 0, 1)),
        makeup=makeup,
        stubble=float(rng.uniform(0.15, 0.9)) if male and beard < 0.5 else 0.0,
        moustache=float(rng.uniform(0.3, 0.9)) if male and 0.3 < beard < 0.55 else 0.0,
        age=age,
        freckles=float(rng.random() ** 2) if not dark and rng.random() < 0.3 else 0.0,
        moles=int(rng.integers(0, 4)),
        gloss=float(rng.uniform(0.15, 0.75)),
        hairline=float(rng.normal(5.6, 0.45)),
        fringe=float(rng.uniform(0.8, 2.4)) if rng.random() < 0.2 else 0.0,
        part=float(rng.uniform(-3, 3)),
        parted=float(rng.uniform(0.3, 1.4)) if rng.random() < 0.5 else 0.0,
        recede=float(rng.uniform(-0.05, 0.12)),
        bald=float(male and rng.random() < 0.15),
        cloth=_cloth_colour(rng),
        cloth_stripes=float(rng.random() < 0.3) * float(rng.uniform(0.1, 0.5)),
        neckline=float(rng.uniform(0.0, 0.5)),
        glasses=np.clip(rng.uniform(0.02, 0.25) + rng.normal(0, 0.03, 3), 0.01, 0.4),
        texture_seed=int(rng.integers(2**31)),
    )


def _cloth_colour(rng: np.random.Generator) -> np.ndarray:
    grey = rng.beta(0.9, 1.6)
    return np.clip(grey * (1 + rng.normal(0, 0.25, 3)) + 0.04, 0.02, 0.95)


def linear(srgb: np.ndarray) -> np.ndarray:
    """SRGB in [0, 1] to linear light."""
    return np.where(srgb <= 0.04045, srgb / 12.92, ((np.clip(srgb, 0, None) + 0.055) / 1.055) ** 2.4)


def paint_atlas(look: Look, scale: float) -> np.ndarray:
    """The atlas (H, W, 5) uint8 of ``look``, coded as :func:`raster.shade` says.

    ``scale`` multiplies the texel counts of :data:`REGIONS`.
    """
    width, height = (round(side * scale) for side in ATLAS_SIZE)
    atlas = np.zeros((height, width, 5), dtype=np.float32)
    painters = {
        mesh.SKIN: _skin,
        mesh.EYE: _eye,
        mesh.TEETH: _teeth,
        mesh.TONGUE: lambda _, w, h: _flat((0.72, 0.36, 0.36), 0.5, 0.3, w, h),
        mesh.GLASSES: lambda look, w, h: _flat(look.glasses, 0.9, 0.0, w, h),
        mesh.CLOTH: _cloth,
        mesh.HAIR: _hair_sheet,
        mesh.HAND: lambda look, w, h: _flat(look.skin * 0.95, look.gloss * 0.5, 0.3, w, h),
        mesh.OBJECT: lambda look, w, h: _flat(look.cloth[::-1], 0.5, 0.0, w, h),
    }
    for material, paint in painters.items():
        x, y, w, h = region(material, scale)
        patch = paint(look, w, h)
        padded = np.pad(patch, ((2, 2), (2, 2), (0, 0)), mode="edge")
        top, left = max(y - 2, 0), max(x - 2, 0)
        view = atlas[top : y + h + 2, left : x + w + 2]
        view[:] = padded[top - y + 2 :, left - x + 2 :][: view.shape[0], : view.shape[1]]
    atlas[..., :3] = np.sqrt(np.clip(atlas[..., :3], 0, 1))
    return (np.clip(atlas, 0, 1) * 255 + 0.5).astype(np.uint8)


def region(material: int, scale: float) -> tuple[int, int, int, int]:
    """x, y, width, height in texels of a material's region."""
    x, y, w, h = REGIONS[material]
    return round(x * scale), round(y * scale), round(w * scale), round(h * scale)


def _flat(colour, gloss: float, wrap: float, width: int, height: int) -> np.ndarray:
    patch = np.empty((height, width, 5), dtype=np.float32)
    patch[..., :3], patch[..., 3], patch[..., 4] = linear(np.asarray(colour, dtype=float)), gloss, wrap
    return patch


def _noise(rng: np.random.Generator, shape: tuple[int, int], sigma: tuple[float, float]) -> np.ndarray:
    field = gaussian_filter(rng.standard_normal(shape), sigma, mode="nearest")
    return field / (field.std() + 1e-9)


def _mix(colour: np.ndarray, other: np.ndarray, weight: np.ndarray) -> np.ndarray:
    return colour + np.clip(weight, 0, 1)[..., None] * (np.asarray(other) - colour)


def _skin(look: Look, width: int, height: int) -> np.ndarray:
    angle, y = mesh.texture_positions(width, height)
    x = mesh.head_surface(angle, y)[..., 0]
    rng = np.random.default_rng(look.texture_seed)
    unit = width / 256
    colour = np.broadcast_to(look.skin, (*x.shape, 3)).copy()
    front = smoothstep(-0.2, 0.3, np.cos(angle))
    colour = _complexion(colour, look, x, y, rng, unit)
    colour = _ambient_shade(colour, x, y, angle)
    colour = _lines(colour, look, x, y)
    colour = _lips(colour, look, x, y, rng, unit)
    colour = _eye_region(colour, look, x, y)
    colour = _beard(colour, look, x, y, rng, unit)
    colour = _mix(colour, look.hair * 1.05 + 0.02, _brow(look, x, y, rng, unit) * front)
    colour = _nostrils(colour, look, x, y)
    cover = hair_cover(look, x, y, angle, rng, unit)
    strands = (
        1.0 + 0.22 * _noise(rng, x.shape, (9 * unit, 0.8 * unit)) + 0.12 * _noise(rng, x.shape, (14 * unit, 3 * unit))
    )
    colour = colour + cover[..., None] * (look.hair * np.clip(strands, 0.4, 1.8)[..., None] - colour)
    patch = np.empty((height, width, 5), dtype=np.float32)
    patch[..., :3] = linear(np.clip(colour, 0.01, 0.98))
    lips = _lip_mask(x, y) * (1 - cover)
    patch[..., 3] = look.gloss * (1 - cover) * (0.7 + 0.5 * bump(x, y, 0, -3, 1.2, 2.5)) + 0.25 * lips + 0.3 * cover
    patch[..., 4] = 0.35 * (1 - cover)
    return patch


def _complexion(colour, look, x, y, rng, unit):
    blood = np.array([0.10, -0.045, -0.04]) * (0.4 + 0.6 * look.skin.mean())
    ax = np.abs(x)
    red = (
        0.5 * bump(ax, y, 4.0, -3.6, 1.5, 1.3)
        + 0.55 * bump(x, y, 0, -3.9, 1.0, 0.9)
        + 0.25 * bump(x, y, 0, -10.5, 1.5, 1)
    )
    red += 0.35 * look.makeup * bump(ax, y, 4.6, -3.4, 1.3, 1.0) + 0.25 * bump(ax, y, 1.8, -1.0, 0.8, 0.8)
    patchy = 0.35 * _noise(rng, x.shape, (14 * unit, 14 * unit)) + 0.25 * _noise(rng, x.shape, (5 * unit, 5 * unit))
    colour = colour + blood * (red + 0.3 * patchy)[..., None]
    tone = 0.018 * _noise(rng, x.shape, (22 * unit, 22 * unit)) + 0.014 * _noise(rng, x.shape, (2.2 * unit, 2.2 * unit))
    tone = tone + 0.016 * _noise(rng, x.shape, (0.8, 0.8))
    colour = colour * (1 + tone * (0.8 + 0.9 * look.age))[..., None]
    spots = smoothstep(1.4, 2.4, _noise(rng, x.shape, (1.0 * unit, 1.0 * unit))) * np.exp(-(((y + 2) / 4) ** 2))
    colour = _mix(colour, look.skin * [0.72, 0.6, 0.52], 0.7 * look.freckles * spots)
    for _ in range(look.moles):
        mole = bump(x, y, rng.uniform(-6, 6), rng.uniform(-11, 4), 0.14, 0.14)
        colour = _mix(colour, look.skin * 0.4, 0.8 * mole)
    return colour


def _ambient_shade(colour, x, y, angle):
    ax = np.abs(x)
    dark = 0.24 * bump(ax, y, 2.1, 0.15, 0.9, 0.55) + 0.1 * bump(ax, y, 3.2, 0.45, 1.3, 0.5)
    dark += 0.12 * bump(ax, y, 3.0, -1.3, 1.2, 0.3) + 0.2 * bump(ax, y, 2.05, -4.6, 0.3, 0.5)
    dark += (
        0.32 * bump(x, y, 0, -5.25, 0.9, 0.22)
        + 0.16 * bump(x, y, 0, -9.3, 1.3, 0.3)
        + 0.16 * bump(ax, y, 2.75, -7.3, 0.3, 0.35)
    )
    dark += 0.1 * bump(ax, y, 1.15, -0.6, 0.3, 1.3)
    jaw = np.interp(
        np.where(np.cos(angle) > 0, ax, 7.3), [0, 2.3, 3.9, 5.46, 6.1, 7.3], [-12.5, -12.1, -11.5, -10.2, -9.2, -6.8]
    )
    dark += 0.36 * smoothstep(0.2, -0.9, y - jaw) * (1 - 0.55 * smoothstep(-13.5, -18.0, y))
    return colour * (1 - np.clip(0.6 * dark, 0, 0.75))[..., None]


def _lines(colour, look, x, y):
    ax = np.abs(x)
    fold = (
        np.exp(-(((ax - 2.15 - 0.34 * (-4.3 - y)) / 0.16) ** 2))
        * smoothstep(-7.4, -6.2, y)
        * (1 - smoothstep(-4.6, -3.9, y))
    )
    dark = (0.06 + 0.26 * look.age) * fold
    bags = np.exp(-(((y + 1.35 + 0.1 * (ax - 3) ** 2) / 0.13) ** 2)) * bump(ax, y, 2.8, -1.35, 0.8, 0.5)
    dark = dark + (0.05 + 0.2 * look.age) * bags
    for height in (3.2, 4.0, 4.8):
        wave = height + 0.12 * np.sin(x * 1.3 + height * 2)
        dark = dark + 0.11 * look.age**1.5 * np.exp(-(((y - wave) / 0.13) ** 2)) * (1 - smoothstep(2.0, 4.5, ax))
    return colour * (1 - np.clip(dark, 0, 0.6))[..., None]


def _lip_mask(x, y):
    q = np.clip(np.abs(x) / mesh.MOUTH_HALF, 0, 1)
    bow = (
        0.68 * (1 - q**1.8) ** 0.95 + 0.14 * bump(np.abs(x), 0.0, 0.75, 0, 0.45, 1) - 0.06 * bump(x, 0.0, 0, 0, 0.25, 1)
    )
    full = 0.95 * (1 - q**1.9) ** 0.95
    upper = smoothstep(0.1, -0.08, y - mesh.MOUTH_Y - bow) * (y >= mesh.MOUTH_Y)
    lower = smoothstep(0.12, -0.1, mesh.MOUTH_Y - y - full) * (y < mesh.MOUTH_Y)
    return (upper + lower) * (q < 1)


def _lips(colour, look, x, y, rng, unit):
    mask = _lip_mask(x, y)
    lips = look.lips * (1 + 0.05 * _noise(rng, x.shape, (1.6 * unit, 0.7 * unit)))[..., None]
    lips = lips * (1 - 0.12 * (y > mesh.MOUTH_Y))[..., None]
    colour = colour + (0.75 * mask)[..., None] * (lips - colour)
    line = np.exp(-(((y - mesh.MOUTH_Y) / 0.11) ** 2)) * (1 - smoothstep(2.35, 2.85, np.abs(x)))
    return _mix(colour, look.lips * [0.45, 0.3, 0.3], 0.8 * line)


def _eye_region(colour, look, x, y):
    ex, q = np.abs(x) - mesh.EYE_X, np.clip((np.abs(x) - mesh.EYE_X) / mesh.EYE_HALF, -1.3, 1.3)
    inside = 1 - smoothstep(0.92, 1.08, np.abs(q))
    above = y - mesh.EYE_Y
    crease = np.exp(-(((above - 0.88 * np.sqrt(np.clip(1 - 0.6 * q**2, 0.05, 1))) / 0.13) ** 2)) * (
        1 - smoothstep(0.9, 1.25, np.abs(q))
    )
    colour = _mix(colour, look.skin * [0.55, 0.42, 0.38], 0.42 * crease)
    lid = smoothstep(-0.05, 0.2, above) * (1 - smoothstep(0.5, 1.1, above)) * inside
    colour = _mix(colour, look.skin * [0.72, 0.60, 0.58], (0.22 + 0.4 * look.makeup) * lid)
    upper = np.exp(-((np.clip(above, 0, None) / (0.16 + 0.05 * (q > 0.3))) ** 2)) * (above > 0) * inside
    colour = _mix(colour, look.hair * 0.35 + 0.01, (0.5 + 0.5 * look.lashes) * upper)
    wing = bump(ex, above, mesh.EYE_HALF * 1.0, 0.1, 0.22, 0.12)
    colour = _mix(colour, look.hair * 0.35 + 0.02, 0.6 * look.lashes * wing)
    lower = np.exp(-((np.clip(-above, 0, None) / 0.10) ** 2)) * (above < 0) * inside
    return _mix(colour, look.skin * [0.62, 0.42, 0.40], (0.45 + 0.2 * look.lashes) * lower)


def _brow(look, x, y, rng, unit):
    ax = np.abs(x)
    t = np.clip((ax - 1.25) / 4.6, 0, 1)
    center = 1.62 + look.brow_height + 0.75 * np.sin(np.clip(t * 1.15, 0, 1) * np.pi * 0.72) - 0.95 * t**2.2
    thick = 0.44 * np.clip(0.75 + 0.6 * t - 1.25 * t**2, 0.12, 1)
    shape = np.exp(-(np.abs((y - center) / thick) ** 2.6)) * smoothstep(1.0, 1.6, ax) * (1 - smoothstep(5.3, 5.9, ax))
    strokes = 0.85 + 0.28 * _noise(rng, x.shape, (1.1 * unit, 0.7 * unit))
    return np.clip(look.brow_weight * shape * strokes, 0, 0.95)


def _beard(colour, look, x, y, rng, unit):
    ax = np.abs(x)
    chin = smoothstep(-7.6, -9.0, y + 0.25 * np.clip(ax - 2.5, 0, 4)) * smoothstep(-14.2, -12.6, y)
    side = smoothstep(4.8, 6.0, ax) * smoothstep(-2.0, -5.0, y) * smoothstep(-14.2, -12.6, y) * (ax < 7.25)
    lip = bump(ax, y, 1.1, -5.75, 1.3, 0.4) * (y > -6.6)
    goatee = bump(x, y, 0, -9.4, 1.0, 0.5)
    area = np.clip(
        look.stubble * np.clip(chin + side + 0.4 * goatee, 0, 1) + (look.stubble * 0.8 + look.moustache) * lip, 0, 1
    )
    area = area * (1 - _lip_mask(x, y))
    grain = np.clip(0.75 + 0.3 * _noise(rng, x.shape, (1.0 * unit, 0.8 * unit)), 0.2, 1.2)
    return _mix(colour, look.hair * 0.9 + 0.02, 0.85 * area * grain)


def _nostrils(colour, look, x, y):
    hole = np.exp(-((((np.abs(x) - 0.78) / 0.42) ** 2 + ((y + 4.86) / 0.17) ** 2) ** 2))
    return _mix(colour, look.skin * [0.22, 0.12, 0.10], 0.9 * hole)


def hair_cover(look: Look, x, y, angle, rng, unit) -> np.ndarray:
    """Share of hair at face-plane positions, in [0, 1]."""
    if look.bald:
        return np.zeros_like(x)
    above = _above_hairline(look, x, y, angle)
    ragged = (0.14 + 0.12 * look.fringe) * _noise(rng, x.shape, (6.0 * unit, 2.5 * unit))
    return smoothstep(-0.45, 0.45, above + ragged)


def hair_volume(look: Look, x, y, angle) -> np.ndarray:
    """Share of the hair's full thickness at face-plane positions, in [0, 1]: it grows from the hairline up."""
    return (1 - look.bald) * smoothstep(0.0, 2.6, _above_hairline(look, x, y, angle))


def _above_hairline(look: Look, x, y, angle) -> np.ndarray:
    side = np.abs(angle)
    line = look.hairline - look.fringe * (1 + 0.4 * np.cos(x * 0.6 + look.part)) * (np.abs(x) < 6.5)
    line = line - look.recede * np.clip(np.abs(x) - 1.5, 0, None) ** 2
    line = line + look.parted * (1 - 0.35 * np.minimum(np.abs(x - look.part), 4.5))
    line = np.where(side > 0.95, line - 9.0 * smoothstep(0.95, 1.35, side), line)
    line = np.where(side > 1.9, -9.0, line)
    return y - line


def _eye(look: Look, width: int, height: int) -> np.ndarray:
    v, u = np.meshgrid((np.arange(height) + 0.5) / height - 0.5, (np.arange(width) + 0.5) / width - 0.5, indexing="ij")
    rng = np.random.default_rng(look.texture_seed + 1)
    polar = np.hypot(u, v) / 0.48 * EYE_SPAN
    around = np.arctan2(v, u)
    colour = np.broadcast_to(np.array([0.79, 0.76, 0.74]), (height, width, 3)).copy()
    colour = _mix(colour, np.array([0.72, 0.46, 0.42]), 0.75 * smoothstep(0.62, 1.25, polar))
    rays = 1 + 0.2 * np.sin(around * 17 + rng.uniform(0, 6)) * np.sin(around * 29 + rng.uniform(0, 6))
    iris = look.iris * rays[..., None] * (1.25 - 0.9 * smoothstep(0.3, 0.46, polar))[..., None]
    colour = _mix(colour, iris, smoothstep(0.475, 0.425, polar))
    colour = colour * (1 - 0.96 * smoothstep(0.215, 0.165, polar))[..., None]
    patch = np.empty((height, width, 5), dtype=np.float32)
    patch[..., :3], patch[..., 3], patch[..., 4] = linear(np.clip(colour, 0.005, 1)), 1.0, 0.25
    return patch


EYE_SPAN = 1.9


def _teeth(_: Look, width: int, height: int) -> np.ndarray:
    _, u = np.meshgrid(np.linspace(0, 1, height), np.linspace(-1, 1, width), indexing="ij")
    gaps = np.abs(np.sin(np.sign(u) * np.abs(u) ** 0.9 * np.pi * 4))
    colour = np.array([0.86, 0.83, 0.76]) * (1 - 0.35 * (1 - smoothstep(0.0, 0.22, gaps)))[..., None]
    colour = colour * (1 - 0.75 * smoothstep(0.35, 1.0, np.abs(u)))[..., None]
    patch = np.empty((height, width, 5), dtype=np.float32)
    patch[..., :3], patch[..., 3], patch[..., 4] = linear(colour), 0.6, 0.2
    return patch


def _cloth(look: Look, width: int, height: int) -> np.ndarray:
    v, u = np.meshgrid(np.linspace(0, 1, height), np.linspace(-1, 1, width), indexing="ij")
    rng = np.random.default_rng(look.texture_seed + 2)
    tone = 1 + 0.06 * _noise(rng, u.shape, (6, 6)) + 0.03 * _noise(rng, u.shape, (0.8, 0.8))
    tone = tone + look.cloth_stripes * np.sign(np.sin(u * 40)) * 0.5
    colour = look.cloth * tone[..., None]
    skin = smoothstep(0.02, -0.02, np.abs(u) / 0.28 + v / (0.05 + look.neckline) - 1)
    colour = _mix(colour, look.skin * 0.85, skin)
    patch = np.empty((height, width, 5), dtype=np.float32)
    patch[..., :3], patch[..., 3], patch[..., 4] = linear(np.clip(colour, 0.01, 0.97)), 0.1, 0.1
    return patch


def _hair_sheet(look: Look, width: int, height: int) -> np.ndarray:
    rng = np.random.default_rng(look.texture_seed + 3)
    strands = 1 + 0.25 * _noise(rng, (height, width), (14, 0.8)) + 0.15 * _noise(rng, (height, width), (20, 3))
    patch = np.empty((height, width, 5), dtype=np.float32)
    patch[..., :3] = linear(np.clip(look.hair * np.clip(strands, 0.4, 1.8)[..., None], 0.01, 0.97))
    patch[..., 3], patch[..., 4] = 0.3, 0.1
    return patch
