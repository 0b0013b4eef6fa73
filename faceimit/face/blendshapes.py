"""The 52 ARKit blendshape names, in MediaPipe's order, and their left/right mirror.

Left and right are the person's own. Coefficients lie in [0, 1].
Source: Apple ARKit, ARFaceAnchor.BlendShapeLocation. MediaPipe's FaceLandmarker reports the same names
without ``tongueOut`` and with a leading ``_neutral``; :func:`from_mediapipe` maps its columns by name.
"""

from collections.abc import Sequence

import numpy as np

BLENDSHAPES: tuple[str, ...] = (
    "browDownLeft",
    "browDownRight",
    "browInnerUp",
    "browOuterUpLeft",
    "browOuterUpRight",
    "cheekPuff",
    "cheekSquintLeft",
    "cheekSquintRight",
    "eyeBlinkLeft",
    "eyeBlinkRight",
    "eyeLookDownLeft",
    "eyeLookDownRight",
    "eyeLookInLeft",
    "eyeLookInRight",
    "eyeLookOutLeft",
    "eyeLookOutRight",
    "eyeLookUpLeft",
    "eyeLookUpRight",
    "eyeSquintLeft",
    "eyeSquintRight",
    "eyeWideLeft",
    "eyeWideRight",
    "jawForward",
    "jawLeft",
    "jawOpen",
    "jawRight",
    "mouthClose",
    "mouthDimpleLeft",
    "mouthDimpleRight",
    "mouthFrownLeft",
    "mouthFrownRight",
    "mouthFunnel",
    "mouthLeft",
    "mouthLowerDownLeft",
    "mouthLowerDownRight",
    "mouthPressLeft",
    "mouthPressRight",
    "mouthPucker",
    "mouthRight",
    "mouthRollLower",
    "mouthRollUpper",
    "mouthShrugLower",
    "mouthShrugUpper",
    "mouthSmileLeft",
    "mouthSmileRight",
    "mouthStretchLeft",
    "mouthStretchRight",
    "mouthUpperUpLeft",
    "mouthUpperUpRight",
    "noseSneerLeft",
    "noseSneerRight",
    "tongueOut",
)

INDEX: dict[str, int] = {name: i for i, name in enumerate(BLENDSHAPES)}


def mirrored_name(name: str) -> str:
    """The same movement in a mirrored face: ``jawLeft`` -> ``jawRight``; robot controls are named so too."""
    if name.endswith("Left"):
        return name.removesuffix("Left") + "Right"
    if name.endswith("Right"):
        return name.removesuffix("Right") + "Left"
    return name


# MIRROR[i] is the column that moves to column i when the picture is flipped left to right.
MIRROR: tuple[int, ...] = tuple(INDEX[mirrored_name(name)] for name in BLENDSHAPES)


def from_mediapipe(values: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """Reorder named blendshape columns to :data:`BLENDSHAPES`; names that are missing become 0.

    Args:
        values: (T, K) coefficients in [0, 1].
        names: K column names; ``_neutral`` and unknown names are dropped.

    Returns:
        (T, 52) float32 coefficients in [0, 1].
    """
    columns = {str(name): i for i, name in enumerate(names)}
    result = np.zeros((values.shape[0], len(BLENDSHAPES)), dtype=np.float32)
    for i, name in enumerate(BLENDSHAPES):
        if name in columns:
            result[:, i] = values[:, columns[name]]
    return result
