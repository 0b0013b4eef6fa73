"""Do the pictures and the labels of a clip belong to the same moments?

When the labels take a step, the picture takes one too, and the same step of the labels changes the picture in the same
way. For each shift between the two streams the leading components of the picture's steps are explained, by linear
regression, from those of the labels' steps; the shift that explains most is the offset.
"""

from dataclasses import dataclass

import numpy as np

from faceimit.data import targets

SEARCH_S = 0.4  # offsets up to this many seconds are looked for
LEAST_FRAMES = 32
PICTURE_PARTS, LABEL_PARTS = 12, 10  # leading components of the steps
# Labels count alike, however far they move, but those that move less than this share of the liveliest are noise.
LEAST_SHARE = 0.02
GRID = 16  # pixels a side of the pictures that are compared
LARGE = 3.0  # steps above this many medians are shortened to it: a blink or a cut must not outweigh all the rest
# A peak is believed this many standard deviations above what shifts that cannot be right explain.
SURE = 4.0


@dataclass(frozen=True)
class Alignment:
    """Offset between pictures and labels of one clip.

    Attributes:
        offset: frames by which the pictures come after the labels (negative: before); NaN where nothing moves.
        correlation: multiple correlation at the offset, in [0, 1].
        chance: correlation that luck may reach.
        correlations: (2 L + 1,) at shifts -L .. L frames.
    """

    offset: float
    correlation: float
    chance: float
    correlations: np.ndarray

    @property
    def confident(self) -> bool:
        """The peak stands out from chance, and lies within the shifts looked at."""
        inside = 0 < int(self.correlations.argmax()) < len(self.correlations) - 1
        return self.correlation > self.chance and inside


def align(pictures: np.ndarray, values: np.ndarray, valid: np.ndarray, fps: float) -> Alignment:
    """Offset between pictures and labels, to a part of a frame.

    Args:
        pictures: (T, H, W) grey, any scale, NaN where there is none.
        values: (T, K) labels as shares of their range.
        valid: (T,) bool, the labels mean something.
        fps: frames per second; NaN is taken as 25.

    Returns:
        The peak over shifts of up to 0.4 s, refined by a parabola through its neighbours.
    """
    reach = max(2, round(SEARCH_S * (fps if fps > 0 else targets.BASE_FPS)))
    labels = np.where(np.asarray(valid, dtype=bool)[:, None], np.asarray(values, dtype=np.float64), np.nan)
    a = components(steps(_coarse(pictures)), PICTURE_PARTS)
    b = components(_alike(steps(labels)), LABEL_PARTS)
    known = np.isfinite(a).all(axis=1) & np.isfinite(b).all(axis=1)
    if known.sum() < LEAST_FRAMES + reach or not a.shape[1] or not b.shape[1]:
        return Alignment(float("nan"), float("nan"), float("nan"), np.full(2 * reach + 1, np.nan))
    correlations = np.array([explained(a, b, shift) for shift in range(-reach, reach + 1)])
    best = int(correlations.argmax())
    offset = best - reach + _refinement(correlations, best)
    return Alignment(offset, float(correlations[best]), _chance(a, b, reach), correlations)


def picture_change(pictures: np.ndarray) -> np.ndarray:
    """How much each picture differs from the one before, its mean brightness left aside.

    Args:
        pictures: (T, H, W) grey, any scale.

    Returns:
        (T,) float64 >= 0, RMS difference in the unit of the pictures; NaN at 0 and where a picture is NaN.
    """
    change = np.full(len(pictures), np.nan)
    for t in range(1, len(pictures)):
        change[t] = np.std(pictures[t].astype(np.float32) - pictures[t - 1].astype(np.float32))
    return change


def steps(course: np.ndarray) -> np.ndarray:
    """Steps from the row before, (T, K) to (T, K), long ones shortened; NaN at 0 and beside rows that are NaN."""
    result = np.full(course.shape, np.nan)
    result[1:] = np.diff(course, axis=0)
    lengths = np.linalg.norm(result, axis=1)
    moving = lengths[np.isfinite(lengths) & (lengths > 0)]
    longest = LARGE * np.median(moving) if len(moving) else 0.0
    return result * np.minimum(1.0, longest / np.maximum(lengths, 1e-12))[:, None]


def components(rows: np.ndarray, most: int) -> np.ndarray:
    """Leading principal components of the rows without NaN: (T, K) to (T, <= most), NaN in the others.

    Components without variance are left out, so that nothing is left of rows that are all alike.
    """
    known = np.isfinite(rows).all(axis=1)
    if not known.any():
        return np.zeros((len(rows), 0))
    centred = rows[known] - rows[known].mean(axis=0)
    _, sizes, axes = np.linalg.svd(centred, full_matrices=False)
    kept = int((sizes[:most] > 1e-6 * max(float(sizes[0]), 1e-3)).sum())
    result = np.full((len(rows), kept), np.nan)
    result[known] = centred @ axes[:kept].T
    return result


def explained(a: np.ndarray, b: np.ndarray, shift: int) -> float:
    """Multiple correlation of a[t + shift] (T, P) with b[t] (T, Q), over the rows in which both are known."""
    first, second = (a[shift:], b[: len(b) - shift]) if shift >= 0 else (a[:shift], b[-shift:])
    both = np.isfinite(first).all(axis=1) & np.isfinite(second).all(axis=1)
    if both.sum() < LEAST_FRAMES // 2:
        return 0.0
    first, second = first[both] - first[both].mean(axis=0), second[both] - second[both].mean(axis=0)
    total = float((first**2).sum())
    basis = np.linalg.qr(second)[0]
    return float(np.sqrt(((basis.T @ first) ** 2).sum() / total)) if total > 0 else 0.0


def _alike(rows: np.ndarray) -> np.ndarray:
    """Columns of (T, K) scaled to one spread, as far as they move at all."""
    known = rows[np.isfinite(rows).all(axis=1)]
    spread = known.std(axis=0) if len(known) else np.zeros(rows.shape[1])
    return rows / np.maximum(spread, max(LEAST_SHARE * float(spread.max()), 1e-6))


def _coarse(pictures: np.ndarray) -> np.ndarray:
    """(T, GRID^2), each picture less its mean."""
    import cv2

    small = [cv2.resize(picture.astype(np.float32), (GRID, GRID), interpolation=cv2.INTER_AREA) for picture in pictures]
    flat = np.stack(small).reshape(len(small), -1).astype(np.float64)
    return flat - flat.mean(axis=1, keepdims=True)


def _refinement(correlations: np.ndarray, best: int) -> float:
    """Where between the neighbouring shifts the peak lies: in [-0.5, 0.5] frames."""
    if not 0 < best < len(correlations) - 1:
        return 0.0
    left, middle, right = correlations[best - 1 : best + 2]
    bend = left - 2 * middle + right
    return float(np.clip(0.5 * (left - right) / bend, -0.5, 0.5)) if bend < 0 else 0.0


def _chance(a: np.ndarray, b: np.ndarray, reach: int) -> float:
    """What luck may reach: judged by circular shifts beyond the reach, or by the number of frames in short clips."""
    shifts = np.arange(2 * reach, len(a) - 2 * reach)
    if len(shifts) < 2 * reach:
        known = np.isfinite(a).all(axis=1) & np.isfinite(b).all(axis=1)
        parts = b.shape[1]
        # neighbouring frames move alike: about every third one counts
        return float(np.sqrt(min(1.0, 3.0 * (parts + SURE * np.sqrt(2.0 * parts)) / known.sum())))
    chosen = shifts[:: max(1, len(shifts) // 100)]
    lucky = [explained(np.roll(a, -shift, axis=0), b, 0) for shift in chosen]
    return float(np.mean(lucky) + SURE * np.std(lucky))
