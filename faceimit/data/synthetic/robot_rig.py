"""How the robot's 30 controls move its skin, lids, eyes, head and neck.

Each control has a displacement field on the canonical head (:mod:`faceimit.data.synthetic.mesh`) for values above its
neutral one and another for values below: silicone is pushed differently than it is pulled. Fields are cm for a
deviation of 1 (the unit of the control), so the robot's neutral face is symmetric although left and right actuators
have different neutral values. The skin moves less than a person's, and each actuator takes hold of its own spot.
"""

from functools import cache

import numpy as np

from faceimit.data.synthetic import mesh, rig
from faceimit.data.synthetic.mesh import bump, smoothstep
from faceimit.data.synthetic.rig import LOWER_LID, UPPER_LID, Plane
from faceimit.face.controls import INDEX, NAMES, NEUTRAL
from faceimit.face.pose import rotation_from_pose

# The head turns on the joint behind the jaw, the neck leans from its foot: that tells the two apart in a picture.
HEAD_PIVOT = np.array([0.0, -6.5, -7.5])
NECK_FOOT = np.array([0.0, -16.0, -10.5])
# Soft end of an eye's travel, degrees: it turns by a * asinh(target / a). That is the target itself near 0 and grows
# on to 43 degrees at the end of Phi (+-130) and to 26 at the end of Theta (+-60), so that every target is seen.
GAZE_SOFTNESS = (15.0, 11.0)
# Gap between the lids (cm) below which nothing of the iris tells where the eye looks.
SHUT = 0.22

Field = tuple[np.ndarray, np.ndarray, np.ndarray]


def _sided(plane: Plane, side: int) -> dict[str, tuple[Field, Field]]:
    """(above, below neutral) fields of the controls of one side, ``side`` = +1 for the robot's left."""
    x, y, front, zero = plane.x * side, plane.y, plane.front, 0 * plane.x
    low, high = plane.lower, 1 - plane.lower
    inner = (bump(x, y, 1.35, 1.75, 0.85, 0.95) + 0.3 * bump(x, y, 1.3, 3.4, 1.0, 1.1)) * front
    outer = (bump(x, y, 4.25, 1.9, 1.15, 0.95) + 0.3 * bump(x, y, 4.2, 3.5, 1.3, 1.1)) * front
    corner = bump(x, y, 2.75, mesh.MOUTH_Y, 1.0, 1.05) * front
    cheek = bump(x, y, 3.9, -4.3, 1.1, 1.0) * front
    fold = bump(x, y, 2.75, -5.4, 0.35, 0.9) * front
    below = low * bump(x, y, 1.45, -8.0, 0.62, 0.85) * front
    above = high * bump(x, y, 1.35, -6.6, 0.6, 0.8) * front
    brow_in = (-0.15 * inner * side, 1.75 * inner, 0.15 * inner)
    brow_out = (zero, 1.7 * outer, 0.1 * outer)
    raised = (0.1 * corner * side, 2.0 * corner + 0.7 * cheek, -0.3 * corner + 0.7 * cheek - 0.6 * fold)
    stretched = (2.1 * corner * side, zero, -0.75 * corner)
    lowered, lifted = (zero, -1.75 * below, -0.3 * below), (zero, 1.7 * above, 0.3 * above)
    name = "Left" if side > 0 else "Right"
    return {
        f"Brow Inner {name}": (brow_in, brow_in),
        f"Brow Outer {name}": (brow_out, brow_out),
        f"Lip Corner Raise {name}": (raised, (zero, 1.8 * corner + 0.2 * cheek, -0.3 * corner)),
        f"Lip Corner Stretch {name}": (stretched, stretched),
        f"Lip Bottom Depress {name}": (lowered, (zero, -1.35 * below, -0.9 * below)),
        f"Lip Top Raise {name}": (lifted, (zero, 1.35 * above, -0.9 * above)),
    }


def _middle(plane: Plane) -> dict[str, tuple[Field, Field]]:
    """(above, below neutral) fields of the controls on the middle line."""
    x, y, front, zero = plane.x, plane.y, plane.front, 0 * plane.x
    ax, low, high = np.abs(x), plane.lower, 1 - plane.lower
    below = low * bump(x, y, 0, -8.0, 0.62, 0.85) * front
    above = high * bump(x, y, 0, -6.6, 0.6, 0.8) * front
    span = (1 - smoothstep(1.5, 2.7, ax)) * front
    jaw = rig.jaw_weight(plane)
    lips = low * plane.lips
    opening = (zero, 2.0 * jaw + 0.75 * lips, 1.0 * jaw)
    sideways = (1.5 * jaw + 0.35 * lips, zero, zero)
    wings = bump(ax, y, 1.35, -4.0, 0.75, 0.85) * front
    bridge = bump(ax, y, 0.55, -1.1, 0.5, 0.8) * front
    wrinkle = (0.2 * np.sign(x) * wings, -0.85 * wings - 0.25 * bridge, -0.2 * wings - 0.5 * bridge)
    under = low * span * np.exp(-0.5 * ((y + 8.15) / 0.42) ** 2)
    over = high * span * np.exp(-0.5 * ((y + 6.45) / 0.36) ** 2)
    edge_low = low * span * np.exp(-np.abs(plane.mouth_side) / 0.45)
    edge_high = high * span * np.exp(-np.abs(plane.mouth_side) / 0.45)
    curl_low = (zero, -1.0 * under, 1.0 * under + 1.3 * edge_low)
    curl_high = (zero, 0.9 * over, 1.0 * over + 1.2 * edge_high)
    return {
        "Jaw Pitch": (opening, opening),
        "Jaw Yaw": (sideways, sideways),
        "Nose Wrinkle": (wrinkle, wrinkle),
        "Lip Bottom Depress Middle": ((zero, -1.8 * below, -0.3 * below), (zero, -1.35 * below, -0.9 * below)),
        "Lip Top Raise Middle": ((zero, 1.6 * above, 0.3 * above), (zero, 1.35 * above, -0.9 * above)),
        "Lip Bottom Curl": (curl_low, (zero, -1.25 * under, 1.1 * under + 1.0 * edge_low)),
        "Lip Top Curl": (curl_high, (zero, 0.95 * over, 0.9 * over + 1.0 * edge_high)),
    }


@cache
def skin_basis() -> np.ndarray:
    """(60, V, 3) float32 displacements: 30 for what a control is above neutral, 30 for what it is below (as positive
    deviations); lids, eyes, head and neck are not in it.
    """
    plane = rig.skin_plane()
    basis = np.zeros((2 * len(NAMES), plane.x.size, 3), dtype=np.float32)
    for name, (up, down) in (_sided(plane, 1) | _sided(plane, -1) | _middle(plane)).items():
        basis[INDEX[name]] = np.stack(up, axis=-1)
        basis[len(NAMES) + INDEX[name]] = -np.stack(down, axis=-1)
    return basis


def inner_basis(points: np.ndarray, jaw: float) -> np.ndarray:
    """(60, V, 3) displacements of teeth and tongue that follow the jaw with weight ``jaw``."""
    basis = np.zeros((2 * len(NAMES), len(points), 3), dtype=np.float32)
    for start, sign in ((0, 1.0), (len(NAMES), -1.0)):
        basis[start + INDEX["Jaw Pitch"]] = sign * jaw * np.array([0, 1.95, 0.95])
        basis[start + INDEX["Jaw Yaw"]] = sign * jaw * np.array([1.5, 0, 0])
    return basis


def weights(controls: np.ndarray) -> np.ndarray:
    """Weights (T, 60) of :func:`skin_basis` for control values (T, 30) in their units."""
    deviation = np.asarray(controls, dtype=np.float64) - NEUTRAL
    return np.concatenate([np.maximum(deviation, 0), np.maximum(-deviation, 0)], axis=1).astype(np.float32)


def lid_opening(controls: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Opening factors (T,) of upper and lower lid, 1 at the neutral value 1 (see :func:`rig.lids`).

    The upper lid meets the lower one at -1, wherever that stands, and opens half as far again at 2.
    """
    name = "Left" if side > 0 else "Right"
    upper, lower = controls[:, INDEX[f"Eyelid Upper {name}"]], controls[:, INDEX[f"Eyelid Lower {name}"]]
    low = 1.0 + 1.05 * (lower - 1.0)
    shut = -LOWER_LID / UPPER_LID * low + 0.015
    wide = np.maximum(1.0 + 0.5 * (upper - 1.0), shut)
    return np.where(upper < 1, shut + (upper + 1) / 2 * np.maximum(1 - shut, 0), wide), low


def gaze_known(controls: np.ndarray) -> np.ndarray:
    """(T,) bool: whether an eye is open far enough to tell where it looks."""
    gaps = []
    for side in (-1, 1):
        upper, lower = lid_opening(controls, side)
        gaps.append(UPPER_LID * upper + LOWER_LID * lower)
    return np.maximum(*gaps) > SHUT


def gaze(controls: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rotation (T,) of both eyes to the robot's left and upwards, radians."""
    columns = (controls[:, INDEX["Gaze Target Phi"]], controls[:, INDEX["Gaze Target Theta"]])
    left, up = (np.radians(a * np.arcsinh(c / a)) for c, a in zip(columns, GAZE_SOFTNESS, strict=True))
    return left, up


def rotations(controls: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rotation matrices (T, 3, 3) float32 of the head on its joint and of the neck on its foot."""
    get = {name: np.radians(controls[:, INDEX[name]]) for name in NAMES if name.startswith(("Head", "Neck"))}
    head = np.stack([get["Head Yaw"], get["Head Pitch"], get["Head Roll"]], axis=-1)
    neck = np.stack([0 * get["Neck Pitch"], -get["Neck Pitch"], get["Neck Roll"]], axis=-1)
    return rotation_from_pose(head).astype(np.float32), rotation_from_pose(neck).astype(np.float32)


@cache
def _lip_columns() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Slit vertices of the lower and the upper lip (C,), which pair each vertex near them follows, and how far."""
    side, flat = mesh.head_grid().mouth_side, mesh.head_grid().flat
    low = np.flatnonzero(side == -1e-6)
    width = low[1] - low[0]
    assert width == 1
    row, count = low[0], len(low)
    inside = (np.abs(flat[low, 0]) < mesh.MOUTH_HALF + 0.4) & (flat[low, 2] > -8)
    column = (np.arange(side.size) - row) % count
    share = np.sign(-side) * np.exp(-np.abs(side) / 0.7) * inside[column] * (flat[:, 2] > -8)
    near = np.flatnonzero(np.abs(share) > 0.01)
    return low, low + count, near, np.stack([column[near], share[near]])


def press_lips(points: np.ndarray) -> None:
    """Stop lips that would pass through each other where they meet; changes skin vertices (T, V, 3) in place."""
    low, high, near, follow = _lip_columns()
    column, share = follow[0].astype(int), follow[1].astype(np.float32)
    overlap = np.maximum(points[:, low, 1] - points[:, high, 1], 0.0)[:, column]
    points[:, near, 1] -= 0.5 * overlap * share
    points[:, near, 2] += 0.35 * overlap * np.abs(share)
