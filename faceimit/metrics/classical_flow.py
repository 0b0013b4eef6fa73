"""OpenCV's flow, the yardstick of ours: same frames, grey, same direction (frame t -> t-1)."""

from collections.abc import Callable

import numpy as np

FlowMethod = Callable[[np.ndarray, np.ndarray], np.ndarray]


def farneback(window: int = 21, neighbourhood: int = 7, sigma: float = 1.5) -> FlowMethod:
    """Farneback (2003) as a function of (previous, current) uint8 grey (H, W) -> (H, W, 2) float32 px.

    4 levels and 5 iterations, more than the usual 3 and 3; `window` in px is what matters, tune it.
    """
    import cv2

    def flow(previous: np.ndarray, current: np.ndarray) -> np.ndarray:
        return cv2.calcOpticalFlowFarneback(current, previous, None, 0.5, 4, window, 5, neighbourhood, sigma, 0)

    return flow


def dis(preset: str = "medium", smooth: float = 0.0) -> FlowMethod:
    """Dense inverse search (Kroeger et al., ECCV 2016); arguments and result as of `farneback`.

    Args:
        preset: "ultrafast", "fast" or "medium" (the best of the three).
        smooth: standard deviation in px of a Gaussian blur of both frames beforehand, which helps on noise.
    """
    import cv2

    presets = {
        "ultrafast": cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST,
        "fast": cv2.DISOPTICAL_FLOW_PRESET_FAST,
        "medium": cv2.DISOPTICAL_FLOW_PRESET_MEDIUM,
    }
    search = cv2.DISOpticalFlow.create(presets[preset])

    def flow(previous: np.ndarray, current: np.ndarray) -> np.ndarray:
        if smooth > 0:
            previous, current = (cv2.GaussianBlur(image, (0, 0), smooth) for image in (previous, current))
        return search.calc(current, previous, None)

    return flow


def flow_of_pairs(method: FlowMethod, previous: np.ndarray, current: np.ndarray) -> np.ndarray:
    """Run `method` on RGB pairs: two (N, H, W, 3) uint8 -> (N, 2, H, W) float32 px, (dx, dy)."""
    import cv2

    pairs = zip(previous, current, strict=True)
    flows = [method(*(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in pair)) for pair in pairs]
    return np.stack(flows).transpose(0, 3, 1, 2)
