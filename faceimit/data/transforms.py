"""Augmentation of clip windows: one draw for the whole window, so that it adds no motion the labels do not know.

Here: left and right, playing backwards, light, colour, blur, compression, occlusion, noise (albumentations), and the
draw of the window's place. The move itself is made on whole batches (:mod:`faceimit.data.geometry`). Pictures stay
uint8 until the network; label columns of left and right swap with the picture.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from faceimit.face import blendshapes
from faceimit.ranges import Share, Weight

# Velocity columns: 52 blendshapes, yaw, pitch, roll; a mirrored head turns and tilts the other way.
MIRROR = np.array([*blendshapes.MIRROR, 52, 53, 54])
MIRROR_SIGN = np.array([1.0] * 52 + [-1.0, 1.0, -1.0], dtype=np.float32)

# sRGB colours of what covers a face: hands light and dark, dark and light things, a coloured sleeve or cup.
COVERS = ((224, 172, 145), (110, 75, 58), (25, 25, 28), (225, 225, 220), (60, 80, 130), (150, 45, 45), (128, 128, 128))


@dataclass(frozen=True)
class Strength:
    """How far the augmentation goes; all zero leaves a window as it is.

    Attributes:
        flip, reverse: probability of mirroring, of playing backwards.
        rotation: degrees, either way.
        scale: largest factor of zoom is exp(scale).
        shift: fraction of the side.
        drift: slow motion of the crop over the window, fraction of the side.
        light: largest factor of gamma is exp(light), largest change of contrast is light and of brightness light / 2.
        colour: largest factor of the gain of each colour channel is exp(colour).
        noise: largest standard deviation of the sensor noise, in grey levels of 255.
        blur: probability of a Gaussian blur of up to 1.2 pixels or of a motion blur.
        resolution: probability of a picture enlarged from 0.4 to 0.9 of its pixels.
        compression: probability of JPEG compression of quality 25 to 85.
        occlusion: probability of a still, flat patch over part of the picture.
    """

    flip: Share = 0.5
    reverse: Share = 0.3
    rotation: Weight = 10.0
    scale: Weight = 0.18
    shift: Weight = 0.07
    drift: Weight = 0.02
    light: Weight = 0.4
    colour: Weight = 0.15
    noise: Weight = 7.0
    blur: Share = 0.3
    resolution: Share = 0.15
    compression: Share = 0.15
    occlusion: Share = 0.2


@dataclass(frozen=True)
class Window:
    """What changes together.

    Attributes:
        frames: (T, S, S, 3) uint8 RGB.
        velocity: (T, 55) labels.
        flow: levels (T, 2, h, w) in pixels of the level, frame t -> t-1; empty where it is not known.
    """

    frames: np.ndarray
    velocity: np.ndarray
    flow: tuple[np.ndarray, ...] = ()


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
    """(T, 2, 3) float32 affine matrices, old to new pixel: rotation, zoom, shift, and a slow drift as of a tracked
    crop.
    """
    angle = generator.uniform(-strength.rotation, strength.rotation)
    zoom = float(np.exp(generator.uniform(-strength.scale, strength.scale)))
    shift = generator.uniform(-strength.shift, strength.shift, size=2) * side
    drift = generator.uniform(-strength.drift, strength.drift, size=2) * side
    centre = (side - 1) / 2
    matrices = np.repeat(cv2.getRotationMatrix2D((centre, centre), angle, zoom)[None], count, axis=0)
    matrices[:, :, 2] += shift + drift * (np.arange(count)[:, None] / max(1, count - 1) - 0.5)
    return matrices.astype(np.float32)


class Photometric:
    """Light, colour, blur, resolution, compression, occlusion and noise of one window: albumentations' transforms.

    All frames get the same draw, so that a still face stays still; only the noise differs from frame to frame, as a
    sensor's does.

    Args:
        strength: how far to go.
    """

    def __init__(self, strength: Strength) -> None:
        self.strength = strength
        self._steady: Any = None
        self._noise: Any = None

    def __call__(self, frames: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """New frames (T, S, S, 3) uint8 of `frames`; randomness comes from `generator` alone."""
        if self._steady is None:
            self._build()
        seed = int(generator.integers(2**31))
        frames = np.ascontiguousarray(frames)
        if self._steady.transforms:
            self._steady.set_random_seed(seed)
            frames = self._steady(images=frames)["images"]
        if self._noise.transforms:
            self._noise.set_random_seed(seed)
            # as one tall picture, for noise of one strength that is new in every frame
            tall = self._noise(image=frames.reshape(-1, *frames.shape[2:]))["image"]
            frames = tall.reshape(frames.shape)
        return frames

    def _build(self) -> None:
        os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # or it asks a server for its newest version
        import albumentations

        self._steady = albumentations.Compose(_steady(albumentations, self.strength))
        self._noise = albumentations.Compose(_noise(albumentations, self.strength))


def _steady(A: Any, strength: Strength) -> list[Any]:
    """The transforms that are one for all frames, in the order light meets them: scene, lens, sensor, codec."""
    found: list[Any] = []
    if strength.occlusion:
        size = {"hole_height_range": (0.125, 0.33), "hole_width_range": (0.125, 0.33), "num_holes_range": (1, 1)}
        covers = [A.CoarseDropout(fill=colour, p=1.0, **size) for colour in COVERS]
        found.append(A.OneOf(covers, p=strength.occlusion))
    if strength.blur:
        blurs = [A.GaussianBlur(blur_limit=0, sigma_limit=(0.3, 1.2), p=1.0), A.MotionBlur(blur_limit=(3, 5), p=1.0)]
        found.append(A.OneOf(blurs, p=strength.blur))
    if strength.light:
        gamma = tuple(round(100 * float(np.exp(sign * strength.light))) for sign in (-1, 1))
        found += [A.RandomGamma(gamma_limit=gamma, p=1.0), _contrast(A, strength.light)]
    if strength.colour:
        gain = tuple(float(np.exp(sign * strength.colour)) for sign in (-1, 1))
        found.append(A.MultiplicativeNoise(multiplier=gain, per_channel=True, elementwise=False, p=1.0))
    if strength.resolution:
        found.append(A.Downscale(scale_range=(0.4, 0.9), p=strength.resolution))
    if strength.compression:
        found.append(A.ImageCompression(quality_range=(25, 85), p=strength.compression))
    return found


def _contrast(A: Any, light: float) -> Any:
    return A.RandomBrightnessContrast(brightness_limit=light / 2, contrast_limit=light, p=1.0)


def _noise(A: Any, strength: Strength) -> Sequence[Any]:
    """Sensor noise, mostly weak."""
    if not strength.noise:
        return []
    ranges = [(0.0, 0.1), (0.1, 0.4), (0.4, 1.0)]
    levels = [tuple(part * strength.noise / 255.0 for part in ends) for ends in ranges]
    return [A.OneOf([A.GaussNoise(std_range=level, p=1.0) for level in levels], p=1.0)]
