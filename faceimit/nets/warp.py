"""Backward warping with optical flow, and flow resizing.

Flow is (dx, dy) in pixels of its own grid, defined at the pixels of frame t, pointing to where each was in frame t-1:
``warp(previous, flow)(x) = previous(x + flow(x))``, which looks like frame t wherever nothing is occluded.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from faceimit.data.pixel_grid import inside, pixel_grid

__all__ = ["compose", "inside", "pixel_grid", "upsample_flow", "warp"]


def warp(image: Tensor, flow: Tensor, padding_mode: str = "border") -> Tensor:
    """Bilinear sample of `image` at x + flow(x).

    Args:
        image: (N, C, H, W) any range; frame t-1 or its features.
        flow: (N, 2, H, W), (dx, dy) in pixels of this grid.
        padding_mode: "border" repeats the edge outside of the image, "zeros" reads 0 there.

    Returns:
        (N, C, H, W) of the dtype of `image`, lined up with frame t.

    Raises:
        ValueError: if the two do not share N, H and W, or flow has not 2 channels.
    """
    batch, _, height, width = image.shape
    if flow.shape != (batch, 2, height, width):
        raise ValueError(f"expected flow to be {(batch, 2, height, width)} for this image but got {tuple(flow.shape)}")
    # sampling in half precision would round the position itself to about half a pixel at x = 150
    precision = torch.float64 if image.dtype == torch.float64 else torch.float32
    position = pixel_grid(height, width, flow.device).to(precision) + flow.to(precision)
    # align_corners=False: -1 and 1 are the outer edges of the picture, pixel i has its centre at (2 i + 1) / size - 1
    x = (2 * position[:, 0] + 1) / width - 1
    y = (2 * position[:, 1] + 1) / height - 1
    grid = torch.stack([x, y], dim=-1)  # (N, H, W, 2)
    sampled = F.grid_sample(image.to(precision), grid, mode="bilinear", padding_mode=padding_mode, align_corners=False)
    return sampled.to(image.dtype)


def upsample_flow(flow: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize flow to another grid, vectors scaled along: (N, 2, h, w) px -> (N, 2, *size) px of the new grid.

    Bilinear with align_corners=False, so that both grids cover the same picture.
    """
    height, width = flow.shape[-2:]
    if (height, width) == tuple(size):
        return flow
    resized = F.interpolate(flow, size=size, mode="bilinear", align_corners=False)
    scale = resized.new_tensor([size[1] / width, size[0] / height]).view(1, 2, 1, 1)
    return resized * scale


def compose(first: Tensor, second: Tensor) -> Tensor:
    """Chain two flows: t -> t-1 (`first`) and t-1 -> t-2 (`second`) give t -> t-2; all (N, 2, H, W) in pixels."""
    return first + warp(second, first)
