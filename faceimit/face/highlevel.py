"""The 12 high-level mouth controls: each a vector over the 13 mouth controls, blended on the simplex.

An Ameca shows a mouth expression as a blend of named ones: rollout = sum_i x_i H_i with x_i >= 0 and sum_i x_i = 1, H_i
in R^13 over :data:`faceimit.face.controls.MOUTH`. The robot's own vectors are not published: these are our
definitions, written as what each expression does to the neutral mouth (in units of the controls, left and right
alike unless a side is named) and cut to the ranges. Blends stay inside the ranges because the simplex is convex.
"""

from collections.abc import Mapping

import numpy as np

from faceimit.errors import InputError
from faceimit.face import controls

# Deviation from the neutral mouth by name; a name without Left, Right or Middle stands for all that begin with it.
DEFINITIONS: dict[str, dict[str, float]] = {
    # lips pressed together and thinned, corners low and pulled in
    "Mouth Anger": {
        "Lip Corner Raise": -0.22,
        "Lip Corner Stretch": -0.12,
        "Lip Top Curl": -0.26,
        "Lip Bottom Curl": -0.28,
        "Lip Bottom Depress": -0.18,
        "Lip Top Raise": -0.10,
    },
    # a closed, gentle smile
    "Mouth Content": {"Lip Corner Raise": 0.18, "Lip Corner Stretch": 0.14, "Lip Bottom Depress": -0.06},
    # upper lip up towards the nose, corners down, lower lip pushed out
    "Mouth Disgust": {
        "Jaw Pitch": -0.08,
        "Lip Top Raise": 0.42,
        "Lip Top Curl": 0.22,
        "Lip Corner Raise": -0.28,
        "Lip Corner Stretch": 0.10,
        "Lip Bottom Curl": 0.26,
    },
    # corners pulled wide and down, a little open, lower teeth visible
    "Mouth Fear": {
        "Jaw Pitch": -0.25,
        "Lip Corner Stretch": 0.34,
        "Lip Corner Raise": -0.24,
        "Lip Bottom Depress": 0.30,
        "Lip Bottom Curl": -0.10,
    },
    # a broad smile that shows the upper teeth
    "Mouth Happy": {
        "Jaw Pitch": -0.08,
        "Lip Corner Raise": 0.34,
        "Lip Corner Stretch": 0.28,
        "Lip Top Raise": 0.18,
        "Lip Top Curl": -0.08,
    },
    # puzzled: upper lip up in the middle, mouth a little open, one corner (the left) drawn in
    "Mouth Huh": {
        "Jaw Pitch": -0.22,
        "Lip Top Raise Middle": 0.34,
        "Lip Top Raise Left": 0.24,
        "Lip Top Curl": 0.18,
        "Lip Corner Stretch Left": -0.22,
        "Lip Corner Raise Left": -0.10,
    },
    # a laugh: corners up and wide, mouth open, both rows of teeth
    "Mouth Joy": {
        "Jaw Pitch": -0.48,
        "Lip Corner Raise": 0.38,
        "Lip Corner Stretch": 0.34,
        "Lip Top Raise": 0.34,
        "Lip Bottom Depress": 0.22,
        "Lip Top Curl": -0.12,
    },
    # corners down, lower lip pushed up and out
    "Mouth Sad": {
        "Lip Corner Raise": -0.42,
        "Lip Corner Stretch": -0.10,
        "Lip Bottom Curl": 0.30,
        "Lip Bottom Depress": -0.24,
    },
    # one side (the left) of the upper lip lifted
    "Mouth Sneer": {
        "Lip Top Raise Left": 0.48,
        "Lip Top Raise Middle": 0.16,
        "Lip Corner Raise Left": 0.24,
        "Lip Corner Stretch Left": 0.14,
        "Lip Top Curl": 0.12,
        "Lip Corner Raise Right": -0.10,
    },
    # dropped jaw, lips round: corners drawn in, both lips curled out
    "Mouth Surprise": {
        "Jaw Pitch": -0.62,
        "Lip Corner Stretch": -0.28,
        "Lip Top Curl": 0.26,
        "Lip Bottom Curl": 0.22,
        "Lip Top Raise": 0.12,
    },
    # lips pressed and wide, corners low, lower lip rolled in
    "Mouth Worried": {
        "Lip Corner Raise": -0.30,
        "Lip Corner Stretch": 0.24,
        "Lip Bottom Curl": -0.30,
        "Lip Top Curl": -0.12,
        "Lip Bottom Depress": 0.10,
    },
    # the jaw all the way down, lips following
    "Mouth Open": {"Jaw Pitch": -1.0, "Lip Bottom Depress": 0.34, "Lip Top Raise": 0.16},
}

NAMES: tuple[str, ...] = tuple(DEFINITIONS)
INDEX: dict[str, int] = {name: i for i, name in enumerate(NAMES)}
# Columns of the 30 controls that the high-level controls set.
COLUMNS: tuple[int, ...] = tuple(controls.INDEX[name] for name in controls.MOUTH)
NEUTRAL: np.ndarray = controls.NEUTRAL[list(COLUMNS)]
# How far from 1 the sum of a blend may lie: what float32 weights of a network lose.
TOLERANCE = 1e-4


def mouth_vector(deviations: Mapping[str, float]) -> np.ndarray:
    """(13,) values of :data:`faceimit.face.controls.MOUTH`, in units: neutral plus deviations, cut to the ranges.

    Args:
        deviations: by control name; a name without Left, Right or Middle stands for every control it begins, and a
            full name goes before such a group.

    Raises:
        InputError: a name that stands for no mouth control.
    """
    values = NEUTRAL.copy()
    for i, name in enumerate(controls.MOUTH):
        group = name.rsplit(" ", 1)[0]
        values[i] += deviations.get(name, deviations.get(group, 0.0))
    known = {*controls.MOUTH, *(name.rsplit(" ", 1)[0] for name in controls.MOUTH)}
    for name in deviations:
        if name not in known:
            raise InputError(f"unknown mouth control {name!r}{controls.did_you_mean(name, controls.MOUTH)}")
    return np.clip(values, controls.LOW[list(COLUMNS)], controls.HIGH[list(COLUMNS)])


# H[i] is the mouth of high-level control i: (12, 13) in units.
H: np.ndarray = np.stack([mouth_vector(DEFINITIONS[name]) for name in NAMES])


def blend(weights: np.ndarray, rest: bool = False) -> np.ndarray:
    """Mouth values (..., 13), in units, of a blend of the 12 high-level controls.

    Args:
        weights: (..., 12), each >= 0, with sum 1.
        rest: the sum may be less than 1; what is missing is the neutral mouth.

    Raises:
        InputError: another number of weights, a negative or non-finite weight, another sum.
    """
    weights = np.asarray(weights, dtype=np.float64)
    if weights.ndim == 0 or weights.shape[-1] != len(NAMES):
        raise InputError(f"expected {len(NAMES)} weights, one for each high-level control, but got {weights.shape}")
    if not (np.isfinite(weights) & (weights >= -TOLERANCE)).all():
        rows = weights.reshape(-1, len(NAMES))
        row, column = np.argwhere(~(np.isfinite(rows) & (rows >= -TOLERANCE)))[0]
        raise InputError(f"expected weights >= 0 but got {rows[row, column]:g} for {NAMES[column]}; clip it at 0")
    weights = np.maximum(weights, 0.0)
    total = weights.sum(axis=-1)
    wrong = total > 1 + TOLERANCE if rest else np.abs(total - 1) > TOLERANCE
    if wrong.any():
        least = "at most 1" if rest else "1"
        raise InputError(
            f"expected weights with sum {least} but got {total[wrong].flat[0]:g}; divide them by their sum"
        )
    return weights @ H + np.maximum(1.0 - total, 0.0)[..., None] * NEUTRAL


def rollout(weights: np.ndarray, base: np.ndarray | None = None, rest: bool = False) -> np.ndarray:
    """All 30 controls (..., 30) with the mouth of a blend.

    Args:
        weights: as in :func:`blend`.
        base: (..., 30) the other controls, in units; neutral by default.
        rest: as in :func:`blend`.
    """
    mouth = blend(weights, rest)
    base = controls.NEUTRAL if base is None else np.asarray(base, dtype=np.float64)
    values = np.broadcast_to(base, np.broadcast_shapes(base.shape, (*mouth.shape[:-1], len(controls.NAMES)))).copy()
    values[..., list(COLUMNS)] = mouth
    return values
