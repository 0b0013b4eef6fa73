"""Augmentation of clip windows: one draw for the whole window, so that it adds no motion the labels do not know.

Pictures stay uint8 until the network; label columns of left and right swap with the picture.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from faceimit.face import blendshapes

# Velocity columns: 52 blendshapes, yaw, pitch, roll; a mirrored head turns and tilts the other way.
MIRROR = np.array([*blendshapes.MIRROR, 52, 53, 54])
MIRROR_SIGN = np.array([1.0] * 52 + [-1.0, 1.0, -1.0], dtype=np.float32)


@dataclass(frozen=True)
class Strength:
    """How far the augmentation goes; all zero leaves a window as it is.

    Attributes:
        flip, reverse: probability of mirroring, of playing backwards.
        rotation: degrees, either way.
        scale: largest factor of zoom is exp(scale).
        shift: fraction of the side.
        drift: slow motion of the crop over the window, fraction of the side.
        light: largest factor of gain and gamma is exp(light).
        colour: largest factor of the gain of each colour channel is exp(colour).
        noise: largest standard deviation of the sensor noise, in grey levels of 255.
        blur: probability of a Gaussian blur of up to 1.2 pixels.
        occlusion: probability of a still, flat patch over part of the picture.
    """

    flip: float = 0.5
    reverse: float = 0.3
    rotation: float = 10.0
    scale: float = 0.18
    shift: float = 0.07
    drift: float = 0.02
    light: float = 0.4
    colour: float = 0.15
    noise: float = 7.0
    blur: float = 0.3
    occlusion: float = 0.2


@dataclass(frozen=True)
class Window:
    """What moves together.

    Attributes:
        frames: (T, S, S, 3) uint8 RGB.
        velocity: (T, 55) labels.
        flow: levels (T, 2, h, w) in pixels of the level, frame t -> t-1; empty where it is not known.
    """

    frames: np.ndarray
    velocity: np.ndarray
    flow: tuple[np.ndarray, ...] = ()


def augment(window: Window, strength: Strength, generator: np.random.Generator) -> Window:
    """A new window; how much the expression changes is not altered.

    Args:
        window: what to alter.
        strength: how far to go.
        generator: source of randomness.
    """
    if generator.random() < strength.flip:
        window = mirrored(window)
    matrices = placements(len(window.frames), window.frames.shape[1], strength, generator)
    sigma = generator.uniform(0.3, 1.2) if generator.random() < strength.blur else 0.0
    frames = relight(moved(window.frames, matrices, sigma), strength, generator)
    if generator.random() < strength.occlusion:
        cover(frames, generator)
    frames = add_noise(frames, strength.noise * generator.random() ** 2, generator)
    flow = tuple(moved_flow(level, matrices, window.frames.shape[1]) for level in window.flow)
    return Window(frames, window.velocity, flow)


def mirrored(window: Window) -> Window:
    """Left and right swapped: picture, named velocities, direction of the flow."""
    flow = tuple(level[..., ::-1] * np.array([-1, 1], dtype=level.dtype)[:, None, None] for level in window.flow)
    return Window(window.frames[:, :, ::-1], window.velocity[:, MIRROR] * MIRROR_SIGN, flow)


def backwards(window: Window) -> Window:
    """Played backwards; labels and flow must be those of the steps that leave each frame.

    The flow of the reversed step is the negative one at the other end of the motion: exact to first order.
    """
    flow = tuple(-level[::-1] for level in window.flow)
    return Window(window.frames[::-1], -window.velocity[::-1], flow)


def placements(count: int, side: int, strength: Strength, generator: np.random.Generator) -> np.ndarray:
    """(T, 2, 3) affine matrices, old to new pixel: rotation, zoom, shift, and a slow drift as of a tracked crop."""
    angle = generator.uniform(-strength.rotation, strength.rotation)
    zoom = float(np.exp(generator.uniform(-strength.scale, strength.scale)))
    shift = generator.uniform(-strength.shift, strength.shift, size=2) * side
    drift = generator.uniform(-strength.drift, strength.drift, size=2) * side
    centre = (side - 1) / 2
    matrices = np.repeat(cv2.getRotationMatrix2D((centre, centre), angle, zoom)[None], count, axis=0)
    matrices[:, :, 2] += shift + drift * (np.arange(count)[:, None] / max(1, count - 1) - 0.5)
    return matrices


def moved(frames: np.ndarray, matrices: np.ndarray, sigma: float = 0.0) -> np.ndarray:
    """Each frame under its matrix, blurred by `sigma` pixels."""
    size = frames.shape[2], frames.shape[1]
    result = np.empty(frames.shape, dtype=np.uint8)
    for t, matrix in enumerate(matrices):
        frame = np.ascontiguousarray(frames[t])
        frame = cv2.warpAffine(frame, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        result[t] = cv2.GaussianBlur(frame, (0, 0), sigma) if sigma else frame
    return result


def moved_flow(flow: np.ndarray, matrices: np.ndarray, side: int) -> np.ndarray:
    """Flow of the moved frames: with x' = A x + b_t it is A f + b_(t-1) - b_t, at the moved place.

    Args:
        flow: (T, 2, h, w) in pixels of its level.
        matrices: (T, 2, 3) of the frames.
        side: of the frames in pixels.

    Returns:
        (T, 2, h, w) float32.
    """
    count, _, height, width = flow.shape
    factor = side / width  # pixel centres: x_frame = factor * (x_level + 0.5) - 0.5
    linear, offset = matrices[:, :, :2], matrices[:, :, 2]
    steps = np.concatenate([np.zeros((1, 2)), offset[:-1] - offset[1:]]) / factor
    turned = np.einsum("tij,tjhw->thwi", linear, flow.astype(np.float64)) + steps[:, None, None]
    result = np.empty((count, 2, height, width), dtype=np.float32)
    centre = (factor - 1) / 2
    for t in range(count):
        small = matrices[t].copy()
        small[:, 2] = (offset[t] + linear[t] @ [centre, centre] - centre) / factor
        field = turned[t].astype(np.float32)
        field = cv2.warpAffine(field, small, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        result[t] = field.transpose(2, 0, 1)
    return result


def relight(frames: np.ndarray, strength: Strength, generator: np.random.Generator) -> np.ndarray:
    """Gain, gamma and colour balance, as one table a channel."""
    gamma = float(np.exp(generator.uniform(-strength.light, strength.light)))
    gain = float(np.exp(generator.uniform(-strength.light, strength.light)))
    lift = generator.uniform(-0.1, 0.1) * min(1.0, strength.light * 2.5)
    colour = np.exp(generator.uniform(-strength.colour, strength.colour, size=3))
    levels = np.linspace(0.0, 1.0, 256)[:, None] ** gamma  # (256, 1)
    table = np.rint(np.clip((levels * gain * colour + lift) * 255.0, 0, 255)).astype(np.uint8)  # (256, 3)
    flat = frames.reshape(1, -1, 3)
    return cv2.LUT(flat, table[None]).reshape(frames.shape)


def cover(frames: np.ndarray, generator: np.random.Generator) -> None:
    """A flat patch of a random colour stands still over the window, in place."""
    side = frames.shape[1]
    height, width = generator.integers(side // 8, side // 3, size=2)
    top, left = generator.integers(0, side - height), generator.integers(0, side - width)
    frames[:, top : top + height, left : left + width] = generator.integers(0, 255, size=3)


def add_noise(frames: np.ndarray, sigma: float, generator: np.random.Generator) -> np.ndarray:
    """Independent Gaussian noise of `sigma` grey levels on every frame, partly shared by neighbours as sensors do."""
    if sigma < 0.5:
        return frames
    cv2.setRNGSeed(int(generator.integers(0, 2**31)))
    noise = np.empty(frames.shape[1:], dtype=np.int16)
    result = np.empty_like(frames)
    for t in range(len(frames)):
        cv2.randn(noise, (0, 0, 0), (sigma, sigma, sigma))
        result[t] = np.clip(frames[t] + noise, 0, 255)
    return result
