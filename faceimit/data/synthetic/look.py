"""The look of one identity: skin, hair, brows, lips, age and clothes, drawn at random."""

from dataclasses import dataclass

import numpy as np

# Skin colours in sRGB, from very light to very dark, as measured on photographs of faces.
_SKIN_TONES = np.array(
    [
        (0.93, 0.78, 0.70),
        (0.89, 0.71, 0.61),
        (0.84, 0.65, 0.53),
        (0.78, 0.58, 0.45),
        (0.70, 0.50, 0.38),
        (0.58, 0.40, 0.30),
        (0.46, 0.31, 0.23),
        (0.34, 0.23, 0.18),
    ]
)
_HAIR_TONES = np.array(
    [
        *[(0.09, 0.08, 0.08), (0.14, 0.11, 0.09), (0.24, 0.16, 0.11), (0.38, 0.26, 0.17), (0.55, 0.42, 0.27)],
        *[(0.72, 0.60, 0.42), (0.45, 0.22, 0.12), (0.55, 0.54, 0.53), (0.78, 0.77, 0.75)],
    ]
)
_HAIR_ODDS = np.array([4, 3, 3, 2, 1.5, 1.0, 0.7, 0.8, 0.5])
_IRIS_TONES = np.array(
    [(0.20, 0.12, 0.07), (0.33, 0.21, 0.11), (0.36, 0.36, 0.20), (0.36, 0.47, 0.56), (0.42, 0.50, 0.48)]
)


@dataclass(frozen=True)
class Look:
    """Colours and surface traits of one identity; shares and strengths in [0, 1], colours sRGB."""

    skin: np.ndarray
    hair: np.ndarray
    iris: np.ndarray
    lips: np.ndarray
    brow_weight: float
    brow_height: float
    lashes: float
    makeup: float
    stubble: float
    moustache: float
    age: float
    freckles: float
    moles: int
    gloss: float
    hairline: float
    fringe: float
    part: float
    parted: float
    recede: float
    bald: float
    cloth: np.ndarray
    cloth_stripes: float
    neckline: float
    glasses: np.ndarray
    texture_seed: int


def draw_look(rng: np.random.Generator) -> Look:
    """A random look."""
    tone = rng.uniform(0, len(_SKIN_TONES) - 1.2) if rng.random() < 0.75 else rng.uniform(0, 3)
    low = int(tone)
    skin = _SKIN_TONES[low] + (tone - low) * (_SKIN_TONES[low + 1] - _SKIN_TONES[low])
    skin = np.clip(skin * rng.uniform(0.95, 1.04) + rng.normal(0, 0.012, 3), 0.1, 0.97)
    dark = tone > 3.2
    odds = _HAIR_ODDS * ([1, 1, 1, 0.1, 0, 0, 0, 0.5, 0.2] if dark else 1)
    hair = _HAIR_TONES[rng.choice(len(_HAIR_TONES), p=odds / odds.sum())] * rng.uniform(0.8, 1.2)
    beard = rng.random()
    male = rng.random() < 0.5
    age = float(rng.beta(1.3, 2.0))
    makeup = 0.0 if male else float(rng.random() ** 1.5)
    blush = np.array([0.70, 0.44, 0.44]) if not dark else np.array([0.64, 0.44, 0.43])
    lips = skin * blush / np.mean(blush) * rng.uniform(0.64, 0.82)
    lipstick = np.array([(0.70, 0.12, 0.20), (0.62, 0.25, 0.28), (0.75, 0.35, 0.38)])[rng.integers(3)]
    lips = lips + (lipstick - lips) * (0.7 * makeup if rng.random() < 0.6 else 0.0)
    return Look(
        skin=skin,
        hair=np.clip(hair, 0.03, 0.9),
        iris=_IRIS_TONES[rng.integers(0, 2 if dark else len(_IRIS_TONES))] * rng.uniform(0.8, 1.15),
        lips=np.clip(lips, 0.05, 0.9),
        brow_weight=float(rng.uniform(0.55, 1.15) * (1.1 if male else 0.85)),
        brow_height=float(rng.normal(0, 0.1)),
        lashes=float(np.clip(rng.uniform(0.3, 0.7) + 0.4 * makeup, 0, 1)),
        makeup=makeup,
        stubble=float(rng.uniform(0.15, 0.9)) if male and beard < 0.5 else 0.0,
        moustache=float(rng.uniform(0.3, 0.9)) if male and 0.3 < beard < 0.55 else 0.0,
        age=age,
        freckles=float(rng.random() ** 2) if not dark and rng.random() < 0.3 else 0.0,
        moles=int(rng.integers(0, 4)),
        gloss=float(rng.uniform(0.15, 0.75)),
        hairline=float(rng.normal(5.6, 0.45)),
        fringe=float(rng.uniform(0.8, 2.4)) if rng.random() < 0.2 else 0.0,
        part=float(rng.uniform(-3, 3)),
        parted=float(rng.uniform(0.3, 1.4)) if rng.random() < 0.5 else 0.0,
        recede=float(rng.uniform(-0.05, 0.12)),
        bald=float(male and rng.random() < 0.15),
        cloth=_cloth_colour(rng),
        cloth_stripes=float(rng.random() < 0.3) * float(rng.uniform(0.1, 0.5)),
        neckline=float(rng.uniform(0.0, 0.5)),
        glasses=np.clip(rng.uniform(0.02, 0.25) + rng.normal(0, 0.03, 3), 0.01, 0.4),
        texture_seed=int(rng.integers(2**31)),
    )


def _cloth_colour(rng: np.random.Generator) -> np.ndarray:
    grey = rng.beta(0.9, 1.6)
    return np.clip(grey * (1 + rng.normal(0, 0.25, 3)) + 0.04, 0.02, 0.95)
