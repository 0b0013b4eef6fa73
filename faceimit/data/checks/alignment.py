"""Do the pictures and the labels of a clip belong to the same moments?

When a face moves, its picture changes: the speed of the labels and the change of the picture rise and fall together.
The shift at which they agree best is the offset between the two streams.
"""

from dataclasses import dataclass

import numpy as np

from faceimit.data import targets

SEARCH_S = 0.4  # offsets up to this many seconds are looked for
LEAST_FRAMES = 24
CREDIBLE = 0.25  # correlation below which nothing is believed
# The moving mean that is taken off, in seconds: light that drifts and slow zooms say nothing about timing.
TREND_S = 1.0


@dataclass(frozen=True)
class Alignment:
    """Offset between pictures and labels of one clip.

    Attributes:
        offset: frames by which the pictures come after the labels (negative: before); NaN where nothing moves.
        correlation: at the offset, in [-1, 1].
        chance: correlation up to which a peak may be luck: three standard deviations at shifts that cannot be right.
        correlations: (2 L + 1,) at shifts -L .. L frames.
    """

    offset: float
    correlation: float
    chance: float
    correlations: np.ndarray

    @property
    def confident(self) -> bool:
        """The peak stands out from chance."""
        return bool(np.isfinite(self.offset) and self.correlation > max(CREDIBLE, self.chance))


def picture_change(pictures: np.ndarray) -> np.ndarray:
    """How much each picture differs from the one before, free of changes of light.

    Args:
        pictures: (T, H, W) grey, any scale.

    Returns:
        (T,) float64 >= 0, standard deviation of the difference in the unit of the pictures; NaN at 0.
    """
    change = np.full(len(pictures), np.nan)
    for t in range(1, len(pictures)):
        change[t] = np.std(pictures[t].astype(np.float32) - pictures[t - 1].astype(np.float32))
    return change


def label_speed(values: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Euclidean step from the frame before: (T, K) normalised values to (T,) float64, NaN where not known."""
    known = np.where(np.asarray(valid, dtype=bool)[:, None], np.asarray(values, dtype=np.float64), np.nan)
    speed = np.full(len(known), np.nan)
    speed[1:] = np.sqrt((np.diff(known, axis=0) ** 2).sum(axis=1))
    return speed


def align(picture: np.ndarray, label: np.ndarray, fps: float) -> Alignment:
    """Offset between the change of the picture and the speed of the labels, to a part of a frame.

    Args:
        picture: (T,) >= 0, :func:`picture_change`, NaN where not known.
        label: (T,) >= 0, :func:`label_speed`, NaN where not known.
        fps: frames per second; NaN is taken as 25.

    Returns:
        The peak of the correlation over shifts of up to 0.4 s, refined by a parabola through its neighbours.
    """
    rate = fps if np.isfinite(fps) and fps > 0 else targets.BASE_FPS
    reach = max(2, round(SEARCH_S * rate))
    a, b = _prepared(picture, rate), _prepared(label, rate)
    shifts = np.arange(-reach, reach + 1)
    if min(np.isfinite(a).sum(), np.isfinite(b).sum()) < LEAST_FRAMES:
        return _unknown(len(shifts))
    correlations = np.array([_correlation(a, b, shift) for shift in shifts])
    if not np.isfinite(correlations).any():
        return _unknown(len(shifts))
    best = int(np.nanargmax(correlations))
    offset = float(shifts[best]) + _refinement(correlations, best)
    return Alignment(offset, float(correlations[best]), _chance(a, b, reach), correlations)


def _prepared(signal: np.ndarray, rate: float) -> np.ndarray:
    """Compressed (a blink must not outweigh all the rest) and without its slow trend."""
    signal = np.asarray(signal, dtype=np.float64)
    known = np.isfinite(signal)
    if not known.any() or np.ptp(signal[known]) <= 1e-9:
        return np.full(len(signal), np.nan)
    root = np.where(known, np.sqrt(np.maximum(signal, 0.0)), np.nan)
    return root - targets.smooth(root, rate, sigma_ms=1000.0 * TREND_S, valid=known)


def _correlation(a: np.ndarray, b: np.ndarray, shift: int) -> float:
    """Pearson correlation of a[t + shift] with b[t]."""
    first, second = (a[shift:], b[: len(b) - shift]) if shift >= 0 else (a[:shift], b[-shift:])
    both = np.isfinite(first) & np.isfinite(second)
    if both.sum() < LEAST_FRAMES // 2:
        return float("nan")
    x, y = first[both] - first[both].mean(), second[both] - second[both].mean()
    scale = float(np.sqrt((x**2).sum() * (y**2).sum()))
    return float((x * y).sum()) / scale if scale > 0 else float("nan")


def _refinement(correlations: np.ndarray, best: int) -> float:
    """Where between the neighbouring shifts the peak lies: in [-0.5, 0.5] frames."""
    if not 0 < best < len(correlations) - 1:
        return 0.0
    left, middle, right = correlations[best - 1 : best + 2]
    bend = left - 2 * middle + right
    return float(np.clip(0.5 * (left - right) / bend, -0.5, 0.5)) if np.isfinite(bend) and bend < 0 else 0.0


def _chance(a: np.ndarray, b: np.ndarray, reach: int) -> float:
    """Three standard deviations of the correlation at circular shifts beyond the reach."""
    shifts = np.arange(2 * reach, len(a) - 2 * reach)
    if len(shifts) < 2 * reach:
        return 3.0 / float(np.sqrt(np.isfinite(a + b).sum()))
    chosen = shifts[:: max(1, len(shifts) // 100)]
    return 3.0 * float(np.nanstd([_correlation(np.roll(a, -shift), b, 0) for shift in chosen]))


def _unknown(shifts: int) -> Alignment:
    return Alignment(float("nan"), float("nan"), float("nan"), np.full(shifts, np.nan))
