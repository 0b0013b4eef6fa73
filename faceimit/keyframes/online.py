"""The search with bounded look-ahead: the offline search's answer on the frames it has.

The decision about frame t falls when frame t + L has arrived (L: the look-ahead in frames), and is what
:func:`faceimit.keyframes.search.find_keyframes` says about t on the scores up to t + L. Where no face is found (NaN) or
at the end of the stream the frames still open are decided at once, as the offline search would.

Memory is flat. What lies before a window of recent frames is summed up in three numbers, exactly for the prominence
(:class:`_Climb`), and for the gap by the last peak kept: exact unless a peak's fate hangs on a staircase of ever
higher peaks, each within the gap of the next, that is longer than the window.
"""

from collections import deque

import numpy as np

from faceimit.data.targets import gaussian_kernel, smooth
from faceimit.keyframes.search import SearchParams, local_maxima, select_by_distance, settled_frame

HISTORY_MS = 4000.0


class OnlineSearch:
    """Feed scores one by one, take keyframes out.

    Args:
        fps: frames per second, > 0.
        params: the search; None: the defaults.
        look_ahead_ms: how long a decision may wait; at least one frame is always waited for.
        history_ms: how much of the past is kept beside that.
    """

    def __init__(
        self,
        fps: float,
        params: SearchParams | None = None,
        look_ahead_ms: float = 200.0,
        history_ms: float = HISTORY_MS,
    ) -> None:
        self.fps, self.params = fps, params or SearchParams()
        self.look_ahead = max(1, round(look_ahead_ms / 1000.0 * fps))
        self._radius = len(gaussian_kernel(self.params.smooth_ms / 1000.0 * fps)) // 2
        self._distance = self.params.distance(fps)
        # A plateau decided at t may begin L frames before it; a score is final R frames later.
        past = max(round(history_ms / 1000.0 * fps), self.look_ahead + self._radius + self._distance)
        self._window = past + self.look_ahead
        self._count = 0
        self._start_run()

    def push(self, score: float) -> list[int]:
        """Take the next frame's score (NaN: no face); return the keyframes decided by it, 0-based from the first push.

        Ascending within a call and, unless later frames overturn a decision, over calls. With ``at="apex"`` the
        frame may lie up to the look-ahead after the peak it belongs to.
        """
        frame = self._count
        if not np.isfinite(score):
            found = self._decide_rest()
            self._count += 1
            self._start_run()
            return found
        self._count += 1
        if not self._scores:
            self._first = frame
        self._scores.append(float(score))
        scores = self._smoothed()
        found = self._decide(scores, range(frame - self.look_ahead, frame - self.look_ahead + 1))
        if frame - self._first > self._window:
            self._forget(scores)
        return found

    def finish(self) -> list[int]:
        """The stream has ended: decide the last frames. The search can be used again, for a new stream."""
        found = self._decide_rest()
        self._count = 0
        self._start_run()
        return found

    def _start_run(self) -> None:
        """A new part without invalid frames; window: smoothed scores from ``_first`` on, raw ones R before that."""
        self._scores: deque[float] = deque()
        self._first = self._count
        self._climb = _Climb(self.params.prominence)
        self._last_kept: int | None = None

    def _decide_rest(self) -> list[int]:
        return self._decide(self._smoothed(), range(self._count - self.look_ahead, self._count))

    def _decide(self, scores: np.ndarray, frames: range) -> list[int]:
        """Which of the frames (numbers in the stream) are peaks on the smoothed scores so far, as keyframes."""
        possible = [i for i in range(frames.start - self._first, frames.stop - self._first) if _may_peak(scores, i)]
        if not possible:
            return []
        kept = self._kept_peaks(scores)
        return [self._keyframe(scores, i) for i in possible if i in kept and self._rises(scores, i)]

    def _smoothed(self) -> np.ndarray:
        """Smoothed scores of the window, as the offline search sees them on the frames so far."""
        raw = np.array(self._scores)
        extra = len(raw) - (self._count - self._first)
        return smooth(raw, self.fps, self.params.smooth_ms)[extra:]

    def _kept_peaks(self, scores: np.ndarray) -> list[int]:
        """Peaks in the window that survive height and gap, as positions in it."""
        peaks = local_maxima(scores, self.params.height)
        if self._last_kept is not None:
            peaks = peaks[peaks + self._first - self._last_kept >= self._distance]
        return peaks[select_by_distance(peaks, scores[peaks], self._distance)].tolist()

    def _rises(self, scores: np.ndarray, i: int) -> bool:
        """Whether the peak at position i has the prominence, on either side."""
        height, prominence = scores[i], self.params.prominence
        higher_before = np.flatnonzero(scores[:i] > height)
        start = int(higher_before[-1]) + 1 if higher_before.size else 0
        left = height - scores[start : i + 1].min() >= prominence
        if not left and not higher_before.size:
            left = self._climb.reaches(height)
        higher_after = np.flatnonzero(scores[i:] > height)
        stop = i + int(higher_after[0]) if higher_after.size else len(scores)
        return bool(left and height - scores[i:stop].min() >= prominence)

    def _keyframe(self, scores: np.ndarray, i: int) -> int:
        if self.params.at == "apex":
            i = settled_frame(scores, i, self.params)
        return self._first + i

    def _forget(self, scores: np.ndarray) -> None:
        """Move the window's start one frame on, keeping what later decisions need."""
        # A peak needs the frame before its plateau to be seen, so it is noted in the last moment that is there.
        if scores[1] > scores[0]:
            for i in self._kept_peaks(scores)[:1]:
                if (scores[1 : i + 1] == scores[i]).all():
                    self._last_kept = self._first + i
        self._climb.push(float(scores[0]))
        self._first += 1
        while len(self._scores) > self._count - self._first + self._radius:
            self._scores.popleft()


def _may_peak(scores: np.ndarray, i: int) -> bool:
    """Cheap test that spares most frames the search: not lower than its neighbours, and not at the border."""
    return bool(0 < i < len(scores) - 1 and scores[i - 1] <= scores[i] >= scores[i + 1])


class _Climb:
    """Does a peak of height h rise by the prominence above its left valley? In constant memory.

    Going left from the peak, a score of at most h - prominence must come before one above h. If that holds for some h
    it holds for every greater one, so all scores ever seen come down to one threshold: with each score x it becomes
    max(x, min(threshold, x + prominence)). It is kept as a pair (h >= bound and h - valley >= prominence), which
    repeats the offline comparison to the last bit.
    """

    def __init__(self, prominence: float) -> None:
        self.prominence = prominence
        self._bound, self._valley = np.inf, np.inf

    def push(self, x: float) -> None:
        if x <= self._valley or (self._bound > x and self._bound - x >= self.prominence):
            self._bound = self._valley = x
        elif x > self._bound:
            self._bound = x

    def reaches(self, height: float) -> bool:
        return height >= self._bound and height - self._valley >= self.prominence
