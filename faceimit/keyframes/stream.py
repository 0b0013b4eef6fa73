"""Scores of a stream of face crops in flat memory, by a classical method or by a network that sees whole windows."""

from collections.abc import Callable
from typing import Protocol

import numpy as np

from faceimit.keyframes.methods import Method
from faceimit.keyframes.search import SearchParams

WindowScore = Callable[[np.ndarray, float], np.ndarray]


class StreamingScorer(Protocol):
    """Crops in, scores out, in the order of the frames; a scorer that looks ahead answers later.

    Over ``push`` and ``finish`` exactly one score comes back for every frame pushed.

    Attributes:
        name: of the method, for people.
        size: S, side in pixels of the crops it wants.
        params: the keyframe search that belongs to its scores.
    """

    name: str
    size: int
    params: SearchParams

    def start(self, fps: float) -> None:
        """Begin a new stream of this frame rate."""
        ...

    def push(self, crop: np.ndarray | None) -> list[float]:
        """Take the next crop (S, S, 3) uint8 RGB, or None where no face was found.

        Returns the scores known by now; NaN for None.
        """
        ...

    def finish(self) -> list[float]:
        """The stream has ended: the scores still owed."""
        ...


class MethodScorer:
    """A classical method as a streaming scorer; scores are raw (>= 0, without an upper end) without a reference."""

    def __init__(self, method: Method, params: SearchParams, size: int = 128) -> None:
        self.name, self.size, self.params = method.name, size, params
        self._method = method

    def start(self, fps: float) -> None:
        self._method.start(fps)

    def push(self, crop: np.ndarray | None) -> list[float]:
        return [self._method.push(crop)]

    def finish(self) -> list[float]:
        return []


class ChunkedScorer:
    """A function that scores whole windows as a streaming scorer: windows overlap, so the seams do not show.

    Args:
        name, size, params: as in :class:`StreamingScorer`.
        score: crops (T, S, S, 3) uint8 RGB with T >= 2 and frames per second -> (T,) scores.
        context: how many frames before a frame its score depends on.
        look_ahead: how many frames after it.
        chunk: frames scored at a time.
    """

    def __init__(
        self,
        name: str,
        size: int,
        params: SearchParams,
        score: WindowScore,
        context: int,
        look_ahead: int,
        chunk: int = 48,
    ) -> None:
        self.name, self.size, self.params = name, size, params
        self._score, self._context, self._look_ahead, self._chunk = score, max(1, context), look_ahead, chunk
        self.start(25.0)

    def start(self, fps: float) -> None:
        self._fps = fps
        self._window: list[np.ndarray] = []
        self._done = 0  # frames at the start of the window that have their score

    def push(self, crop: np.ndarray | None) -> list[float]:
        if crop is None:
            return [*self.finish(), float("nan")]
        self._window.append(crop)
        if len(self._window) - self._done < self._chunk + self._look_ahead:
            return []
        return self._advance(len(self._window) - self._look_ahead)

    def finish(self) -> list[float]:
        scores = self._advance(len(self._window))
        self._window, self._done = [], 0
        return scores

    def _advance(self, stop: int) -> list[float]:
        """Scores of the window's frames up to ``stop``; forget what no later frame depends on."""
        if stop <= self._done:
            return []
        # Of a face seen for a single frame no change is known.
        alone = len(self._window) == 1
        scores = np.zeros(1) if alone else np.asarray(self._score(np.stack(self._window), self._fps))
        result = scores[self._done : stop].tolist()
        forgotten = max(0, stop - self._context)
        self._window, self._done = self._window[forgotten:], stop - forgotten
        return result
