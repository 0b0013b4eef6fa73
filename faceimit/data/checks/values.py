"""How each value is distributed over its range, and how finely and cleanly it was written down."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from faceimit.data import targets
from faceimit.data.checks.records import Track, Vocabulary

BINS = 20
# A value that keeps within this share of its range does not move.
STUCK = 0.002
# A grid is believed when this share of the values lies on it, to a tenth of its step.
ON_GRID, GRID_TOLERANCE = 0.99, 0.1
STILL = 0.1  # of the 95th percentile of the speed: slower frames hold still


@dataclass(frozen=True)
class Distribution:
    """One value over all frames.

    Attributes:
        name: of the value.
        low, high: its range.
        smallest, largest, mean: of the finite values, in its unit.
        histogram: (BINS,) counts over the range; values outside are not in it.
        coverage: share of the bins that some frame visits.
        outside: number of values beyond the range.
        missing: number of values that are not finite.
        stuck: it never moves.
    """

    name: str
    low: float
    high: float
    smallest: float
    largest: float
    mean: float
    histogram: np.ndarray
    coverage: float
    outside: int
    missing: int
    stuck: bool


@dataclass(frozen=True)
class Grain:
    """How finely and cleanly a value was written down.

    Attributes:
        name: of the value.
        distinct: number of different values.
        step: of the grid the values lie on, in the unit of the value; 0 where there is none.
        noise: standard deviation of what changes from frame to frame without being motion, as a share of the range.
        jitter: the same, over frames in which the face holds still; NaN where it never does.
    """

    name: str
    distinct: int
    step: float
    noise: float
    jitter: float


def distributions(values: np.ndarray, vocabulary: Vocabulary) -> list[Distribution]:
    """Distribution of each column of (N, K) values in their units."""
    return [_distribution(values[:, k], vocabulary, k) for k in range(len(vocabulary.names))]


def grains(tracks: Sequence[Track], vocabulary: Vocabulary) -> list[Grain]:
    """Granularity and noise of each value over the valid frames of some tracks."""
    rows = [track.values[track.valid] for track in tracks]
    pooled = np.concatenate(rows) if rows else np.zeros((0, len(vocabulary.names)))
    span = vocabulary.high - vocabulary.low
    noise = noise_level([vocabulary.normalised(run) for track in tracks for run in _runs(track)])
    jitter = still_jitter([(vocabulary.normalised(run), track.fps) for track in tracks for run in _runs(track)])
    return [
        Grain(
            name,
            distinct=len(np.unique(pooled[:, k])),
            step=grid_step(pooled[:, k], float(span[k])),
            noise=float(noise[k]),
            jitter=float(jitter[k]),
        )
        for k, name in enumerate(vocabulary.names)
    ]


def grid_step(values: np.ndarray, span: float) -> float:
    """Step of the regular grid that (N,) values lie on, in their unit.

    Args:
        values: any order, repeats allowed.
        span: width of the range; grids finer than a millionth of it are taken for none.

    Returns:
        The step, or 0 where the values lie on no grid or are fewer than four different ones.
    """
    distinct = np.unique(values[np.isfinite(values)])
    if len(distinct) < 4:
        return 0.0
    gaps = np.diff(distinct)
    gaps = gaps[gaps > 1e-6 * span]  # rounding errors of one and the same value
    for guess in np.unique(np.quantile(gaps, [0.0, 0.01, 0.1, 0.5])) if len(gaps) else ():
        steps = np.round(gaps / guess)
        near = (steps >= 1) & (steps <= 50)
        step = float(np.median(gaps[near] / steps[near]))
        off = np.abs((distinct - distinct[0]) / step - np.round((distinct - distinct[0]) / step))
        if (off <= GRID_TOLERANCE).mean() >= ON_GRID:
            return step
    return 0.0


def noise_level(runs: Sequence[np.ndarray]) -> np.ndarray:
    """Standard deviation of frame-to-frame noise in each column of some runs of frames.

    Third differences remove motion that a parabola over four frames can follow; what is left of white noise there has
    sqrt(20) times its standard deviation. The median of the magnitudes keeps jumps from counting as noise.

    Args:
        runs: (T, K) each, without gaps.

    Returns:
        (K,) in the unit of the values, NaN where no run has eight frames.
    """
    thirds = [np.diff(run, n=3, axis=0) for run in runs if len(run) >= 8]
    if not thirds:
        return np.full(runs[0].shape[1] if runs else 0, np.nan)
    return np.median(np.abs(np.concatenate(thirds)), axis=0) * 1.4826 / np.sqrt(20.0)


def still_jitter(runs: Sequence[tuple[np.ndarray, float]]) -> np.ndarray:
    """Standard deviation around the smoothed course (40 ms) in frames in which nothing moves.

    Args:
        runs: (T, K) values as shares of their range, without gaps, and their frames per second (NaN: taken as 25).

    Returns:
        (K,) in the unit of the values, NaN where no frame holds still.
    """
    columns = runs[0][0].shape[1] if runs else 0
    residuals, speeds = [], []
    for run, fps in runs:
        if len(run) < 8:
            continue
        rate = fps if np.isfinite(fps) else targets.BASE_FPS
        course = targets.smooth(run, rate, sigma_ms=3 * targets.SIGMA_MS)
        residuals.append((run - course)[1:])
        speeds.append(np.linalg.norm(np.diff(course, axis=0), axis=1))
    if not residuals:
        return np.full(columns, np.nan)
    residual, speed = np.concatenate(residuals), np.concatenate(speeds)
    still = speed <= STILL * np.percentile(speed, 95)
    return residual[still].std(axis=0) if still.sum() >= 8 else np.full(columns, np.nan)


def _distribution(column: np.ndarray, vocabulary: Vocabulary, k: int) -> Distribution:
    low, high = float(vocabulary.low[k]), float(vocabulary.high[k])
    finite = column[np.isfinite(column)]
    histogram = np.histogram(finite, bins=BINS, range=(low, high))[0]
    tolerance = 1e-6 * (high - low)
    empty = len(finite) == 0
    return Distribution(
        vocabulary.names[k],
        low,
        high,
        smallest=float("nan") if empty else float(finite.min()),
        largest=float("nan") if empty else float(finite.max()),
        mean=float("nan") if empty else float(finite.mean()),
        histogram=histogram,
        coverage=float((histogram > 0).mean()),
        outside=int(((finite < low - tolerance) | (finite > high + tolerance)).sum()),
        missing=len(column) - len(finite),
        stuck=empty or float(np.ptp(finite)) <= STUCK * (high - low),
    )


def _runs(track: Track) -> list[np.ndarray]:
    return [track.values[start:stop] for start, stop in targets.valid_runs(track.valid)]
