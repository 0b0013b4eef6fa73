"""What spoils pictures of a face on their way to us, at three fixed strengths each, to measure how much a method bears.

Unlike the augmentation (:mod:`faceimit.data.transforms`) nothing here is drawn but where a cover lies and what a sensor
adds, from a seed: the same clip and seed give the same pictures. Sizes are shares of the side or pixels of a crop of
128, so a larger crop is spoilt as much.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from faceimit.data.h264 import through_h264
from faceimit.data.transforms import COVERS
from faceimit.errors import InputError

LEVELS = (1, 2, 3)
REFERENCE_SIDE = 128  # of the crops that sizes in pixels are meant for
GAMMA = 2.2
FULL_WELL = 4000.0  # photo-electrons of a white pixel in good light
READ_NOISE = 6.0  # electrons
SWAY_HZ = 0.4  # how often a second a cover goes to and fro

Spoil = Callable[[np.ndarray, float, float, np.random.Generator], np.ndarray]


@dataclass(frozen=True)
class Degradation:
    """One way to spoil a clip.

    Attributes:
        what: the meaning of the values, for people.
        values: one a level, mild to severe.
        spoil: frames (T, S, S, 3) uint8 RGB, value, frames per second, generator -> frames of the same shape.
    """

    what: str
    values: tuple[float, float, float]
    spoil: Spoil


def degrade(frames: np.ndarray, name: str, level: int, seed: int = 0, fps: float = 25.0) -> np.ndarray:
    """A spoilt copy of a clip.

    Args:
        frames: (T, S, S, 3) uint8 RGB.
        name: of :data:`DEGRADATIONS`.
        level: 1 mild, 2, 3 severe; 0 gives the frames as they are.
        seed: of what is drawn.
        fps: frames per second.

    Raises:
        InputError: an unknown name or level.
    """
    if name not in DEGRADATIONS:
        raise InputError(f"expected degradation to be one of {', '.join(DEGRADATIONS)} but got {name!r}")
    if level not in (0, *LEVELS):
        raise InputError(f"expected level to be 0 to {LEVELS[-1]} but got {level}")
    if level == 0 or len(frames) == 0:
        return frames
    how = DEGRADATIONS[name]
    return how.spoil(frames, how.values[level - 1], fps, np.random.default_rng(seed))


def occluded(frames: np.ndarray, share: float, fps: float, generator: np.random.Generator) -> np.ndarray:
    """A flat ellipse, in one of the colours of hands and things, that sways over the face.

    `share`: its larger diameter, of the side.
    """
    count, side = len(frames), frames.shape[1]
    colour = COVERS[int(generator.integers(len(COVERS)))]
    centre = side * generator.uniform(0.4, 0.65, size=2)
    phase, turn = generator.uniform(0, 2 * np.pi, size=2)
    sway = 0.12 * side * np.sin(2 * np.pi * SWAY_HZ * np.arange(count) / fps + phase)
    axes = (0.5 * share * side, 0.4 * share * side)
    spoilt = np.ascontiguousarray(frames).copy()
    for frame, shift in zip(spoilt, sway, strict=True):
        place = centre + shift * np.array([np.cos(turn), np.sin(turn)])
        box = (tuple(map(float, place)), (2 * axes[0], 2 * axes[1]), float(np.degrees(turn)))
        cv2.ellipse(frame, box, colour, thickness=-1, lineType=cv2.LINE_AA)
    return spoilt


def blurred(frames: np.ndarray, sigma: float) -> np.ndarray:
    """Out of focus: a Gaussian of `sigma` pixels."""
    width = sigma * frames.shape[1] / REFERENCE_SIDE
    return np.stack([cv2.GaussianBlur(frame, (0, 0), width, borderType=cv2.BORDER_REPLICATE) for frame in frames])


def darkened(frames: np.ndarray, gain: float, generator: np.random.Generator) -> np.ndarray:
    """Linear light times `gain`, with the shot noise of what light is left and the sensor's own, in 256 levels."""
    light = gain * (frames.astype(np.float32) / 255.0) ** GAMMA  # (T, S, S, 3), linear
    noise = generator.standard_normal(frames.shape, dtype=np.float32)
    noise *= np.sqrt(light * FULL_WELL + READ_NOISE**2) / FULL_WELL
    return np.rint(255.0 * np.clip(light + noise, 0.0, 1.0) ** (1 / GAMMA)).astype(np.uint8)


def coarsened(frames: np.ndarray, side: float) -> np.ndarray:
    """A face of `side` pixels of its own, enlarged to the crop."""
    full, small = (frames.shape[2], frames.shape[1]), (round(side), round(side))
    down = [cv2.resize(frame, small, interpolation=cv2.INTER_AREA) for frame in frames]
    return np.stack([cv2.resize(frame, full, interpolation=cv2.INTER_LINEAR) for frame in down])


def compressed(frames: np.ndarray, crf: float, fps: float) -> np.ndarray:
    """Through H.264 and back, as in a video call: constant rate factor `crf`, a key frame every two seconds."""
    return np.stack(through_h264(frames, crf, fps, key_every=2 * max(1, round(fps))))


DEGRADATIONS: dict[str, Degradation] = {
    "occlusion": Degradation("diameter of a swaying cover, share of the crop", (0.25, 0.4, 0.55), occluded),
    "blur": Degradation("sigma, pixels of a crop of 128", (1.0, 2.0, 4.0), lambda f, v, *_: blurred(f, v)),
    "low_light": Degradation("light left, share", (0.3, 0.1, 0.03), lambda f, v, _, random: darkened(f, v, random)),
    "low_resolution": Degradation("side of the crop, pixels", (48.0, 32.0, 20.0), lambda f, v, *_: coarsened(f, v)),
    "compression": Degradation("H.264 rate factor", (32.0, 40.0, 47.0), lambda f, v, fps, _: compressed(f, v, fps)),
}
