"""Landmarks of rendered people seen by a perspective camera, without drawing a picture: fast and exact."""

from functools import cache

import numpy as np

from faceimit.data.synthetic.head import Drive, FaceRenderer
from faceimit.data.synthetic.identity import draw_identity
from faceimit.face.blendshapes import BLENDSHAPES, INDEX


@cache
def person(number: int) -> FaceRenderer:
    """The renderer of one identity."""
    return FaceRenderer(draw_identity(20_000_000 + number), 32)


def seen(number: int, blendshapes=None, pose=None, distance: float = 70.0) -> np.ndarray:
    """(T, 68, 2) pixels of a person, x right and y down, the face about 170 pixels high.

    Args:
        number: of the person.
        blendshapes: list of {name: value}, one a frame, or one for all.
        pose: (T, 3) radians, or None.
        distance: of the camera, cm.
    """
    frames = blendshapes or [{}]
    pose = np.zeros((len(frames), 3)) if pose is None else np.asarray(pose, dtype=np.float64)
    frames = frames * len(pose) if len(frames) == 1 else frames
    values = np.zeros((len(frames), len(BLENDSHAPES)))
    for t, frame in enumerate(frames):
        for name, value in frame.items():
            values[t, INDEX[name]] = value
    still = np.zeros((len(frames), 3))
    drive = Drive(values, pose, still, still, np.tile([1.0, 0.0, 0.0], (len(frames), 1)))
    head = person(number)
    points = head.vertices(drive, slice(0, len(frames)))[:, head.landmarks]
    return np.stack([points[..., 0], -points[..., 1]], axis=-1) / (distance - points[..., 2:]) * 700 + 128


def sweep(axis: int, degrees: np.ndarray) -> np.ndarray:
    """(T, 3) poses that turn about one axis (0 yaw, 1 pitch, 2 roll)."""
    pose = np.zeros((len(degrees), 3))
    pose[:, axis] = np.deg2rad(degrees)
    return pose
