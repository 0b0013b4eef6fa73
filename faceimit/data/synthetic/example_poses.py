"""Calibration poses of a rendered person: landmarks and the control values a robot should show, exact by making."""

from typing import Any

import numpy as np

from faceimit.data.synthetic.head import Drive, FaceRenderer
from faceimit.data.synthetic.identity import draw_identity
from faceimit.face import controls
from faceimit.face.blendshapes import BLENDSHAPES, INDEX

# What the person does (at full strength), and which control follows with what value at full strength.
_MOVES: tuple[tuple[tuple[str, ...], dict[str, float]], ...] = (
    (("jawOpen",), {"Jaw Pitch": 0.0}),
    (("eyeBlinkLeft", "eyeBlinkRight"), {"Eyelid Upper Left": -1.0, "Eyelid Upper Right": -1.0}),
    (("mouthSmileLeft", "mouthSmileRight"), {"Lip Corner Raise Left": 0.87, "Lip Corner Raise Right": 0.98}),
)
_STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
_DISTANCE, _FOCAL, _CENTRE = 70.0, 700.0, 128.0


def example_poses(person: int = 1) -> list[dict[str, Any]]:
    """Poses as ``faceimit-calibrate`` reads them from JSON.

    Args:
        person: seed of the identity.
    """
    head = FaceRenderer(draw_identity(person), 32)
    poses = []
    for names, ends in _MOVES:
        for strength in _STRENGTHS:
            shown = np.zeros((1, len(BLENDSHAPES)))
            shown[0, [INDEX[name] for name in names]] = strength
            still = np.zeros((1, 3))
            drive = Drive(shown, still, still, still, np.array([[1.0, 0.0, 0.0]]))
            x, y, z = head.vertices(drive, slice(0, 1))[0][head.landmarks].T
            points = np.stack([x, -y], axis=-1) / (_DISTANCE - z)[:, None] * _FOCAL + _CENTRE
            values = {
                name: (1 - strength) * float(controls.NEUTRAL[controls.INDEX[name]]) + strength * end
                for name, end in ends.items()
            }
            rounded = {name: round(value, 4) for name, value in values.items()}
            label = f"{names[0]} {strength:g}"
            poses.append({"name": label, "landmarks": np.round(points, 3).tolist(), "values": rounded})
    return poses
