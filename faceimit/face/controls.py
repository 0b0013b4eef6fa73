"""The one table of robot controls: Ameca's 30 low-level values, their ranges, neutral pose, parts and motion limits.

Values are in the unit of each control: actuator share (no unit) or degrees. "Left" is the robot's own. Names, ranges
and neutral pose are those of the published X2C data set for Ameca (Engineered Arts). The limits of velocity,
acceleration and jerk are ours: a little below what hobby and industrial servos of that size do, so that they are safe
to start from; a robot's own profile (``conf/robot/``) overrides them. What a larger value does (``Control.larger``) is
our reading where the data set does not say: the neutral value lies at the end of the range that the movement leaves
(Jaw Pitch 1 is shut, Nose Wrinkle 0.85 nearly smooth). A robot that differs inverts an actuator in its profile.
"""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from faceimit.errors import InputError
from faceimit.face.blendshapes import mirrored_name

Part = Literal["brow", "eyelid", "gaze", "jaw", "lip", "nose", "head", "neck"]


@dataclass(frozen=True)
class Control:
    """One low-level control.

    Attributes:
        name: as in the table.
        part: of the face or neck.
        low, high: range, in `unit`.
        neutral: value of the neutral face, in `unit`.
        unit: ``share`` of the actuator's travel, or ``degree``.
        velocity, acceleration, jerk: largest magnitude, in units a second, a second^2, a second^3.
        larger: what the robot does when the value grows, in words.
    """

    name: str
    part: Part
    low: float
    high: float
    neutral: float
    unit: Literal["share", "degree"]
    velocity: float
    acceleration: float
    jerk: float
    larger: str

    @property
    def span(self) -> float:
        """Width of the range."""
        return self.high - self.low


# seconds for the whole range at full speed, to reach full speed, to reach full acceleration
_PACE: dict[str, tuple[float, float, float]] = {
    "brow": (0.20, 0.06, 0.03),
    "eyelid": (0.12, 0.04, 0.02),
    "gaze": (0.40, 0.05, 0.02),
    "jaw": (0.20, 0.06, 0.03),
    "lip": (0.20, 0.06, 0.03),
    "nose": (0.20, 0.06, 0.03),
    "head": (0.60, 0.15, 0.06),
    "neck": (0.80, 0.20, 0.08),
}


def _control(name: str, part: Part, low: float, high: float, neutral: float, larger: str) -> Control:
    travel, rise, onset = _PACE[part]
    velocity = (high - low) / travel
    unit: Literal["share", "degree"] = "degree" if part in {"gaze", "head", "neck"} else "share"
    return Control(name, part, low, high, neutral, unit, velocity, velocity / rise, velocity / rise / onset, larger)


CONTROLS: tuple[Control, ...] = (
    _control("Brow Inner Left", "brow", 0.0, 1.0, 0.60, "raises the inner end of the brow"),
    _control("Brow Inner Right", "brow", 0.0, 1.0, 0.68, "raises the inner end of the brow"),
    _control("Brow Outer Left", "brow", 0.0, 1.0, 0.65, "raises the outer end of the brow"),
    _control("Brow Outer Right", "brow", 0.0, 1.0, 0.53, "raises the outer end of the brow"),
    _control("Eyelid Lower Left", "eyelid", -1.0, 2.0, 1.0, "lowers the lower lid: opens the eye"),
    _control("Eyelid Lower Right", "eyelid", -1.0, 2.0, 1.0, "lowers the lower lid: opens the eye"),
    _control("Eyelid Upper Left", "eyelid", -1.0, 2.0, 1.0, "raises the upper lid: -1 shut, 2 wide"),
    _control("Eyelid Upper Right", "eyelid", -1.0, 2.0, 1.0, "raises the upper lid: -1 shut, 2 wide"),
    _control("Gaze Target Phi", "gaze", -130.0, 130.0, 0.0, "looks to the robot's left"),
    _control("Gaze Target Theta", "gaze", -60.0, 60.0, 0.0, "looks up"),
    _control("Head Pitch", "head", -30.0, 20.0, 0.0, "lifts the chin"),
    _control("Head Roll", "head", -20.0, 20.0, 0.0, "tilts counter-clockwise in the picture"),
    _control("Head Yaw", "head", -30.0, 30.0, 0.0, "turns to the robot's left"),
    _control("Jaw Pitch", "jaw", 0.0, 1.0, 1.0, "shuts the mouth"),
    _control("Jaw Yaw", "jaw", 0.0, 1.0, 0.5, "moves the jaw to the robot's left"),
    _control("Lip Bottom Curl", "lip", 0.0, 1.0, 0.46, "curls the lower lip out"),
    _control("Lip Bottom Depress Left", "lip", 0.0, 1.0, 0.56, "lowers the lower lip"),
    _control("Lip Bottom Depress Middle", "lip", 0.0, 1.0, 0.43, "lowers the lower lip"),
    _control("Lip Bottom Depress Right", "lip", 0.0, 1.0, 0.54, "lowers the lower lip"),
    _control("Lip Corner Raise Left", "lip", 0.0, 1.0, 0.47, "raises the corner"),
    _control("Lip Corner Raise Right", "lip", 0.0, 1.0, 0.62, "raises the corner"),
    _control("Lip Corner Stretch Left", "lip", 0.0, 1.0, 0.64, "pulls the corner outwards"),
    _control("Lip Corner Stretch Right", "lip", 0.0, 1.0, 0.31, "pulls the corner outwards"),
    _control("Lip Top Curl", "lip", 0.0, 1.0, 0.41, "curls the upper lip out"),
    _control("Lip Top Raise Left", "lip", 0.0, 1.0, 0.48, "raises the upper lip"),
    _control("Lip Top Raise Middle", "lip", 0.0, 1.0, 0.30, "raises the upper lip"),
    _control("Lip Top Raise Right", "lip", 0.0, 1.0, 0.45, "raises the upper lip"),
    _control("Neck Pitch", "neck", -20.0, 30.0, 0.0, "leans the neck forward"),
    _control("Neck Roll", "neck", -24.0, 24.0, 0.0, "tilts counter-clockwise in the picture"),
    _control("Nose Wrinkle", "nose", 0.0, 1.0, 0.85, "smooths the nose"),
)

NAMES: tuple[str, ...] = tuple(control.name for control in CONTROLS)
INDEX: dict[str, int] = {name: i for i, name in enumerate(NAMES)}
LOW: np.ndarray = np.array([control.low for control in CONTROLS])
HIGH: np.ndarray = np.array([control.high for control in CONTROLS])
SPAN: np.ndarray = HIGH - LOW
NEUTRAL: np.ndarray = np.array([control.neutral for control in CONTROLS])
PARTS: dict[str, tuple[int, ...]] = {
    part: tuple(i for i, control in enumerate(CONTROLS) if control.part == part)
    for part in ("brow", "eyelid", "gaze", "jaw", "lip", "nose", "head", "neck")
}
# The 13 controls that the high-level mouth expressions set: jaw and lips without Jaw Yaw.
MOUTH: tuple[str, ...] = tuple(c.name for c in CONTROLS if c.part in {"jaw", "lip"} and c.name != "Jaw Yaw")

# Controls whose deviation from neutral changes sign in a mirrored face.
_ODD = ("Gaze Target Phi", "Head Roll", "Head Yaw", "Jaw Yaw", "Neck Roll")

# MIRROR[i] is the column whose deviation moves to column i when the picture is flipped, times MIRROR_SIGN[i].
MIRROR: tuple[int, ...] = tuple(INDEX[mirrored_name(name)] for name in NAMES)
MIRROR_SIGN: np.ndarray = np.array([-1.0 if name in _ODD else 1.0 for name in NAMES])


def normalised(values: np.ndarray) -> np.ndarray:
    """Deviation from neutral over the range: (..., 30) values in their units to (..., 30) in [-1, 1]."""
    return (np.asarray(values) - NEUTRAL) / SPAN


def from_normalised(deviations: np.ndarray) -> np.ndarray:
    """Inverse of :func:`normalised`, clipped to the ranges."""
    return np.clip(np.asarray(deviations) * SPAN + NEUTRAL, LOW, HIGH)


def mirrored(values: np.ndarray) -> np.ndarray:
    """Values (..., 30) of the mirrored face: deviations from neutral swap sides, clipped to the ranges.

    Neutral values of left and right differ because the actuators are mounted so; the neutral face looks symmetric.
    """
    return from_normalised(normalised(values)[..., list(MIRROR)] * MIRROR_SIGN)


def did_you_mean(name: str, valid: Iterable[str] = NAMES) -> str:
    """`` (did you mean X?)`` for the name nearest to a misspelt one, whatever its case, or nothing."""
    valid = {v.casefold(): v for v in valid}
    near = difflib.get_close_matches(name.casefold(), list(valid), n=1, cutoff=0.5)
    return f" (did you mean {valid[near[0]]}?)" if near else ""


def check_names(names: Iterable[str]) -> None:
    """Refuse a list of control names that is not the table's.

    Raises:
        InputError: names that are unknown or missing, all of them named.
    """
    names = list(names)
    unknown, missing = [n for n in names if n not in INDEX], [n for n in NAMES if n not in names]
    if unknown or missing:
        named = ", ".join(n + did_you_mean(n) for n in unknown)
        parts = [f"unknown {named}"] * bool(unknown) + [f"missing {', '.join(missing)}"] * bool(missing)
        raise InputError(f"expected the {len(NAMES)} controls of faceimit.face.controls but got {'; '.join(parts)}")
    if len(set(names)) < len(names):
        twice = sorted({n for n in names if names.count(n) > 1})
        raise InputError(f"controls named twice: {', '.join(twice)}; name each once")


def vector(values: Mapping[str, float]) -> np.ndarray:
    """(30,) float64 in the table's order from values by name.

    Raises:
        InputError: names that differ from the table, a value that is not finite or out of its range.
    """
    check_names(values)
    result = np.array([float(values[name]) for name in NAMES])
    outside = ~((result >= LOW) & (result <= HIGH))
    if outside.any():
        control = CONTROLS[int(outside.argmax())]
        value = result[int(outside.argmax())]
        raise InputError(f"expected {control.name} in [{control.low:g}, {control.high:g}] but got {value:g}")
    return result
