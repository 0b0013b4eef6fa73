"""How much happens: keyframes a second, still frames and the distribution of the score."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from faceimit.data import targets
from faceimit.data.checks.records import Track
from faceimit.face.blendshapes import BLENDSHAPES

STILL_SCORE = 0.1
SCORE_BINS = 20


@dataclass(frozen=True)
class Events:
    """Statistics of the target score.

    Attributes:
        c_ref: change that scores 1: the 95th percentile over the clips.
        keyframes: number of true keyframes.
        a_second: true keyframes a second of valid video.
        still_share: share of the valid frames that score below 0.1.
        histogram: (SCORE_BINS,) frames by score in [0, 1].
    """

    c_ref: float
    keyframes: int
    a_second: float
    still_share: float
    histogram: np.ndarray


def expression_change(track: Track) -> np.ndarray:
    """(T,) change of the expression of a track of :func:`faceimit.data.checks.records.expressions`."""
    count = len(BLENDSHAPES)
    pose = np.radians(track.values[:, count : count + 3])
    return targets.change(track.values[:, :count], pose, track.fps, track.valid)


def event_statistics(
    changes: Sequence[np.ndarray], keyframes: Sequence[Sequence[int]], fps: Sequence[float], c_ref: float
) -> Events:
    """Statistics of some clips.

    Args:
        changes: (T,) of each clip, NaN where unknown.
        keyframes: true keyframes of each clip.
        fps: of each clip.
        c_ref: change that scores 1, > 0.
    """
    scores = [targets.score(change, c_ref) for change in changes]
    known = np.concatenate([score[np.isfinite(score)] for score in scores]) if scores else np.zeros(0)
    seconds = sum(float(np.isfinite(score).sum()) / rate for score, rate in zip(scores, fps, strict=True))
    count = sum(len(frames) for frames in keyframes)
    return Events(
        c_ref,
        keyframes=count,
        a_second=count / seconds if seconds else float("nan"),
        still_share=float((known < STILL_SCORE).mean()) if len(known) else float("nan"),
        histogram=np.histogram(known, bins=SCORE_BINS, range=(0.0, 1.0))[0],
    )
