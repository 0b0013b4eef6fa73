"""Named expressions and the mouth shapes of speech, as blendshape weights."""

import numpy as np

from faceimit.face.blendshapes import BLENDSHAPES, INDEX

# Expressions by name; a name without Left/Right stands for both sides.
EXPRESSIONS: dict[str, dict[str, float]] = {
    "joy": {
        "mouthSmile": 0.95,
        "cheekSquint": 0.6,
        "eyeSquint": 0.3,
        "mouthUpperUp": 0.4,
        "mouthLowerDown": 0.2,
        "jawOpen": 0.05,
    },
    "laugh": {
        "mouthSmile": 0.9,
        "cheekSquint": 0.8,
        "eyeSquint": 0.5,
        "jawOpen": 0.35,
        "mouthUpperUp": 0.45,
        "mouthLowerDown": 0.2,
    },
    "smile": {"mouthSmile": 0.6, "eyeSquint": 0.12, "mouthDimple": 0.15},
    "anger": {
        "browDown": 0.95,
        "eyeSquint": 0.45,
        "noseSneer": 0.4,
        "mouthPress": 0.6,
        "mouthFrown": 0.35,
        "jawForward": 0.2,
    },
    "shout": {
        "browDown": 0.9,
        "noseSneer": 0.5,
        "jawOpen": 0.55,
        "mouthUpperUp": 0.5,
        "mouthLowerDown": 0.6,
        "eyeSquint": 0.3,
    },
    "surprise": {"browInnerUp": 0.95, "browOuterUp": 0.95, "eyeWide": 0.8, "jawOpen": 0.5, "mouthFunnel": 0.15},
    "brow_raise": {"browInnerUp": 0.7, "browOuterUp": 0.7, "eyeWide": 0.25},
    "sadness": {"browInnerUp": 0.8, "mouthFrown": 0.75, "mouthShrugLower": 0.4, "eyeSquint": 0.25, "eyeBlink": 0.12},
    "disgust": {
        "noseSneer": 0.9,
        "mouthUpperUp": 0.65,
        "browDown": 0.55,
        "eyeSquint": 0.5,
        "cheekSquint": 0.4,
        "mouthFrown": 0.25,
    },
    "fear": {
        "browInnerUp": 0.8,
        "browOuterUp": 0.4,
        "browDown": 0.25,
        "eyeWide": 0.9,
        "mouthStretch": 0.75,
        "jawOpen": 0.2,
    },
    "smirk": {"mouthSmileLeft": 0.7, "mouthDimpleLeft": 0.35, "cheekSquintLeft": 0.3},
    "doubt": {"browOuterUpLeft": 0.8, "browInnerUp": 0.25, "browDownRight": 0.5, "mouthPress": 0.2},
    "frown": {"browDown": 0.8, "eyeSquint": 0.25},
    "kiss": {"mouthPucker": 0.9, "mouthFunnel": 0.15},
    "pout": {"mouthShrugLower": 0.7, "mouthRollUpper": 0.2, "mouthFrown": 0.3},
    "press": {"mouthPress": 0.7, "mouthRollLower": 0.4, "mouthRollUpper": 0.3},
    "puff": {"cheekPuff": 0.8, "mouthPucker": 0.25, "mouthPress": 0.2},
    "yawn": {"jawOpen": 0.9, "eyeBlink": 0.7, "browInnerUp": 0.4},
    "squint": {"eyeSquint": 0.8, "cheekSquint": 0.4, "browDown": 0.3},
    "mouth_left": {"mouthLeft": 0.6},
    "jaw_left": {"jawLeft": 0.5},
    "wink": {"eyeBlinkLeft": 0.9, "cheekSquintLeft": 0.5, "mouthSmileLeft": 0.25},
    "sneer": {"mouthUpperUpLeft": 0.7, "noseSneerLeft": 0.7},
    "tongue": {"tongueOut": 0.9, "jawOpen": 0.25},
}

# Mouth shapes of speech sounds.
VOWELS = (
    {"jawOpen": 0.42, "mouthLowerDown": 0.22, "mouthUpperUp": 0.15, "mouthSmile": 0.12},
    {"jawOpen": 0.22, "mouthLowerDown": 0.3, "mouthUpperUp": 0.35, "mouthSmile": 0.35, "mouthStretch": 0.05},
    {"jawOpen": 0.1, "mouthSmile": 0.4, "mouthLowerDown": 0.25, "mouthUpperUp": 0.3, "mouthDimple": 0.08},
    {"jawOpen": 0.28, "mouthPucker": 0.6, "mouthFunnel": 0.1},
    {"jawOpen": 0.1, "mouthPucker": 0.9, "mouthFunnel": 0.06},
)
CONSONANTS = (
    {"mouthPress": 0.15, "mouthRollLower": 0.1, "mouthRollUpper": 0.14, "mouthPucker": 0.2},
    {"mouthRollLower": 0.14, "mouthUpperUp": 0.2, "mouthSmile": 0.1},
    {"jawOpen": 0.12, "mouthLowerDown": 0.2, "mouthUpperUp": 0.1, "mouthSmile": 0.1, "tongueOut": 0.05},
    {"mouthPucker": 0.6, "mouthFunnel": 0.1, "jawOpen": 0.05},
    {"jawOpen": 0.04, "mouthSmile": 0.2, "mouthLowerDown": 0.2, "mouthUpperUp": 0.15},
    {"jawOpen": 0.06, "mouthShrugUpper": 0.05, "mouthShrugLower": 0.1},
)


def coefficients(weights: dict[str, float]) -> np.ndarray:
    """(52,) vector of named weights; a name without a side sets both."""
    vector = np.zeros(len(BLENDSHAPES))
    for name, value in weights.items():
        for key in (name,) if name in INDEX else (f"{name}Left", f"{name}Right"):
            vector[INDEX[key]] = value
    return vector
