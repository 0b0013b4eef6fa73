"""Scores of a stream of crops, one step of the graph a frame."""

from collections.abc import Callable, Mapping

import numpy as np

from faceimit.data.targets import BASE_FPS
from faceimit.errors import InputError
from faceimit.keyframes.search import SearchParams

State = dict[str, np.ndarray]
# crop, rate, state -> scores (look_ahead + 1,) and the next state
Step = Callable[[np.ndarray, np.ndarray, Mapping[str, np.ndarray]], tuple[np.ndarray, State]]


class ScoreStream:
    """Crops in, scores out, in the order of the frames; a :class:`faceimit.keyframes.stream.StreamingScorer`.

    A frame's score is final `look_ahead` frames later, or when the face is gone. After a frame without a face nothing
    is remembered: the next frame begins a new part, as the first of the stream does, and takes the flow of the second;
    a part of a single frame scores 0. Without look-ahead the first frame of every part scores 0.

    Attributes:
        name: of the method.
        size: side of the crops in pixels.
        params: the keyframe search that belongs to the scores.
        pending: scores of the frames still owed, oldest first, as they were if the face were gone now.
    """

    def __init__(
        self, name: str, size: int, params: SearchParams, look_ahead: int, step: Step, start: Mapping[str, np.ndarray]
    ) -> None:
        self.name, self.size, self.params, self.look_ahead = name, size, params, look_ahead
        self._step, self._zero = step, dict(start)
        self._state: Mapping[str, np.ndarray] = self._zero
        self._seen = 0
        self.pending: list[float] = []
        self.start(BASE_FPS)

    def start(self, fps: float) -> None:
        """Begin a new stream of this frame rate."""
        if not 0.0 < fps < np.inf:
            raise InputError(f"expected fps to be more than 0 but got {fps}, give the source's frame rate")
        self._rate = np.array([fps / BASE_FPS], dtype=np.float32)
        self._begin()

    def push(self, crop: np.ndarray | None, missing: int = 0) -> list[float]:
        """Take the next crop (S, S, 3) uint8 RGB, or None where no face was found.

        Args:
            crop: as above.
            missing: frames that were lost before this one: it shows the change of that much more time.

        Returns:
            The scores known by now, oldest first; NaN for None.
        """
        if crop is None:
            return [*self.finish(), float("nan")]
        rate = self._rate / np.float32(1 + missing)
        scores, self._state = self._step(checked_crop(crop, self.size), rate, self._state)
        self._seen += 1
        known = scores.tolist()
        owed = min(self._seen, self.look_ahead)
        self.pending = known[len(known) - owed :]
        return known[:1] if self._seen > self.look_ahead else []

    def finish(self) -> list[float]:
        """The face is gone, or the stream has ended: the scores still owed."""
        owed = self.pending
        self._begin()
        return owed

    def _begin(self) -> None:
        self._state, self._seen, self.pending = self._zero, 0, []


def checked_crop(crop: np.ndarray, size: int) -> np.ndarray:
    """The crop, if it is one of this size, in one piece of memory.

    Raises:
        InputError: another shape or type.
    """
    if crop.shape != (size, size, 3) or crop.dtype != np.uint8:
        raise InputError(f"expected a crop {(size, size, 3)} uint8 RGB but got {crop.shape} {crop.dtype}, cut it anew")
    return np.ascontiguousarray(crop)
