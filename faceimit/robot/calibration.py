"""Fit alpha and offset of a control from a few poses, by robust least squares: value = alpha * measure + offset.

A pose is a face (landmarks) and the values the robot should show for it. A quarter of the poses may be wrong: the fit
starts at the Theil-Sen line, which the median carries, and goes on, over the poses that the line explains, with a loss
that grows linearly beyond a few per cent of the control's range. Poses that say nothing are refused, not fitted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from faceimit.errors import InputError
from faceimit.face import controls
from faceimit.robot.geometric import measures
from faceimit.robot.measures import MEASURED, NEEDS_IRIS, POSED
from faceimit.robot.profile import Geometric, RobotProfile

FEWEST = 3
# A value that moves less than this share of its range over all poses was not meant to be calibrated.
LEAST_MOVE = 0.05
# Spread of the measure, in inter-ocular distances (degrees for the head), below which a slope would be guessed.
LEAST_SPREAD, LEAST_DEGREES = 0.008, 3.0
# Residual, as a share of the range, from which on the loss is linear; and beyond which a pose is called an outlier.
SOFT, OUTLIER = 0.03, 0.12
MOST_OUTLIERS = 1 / 3


@dataclass(frozen=True)
class Pose:
    """A face and what the robot should show for it.

    Attributes:
        name: for messages.
        landmarks: (68, 2) or (70, 2) pixels.
        values: by control name, in table units.
        confidence: (P,) in [0, 1] or None.
        pose: (3,) yaw, pitch, roll in radians or None.
    """

    name: str
    landmarks: np.ndarray
    values: dict[str, float]
    confidence: np.ndarray | None = None
    pose: np.ndarray | None = None


@dataclass(frozen=True)
class Fit:
    """Line of one control.

    Attributes:
        name: of the control.
        line: alpha and offset.
        residuals: (N,) value minus line, in the control's unit, in the order of `poses`.
        poses: names of the poses that took part.
        outliers: names of those that the line does not explain.
    """

    name: str
    line: Geometric
    residuals: np.ndarray
    poses: tuple[str, ...]
    outliers: tuple[str, ...]

    @property
    def typical(self) -> float:
        """Median size of the residuals, in the control's unit."""
        return float(np.median(np.abs(self.residuals)))


def calibrate(profile: RobotProfile, poses: Sequence[Pose]) -> tuple[list[Fit], list[str]]:
    """Fit every control of the robot that the poses tell something of.

    Returns:
        The fits in table order, and the names of controls given but nearly constant, which are left as they are.

    Raises:
        InputError: no pose, a control the robot lacks or landmarks do not tell, a face that cannot be measured, too few
            poses, no spread, or poses that contradict each other; all with names.
    """
    if len(poses) < FEWEST:
        raise InputError(f"expected at least {FEWEST} poses but got {len(poses)}, record more")
    found = [_measured(pose) for pose in poses]
    given = [name for name in controls.NAMES if any(name in pose.values for pose in poses)]
    fits, constant = [], []
    for name in given:
        _check_control(profile, name)
        rows = [(m[name], p.values[name], p.name) for m, p in zip(found, poses, strict=True) if _usable(name, m, p)]
        span = controls.CONTROLS[controls.INDEX[name]].span
        values = [pose.values[name] for pose in poses if name in pose.values]
        if np.ptp(values) < LEAST_MOVE * span:
            constant.append(name)
            continue
        if len(rows) < FEWEST:
            why = "irises are needed (70 points)" if name in NEEDS_IRIS else "their points are covered"
            raise InputError(f"{name} can be measured in {len(rows)} poses of at least {FEWEST}: record more, or {why}")
        x, y, names = (list(column) for column in zip(*rows, strict=True))
        fits.append(fit_line(name, np.array(x), np.array(y), names))
    if not fits:
        raise InputError(f"no control moves by {LEAST_MOVE:.0%} of its range over the {len(poses)} poses, vary them")
    return fits, constant


def fit_line(name: str, x: np.ndarray, y: np.ndarray, poses: Sequence[str]) -> Fit:
    """Robust line of one control.

    Args:
        name: of the control.
        x: (N,) measures.
        y: (N,) values in the control's unit.
        poses: names.

    Raises:
        InputError: no spread in the measures, or poses that contradict each other.
    """
    from scipy.optimize import least_squares
    from scipy.stats import theilslopes

    span = controls.CONTROLS[controls.INDEX[name]].span
    least, unit = (LEAST_DEGREES, "degrees") if name in POSED else (LEAST_SPREAD, "inter-ocular distances")
    if np.ptp(x) < least:
        raise InputError(
            f"degenerate poses for {name}: the face changes by {np.ptp(x):.3g} {unit}, the value by {np.ptp(y):.3g}, "
            "move that part of the face in the pictures"
        )
    start = theilslopes(y, x)
    scale = float(np.ptp(x))  # alpha and offset get alike in size

    def residual(line: np.ndarray) -> np.ndarray:
        return (y - line[0] * x / scale - line[1]) / span

    def fitted(line: np.ndarray, rows: np.ndarray) -> np.ndarray:
        return least_squares(lambda guess: residual(guess)[rows], line, loss="soft_l1", f_scale=SOFT).x

    line = np.array([start[0] * scale, float(np.median(y - start[0] * x))])
    for _ in range(3):  # what is far from the line of all others has no say in it
        right = np.abs(residual(line)) <= OUTLIER
        line = fitted(line, right if right.sum() >= FEWEST else np.ones(len(y), dtype=bool))
    residuals = residual(line) * span
    wrong = np.abs(residuals) > OUTLIER * span
    outliers = tuple(pose for pose, bad in zip(poses, wrong, strict=True) if bad)
    if wrong.mean() > MOST_OUTLIERS or abs(line[0]) < LEAST_MOVE * span / 2:
        named = ", ".join(outliers) or ", ".join(poses)
        raise InputError(
            f"inconsistent poses for {name}: no line explains them (median residual "
            f"{np.median(np.abs(residuals)):.3g}), check the values of {named}"
        )
    return Fit(name, Geometric(float(line[0] / scale), float(line[1])), residuals, tuple(poses), outliers)


def as_content(profile: RobotProfile, fits: Sequence[Fit]) -> dict[str, Any]:
    """What a calibration file holds; :func:`faceimit.robot.profile.load_profile` merges it."""
    return {
        "robot": profile.name,
        "geometric": {
            fit.name: {"alpha": round(fit.line.alpha, 6), "offset": round(fit.line.offset, 6)} for fit in fits
        },
    }


def _measured(pose: Pose) -> dict[str, float]:
    if not np.isfinite(pose.landmarks).all():
        point = int(np.argwhere(~np.isfinite(pose.landmarks))[0][0])
        raise InputError(f"landmark {point} of pose {pose.name} is not finite, leave the pose out or give the point")
    found, _, reason = measures(pose.landmarks, pose.confidence, pose.pose)
    if reason:
        raise InputError(f"the face of pose {pose.name} cannot be measured: {reason}; choose another picture")
    return found


def _usable(name: str, found: dict[str, float], pose: Pose) -> bool:
    return name in pose.values and bool(np.isfinite(found.get(name, np.nan)))


def _check_control(profile: RobotProfile, name: str) -> None:
    if name not in profile.driven:
        raise InputError(f"robot {profile.name} has no {name}, leave it out of the poses")
    if name not in MEASURED:
        raise InputError(f"{name} cannot be measured on landmarks, leave it out of the poses")
