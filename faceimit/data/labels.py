"""Labels: what a network learns from each frame of a clip."""

from dataclasses import dataclass

import numpy as np

from faceimit.data import targets
from faceimit.errors import InputError
from faceimit.face.records import Annotation, Clip


@dataclass(frozen=True)
class Labels:
    """What a network learns from a clip, per frame.

    Attributes:
        change: (T,) float32 c_t, NaN where unknown.
        velocity: (T, 55) float32, smoothed change of the 52 blendshapes and of yaw, pitch, roll (radians) a 1/25 s.
        valid: (T,) bool, change is known.
    """

    change: np.ndarray
    velocity: np.ndarray
    valid: np.ndarray


def labels_of(clip: Clip) -> Labels:
    """Targets of a clip by the definitions of :mod:`faceimit.data.targets`."""
    change = change_of(clip.annotation, clip.fps)
    return Labels(change, velocity_of(clip.annotation, clip.fps), np.isfinite(change))


def landmarked_frames(clip: Clip, every: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Numbers (N,) of the frames whose landmarks are all known, one of so many, and their landmarks (N, 68, 2) float32.

    Raises:
        InputError: the clip has no landmarks.
    """
    annotation = clip.annotation
    if annotation.landmarks is None:
        raise InputError(f"the clip {clip.name} has no landmarks, give clips that were annotated with them")
    rows = np.flatnonzero(annotation.valid & np.isfinite(annotation.landmarks).all(axis=(1, 2)))[::every]
    return rows, annotation.landmarks[rows].astype(np.float32)


def change_of(annotation: Annotation, fps: float) -> np.ndarray:
    """(T,) float32 c_t, NaN where unknown."""
    change = targets.change(annotation.blendshapes, annotation.pose, fps, annotation.valid)
    return change.astype(np.float32)


def velocity_of(annotation: Annotation, fps: float) -> np.ndarray:
    """(T, 55) float32 velocity of :class:`Labels`; 0 where it is unknown."""
    state = np.concatenate([annotation.blendshapes, annotation.pose], axis=1)
    smoothed = targets.smooth(state, fps, valid=annotation.valid)
    velocity = np.zeros_like(smoothed)
    velocity[1:] = np.diff(smoothed, axis=0) * (fps / targets.BASE_FPS)
    velocity[~np.isfinite(velocity).all(axis=1)] = 0.0
    return velocity.astype(np.float32)
