"""Procedural colours of one identity: an atlas of linear albedo, gloss and light wrap, one region a material.

Colours are chosen in sRGB [0, 1] and stored as linear light. Positions on the face are those of the flat face plane
(:mod:`faceimit.data.synthetic.mesh`), so features stay on the skin that carries them.
"""

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

from faceimit.data.synthetic import mesh
from faceimit.data.synthetic.colour import linear, mix, noise
from faceimit.data.synthetic.look import Look
from faceimit.data.synthetic.mesh import smoothstep
from faceimit.data.synthetic.skin import paint_skin

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


def paint_atlas(look: Look, scale: float) -> np.ndarray:
    """The atlas (H, W, 5) uint8 of ``look``, coded as :func:`raster.shade` says.

    ``scale`` multiplies the texel counts of :data:`REGIONS`.
    """
    painters: dict[int, Callable[[Look, int, int], np.ndarray]] = {
        mesh.SKIN: paint_skin,
        mesh.EYE: _eye,
        mesh.TEETH: _teeth,
        mesh.TONGUE: lambda _, w, h: plain((0.72, 0.36, 0.36), 0.5, 0.3, w, h),
        mesh.GLASSES: lambda look, w, h: plain(look.glasses, 0.9, 0.0, w, h),
        mesh.CLOTH: _cloth,
        mesh.HAIR: _hair_sheet,
        mesh.HAND: lambda look, w, h: plain(look.skin * 0.95, look.gloss * 0.5, 0.3, w, h),
        mesh.OBJECT: lambda look, w, h: plain(look.cloth[::-1], 0.5, 0.0, w, h),
    }
    return assemble_atlas({material: partial(paint, look) for material, paint in painters.items()}, scale)


def assemble_atlas(painters: Mapping[int, Callable[[int, int], np.ndarray]], scale: float) -> np.ndarray:
    """The atlas (H, W, 5) uint8 of materials whose painters get width and height in texels.

    A painter returns (height, width, 5) float32: linear albedo, gloss and light wrap, in [0, 1].
    """
    width, height = (round(side * scale) for side in ATLAS_SIZE)
    atlas = np.zeros((height, width, 5), dtype=np.float32)
    for material, paint in painters.items():
        x, y, w, h = region(material, scale)
        patch = paint(w, h)
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


def plain(colour, gloss: float, wrap: float, width: int, height: int) -> np.ndarray:
    """A patch (height, width, 5) of one sRGB colour."""
    patch = np.empty((height, width, 5), dtype=np.float32)
    patch[..., :3], patch[..., 3], patch[..., 4] = linear(np.asarray(colour, dtype=float)), gloss, wrap
    return patch


def _eye(look: Look, width: int, height: int) -> np.ndarray:
    v, u = np.meshgrid((np.arange(height) + 0.5) / height - 0.5, (np.arange(width) + 0.5) / width - 0.5, indexing="ij")
    rng = np.random.default_rng(look.texture_seed + 1)
    polar = np.hypot(u, v) / 0.48 * EYE_SPAN
    around = np.arctan2(v, u)
    colour = np.broadcast_to(np.array([0.79, 0.76, 0.74]), (height, width, 3)).copy()
    colour = mix(colour, np.array([0.72, 0.46, 0.42]), 0.75 * smoothstep(0.62, 1.25, polar))
    rays = 1 + 0.2 * np.sin(around * 17 + rng.uniform(0, 6)) * np.sin(around * 29 + rng.uniform(0, 6))
    iris = look.iris * rays[..., None] * (1.25 - 0.9 * smoothstep(0.3, 0.46, polar))[..., None]
    colour = mix(colour, iris, smoothstep(0.475, 0.425, polar))
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
    tone = 1 + 0.06 * noise(rng, u.shape, (6, 6)) + 0.03 * noise(rng, u.shape, (0.8, 0.8))
    tone = tone + look.cloth_stripes * np.sign(np.sin(u * 40)) * 0.5
    colour = look.cloth * tone[..., None]
    skin = smoothstep(0.02, -0.02, np.abs(u) / 0.28 + v / (0.05 + look.neckline) - 1)
    colour = mix(colour, look.skin * 0.85, skin)
    patch = np.empty((height, width, 5), dtype=np.float32)
    patch[..., :3], patch[..., 3], patch[..., 4] = linear(np.clip(colour, 0.01, 0.97)), 0.1, 0.1
    return patch


def _hair_sheet(look: Look, width: int, height: int) -> np.ndarray:
    rng = np.random.default_rng(look.texture_seed + 3)
    strands = 1 + 0.25 * noise(rng, (height, width), (14, 0.8)) + 0.15 * noise(rng, (height, width), (20, 3))
    patch = np.empty((height, width, 5), dtype=np.float32)
    patch[..., :3] = linear(np.clip(look.hair * np.clip(strands, 0.4, 1.8)[..., None], 0.01, 0.97))
    patch[..., 3], patch[..., 4] = 0.3, 0.1
    return patch
