"""From a score per frame to keyframes: the offline search for local extrema.

Peaks follow ``scipy.signal.find_peaks``: a plateau counts at its middle, peaks below ``height`` go first, of two peaks
closer than the gap the lower goes (the higher of them decides first; of equal ones the later stays), and what is left
must rise by ``prominence`` above the higher of its two valleys. NaN (no face) splits a clip into parts that are
searched one by one.
"""

from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np

from faceimit.data.targets import smooth, valid_runs

At = Literal["peak", "apex"]


@dataclass(frozen=True)
class SearchParams:
    """Parameters of the search.

    Attributes:
        prominence: least rise of a peak above the higher of its two valleys, in units of the score.
        gap_ms: least distance between two peaks in milliseconds, rounded to frames.
        smooth_ms: standard deviation of a Gaussian over the scores before the search, in milliseconds.
        height: least score of a peak.
        at: ``peak``, the fastest change, or ``apex``, the settled expression after it (:func:`settled_frame`).
        settle: fraction of the peak's score below which the expression counts as settled.
    """

    prominence: float = 0.1
    gap_ms: float = 160.0
    smooth_ms: float = 0.0
    height: float = 0.0
    at: At = "peak"
    settle: float = 0.25

    def __post_init__(self) -> None:
        if self.at not in ("peak", "apex"):
            raise ValueError(f"expected at to be peak or apex, got {self.at!r}")
        for name in ("prominence", "gap_ms", "smooth_ms", "height", "settle"):
            if not getattr(self, name) >= 0.0:
                raise ValueError(f"expected {name} >= 0, got {getattr(self, name)}")

    def distance(self, fps: float) -> int:
        """The gap in frames, at least 1."""
        return max(1, round(self.gap_ms / 1000.0 * fps))


# The search that defines the ground truth, and the prominence from which a true peak is at least a weak one.
TRUE_PARAMS = SearchParams(prominence=0.1, gap_ms=160.0)
WEAK_PROMINENCE = 0.03


class Truth(NamedTuple):
    """True keyframes of a clip: sorted 0-based frames.

    Attributes:
        strong: prominence 0.1 or more: the keyframes G.
        weak: prominence 0.03 to 0.1: here the truth is unsure, a prediction counts neither way.
    """

    strong: tuple[int, ...]
    weak: tuple[int, ...]


def find_keyframes(scores: np.ndarray, fps: float, params: SearchParams | None = None) -> tuple[int, ...]:
    """Keyframes of one clip.

    Args:
        scores: (T,) score per frame; NaN where no face was found.
        fps: frames per second, > 0.
        params: the search; None: the defaults.

    Returns:
        Sorted 0-based frame numbers; empty for an empty or flat clip.
    """
    params = params or SearchParams()
    scores = np.asarray(scores, dtype=np.float64)
    if scores.ndim != 1:
        raise ValueError(f"expected scores of shape (T,), got {scores.shape}")
    valid = np.isfinite(scores)
    smoothed = smooth(scores, fps, params.smooth_ms, valid)
    keyframes: list[int] = []
    for start, stop in valid_runs(valid):
        keyframes += [start + frame for frame in _search_run(smoothed[start:stop], fps, params)]
    return tuple(keyframes)


def true_keyframes(scores: np.ndarray, fps: float, params: SearchParams = TRUE_PARAMS) -> Truth:
    """Strong and weak true keyframes of a clip's target score (T,)."""
    strong = find_keyframes(scores, fps, params)
    # Taken at the peak even for apexes: the gap is settled before prominence, so the strong peaks are among these.
    unsure = find_keyframes(scores, fps, replace(params, prominence=min(WEAK_PROMINENCE, params.prominence)))
    return Truth(strong, tuple(frame for frame in unsure if frame not in set(strong)))


def local_maxima(scores: np.ndarray, height: float = 0.0) -> np.ndarray:
    """Indices (P,) of the local maxima of (T,) finite scores, of at least ``height``; of a plateau its middle."""
    ends = np.flatnonzero(np.append(scores[1:] != scores[:-1], len(scores) > 0))  # last frame of each level
    levels = scores[ends]
    peaks = 1 + np.flatnonzero((levels[1:-1] > levels[:-2]) & (levels[1:-1] > levels[2:]))
    peaks = peaks[levels[peaks] >= height]
    return (ends[peaks - 1] + 1 + ends[peaks]) // 2


def select_by_distance(peaks: np.ndarray, heights: np.ndarray, distance: int) -> np.ndarray:
    """Which peaks stay when, from the highest down, each that stays removes all closer than ``distance`` frames.

    As in scipy, but with a stable order: of equal peaks the later decides first, on every machine.

    Args:
        peaks: (P,) sorted frames.
        heights: (P,) their scores.
        distance: frames; two kept peaks are at least this far apart.

    Returns:
        (P,) bool.
    """
    keep = [True] * len(peaks)
    frames = peaks.tolist()
    for j in np.argsort(heights, kind="stable")[::-1].tolist():
        if not keep[j]:
            continue
        k = j - 1
        while k >= 0 and frames[j] - frames[k] < distance:
            keep[k] = False
            k -= 1
        k = j + 1
        while k < len(frames) and frames[k] - frames[j] < distance:
            keep[k] = False
            k += 1
    return np.array(keep, dtype=bool)


def settled_frame(scores: np.ndarray, peak: int, params: SearchParams) -> int:
    """The apex that belongs to a peak: the first settled frame after it.

    That is the first frame after the peak with a score of at most ``settle`` times the peak's. If, before such a
    frame, the score climbs again (by ``prominence`` above the lowest since the peak, or back to the peak's height) or
    the scores end, it is the lowest frame since the peak, the first of equal ones. It always lies after the peak and
    before the next one.

    Args:
        scores: (T,) finite scores, smoothed as for the search.
        peak: frame of the peak, not the last.
        params: the search.
    """
    height, start = scores[peak], _plateau_end(scores, peak) + 1
    lowest = start
    for frame in range(start, len(scores)):
        value = scores[frame]
        if value <= params.settle * height:
            return frame
        if _climbs(value, scores[lowest], height, params.prominence):
            break
        if value < scores[lowest]:
            lowest = frame
    return lowest


def _search_run(scores: np.ndarray, fps: float, params: SearchParams) -> list[int]:
    """Keyframes in (T,) finite, smoothed scores."""
    from scipy.signal import peak_prominences  # late: half a second that the search on a robot does not need

    peaks = local_maxima(scores, params.height)
    peaks = peaks[select_by_distance(peaks, scores[peaks], params.distance(fps))]
    peaks = peaks[peak_prominences(scores, peaks)[0] >= params.prominence]
    if params.at == "apex":
        return [settled_frame(scores, peak, params) for peak in peaks.tolist()]
    return peaks.tolist()


def _plateau_end(scores: np.ndarray, peak: int) -> int:
    """Last frame of the plateau a peak stands on (the peak itself when there is none)."""
    while peak + 1 < len(scores) and scores[peak + 1] == scores[peak]:
        peak += 1
    return peak


def _climbs(value: float, lowest: float, height: float, prominence: float) -> bool:
    return value > lowest and (value - lowest >= prominence or value >= height)
