"""From a person's face to the robot's 30 controls and back: one documented matrix of deviations from neutral.

A row of :data:`ROWS` says how far each ARKit coefficient of 1 moves a control from its neutral value, in the control's
unit. The sides of a name go together: ``own:`` coefficients are those of the control's own side, a plain name without
Left or Right means both. Rules:

* Deviations are clipped to what the control *and* its mirror image can do, so that a face and its mirror image get
  mirrored controls although left and right actuators have different neutral values.
* Eyelids: -1 is shut, 1 neutral, 2 wide open (:data:`faceimit.face.controls.CONTROLS`), so blinking lowers the value.
* Gaze: an eye turned by :data:`GAZE_DEGREES` reads as a coefficient of 1, up and down by :data:`GAZE_VERTICAL`; the
  target's angle is the mean of both eyes. The target may lie further out than the robot's eyes turn.
* Jaw Pitch 1 is shut. A jaw that opens with lips that stay shut (mouthClose) raises the lower lip.
* Head: pitch and roll go to the head first; what lies beyond its limits goes to the neck. Yaw has no neck axis.
* Not shown: cheekPuff, tongueOut and jawForward, for which the robot has no actuator; cheekSquint shows in the lower
  lid only.
"""

import numpy as np

from faceimit.face import blendshapes, controls
from faceimit.face.controls import HIGH, LOW, NEUTRAL

GAZE_DEGREES, GAZE_VERTICAL = 30.0, 25.0

# Control, without its side: {coefficient: deviation in the control's unit}; "own:" and "other:" name sides.
ROWS: dict[str, dict[str, float]] = {
    "Brow Inner": {"browInnerUp": 0.32, "own:browDown": -0.48, "own:noseSneer": -0.06},
    "Brow Outer": {"own:browOuterUp": 0.35, "own:browDown": -0.26},
    "Eyelid Upper": {
        "own:eyeBlink": -2.2,
        "own:eyeSquint": -0.35,
        "own:eyeWide": 1.0,
        "own:eyeLookDown": -0.7,
        "own:eyeLookUp": 0.3,
    },
    "Eyelid Lower": {
        "own:eyeSquint": -1.5,
        "own:cheekSquint": -0.6,
        "own:eyeBlink": -0.3,
        "own:eyeWide": 0.4,
        "own:eyeLookDown": 0.4,
        "own:eyeLookUp": -0.2,
    },
    "Gaze Target Phi": {
        "eyeLookOutLeft": 0.5 * GAZE_DEGREES,
        "eyeLookInRight": 0.5 * GAZE_DEGREES,
        "eyeLookInLeft": -0.5 * GAZE_DEGREES,
        "eyeLookOutRight": -0.5 * GAZE_DEGREES,
    },
    "Gaze Target Theta": {"eyeLookUp": 0.5 * GAZE_VERTICAL, "eyeLookDown": -0.5 * GAZE_VERTICAL},
    "Jaw Pitch": {"jawOpen": -1.0},
    "Jaw Yaw": {"jawLeft": 0.5, "jawRight": -0.5},
    "Lip Bottom Curl": {
        "mouthRollLower": -0.46,
        "mouthFunnel": 0.30,
        "mouthPucker": 0.25,
        "mouthShrugLower": 0.28,
        "mouthPress": -0.08,
    },
    "Lip Bottom Depress": {
        "own:mouthLowerDown": 0.44,
        "mouthFunnel": 0.12,
        "mouthClose": -0.45,
        "mouthShrugLower": -0.30,
        "own:mouthPress": -0.12,
    },
    "Lip Bottom Depress Middle": {
        "mouthLowerDown": 0.24,
        "mouthFunnel": 0.16,
        "mouthClose": -0.43,
        "mouthShrugLower": -0.33,
        "mouthPress": -0.06,
    },
    "Lip Corner Raise": {
        "own:mouthSmile": 0.38,
        "own:mouthFrown": -0.45,
        "own:mouthDimple": 0.08,
        "own:mouthStretch": -0.12,
        "mouthShrugLower": -0.06,
    },
    "Lip Corner Stretch": {
        "own:mouthSmile": 0.22,
        "own:mouthStretch": 0.34,
        "own:mouthDimple": 0.18,
        "mouthPucker": -0.31,
        "mouthFunnel": -0.18,
        "own:mouthSideways": 0.25,
        "other:mouthSideways": -0.25,
    },
    "Lip Top Curl": {
        "mouthRollUpper": -0.41,
        "mouthFunnel": 0.36,
        "mouthPucker": 0.22,
        "mouthShrugUpper": 0.10,
        "mouthPress": -0.08,
    },
    "Lip Top Raise": {
        "own:mouthUpperUp": 0.48,
        "own:noseSneer": 0.16,
        "mouthFunnel": 0.12,
        "mouthShrugUpper": 0.22,
        "mouthClose": -0.20,
        "own:mouthPress": -0.10,
    },
    "Lip Top Raise Middle": {
        "mouthUpperUp": 0.28,
        "noseSneer": 0.08,
        "mouthFunnel": 0.16,
        "mouthShrugUpper": 0.26,
        "mouthClose": -0.20,
        "mouthPress": -0.05,
    },
    "Nose Wrinkle": {"noseSneer": -0.42},
}


def _column(name: str, side: str) -> list[str]:
    """Coefficients that a name in :data:`ROWS` stands for in the row of a control of `side`."""
    where, _, plain = name.rpartition(":")
    if where:
        side = side if where == "own" else {"Left": "Right", "Right": "Left"}[side]
        return [plain.removesuffix("Sideways") + side]
    return [plain] if plain in blendshapes.INDEX else [f"{plain}Left", f"{plain}Right"]


def _matrix() -> np.ndarray:
    result = np.zeros((len(controls.NAMES), len(blendshapes.BLENDSHAPES)))
    for i, control in enumerate(controls.NAMES):
        group, _, side = control.rpartition(" ")
        row = ROWS.get(control) or (ROWS.get(group, {}) if side in {"Left", "Right"} else {})
        for name, share in row.items():
            for column in _column(name, side):
                result[i, blendshapes.INDEX[column]] += share
    return result


# (30, 52) deviation of each control, in its unit, for a coefficient of 1. Rows of head and neck are 0: pose moves them.
MATRIX: np.ndarray = _matrix()


def _common_limits() -> tuple[np.ndarray, np.ndarray]:
    """Deviations (30,) that a control and its mirror image both reach."""
    low, high = LOW - NEUTRAL, HIGH - NEUTRAL
    partner, odd = list(controls.MIRROR), controls.MIRROR_SIGN < 0
    other_low, other_high = np.where(odd, -high[partner], low[partner]), np.where(odd, -low[partner], high[partner])
    return np.maximum(low, other_low), np.minimum(high, other_high)


LEAST, MOST = _common_limits()


def to_controls(coefficients: np.ndarray, pose: np.ndarray | None = None) -> np.ndarray:
    """Controls (..., 30), in their units and inside their ranges, that show a person's face.

    Args:
        coefficients: (..., 52) ARKit coefficients in [0, 1].
        pose: (..., 3) yaw, pitch, roll in radians (:mod:`faceimit.face.pose`); None: looking straight ahead.
    """
    coefficients = np.asarray(coefficients, dtype=np.float64)
    deviation = coefficients @ MATRIX.T
    if pose is not None:
        deviation = deviation + _head_and_neck(np.degrees(np.asarray(pose, dtype=np.float64)))
    return NEUTRAL + np.clip(deviation, LEAST, MOST)


def _head_and_neck(degrees: np.ndarray) -> np.ndarray:
    """Deviations (..., 30) of head and neck for yaw, pitch and roll (..., 3) in degrees."""
    yaw, pitch, roll = np.moveaxis(degrees, -1, 0)
    result = np.zeros((*yaw.shape, len(controls.NAMES)))
    head_pitch, head_roll = controls.INDEX["Head Pitch"], controls.INDEX["Head Roll"]
    result[..., controls.INDEX["Head Yaw"]] = yaw
    result[..., head_pitch] = pitch
    result[..., head_roll] = roll
    # Leaning the neck forward lowers the chin, so what the head cannot pitch changes sign.
    result[..., controls.INDEX["Neck Pitch"]] = np.clip(pitch, LEAST[head_pitch], MOST[head_pitch]) - pitch
    result[..., controls.INDEX["Neck Roll"]] = roll - np.clip(roll, LEAST[head_roll], MOST[head_roll])
    return result


def to_pose(values: np.ndarray) -> np.ndarray:
    """Head pose (..., 3), yaw, pitch and roll in radians, that controls (..., 30) show: head and neck together."""
    get = {name: np.asarray(values, dtype=np.float64)[..., i] for i, name in enumerate(controls.NAMES)}
    pitch, roll = get["Head Pitch"] - get["Neck Pitch"], get["Head Roll"] + get["Neck Roll"]
    return np.radians(np.stack([get["Head Yaw"], pitch, roll], axis=-1))


# Effort of a coefficient beside the squared error of the controls: large enough to prefer the few coefficients that
# do the most, small enough to leave 1 % of a control's reach unexplained.
_EFFORT, _ROUNDS = 3e-3, 400


def to_blendshapes(values: np.ndarray) -> np.ndarray:
    """ARKit coefficients (..., 52) in [0, 1] that a robot's face shows, so that it can be compared with a person's.

    The least effort that explains the controls: min |W (M e - d)|^2 + effort |e|^2 with 0 <= e <= 1, where d are the
    deviations from neutral and W makes every control's reach count the same. What no coefficient explains, such as a
    robot's lip that is lowered further than a person's, is left out; coefficients without an actuator are 0.

    Args:
        values: (..., 30) controls in their units.
    """
    linear = effort_terms(values)
    result = _bounded_least_squares(linear.reshape(-1, linear.shape[-1]))
    return result.reshape(linear.shape).astype(np.float32)


_ROWS: np.ndarray = np.abs(MATRIX).max(axis=1) > 0
_REACH: np.ndarray = np.abs(MATRIX).max(axis=1)[_ROWS]
_WEIGHTED: np.ndarray = MATRIX[_ROWS] / _REACH[:, None]
# (52, 52) S of the same minimum written as e S e / 2 - e . l over 0 <= e <= 1; l depends on the values.
EFFORT_SQUARE: np.ndarray = _WEIGHTED.T @ _WEIGHTED + _EFFORT * np.eye(MATRIX.shape[1])
_STEP: float = 1.0 / float(np.linalg.eigvalsh(EFFORT_SQUARE)[-1])


def effort_terms(values: np.ndarray) -> np.ndarray:
    """(..., 52) l of :data:`EFFORT_SQUARE` for values (..., 30) in their units."""
    deviation = np.asarray(values, dtype=np.float64) - NEUTRAL
    return np.clip(deviation, LEAST, MOST)[..., _ROWS] / _REACH @ _WEIGHTED


def _bounded_least_squares(linear: np.ndarray) -> np.ndarray:
    """Minimum over [0, 1], row by row, by accelerated projected gradient."""
    found = ahead = np.zeros_like(linear)
    momentum = 1.0
    for _ in range(_ROUNDS):
        moved = np.clip(ahead - _STEP * (ahead @ EFFORT_SQUARE - linear), 0.0, 1.0)
        following = 0.5 * (1 + np.sqrt(1 + 4 * momentum**2))
        ahead = moved + (momentum - 1) / following * (moved - found)
        found, momentum = moved, following
    return found
