"""Controls from landmarks by geometry: value = alpha * measure + offset, one frame after the other.

The simplest route from a face to a robot: no network, two numbers a control, which ``faceimit-calibrate`` fits. Points
that are covered, lie outside the picture or are not finite take no part; a control that loses all its points keeps its
value for a moment and then eases to neutral, so it never jumps.
"""

from dataclasses import dataclass

import numpy as np

from faceimit.errors import InputError
from faceimit.face import controls
from faceimit.face.landmarks import COUNT
from faceimit.robot.measures import MEASURES, NEEDS_IRIS, POSED, generic, inter_ocular, measure
from faceimit.robot.profile import RobotProfile
from faceimit.robot.unpose import estimate_pose, frontal

SURE = 0.3  # points of less confidence take no part
HOLD_S, EASE_S = 0.5, 0.4  # keep a value that is not measured so long, then go to neutral with this time constant
MARGIN = 1.0  # pixels: a point this near to the edge of the picture may be one that was clipped to it
FEWEST = COUNT // 2  # points of a face that is still a face


@dataclass(frozen=True)
class Reading:
    """Controls of one frame.

    Attributes:
        values: (30,) in table units, inside the robot's ranges.
        measured: (30,) bool, False where a value is held or neutral.
        pose: (3,) yaw, pitch, roll in radians, NaN where the face was not seen.
        reason: why nothing was measured, "" if something was.
    """

    values: np.ndarray
    measured: np.ndarray
    pose: np.ndarray
    reason: str = ""


class GeometricMapper:
    """Controls of a robot from landmarks, frame by frame or a clip at once, never with frames to come.

    Args:
        profile: of the robot, with alpha and offset.
        correct: take head pose out; off only to see what that does.

    Raises:
        InputError: the profile has no geometric route.
    """

    def __init__(self, profile: RobotProfile, correct: bool = True) -> None:
        if not profile.geometric:
            raise InputError(f"robot profile {profile.name} has no alpha: add geometric, or run faceimit-calibrate")
        self.profile, self.correct = profile, correct
        self._shift: dict[str, float] = {}
        self.reset()

    def reset(self) -> None:
        """Forget the frames before; the person's resting face stays."""
        self._values, self._unseen = self.profile.neutral.copy(), np.full(len(controls.NAMES), np.inf)

    def set_rest(self, landmarks: np.ndarray, confidence: np.ndarray | None = None) -> None:
        """Take these frames for the person's resting face: its measures become those of the generic face.

        Args:
            landmarks: (T, 68, 2) or (T, 70, 2) of a face at rest, pixels.
            confidence: (T, P) or None.

        Raises:
            InputError: no frame with a face.
        """
        frames = [measures(p, None if confidence is None else confidence[t], None) for t, p in enumerate(landmarks)]
        seen = [found for found, _, reason in frames if not reason]
        if not seen:
            raise InputError(f"expected frames of a resting face but got none with a face: {frames[0][2]}")
        for name in MEASURES:
            values = np.array([found[name] for found in seen if np.isfinite(found.get(name, np.nan))])
            if values.size:
                self._shift[name] = generic(name) - float(np.median(values))

    def push(
        self,
        landmarks: np.ndarray,
        confidence: np.ndarray | None = None,
        pose: np.ndarray | None = None,
        seconds: float = 1 / 25,
        size: tuple[int, int] | None = None,
    ) -> Reading:
        """Controls of the next frame.

        Args:
            landmarks: (68, 2) pixels, or (70, 2) with the right and left iris; NaN where unknown.
            confidence: (P,) in [0, 1] or None.
            pose: (3,) yaw, pitch, roll in radians, None or NaN to estimate it from the landmarks.
            seconds: since the frame before.
            size: (width, height) of the picture; points at its edge then count as covered.

        Raises:
            InputError: another number of points.
        """
        found, pose, reason = measures(landmarks, confidence, pose, size, self.correct)
        fresh = np.full(len(controls.NAMES), np.nan)
        for name, line in self.profile.geometric.items():
            fresh[controls.INDEX[name]] = (
                line.alpha * (found.get(name, np.nan) + self._shift.get(name, 0.0)) + line.offset
            )
        measured = np.isfinite(fresh)
        self._unseen = np.where(measured, 0.0, self._unseen + seconds)
        easing = ~measured & (self._unseen > HOLD_S)
        held = np.where(easing, self._values + (self.profile.neutral - self._values) * _share(seconds), self._values)
        self._values = self.profile.clip(np.where(measured, np.nan_to_num(fresh), held))
        return Reading(self._values.copy(), measured, pose, reason)

    def controls(
        self,
        landmarks: np.ndarray,
        confidence: np.ndarray | None = None,
        pose: np.ndarray | None = None,
        fps: float = 25.0,
        size: tuple[int, int] | None = None,
    ) -> np.ndarray:
        """(T, 30) controls of a clip, as :meth:`push` gives them one by one.

        Args:
            landmarks: (T, 68, 2) or (T, 70, 2) pixels.
            confidence: (T, P) or None.
            pose: (T, 3) radians or None.
            fps: frames a second.
            size: (width, height) of the picture.

        Raises:
            InputError: another shape, or no frame with a face.
        """
        landmarks = np.asarray(landmarks, dtype=np.float64)
        if landmarks.ndim != 3:
            raise InputError(f"expected landmarks (frames, 68, 2) but got {landmarks.shape}")
        for what, array in (("confidence", confidence), ("pose", pose)):
            if array is not None and len(array) != len(landmarks):
                raise InputError(f"expected {what} of {len(landmarks)} frames but got {len(array)}")
        self.reset()
        rows = [
            self.push(
                p, None if confidence is None else confidence[t], None if pose is None else pose[t], 1 / fps, size
            )
            for t, p in enumerate(landmarks)
        ]
        if rows and not any(row.measured.any() for row in rows):
            raise InputError(f"no face in any of the {len(rows)} frames: {rows[0].reason}; look at the landmarks")
        return np.stack([row.values for row in rows]) if rows else np.empty((0, len(controls.NAMES)))


def measures(
    landmarks: np.ndarray,
    confidence: np.ndarray | None = None,
    pose: np.ndarray | None = None,
    size: tuple[int, int] | None = None,
    correct: bool = True,
) -> tuple[dict[str, float], np.ndarray, str]:
    """Measures of one frame by control, its pose, and why there are none ("" if there are).

    Args:
        landmarks: (68, 2) or (70, 2) pixels.
        confidence: (P,) in [0, 1] or None.
        pose: (3,) radians, or None to estimate it.
        size: (width, height) of the picture or None.
        correct: take head pose out.

    Raises:
        InputError: another shape.
    """
    points = np.asarray(landmarks, dtype=np.float64)
    if points.shape not in {(COUNT, 2), (COUNT + 2, 2)}:
        raise InputError(f"expected landmarks (68, 2), or (70, 2) with irises, but got {points.shape}")
    weights = _weights(points, confidence, size)
    nowhere = np.full(3, np.nan)
    if (weights[:COUNT] > 0).sum() < FEWEST:
        return {}, nowhere, f"fewer than {FEWEST} of the 68 points are visible, finite and inside the picture"
    if pose is None or not np.isfinite(pose).all():
        pose = estimate_pose(points, weights)
    if pose is None:
        return {}, nowhere, "too few points of nose and eye corners to tell the head's pose"
    plane = frontal(points, np.asarray(pose) if correct else _rolled(pose), weights)
    if plane is None or not inter_ocular(plane) > 0:
        return {}, np.asarray(pose), "the head is turned too far, or an eye corner is covered"
    plane /= inter_ocular(plane)
    names = MEASURES if len(points) > COUNT else [name for name in MEASURES if name not in NEEDS_IRIS]
    found = {name: float(measure(plane, MEASURES[name], weights)) for name in names}
    found |= {name: float(np.rad2deg(pose[column])) for name, column in POSED.items()}
    return found, np.asarray(pose), ""


def _weights(points: np.ndarray, confidence: np.ndarray | None, size: tuple[int, int] | None) -> np.ndarray:
    """(P,) confidence, 0 for points that are unsure, not finite, or at or beyond the edge of the picture."""
    weights = np.ones(len(points)) if confidence is None else np.asarray(confidence, dtype=np.float64)
    if weights.shape != points.shape[:1]:
        raise InputError(f"expected a confidence for each of the {len(points)} points but got {weights.shape}")
    usable = np.isfinite(points).all(axis=1) & (np.nan_to_num(weights) >= SURE)
    if size is not None:
        with np.errstate(invalid="ignore"):
            usable &= ((points > MARGIN) & (points < np.array(size) - 1 - MARGIN)).all(axis=1)
    return np.where(usable, weights, 0.0)


def _rolled(pose: np.ndarray) -> np.ndarray:
    return np.array([0.0, 0.0, pose[2]])


def _share(seconds: float) -> float:
    return float(1 - np.exp(-seconds / EASE_S))
