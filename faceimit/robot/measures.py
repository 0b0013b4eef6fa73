"""What of a face each control follows: distances between landmarks, in the plane of the face and in its own scale.

Every measure is (1/n) sum |p_i - q_i| over pairs of points, or the same of one coordinate (``x`` to the person's left,
``y`` up) where a distance cannot tell up from down. Lengths are in inter-ocular distances (outer eye corners), after
head pose was taken out (:mod:`faceimit.robot.unpose`). Corners are measured from the middle between both lips,
which falls with them when the jaw opens. Lip Bottom Curl has no measure: the red of the lower lip widens as the jaw
shuts.
"""

from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np

from faceimit.face.landmarks import COUNT, OUTER_EYE_CORNERS
from faceimit.face.shape import SHAPE

RIGHT_IRIS, LEFT_IRIS = COUNT, COUNT + 1  # where 70 points are given, the last two


@dataclass(frozen=True)
class Measure:
    """A length in the plane of the face.

    Attributes:
        pairs: points p and q of each pair.
        along: ``distance`` |p - q|, or the coordinate ``x`` or ``y`` of p - q.
    """

    pairs: tuple[tuple[int, int], ...]
    along: Literal["distance", "x", "y"] = "distance"

    @property
    def points(self) -> tuple[int, ...]:
        """All points that take part."""
        return tuple(sorted({point for pair in self.pairs for point in pair}))


MEASURES: dict[str, Measure] = {
    "Jaw Pitch": Measure(((61, 67), (62, 66), (63, 65))),
    "Jaw Yaw": Measure(((7, 27), (8, 27), (9, 27)), "x"),
    "Eyelid Upper Right": Measure(((37, 41), (38, 40))),
    "Eyelid Upper Left": Measure(((43, 47), (44, 46))),
    "Eyelid Lower Right": Measure(((36, 41), (39, 40), (36, 40), (39, 41)), "y"),
    "Eyelid Lower Left": Measure(((42, 47), (45, 46), (42, 46), (45, 47)), "y"),
    "Brow Inner Right": Measure(((20, 39), (21, 39)), "y"),
    "Brow Inner Left": Measure(((22, 42), (23, 42)), "y"),
    "Brow Outer Right": Measure(((17, 36), (18, 36)), "y"),
    "Brow Outer Left": Measure(((25, 45), (26, 45)), "y"),
    "Lip Corner Raise Right": Measure(((48, 62), (48, 66), (60, 62), (60, 66)), "y"),
    "Lip Corner Raise Left": Measure(((54, 62), (54, 66), (64, 62), (64, 66)), "y"),
    "Lip Corner Stretch Right": Measure(((33, 48), (33, 60)), "x"),
    "Lip Corner Stretch Left": Measure(((54, 33), (64, 33)), "x"),
    "Lip Top Raise Right": Measure(((49, 33), (50, 33)), "y"),
    "Lip Top Raise Middle": Measure(((51, 33), (62, 33)), "y"),
    "Lip Top Raise Left": Measure(((52, 33), (53, 33)), "y"),
    "Lip Bottom Depress Right": Measure(((8, 58), (8, 59)), "y"),
    "Lip Bottom Depress Middle": Measure(((8, 57), (8, 66)), "y"),
    "Lip Bottom Depress Left": Measure(((8, 55), (8, 56)), "y"),
    "Lip Top Curl": Measure(((50, 61), (51, 62), (52, 63))),
    "Gaze Target Phi": Measure(
        ((RIGHT_IRIS, 36), (RIGHT_IRIS, 39), (LEFT_IRIS, 42), (LEFT_IRIS, 45)),
        "x",
    ),
    "Gaze Target Theta": Measure(
        ((RIGHT_IRIS, 36), (RIGHT_IRIS, 39), (LEFT_IRIS, 42), (LEFT_IRIS, 45)),
        "y",
    ),
}
# Controls that follow the head itself: column of the pose (yaw, pitch, roll), measured in degrees.
POSED: dict[str, int] = {"Head Yaw": 0, "Head Pitch": 1, "Head Roll": 2}
# All controls that landmarks and pose tell; gaze only where iris points are given.
MEASURED: tuple[str, ...] = (*MEASURES, *POSED)
NEEDS_IRIS: tuple[str, ...] = ("Gaze Target Phi", "Gaze Target Theta")


def inter_ocular(points: np.ndarray) -> np.ndarray:
    """(...,) distance between the outer eye corners of (..., 68 or 70, 2) points, in their unit."""
    right, left = OUTER_EYE_CORNERS
    return np.linalg.norm(points[..., left, :] - points[..., right, :], axis=-1)


def lengths(points: np.ndarray, what: Measure) -> np.ndarray:
    """(..., n) length of each pair of a measure, from points (..., P, 2) in the plane of the face, y up."""
    p, q = (list(column) for column in zip(*what.pairs, strict=True))
    between = points[..., p, :] - points[..., q, :]
    return np.linalg.norm(between, axis=-1) if what.along == "distance" else between[..., 0 if what.along == "x" else 1]


def measure(points: np.ndarray, what: Measure, weights: np.ndarray | None = None) -> np.ndarray:
    """A measure of points (..., P, 2) in the plane of the face, y up, in inter-ocular distances: (...,).

    With weights it is the mean over the pairs of what the generic face has, plus the weighted mean of how far each pair
    is from that: a pair that is covered then does not shift the measure to the usual length of the others.

    Args:
        points: P = 68, or 70 with the irises.
        what: to measure.
        weights: (..., P) >= 0, or None for equal ones; a pair weighs as much as its lesser point. Where all pairs of
            a measure weigh nothing the result is NaN.
    """
    found = lengths(points, what)
    if weights is None:
        return found.mean(axis=-1)
    p, q = (list(column) for column in zip(*what.pairs, strict=True))
    share = np.minimum(weights[..., p], weights[..., q])
    total, usual = share.sum(axis=-1), _usual(what)
    with np.errstate(invalid="ignore", divide="ignore"):
        away = (np.where(share > 0, found - usual, 0.0) * share).sum(axis=-1) / total
    return np.where(total > 0, usual.mean() + away, np.nan)


@cache
def _usual(what: Measure) -> np.ndarray:
    """(n,) lengths of the pairs on the generic face; 0 for those of the irises, which it does not have."""
    if max(what.points) >= COUNT:
        return np.zeros(len(what.pairs))
    return lengths(SHAPE[:, :2] / inter_ocular(SHAPE[:, :2]), what)


def generic(name: str) -> float:
    """The measure of a control on the generic neutral face that looks at the camera; 0 for gaze and head."""
    if name in POSED or name in NEEDS_IRIS:
        return 0.0
    return float(measure(SHAPE[:, :2] / inter_ocular(SHAPE[:, :2]), MEASURES[name]))
