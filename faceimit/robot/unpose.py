"""Take the pose of the head out of landmarks: where the points would lie if the face looked at the camera.

Under weak perspective a point (X, Y, Z) of the head is seen at s R (X, Y, Z) + t. With the depth Z of a generic face
and the pose R, the plane coordinates (X, Y) follow from the picture: both the foreshortening of a turned face and the
parallax between its near and far points are undone, so nodding does not open the mouth.
"""

import cv2
import numpy as np

from faceimit.face.landmarks import COUNT
from faceimit.face.pose import pose_from_rotation, rotation_from_pose
from faceimit.face.shape import RIGID, SHAPE

FARTHEST = np.deg2rad(60.0)  # beyond it, half the face is hidden and its points are guesses
LEAST_POINTS = 6
_FLIP = np.diag([1.0, -1.0, -1.0])  # OpenCV's camera has y down and z away from the viewer
_DISTANCE = 60.0  # cm of the camera in pose estimation: perspective is weak, its exact strength matters little
# Points of the lower jaw go back as they go down: cm of depth per cm, what a jaw that turns about its hinge does to
# lips and chin (the lips also follow their own muscles, which the skin pulls straight down).
_JAW, _LIP = (*range(4, 13),), (*range(55, 60), *range(65, 68))
_BACK = np.zeros(COUNT + 2)
_BACK[list(_JAW)], _BACK[list(_LIP)] = 0.5, 0.35
# Irises lie a little behind the corners of the eyes.
_GENERIC = np.concatenate([SHAPE, [(-3.1, -0.4, -1.2), (3.1, -0.4, -1.2)]])


def estimate_pose(points: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray | None:
    """(3,) yaw, pitch, roll in radians from landmarks, or None where too few of the rigid ones are seen.

    Args:
        points: (68+, 2) pixels, x right, y down.
        weights: (68+,) confidence; points of 0 are left out.
    """
    usable = [i for i in RIGID if np.isfinite(points[i]).all() and (weights is None or weights[i] > 0)]
    if len(usable) < LEAST_POINTS:
        return None
    seen = np.asarray(points, dtype=np.float64)[usable]
    spread, model_spread = (np.linalg.norm(v - v.mean(axis=0), axis=1).mean() for v in (seen, SHAPE[usable][:, :2]))
    if spread <= 0:
        return None
    focal = _DISTANCE * spread / model_spread
    centre = seen.mean(axis=0)
    camera = np.array([[focal, 0, centre[0]], [0, focal, centre[1]], [0, 0, 1]])
    start = np.zeros((3, 1)), np.array([[0.0], [0.0], [_DISTANCE]])
    model = SHAPE[usable] @ _FLIP
    found, turn, _ = cv2.solvePnP(model, seen, camera, None, *start, useExtrinsicGuess=True)
    if not found or not np.isfinite(turn).all():
        return None
    return pose_from_rotation(_FLIP @ cv2.Rodrigues(turn)[0] @ _FLIP)


def frontal(points: np.ndarray, pose: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray | None:
    """(P, 2) points in the plane of the face, x to the person's left, y up, in cm of the generic face's size.

    Args:
        points: (P, 2) pixels, x right, y down; P = 68, or 70 with the irises. NaN stays NaN.
        pose: (3,) yaw, pitch, roll in radians.
        weights: (P,) >= 0; points of 0 do not help to find place and size.

    Returns:
        The points, or None where the face is turned too far or too few rigid points are seen.
    """
    if not np.isfinite(pose).all() or np.abs(pose[:2]).max() > FARTHEST:
        return None
    usable = [i for i in RIGID if np.isfinite(points[i]).all() and (weights is None or weights[i] > 0)]
    if len(usable) < LEAST_POINTS:
        return None
    turn = rotation_from_pose(np.asarray(pose, dtype=np.float64))
    up = np.asarray(points, dtype=np.float64) * [1.0, -1.0]
    model = SHAPE[usable] @ turn[:2].T
    model_centre, centre = model.mean(axis=0), up[usable].mean(axis=0)
    model, seen = model - model_centre, up[usable] - centre
    size = float((model * seen).sum() / (model**2).sum())
    if size <= 0:
        return None
    # in cm, the head's origin at 0: seen = R (X, Y, Z), where Z = Z0 + back (Y - Y0)
    generic = _GENERIC[: len(up)]
    back = _BACK[: len(up), None]
    seen = (up - centre) / size + model_centre - (generic[:, 2:] - back * generic[:, 1:2]) * turn[:2, 2]
    across = np.broadcast_to(turn[:2, 0], seen.shape)
    along = turn[:2, 1] + back * turn[:2, 2]
    return np.linalg.solve(np.stack([across, along], axis=-1), seen[..., None])[..., 0]
