"""Head pose conventions: yaw, pitch and roll in radians, and their rotation matrix.

Camera space is MediaPipe's: x to the right of the picture, y up, z towards the viewer. A person looking at the
camera has the identity rotation. Positive yaw turns the face to the person's own left (the right of the picture),
positive pitch lifts the chin, positive roll tilts the head counter-clockwise as seen in the picture.
The rotation is R = R_y(yaw) R_x(-pitch) R_z(roll), right-handed.
"""

import numpy as np


def rotation_from_pose(pose: np.ndarray) -> np.ndarray:
    """Rotation matrices (..., 3, 3) of poses (..., 3) = (yaw, pitch, roll) in radians."""
    yaw, pitch, roll = np.moveaxis(np.asarray(pose, dtype=np.float64), -1, 0)
    return _about_y(yaw) @ _about_x(-pitch) @ _about_z(roll)


def pose_from_rotation(rotation: np.ndarray) -> np.ndarray:
    """Poses (..., 3) = (yaw, pitch, roll) in radians of rotation matrices (..., 3, 3).

    Scale in the matrices is removed first: MediaPipe's facial transformation holds a similarity.
    """
    matrix = np.asarray(rotation, dtype=np.float64)[..., :3, :3]
    matrix = matrix / np.linalg.norm(matrix, axis=-2, keepdims=True)
    yaw = np.arctan2(matrix[..., 0, 2], matrix[..., 2, 2])
    pitch = np.arcsin(np.clip(matrix[..., 1, 2], -1.0, 1.0))
    roll = np.arctan2(matrix[..., 1, 0], matrix[..., 1, 1])
    return np.stack([yaw, pitch, roll], axis=-1)


def _about_x(angle: np.ndarray) -> np.ndarray:
    one, zero, c, s = np.ones_like(angle), np.zeros_like(angle), np.cos(angle), np.sin(angle)
    return _rows((one, zero, zero), (zero, c, -s), (zero, s, c))


def _about_y(angle: np.ndarray) -> np.ndarray:
    one, zero, c, s = np.ones_like(angle), np.zeros_like(angle), np.cos(angle), np.sin(angle)
    return _rows((c, zero, s), (zero, one, zero), (-s, zero, c))


def _about_z(angle: np.ndarray) -> np.ndarray:
    one, zero, c, s = np.ones_like(angle), np.zeros_like(angle), np.cos(angle), np.sin(angle)
    return _rows((c, -s, zero), (s, c, zero), (zero, zero, one))


def _rows(*rows: tuple[np.ndarray, ...]) -> np.ndarray:
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)
