"""Backgrounds, lights and passing objects of a clip."""

import numpy as np
from scipy.ndimage import gaussian_filter

from faceimit.data.synthetic import mesh, parts
from faceimit.data.synthetic.colour import linear
from faceimit.data.synthetic.motion import glide
from faceimit.data.synthetic.render import Light


def draw_light(rng: np.random.Generator, gain: np.ndarray) -> Light:
    """A key light from anywhere before the face, a fill from the other side, sky and ground light."""
    azimuth, height = rng.normal(0, 0.75), rng.uniform(0.05, 0.95)
    key = _direction(np.clip(azimuth, -1.5, 1.5), height)
    fill = _direction(-np.sign(azimuth) * rng.uniform(0.3, 1.3), rng.uniform(-0.2, 0.6))
    warm = rng.normal(0, 0.07)
    tint = np.array([1 + warm, 1.0, 1 - warm])
    other = np.array([1 - 0.6 * warm, 1.0, 1 + 0.6 * warm])
    softness = rng.uniform(0.25, 0.8)
    level = rng.uniform(0.8, 1.45)
    strong, ambient = level * (1.05 - 0.6 * softness), level * (0.18 + 0.4 * softness)
    rows = np.stack([key, strong * tint, fill, 0.3 * ambient * other, ambient * other, 0.55 * ambient * tint])
    return Light(rows, gain)


def _direction(azimuth: float, height: float) -> np.ndarray:
    return np.array([np.sin(azimuth) * np.cos(height), np.sin(height), np.cos(azimuth) * np.cos(height)])


def draw_background(rng: np.random.Generator, size: int) -> np.ndarray:
    """(1.6 size, 1.6 size, 3) float32 linear light: gradient, noise, blurred shapes as in a room, or plain."""
    side = int(1.6 * size)
    v, u = np.meshgrid(np.linspace(-1, 1, side), np.linspace(-1, 1, side), indexing="ij")
    base = rng.uniform(0.05, 0.9) * np.clip(1 + rng.normal(0, 0.08, 3), 0.5, 1.5)
    slope = rng.normal(0, 0.18, 2)
    picture = base * (1 + slope[0] * u + slope[1] * v)[..., None]
    kind = rng.random()
    if kind > 0.25:
        for _ in range(rng.integers(3, 14)):
            picture = _shape(rng, picture, u, v)
        picture = gaussian_filter(picture, (*[size / 128 * rng.choice([0.7, 2.0, 5.0, 9.0])] * 2, 0))
    if kind > 0.6:
        grain = gaussian_filter(rng.standard_normal((side, side, 1)), (*[size / 128 * rng.uniform(0.8, 6)] * 2, 0))
        picture = picture * (1 + rng.uniform(0.02, 0.12) * grain / grain.std())
    return linear(np.clip(picture, 0.01, 0.99)).astype(np.float32)


def _shape(rng, picture, u, v):
    colour = np.clip(picture.mean((0, 1)) * rng.uniform(0.3, 1.8) * (1 + rng.normal(0, 0.12, 3)), 0.02, 0.97)
    cx, cy = rng.uniform(-1.1, 1.1, 2)
    w, h = rng.uniform(0.05, 0.7, 2)
    inside = (np.abs(u - cx) < w) & (np.abs(v - cy) < h)
    if rng.random() < 0.3:
        inside = ((u - cx) / w) ** 2 + ((v - cy) / h) ** 2 < 1
    return np.where(inside[..., None], colour, picture)


def draw_occluder(rng: np.random.Generator) -> parts.Part:
    """A hand or a plain object such as a cup or a microphone."""
    if rng.random() < 0.7:
        return parts.hand(rng.uniform(0, 1.5))
    ball = parts.sphere(9, 14, np.pi * 0.98, mesh.OBJECT)
    return parts.Part(ball.vertices * rng.uniform(1.5, 4.0, 3), ball.triangles, ball.uv, mesh.OBJECT)


def draw_occluder_path(rng: np.random.Generator, frames: int, fps: float) -> np.ndarray:
    """(T, 6) positions and Euler angles: it comes from outside, passes or stays before the face, and leaves."""
    time = np.arange(frames) / fps
    angle = rng.uniform(-np.pi, 0) if rng.random() < 0.7 else rng.uniform(0, np.pi)
    outside = 26 * np.array([np.cos(angle), np.sin(angle)]) + [0, -5]
    leave = 26 * np.array([np.cos(angle + rng.normal(0, 1.2)), np.sin(angle)]) + [0, -5]
    spot = np.array([rng.uniform(-6, 6), rng.uniform(-13, 2)])
    start, travel, stay = time[-1] * rng.uniform(0, 0.7), rng.uniform(0.25, 0.8), rng.gamma(1.2, 0.4)
    path = np.array([outside, outside, spot, spot + rng.normal(0, 1, 2), leave, leave])
    places = np.array([-10.0, start, start + travel, start + travel + stay, start + 2 * travel + stay, time[-1] + 60])
    xy = glide(time, places, path)
    depth = np.full(frames, rng.uniform(6, 12))
    spin = rng.normal(0, 0.35, 3) + np.outer(np.sin(time * rng.uniform(1, 4)), rng.normal(0, 0.15, 3))
    return np.column_stack([xy, depth, spin])
