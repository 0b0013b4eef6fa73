"""Targets: how fast the expression changes in each frame, and the score a network learns from it.

Definitions (one place for training, evaluation and the robot): with blendshapes e and head pose p smoothed over time
by a Gaussian of 40 ms, c_t = sqrt(sum_k w_k (e_t,k - e_t-1,k)^2 + w_pose |p_t - p_t-1|^2) * fps / 25, and
s_t = clip(c_t / c_ref, 0, 1), where c_ref is the 95th percentile of c over the training split.
Needs numpy only.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from faceimit.errors import InputError

SIGMA_MS = 40.0
REFERENCE_PERCENTILE = 95.0
BASE_FPS = 25.0
TRUNCATE = 4.0


def smooth(x: np.ndarray, fps: float, sigma_ms: float = SIGMA_MS, valid: np.ndarray | None = None) -> np.ndarray:
    """Gaussian smoothing over time, inside each run of valid frames, normalised at the borders of the run.

    Args:
        x: (T,) or (T, K) values.
        fps: frames per second, > 0.
        sigma_ms: standard deviation in milliseconds; 0 leaves the values as they are.
        valid: (T,) bool; None: all frames are valid.

    Returns:
        Float64 of the shape of ``x``; NaN where invalid.
    """
    x = np.asarray(x, dtype=np.float64)
    _check_fps(fps)
    kernel = gaussian_kernel(sigma_ms / 1000.0 * fps)
    result = np.full_like(x, np.nan)
    for start, stop in valid_runs(_all_valid(x, valid)):
        result[start:stop] = _normalised_convolution(x[start:stop], kernel)
    return result


def change(
    blendshapes: np.ndarray,
    pose: np.ndarray,
    fps: float,
    valid: np.ndarray | None = None,
    w_pose: float = 1.0,
    weights: Sequence[float] | np.ndarray | None = None,
    sigma_ms: float = SIGMA_MS,
) -> np.ndarray:
    """Change of the expression c_t, per 1/25 s.

    Args:
        blendshapes: (T, K) coefficients in [0, 1].
        pose: (T, 3) yaw, pitch, roll in radians.
        fps: frames per second, > 0.
        valid: (T,) bool; None: all frames are valid.
        w_pose: weight of the squared pose step (1 / radian^2).
        weights: (K,) weights of the squared blendshape steps; None: 1.
        sigma_ms: smoothing before the difference, in milliseconds.

    Returns:
        (T,) float64 >= 0; NaN where invalid and in the first frame after an invalid one, whose predecessor is
        unknown. The first frame of the clip repeats the second one's change, so that no peak stands at the border.
    """
    blendshapes, pose = np.asarray(blendshapes, dtype=np.float64), np.asarray(pose, dtype=np.float64)
    if blendshapes.ndim != 2 or pose.shape != (len(blendshapes), 3):
        raise ValueError(f"expected blendshapes (T, K) and pose (T, 3), got {blendshapes.shape} and {pose.shape}")
    valid = _all_valid(blendshapes, valid)
    scale = np.ones(blendshapes.shape[1]) if weights is None else np.asarray(weights, dtype=np.float64)
    # Yaw near +-pi would jump by 2 pi; unwrapping run by run keeps the smoothing honest.
    state = np.concatenate([blendshapes * np.sqrt(scale), _unwrapped(pose, valid) * np.sqrt(w_pose)], axis=1)
    steps = np.diff(smooth(state, fps, sigma_ms, valid), axis=0)
    c = np.full(len(state), np.nan)
    c[1:] = np.sqrt((steps**2).sum(axis=1)) * (fps / BASE_FPS)
    if len(c) and valid[0]:
        c[0] = c[1] if len(c) > 1 and valid[1] else 0.0
    return c


def reference(changes: Iterable[np.ndarray]) -> float:
    """c_ref: the 95th percentile of c (or of any raw score) over the clips of the training split; NaN is left out.

    Raises:
        InputError: no frame has a change, or nothing in the clips moves.
    """
    parts = [np.asarray(c, dtype=np.float64).ravel() for c in changes]
    pooled = np.concatenate(parts) if parts else np.empty(0)
    pooled = pooled[np.isfinite(pooled)]
    if pooled.size == 0:
        raise InputError("the training split holds no valid frame to measure the change on; check its annotations")
    value = float(np.percentile(pooled, REFERENCE_PERCENTILE))
    if value <= 0.0:
        raise InputError("nothing moves in the training split (95th percentile of the change is 0); use other clips")
    return value


def score(c: np.ndarray, c_ref: float) -> np.ndarray:
    """Score s_t = clip(c_t / c_ref, 0, 1): (T,) float32, NaN where c is NaN."""
    if not c_ref > 0.0:
        raise ValueError(f"expected c_ref > 0, got {c_ref}")
    return np.clip(np.asarray(c, dtype=np.float64) / c_ref, 0.0, 1.0).astype(np.float32)


def valid_runs(valid: np.ndarray) -> Iterator[tuple[int, int]]:
    """(start, stop) of each run of True in a (T,) bool array, stop excluded."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], np.asarray(valid, dtype=np.int8), [0]])))
    yield from ((int(start), int(stop)) for start, stop in zip(edges[::2], edges[1::2], strict=True))


def gaussian_kernel(sigma: float) -> np.ndarray:
    """(2 R + 1,) symmetric Gaussian weights for a standard deviation in frames, R = round(4 sigma)."""
    if sigma < 0.0:
        raise ValueError(f"expected sigma >= 0, got {sigma}")
    radius = int(TRUNCATE * sigma + 0.5)
    if radius == 0:
        return np.ones(1)
    return np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)


def _normalised_convolution(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Weighted mean of (T,) or (T, K) values under the kernel, over the frames that exist.

    Summed tap by tap in a fixed order: a frame's result has the same bits wherever the array is cut beyond the
    kernel's reach, which is what lets the online search repeat the offline one exactly.
    """
    if len(kernel) == 1:
        return x.copy()
    radius, length = len(kernel) // 2, len(x)
    padded = np.zeros((length + 2 * radius, *x.shape[1:]))
    padded[radius : radius + length] = x
    present = np.zeros(length + 2 * radius)
    present[radius : radius + length] = 1.0
    total, mass = np.zeros_like(x), np.zeros(length)
    for k, weight in enumerate(kernel):
        total += weight * padded[k : k + length]
        mass += weight * present[k : k + length]
    return total / mass.reshape(-1, *([1] * (x.ndim - 1)))


def _unwrapped(pose: np.ndarray, valid: np.ndarray) -> np.ndarray:
    result = pose.copy()
    for start, stop in valid_runs(valid):
        result[start:stop] = np.unwrap(pose[start:stop], axis=0)
    return result


def _all_valid(x: np.ndarray, valid: np.ndarray | None) -> np.ndarray:
    if valid is None:
        return np.ones(len(x), dtype=bool)
    valid = np.asarray(valid, dtype=bool)
    if valid.shape != (len(x),):
        raise ValueError(f"expected valid of shape ({len(x)},), got {valid.shape}")
    return valid


def _check_fps(fps: float) -> None:
    if not fps > 0.0 or not np.isfinite(fps):
        raise ValueError(f"expected fps > 0, got {fps}")
