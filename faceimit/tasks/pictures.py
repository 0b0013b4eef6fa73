"""Pictures of what a task has learnt, for the loggers."""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

INK, LINE, MARK = "#22303c", "#2a9d8f", "#e76f51"


def flow_colours(flow: np.ndarray, largest: float | None = None) -> np.ndarray:
    """Flow as colours: direction is the hue, length the saturation (Baker et al., "A Database and Evaluation
    Methodology for Optical Flow", IJCV 2011).

    Args:
        flow: (2, H, W) (dx, dy) in pixels.
        largest: length in pixels of full saturation; None: the 99th percentile of this picture.

    Returns:
        (H, W, 3) uint8 RGB, white where nothing moves.
    """
    dx, dy = flow.astype(np.float32)
    length = np.hypot(dx, dy)
    scale = max(1e-6, float(np.percentile(length, 99)) if largest is None else largest)
    hue = ((np.arctan2(dy, dx) / (2 * np.pi)) % 1.0 * 360.0).astype(np.float32)
    saturation = np.clip(length / scale, 0, 1).astype(np.float32)
    hsv = np.stack([hue, saturation, np.ones_like(hue)], axis=-1)
    return np.rint(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB) * 255).astype(np.uint8)


def score_figure(
    score: np.ndarray, target: np.ndarray, fps: float, found: Sequence[int], truth: Sequence[int], name: str
) -> Any:
    """Predicted (T,) and true (T,) score of a clip over time, each with its keyframes."""
    figure, axis = _axes(1, (9, 2.6))
    times = np.arange(len(score)) / fps
    axis.plot(times, target, color=INK, label="true score")
    axis.plot(times, score, color=LINE, label="predicted score")
    axis.plot(times[list(truth)], np.asarray(target)[list(truth)], "v", color=INK, label="true keyframes")
    axis.plot(times[list(found)], np.asarray(score)[list(found)], "^", color=MARK, label="keyframes found")
    axis.set_xlabel("seconds")
    axis.set_ylim(-0.03, 1.1)
    axis.set_title(name)
    axis.legend(ncols=4, fontsize=8, frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.3))
    figure.tight_layout()
    return figure


def flow_figure(previous: np.ndarray, current: np.ndarray, flow: np.ndarray) -> Any:
    """Frames t-1 and t, (H, W, 3) uint8 RGB, beside the flow (2, h, w) between them."""
    figure, axes = _axes(3, (7, 2.6))
    pictures = (previous, current, flow_colours(flow))
    titles = ("frame t-1", "frame t", f"flow, up to {np.hypot(*flow).max():.1f} px of its level")
    for axis, picture, title in zip(axes, pictures, titles, strict=True):
        axis.imshow(picture, interpolation="nearest")
        axis.set_title(title, fontsize=9)
        axis.axis("off")
    figure.tight_layout()
    return figure


def _axes(columns: int, size: tuple[float, float]) -> tuple[Any, Any]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, dpi=110)
    FigureCanvasAgg(figure)  # without pyplot, which would keep every figure alive
    return figure, figure.subplots(1, columns)
