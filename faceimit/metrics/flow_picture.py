"""Flow as colours: hue is direction, brightness is length."""

from collections.abc import Mapping
from typing import Any

import numpy as np


def flow_colours(flow: np.ndarray, longest: float) -> np.ndarray:
    """(2, H, W) px -> (H, W, 3) uint8 RGB; still is black, `longest` px and more is full brightness."""
    import cv2

    angle = np.degrees(np.arctan2(flow[1], flow[0])) % 360 / 2  # OpenCV counts hue in steps of 2 degrees
    value = np.clip(np.hypot(flow[0], flow[1]) / max(longest, 1e-6), 0, 1) * 255
    hue_saturation_value = np.stack([angle, np.full_like(angle, 255), value], axis=-1).astype(np.uint8)
    return cv2.cvtColor(hue_saturation_value, cv2.COLOR_HSV2RGB)


def flow_figure(frame: np.ndarray, flows: Mapping[str, np.ndarray], longest: float | None = None) -> Any:
    """A Matplotlib figure: frame (H, W, 3) uint8 RGB and named flows (2, H, W) px, all in one scale."""
    from matplotlib.figure import Figure

    first = next(iter(flows.values()))
    longest = longest or max(0.5, float(np.percentile(np.hypot(*first), 99)))
    figure = Figure(figsize=(2.2 * (1 + len(flows)), 2.5), layout="constrained")
    axes = np.atleast_1d(figure.subplots(1, 1 + len(flows)))
    axes[0].imshow(frame)
    axes[0].set_title("frame", fontsize=9)
    for axis, (name, flow) in zip(axes[1:], flows.items(), strict=True):
        axis.imshow(flow_colours(flow, longest))
        axis.set_title(name, fontsize=9)
    axes[-1].set_xlabel(f"full brightness: {longest:.1f} px", fontsize=8)
    for axis in axes:
        axis.set_xticks([])
        axis.set_yticks([])
    return figure
