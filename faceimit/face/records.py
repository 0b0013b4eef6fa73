"""Typed records that every package shares: one annotated clip of face crops, and its keyframes."""

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Annotation:
    """What is known of each frame of a clip.

    Attributes:
        blendshapes: (T, 52) float32 in [0, 1], order :data:`faceimit.face.blendshapes.BLENDSHAPES`.
        pose: (T, 3) float32, yaw, pitch, roll in radians (:mod:`faceimit.face.pose`).
        valid: (T,) bool; False where no face was found, the other rows there mean nothing.
        landmarks: (T, 68, 2) float32, x and y in pixels of the crop, or None.
    """

    blendshapes: np.ndarray
    pose: np.ndarray
    valid: np.ndarray
    landmarks: np.ndarray | None = None


@dataclass(frozen=True)
class Clip:
    """A clip of face crops with its annotation.

    Attributes:
        name: unique within its corpus.
        identity: whose face it is; splits never share one.
        fps: frames per second (> 0).
        frames: (T, S, S, 3) uint8 RGB face crops.
        annotation: per-frame truth.
        flow: (T, 2, S, S) float16 or None; frame t -> t-1 displacement (dx, dy) in pixels, zero at t = 0.
        occluded: (T, S, S) bool or None; pixels of frame t not visible in frame t-1.
    """

    name: str
    identity: str
    fps: float
    frames: np.ndarray
    annotation: Annotation
    flow: np.ndarray | None = None
    occluded: np.ndarray | None = None


@dataclass(frozen=True)
class Keyframes:
    """Scores and keyframes of one clip.

    Attributes:
        scores: (T,) float32 in [0, 1], NaN where no face was found.
        indices: sorted 0-based frame numbers.
        valid: (T,) bool.
    """

    scores: np.ndarray
    indices: tuple[int, ...]
    valid: np.ndarray = field(default_factory=lambda: np.ones(0, dtype=bool))
