"""Performances to imitate: what a person's face did, and what the robot's perception made of it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np

from faceimit.data.digest import pose_of
from faceimit.data.synthetic.motion import draw_motion
from faceimit.data.targets import change, reference, score
from faceimit.face.blendshapes import INDEX
from faceimit.face.controls import SPAN
from faceimit.face.retargeting import to_controls
from faceimit.keyframes.search import TRUE_PARAMS, SearchParams
from faceimit.robot.profile import RobotProfile

REAL = Path(__file__).resolve().parents[3] / "shared" / "real"
# By person, as in the real data's README.
PEOPLE = {
    "val": ("liveportrait_d9", "liveportrait_d12", "liveportrait_d19", "vexpress_7", "vexpress_l2"),
    "test": ("liveportrait_d20", "liveportrait_s32", "vexpress_l3", "vexpress_l4"),
}
SEEDS = {"train": 1000, "val": 2000, "test": 3000}
JITTER = 0.01  # standard deviation of a reading, share of the range: that of the shipped mapper on real clips
SCORE_S = 0.1  # look-ahead of the shipped score network
REAL_REFERENCE = 0.40  # c_ref of the real clips


@dataclass(frozen=True)
class Performance:
    """One face for some seconds; T frames.

    Attributes:
        name: of it.
        kind: ``rendered`` or ``real``.
        fps: frames a second.
        blendshapes: (T, 52) true expression in [0, 1].
        truth: (T, 30) robot's controls that show it, table units.
        seen: (T, 30) controls as they were read, NaN rows without a face.
        scores: (T,) as they were seen; NaN without a face.
        true_scores: (T,) of the truth.
        look_ahead: frames until a score is known.
        search: of keyframes in `scores`.
        seed: of the robot's servos.
    """

    name: str
    kind: str
    fps: float
    blendshapes: np.ndarray
    truth: np.ndarray
    seen: np.ndarray
    scores: np.ndarray
    true_scores: np.ndarray
    look_ahead: int
    search: SearchParams
    seed: int


def exact(
    name: str, kind: str, fps: float, shapes: np.ndarray, pose: np.ndarray, seed: int, robot: RobotProfile
) -> Performance:
    """Known expressions, with a reader's jitter on the controls."""
    truth = to_controls(shapes, pose)
    noise = np.random.default_rng([seed, 1]).normal(size=truth.shape)
    known = score(change(shapes, pose, fps), rendered_reference() if kind == "rendered" else REAL_REFERENCE)
    seen = robot.clip(truth + JITTER * SPAN * noise)
    ahead = round(SCORE_S * fps)
    return Performance(name, kind, fps, shapes, truth, seen, known, known, ahead, TRUE_PARAMS, seed)


def rendered(split: str, count: int, seconds: float, fps: float, robot: RobotProfile) -> Iterator[Performance]:
    """The motion of rendered people, drawn at the frame rate."""
    for seed in range(SEEDS[split], SEEDS[split] + count):
        motion = draw_motion(np.random.default_rng([seed, 7]), round(seconds * fps), fps)
        yield exact(f"{motion.style}_{seed}", "rendered", fps, motion.blendshapes, motion.pose, seed, robot)


@cache
def rendered_reference() -> float:
    """c_ref of rendered people of the training split."""
    rates = (25.0, 30.0, 60.0)
    moves = [draw_motion(np.random.default_rng([SEEDS["train"] + i, 7]), 240, rates[i % 3]) for i in range(30)]
    return reference(change(m.blendshapes, m.pose, rates[i % 3]) for i, m in enumerate(moves))


def real(split: str, robot: RobotProfile, seconds: float | None = None) -> Iterator[Performance]:
    """Annotated people, at the rates they were filmed at; nothing where the clips are absent."""
    for seed, name in enumerate(PEOPLE[split]):
        path = REAL / "annotations" / f"{name}.npz"
        if path.is_file():
            shapes, pose, fps = annotation(path)
            stop = len(shapes) if seconds is None else round(seconds * fps)
            yield exact(name, "real", fps, shapes[:stop], pose[:stop], seed, robot)


def annotation(path: Path) -> tuple[np.ndarray, np.ndarray, float]:
    """(T, 52) blendshapes, (T, 3) pose in radians and the frame rate of one annotated clip with a face throughout."""
    with np.load(path) as stored:
        names, fps = [str(name) for name in stored["names"]], float(stored["fps"])
        shapes = np.zeros((len(stored["valid"]), len(INDEX)))
        for column, name in enumerate(names):
            if name in INDEX:
                shapes[:, INDEX[name]] = stored["blendshapes"][:, column]
        return shapes, pose_of(stored["matrices"], stored["valid"]), fps


def with_reading(
    performance: Performance, seen: np.ndarray, scores: np.ndarray, look_ahead: int, search: SearchParams
) -> Performance:
    """The same face as a perception saw it."""
    return replace(performance, seen=seen, scores=scores, look_ahead=look_ahead, search=search)


def rates(performances: Sequence[Performance]) -> list[tuple[str, float]]:
    """(kind, frames a second) that occur, sorted."""
    return sorted({(p.kind, p.fps) for p in performances})
