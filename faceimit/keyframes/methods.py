"""Classical methods behind one interface: face crops in, a score per frame out, offline or frame by frame.

``METHODS[name]()`` gives a method. Raw scores are >= 0 and per 1/25 s (a difference to the previous frame times
fps / 25); with a ``reference`` (the 95th percentile of the raw scores over the training split,
:func:`faceimit.data.targets.reference`) they are clip(raw / reference, 0, 1), like the target score.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np

from faceimit.data.targets import BASE_FPS
from faceimit.errors import InputError
from faceimit.keyframes import baselines, flow_baselines
from faceimit.keyframes.search import SearchParams

# For a classical method where there is no validation split to tune on, scores scaled to their own 95th percentile:
# the best of the grid for frame difference, Farneback and its affine rest alike, on real talking faces.
UNTUNED_SEARCH = SearchParams(prominence=0.02, gap_ms=120.0, smooth_ms=30.0)
# The method that needs a model file: faceimit.keyframes.blendshapes.
BLENDSHAPES_METHOD = "blendshapes"


class Method(ABC):
    """A score of change per frame.

    Offline: ``score(frames, fps)``. Streaming, in flat memory and with equal results: ``start(fps)``, then
    ``push(frame)`` for every frame, ``push(None)`` where no face was found.

    Args:
        name: its name in tables.
        reference: raw score that maps to 1; None: scores stay raw.
    """

    def __init__(self, name: str, reference: float | None = None) -> None:
        if reference is not None and not reference > 0.0:
            raise ValueError(f"expected reference > 0, got {reference}")
        self.name, self.reference = name, reference
        self.start()

    def start(self, fps: float = BASE_FPS) -> None:
        """Begin a new stream with this frame rate."""
        if not fps > 0.0:
            raise ValueError(f"expected fps > 0, got {fps}")
        self.fps = fps
        self._restart()

    def push(self, frame: np.ndarray | None) -> float:
        """Score of the next frame, (S, S, 3) uint8 RGB.

        NaN for None (no face); 0 for the first frame and the first after a None, whose change nobody knows.
        """
        if frame is None:
            self._lose()
            return float("nan")
        raw = self._raw(frame)
        return raw if self.reference is None else min(max(raw / self.reference, 0.0), 1.0)

    def score(self, frames: Iterable[np.ndarray], fps: float, valid: np.ndarray | None = None) -> np.ndarray:
        """Scores of a whole clip.

        Args:
            frames: (T, S, S, 3) uint8 RGB, or any iterable of T crops.
            fps: frames per second, > 0.
            valid: (T,) bool, False where no face was found; None: all frames are valid.

        Returns:
            (T,) float32, NaN where invalid.
        """
        self.start(fps)
        scores = [self.push(frame if valid is None or valid[t] else None) for t, frame in enumerate(frames)]
        return np.array(scores, dtype=np.float32)

    @abstractmethod
    def _restart(self) -> None:
        """Forget everything."""

    @abstractmethod
    def _raw(self, frame: np.ndarray) -> float:
        """Raw score of the next frame."""

    def _lose(self) -> None:  # noqa: B027  (most methods forget; those that count frames count on)
        """The next frame has no face."""


class PairMethod(Method):
    """Score from two successive frames.

    Args:
        name: its name in tables.
        describe: (S, S, 3) uint8 RGB frame -> what is compared; called once a frame.
        compare: previous and current description -> distance >= 0.
        reference: as in :class:`Method`.
    """

    def __init__(
        self,
        name: str,
        describe: Callable[[np.ndarray], np.ndarray],
        compare: Callable[[np.ndarray, np.ndarray], float],
        reference: float | None = None,
    ) -> None:
        self._describe, self._compare = describe, compare
        super().__init__(name, reference)

    def _restart(self) -> None:
        self._previous: np.ndarray | None = None

    def _lose(self) -> None:
        self._previous = None

    def _raw(self, frame: np.ndarray) -> float:
        previous, self._previous = self._previous, self._describe(frame)
        return 0.0 if previous is None else self._compare(previous, self._previous) * self.fps / BASE_FPS


class Uniform(Method):
    """A peak in every second frame, each a little lower than the one before, whatever the picture shows.

    The search's gap thins them to evenly spaced keyframes, so tuning the gap tunes their rate.
    """

    def __init__(self, name: str = "uniform", reference: float | None = None) -> None:
        super().__init__(name, reference)

    def _restart(self) -> None:
        self._count = 0

    def _lose(self) -> None:
        self._count += 1

    def _raw(self, frame: np.ndarray) -> float:
        self._count += 1
        # Falling for a minute, then anew: heights stay apart in float32 however long the video is.
        return (1.0 - 0.4 * (self._count % 1500) / 1500) if self._count % 2 == 0 else 0.0


class Random(Method):
    """Independent uniform scores in [0, 1), whatever the picture shows; the same for every clip with one seed."""

    def __init__(self, name: str = "random", reference: float | None = None, seed: int = 0) -> None:
        self.seed = seed
        super().__init__(name, reference)

    def _restart(self) -> None:
        self._random = np.random.default_rng(self.seed)

    def _lose(self) -> None:
        self._random.random()

    def _raw(self, frame: np.ndarray) -> float:
        return float(self._random.random())


def _farneback_magnitude(previous: np.ndarray, current: np.ndarray) -> float:
    return flow_baselines.mean_magnitude(flow_baselines.farneback(previous, current))


def _farneback_rest(previous: np.ndarray, current: np.ndarray) -> float:
    return flow_baselines.rest_magnitude(flow_baselines.farneback(previous, current), previous)


def _dis_magnitude(previous: np.ndarray, current: np.ndarray) -> float:
    return flow_baselines.mean_magnitude(flow_baselines.dis(previous, current))


METHODS: dict[str, Callable[..., Method]] = {
    name: partial(PairMethod, name, describe, compare)
    for name, describe, compare in (
        ("frame_difference", baselines.luma, baselines.mean_difference),
        ("blurred_difference", baselines.gain_normalised, baselines.mean_difference),
        ("histogram", baselines.histograms, baselines.histogram_distance),
        ("feature_similarity", baselines.gradients, baselines.descriptor_distance),
        ("farneback", baselines.grey, _farneback_magnitude),
        ("farneback_affine", baselines.grey, _farneback_rest),
        ("dis", baselines.grey, _dis_magnitude),
    )
} | {"uniform": Uniform, "random": Random}


def make_method(name: str, **arguments: Any) -> Method:
    """The method of this name.

    Args:
        name: a key of :data:`METHODS`.
        **arguments: passed on, e.g. ``reference``.

    Raises:
        InputError: there is no such method; the message lists them.
    """
    if name not in METHODS:
        raise InputError(f"unknown method {name!r}: choose one of {', '.join(METHODS)}")
    return METHODS[name](**arguments)


def noisy_truth(scores: np.ndarray, seed: int, sigma: float = 0.05) -> np.ndarray:
    """The ceiling: the target score (T,) plus Gaussian noise, clipped to [0, 1]; NaN stays. float32."""
    noise = np.random.default_rng(seed).normal(0.0, sigma, len(scores))
    return np.clip(scores + noise, 0.0, 1.0).astype(np.float32)
