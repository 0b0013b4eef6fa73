"""What every check is told of a data set: facts of each clip, and named values over time."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from faceimit.face import controls
from faceimit.face.blendshapes import BLENDSHAPES

# Head poses of people in front of a camera, in degrees: what a corpus can be expected to cover, no hard limit.
_POSE = {"head yaw": 60.0, "head pitch": 40.0, "head roll": 40.0}


@dataclass(frozen=True)
class ClipFacts:
    """One clip or sequence, without its arrays.

    Attributes:
        name: unique within the data set.
        split: ``train``, ``val``, ``test``, or "" where there are no splits.
        identity: whose face it is, "" where unknown.
        frames: number of frames, 0 where nothing could be read, None where nobody has looked.
        fps: frames per second, NaN where unknown.
        valid: frames with a face, or None where nobody has looked.
        width, height: pixels of the picture, 0 where unknown.
        sha256: of the source, "" where unknown.
        note: what was wrong with the file, "" if nothing.
    """

    name: str
    split: str
    identity: str
    frames: int | None
    fps: float
    valid: int | None = None
    width: int = 0
    height: int = 0
    sha256: str = ""
    note: str = ""


@dataclass(frozen=True)
class Track:
    """Values over time of one clip.

    Attributes:
        name: of the clip.
        split: as in :class:`ClipFacts`.
        fps: frames per second, NaN where unknown.
        values: (T, K) float64 in the units of the vocabulary; rows that are not valid mean nothing.
        valid: (T,) bool.
    """

    name: str
    split: str
    fps: float
    values: np.ndarray
    valid: np.ndarray


@dataclass(frozen=True)
class Vocabulary:
    """The values a data set is labelled with.

    Attributes:
        what: what they are called, in the plural.
        names: K names.
        low, high: (K,) range that is to be covered, in their units.
        neutral: (K,) the resting face.
        parts: part of the face -> columns; parts move independently of each other.
        hard: (K,) bool, a value outside the range is an error.
    """

    what: str
    names: tuple[str, ...]
    low: np.ndarray
    high: np.ndarray
    neutral: np.ndarray
    parts: dict[str, tuple[int, ...]]
    hard: np.ndarray

    def normalised(self, values: np.ndarray) -> np.ndarray:
        """(..., K) values in their units to shares of their range; in [0, 1] where they keep to it."""
        return (np.asarray(values, dtype=np.float64) - self.low) / (self.high - self.low)


def robot_controls() -> Vocabulary:
    """The 30 controls of :mod:`faceimit.face.controls`; jaw and lips touch, so they are one part."""
    parts = dict(controls.PARTS)
    parts["mouth"] = parts.pop("jaw") + parts.pop("lip")
    hard = np.ones(len(controls.NAMES), dtype=bool)
    return Vocabulary("controls", controls.NAMES, controls.LOW, controls.HIGH, controls.NEUTRAL, parts, hard)


def expressions() -> Vocabulary:
    """The 52 blendshapes and the head pose in degrees."""
    names = (*BLENDSHAPES, *_POSE)
    limits = np.array(list(_POSE.values()))
    low = np.concatenate([np.zeros(len(BLENDSHAPES)), -limits])
    high = np.concatenate([np.ones(len(BLENDSHAPES)), limits])
    parts = {part: _starting(names, prefixes) for part, prefixes in _PARTS.items()}
    hard = np.arange(len(names)) < len(BLENDSHAPES)
    return Vocabulary("values", names, low, high, np.zeros(len(names)), parts, hard)


_PARTS = {"brow": ("brow",), "eyes": ("eye",), "cheek and nose": ("cheek", "nose"), "mouth": ("jaw", "mouth", "tongue")}
_PARTS["head"] = ("head",)


def _starting(names: Sequence[str], prefixes: tuple[str, ...]) -> tuple[int, ...]:
    return tuple(i for i, name in enumerate(names) if name.startswith(prefixes))
