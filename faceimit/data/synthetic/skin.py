"""The painted skin: complexion, lips, lids, brows, beard, folds and hair, over the flat face plane.

Arguments ``x``, ``y`` are face-plane positions (H, W) in cm, ``angle`` the angle around the head, ``unit`` texels per
standard texel, ``colour`` (H, W, 3) sRGB in [0, 1].
"""

import numpy as np

from faceimit.data.synthetic import mesh
from faceimit.data.synthetic.colour import linear, mix, noise
from faceimit.data.synthetic.look import Look
from faceimit.data.synthetic.mesh import bump, smoothstep


def paint_skin(look: Look, width: int, height: int) -> np.ndarray:
    """(height, width, 5) float32: linear albedo, gloss, light wrap."""
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
    colour = mix(colour, look.hair * 1.05 + 0.02, _brow(look, x, y, rng, unit) * front)
    colour = _nostrils(colour, look, x, y)
    cover = hair_cover(look, x, y, angle, rng, unit)
    strands = (
        1.0 + 0.22 * noise(rng, x.shape, (9 * unit, 0.8 * unit)) + 0.12 * noise(rng, x.shape, (14 * unit, 3 * unit))
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
    patchy = 0.35 * noise(rng, x.shape, (14 * unit, 14 * unit)) + 0.25 * noise(rng, x.shape, (5 * unit, 5 * unit))
    colour = colour + blood * (red + 0.3 * patchy)[..., None]
    tone = 0.018 * noise(rng, x.shape, (22 * unit, 22 * unit)) + 0.014 * noise(rng, x.shape, (2.2 * unit, 2.2 * unit))
    tone = tone + 0.016 * noise(rng, x.shape, (0.8, 0.8))
    colour = colour * (1 + tone * (0.8 + 0.9 * look.age))[..., None]
    spots = smoothstep(1.4, 2.4, noise(rng, x.shape, (1.0 * unit, 1.0 * unit))) * np.exp(-(((y + 2) / 4) ** 2))
    colour = mix(colour, look.skin * [0.72, 0.6, 0.52], 0.7 * look.freckles * spots)
    for _ in range(look.moles):
        mole = bump(x, y, rng.uniform(-6, 6), rng.uniform(-11, 4), 0.14, 0.14)
        colour = mix(colour, look.skin * 0.4, 0.8 * mole)
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
    lips = look.lips * (1 + 0.05 * noise(rng, x.shape, (1.6 * unit, 0.7 * unit)))[..., None]
    lips = lips * (1 - 0.12 * (y > mesh.MOUTH_Y))[..., None]
    colour = colour + (0.75 * mask)[..., None] * (lips - colour)
    line = np.exp(-(((y - mesh.MOUTH_Y) / 0.11) ** 2)) * (1 - smoothstep(2.35, 2.85, np.abs(x)))
    return mix(colour, look.lips * [0.45, 0.3, 0.3], 0.8 * line)


def _eye_region(colour, look, x, y):
    ex, q = np.abs(x) - mesh.EYE_X, np.clip((np.abs(x) - mesh.EYE_X) / mesh.EYE_HALF, -1.3, 1.3)
    inside = 1 - smoothstep(0.92, 1.08, np.abs(q))
    above = y - mesh.EYE_Y
    crease = np.exp(-(((above - 0.88 * np.sqrt(np.clip(1 - 0.6 * q**2, 0.05, 1))) / 0.13) ** 2)) * (
        1 - smoothstep(0.9, 1.25, np.abs(q))
    )
    colour = mix(colour, look.skin * [0.55, 0.42, 0.38], 0.42 * crease)
    lid = smoothstep(-0.05, 0.2, above) * (1 - smoothstep(0.5, 1.1, above)) * inside
    colour = mix(colour, look.skin * [0.72, 0.60, 0.58], (0.22 + 0.4 * look.makeup) * lid)
    upper = np.exp(-((np.clip(above, 0, None) / (0.16 + 0.05 * (q > 0.3))) ** 2)) * (above > 0) * inside
    colour = mix(colour, look.hair * 0.35 + 0.01, (0.5 + 0.5 * look.lashes) * upper)
    wing = bump(ex, above, mesh.EYE_HALF * 1.0, 0.1, 0.22, 0.12)
    colour = mix(colour, look.hair * 0.35 + 0.02, 0.6 * look.lashes * wing)
    lower = np.exp(-((np.clip(-above, 0, None) / 0.10) ** 2)) * (above < 0) * inside
    return mix(colour, look.skin * [0.62, 0.42, 0.40], (0.45 + 0.2 * look.lashes) * lower)


def _brow(look, x, y, rng, unit):
    ax = np.abs(x)
    t = np.clip((ax - 1.25) / 4.6, 0, 1)
    center = 1.62 + look.brow_height + 0.75 * np.sin(np.clip(t * 1.15, 0, 1) * np.pi * 0.72) - 0.95 * t**2.2
    thick = 0.44 * np.clip(0.75 + 0.6 * t - 1.25 * t**2, 0.12, 1)
    shape = np.exp(-(np.abs((y - center) / thick) ** 2.6)) * smoothstep(1.0, 1.6, ax) * (1 - smoothstep(5.3, 5.9, ax))
    strokes = 0.85 + 0.28 * noise(rng, x.shape, (1.1 * unit, 0.7 * unit))
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
    grain = np.clip(0.75 + 0.3 * noise(rng, x.shape, (1.0 * unit, 0.8 * unit)), 0.2, 1.2)
    return mix(colour, look.hair * 0.9 + 0.02, 0.85 * area * grain)


def _nostrils(colour, look, x, y):
    hole = np.exp(-((((np.abs(x) - 0.78) / 0.42) ** 2 + ((y + 4.86) / 0.17) ** 2) ** 2))
    return mix(colour, look.skin * [0.22, 0.12, 0.10], 0.9 * hole)


def hair_cover(look: Look, x, y, angle, rng, unit) -> np.ndarray:
    """Share of hair at face-plane positions, in [0, 1]."""
    if look.bald:
        return np.zeros_like(x)
    above = _above_hairline(look, x, y, angle)
    ragged = (0.14 + 0.12 * look.fringe) * noise(rng, x.shape, (6.0 * unit, 2.5 * unit))
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
