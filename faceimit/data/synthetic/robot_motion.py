"""How the robot moves to be learnt from: control values over time that cover the action space.

``rollout``: blends of the high-level mouth expressions, eyes and head moving on their own; ``free``: every control on
its own, out to the ends of its range; ``imitation``: a person's performance, retargeted.
"""

from typing import Literal

import numpy as np
from scipy.ndimage import gaussian_filter1d

from faceimit.data.synthetic.expressions import EXPRESSIONS, coefficients
from faceimit.data.synthetic.motion import draw_motion, gaze_coefficients, glide
from faceimit.face import controls
from faceimit.face.blendshapes import MIRROR
from faceimit.face.controls import CONTROLS, HIGH, INDEX, LOW, NEUTRAL, SPAN
from faceimit.face.highlevel import NAMES as MOUTHS
from faceimit.face.highlevel import rollout

Kind = Literal["rollout", "free", "imitation"]
FPS = 10.0  # slow enough that neighbouring frames differ
_ANGLES = [i for i, control in enumerate(CONTROLS) if control.unit == "degree"]


def draw_controls(rng: np.random.Generator, frames: int, kind: Literal["rollout", "free"]) -> np.ndarray:
    """Control values (T, 30) in their units, at :data:`FPS` frames a second."""
    free = _free(rng, frames)
    if kind == "free":
        return free
    time, places = np.arange(frames) / FPS, _places(rng, frames)
    concentration = rng.choice([0.12, 0.4, 1.0])
    weights = rng.dirichlet(np.full(len(MOUTHS), concentration), len(places))
    weights *= np.where(rng.random(len(places)) < 0.15, rng.random(len(places)), 1.0)[:, None]
    return np.clip(rollout(glide(time, places, weights), free, rest=True), LOW, HIGH)


def _places(rng: np.random.Generator, frames: int) -> np.ndarray:
    """Times in seconds at which targets are reached, beginning before the first frame."""
    count = int(frames / FPS / 0.2) + 4
    return np.cumsum(rng.uniform(0.2, 0.6, count)) - 0.6


def _free(rng: np.random.Generator, frames: int) -> np.ndarray:
    places = _places(rng, frames)
    targets = np.empty((len(places), len(CONTROLS)))
    here = NEUTRAL.copy()
    stay = rng.choice([0.2, 0.5, 0.8])
    for k in range(len(places)):
        fresh = _target(rng)
        here = np.where(rng.random(len(CONTROLS)) < stay, here, fresh)
        targets[k] = here
    values = np.clip(glide(np.arange(frames) / FPS, places, targets), LOW, HIGH)
    _keep_in_view(values)
    return values


def _keep_in_view(values: np.ndarray) -> None:
    """Lessen the neck's part (T, 30) where head and neck together would turn the face out of the picture."""
    for part, sign, (low, high) in (("Pitch", -1.0, (-42.0, 36.0)), ("Roll", 1.0, (-32.0, 32.0))):
        head, neck = values[:, INDEX[f"Head {part}"]], values[:, INDEX[f"Neck {part}"]]
        neck[:] = sign * (np.clip(head + sign * neck, low, high) - head)


def _target(rng: np.random.Generator) -> np.ndarray:
    """One pose (30,): near neutral, anywhere or at an end of the range, control by control; at times symmetric."""
    chance = rng.random(len(CONTROLS))
    near = NEUTRAL + 0.06 * SPAN * rng.standard_normal(len(CONTROLS))
    anywhere, end = rng.uniform(LOW, HIGH), np.where(rng.random(len(CONTROLS)) < 0.5, LOW, HIGH)
    pose = np.select([chance < 0.35, chance < 0.9], [near, anywhere], end)
    central = NEUTRAL + 0.18 * SPAN * rng.standard_normal(len(CONTROLS))
    pose[_ANGLES] = np.where(rng.random(len(_ANGLES)) < 0.7, central[_ANGLES], pose[_ANGLES])
    pose = np.clip(pose, LOW, HIGH)
    if rng.random() < 0.3:
        sides = [i for i, control in enumerate(CONTROLS) if control.name.endswith("Right")]
        pose[sides] = controls.mirrored(pose)[sides]
    if rng.random() < 0.5:
        pose[INDEX["Eyelid Upper Right"]] = pose[INDEX["Eyelid Upper Left"]]
    return pose


def draw_performance(rng: np.random.Generator, frames: int) -> tuple[np.ndarray, np.ndarray]:
    """A person's coefficients (T, 52) and pose (T, 3) in radians, at :data:`FPS` frames a second.

    Half of them act as in :func:`motion.draw_motion`; the others change from one strong expression to the next.
    """
    motion = draw_motion(rng, frames, FPS)
    if rng.random() < 0.5:
        return motion.blendshapes, rng.uniform(0.8, 1.6) * motion.pose
    time, places = np.arange(frames) / FPS, _places(rng, frames)
    acted = glide(time, places, np.stack([_expression(rng) for _ in places]))
    gaze = gaussian_filter1d(rng.standard_normal((frames + 40, 2)), 3, axis=0)[20:-20] * rng.uniform(0.5, 3)
    pose = rng.uniform(0.8, 1.8) * motion.pose
    return np.clip(acted + gaze_coefficients(gaze[:, 0], 0.7 * gaze[:, 1]), 0, 1), pose


def _expression(rng: np.random.Generator) -> np.ndarray:
    """(52,) a blend of one or two named expressions, of either side, of any strength, sometimes with the eyes shut."""
    names = rng.choice(list(EXPRESSIONS), 2, replace=False)
    share = rng.choice([0.0, rng.random()])
    first, second = (coefficients(EXPRESSIONS[name]) for name in names)
    blend = rng.uniform(0.2, 1.1) * ((1 - share) * first + share * second)
    if rng.random() < 0.15:
        blend = np.maximum(blend, rng.uniform(0.5, 1) * coefficients({"eyeBlink": 1.0}))
    return blend[list(MIRROR)] if rng.random() < 0.5 else blend
