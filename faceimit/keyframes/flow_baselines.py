"""Classical change scores from optical flow (OpenCV): how much moves, and how much of it is not the head.

Flow is (128, 128, 2) float32, (dx, dy) in pixels at 128 px.
"""

from collections.abc import Callable

import cv2
import numpy as np

from faceimit.keyframes.baselines import SIZE

Flow = Callable[[np.ndarray, np.ndarray], np.ndarray]
_STEP = 4
_ROBUST_ROUNDS = 5
# Residuals of the size of the flow's own noise must not be thrown out as outliers.
_LEAST_SCALE = 0.05


def farneback(previous: np.ndarray, current: np.ndarray) -> np.ndarray:
    """Flow between two (128, 128) uint8 grey crops: Farneback, "Two-Frame Motion Estimation ...", 2003."""
    flow = np.zeros((*current.shape, 2), dtype=np.float32)
    return np.asarray(cv2.calcOpticalFlowFarneback(previous, current, flow, 0.5, 3, 15, 3, 5, 1.2, 0))


def dis(previous: np.ndarray, current: np.ndarray) -> np.ndarray:
    """Flow between two (128, 128) uint8 grey crops: Kroeger et al., "Fast Optical Flow using Dense Inverse Search"."""
    engine = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    # A given array would be taken as a first guess, so none is given, which OpenCV's type hints forget.
    return np.asarray(engine.calc(previous, current, None))  # type: ignore[call-overload]


def mean_magnitude(flow: np.ndarray) -> float:
    """Mean length of the flow vectors in pixels."""
    return float(np.linalg.norm(flow, axis=2).mean())


def rest_magnitude(flow: np.ndarray, image: np.ndarray) -> float:
    """Mean length in pixels of what a robust affine fit leaves of the flow: the face without the head's motion.

    Pixels count by their texture, since flow on bare skin and walls is filled in from elsewhere.

    Args:
        flow: (128, 128, 2) float32.
        image: (128, 128) uint8 grey, the frame the flow belongs to.
    """
    weights = texture(image)[_STEP // 2 :: _STEP, _STEP // 2 :: _STEP].ravel()
    vectors = flow[_STEP // 2 :: _STEP, _STEP // 2 :: _STEP].reshape(-1, 2).astype(np.float64)
    rest = np.linalg.norm(vectors - affine_fit(vectors, weights), axis=1)
    return float((weights * rest).sum() / weights.sum())


def texture(image: np.ndarray) -> np.ndarray:
    """(H, W) uint8 grey -> (H, W) float64 weights > 0: gradient strength, bounded so that no single edge rules."""
    smooth = cv2.GaussianBlur(image, (0, 0), 1.5).astype(np.float32)
    strength = cv2.magnitude(cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1))
    local = cv2.GaussianBlur(strength, (0, 0), 3.0).astype(np.float64)
    return np.minimum(local, 2.0 * local.mean() + 1e-6) + 1e-6


def affine_fit(vectors: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Affine motion nearest to flow vectors on the sampling grid, by iteratively re-weighted least squares (Cauchy).

    Args:
        vectors: (N, 2) flow in pixels on the 32 x 32 grid, row by row.
        weights: (N,) > 0.

    Returns:
        (N, 2) the fitted flow.
    """
    basis = _BASIS
    robust = weights
    fitted = np.zeros_like(vectors)
    for _ in range(_ROBUST_ROUNDS):
        weighted = basis * robust[:, None]
        fitted = basis @ np.linalg.solve(weighted.T @ basis, weighted.T @ vectors)
        rest = np.linalg.norm(vectors - fitted, axis=1)
        scale = max(1.5 * float(np.median(rest)), _LEAST_SCALE)
        robust = weights / (1.0 + (rest / scale) ** 2)
    return fitted


def _grid() -> np.ndarray:
    """(N, 3) x, y and 1 at the sampled pixels, x and y in [-1, 1]."""
    axis = (np.arange(_STEP // 2, SIZE, _STEP) - SIZE / 2) / (SIZE / 2)
    y, x = np.meshgrid(axis, axis, indexing="ij")
    return np.stack([x.ravel(), y.ravel(), np.ones(x.size)], axis=1)


_BASIS = _grid()
