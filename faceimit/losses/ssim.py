"""Structural similarity (Wang, Bovik, Sheikh, Simoncelli, 2004) and the multi-scale flow loss built on it."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from faceimit.nets.warp import inside, warp

STABILITY = (0.01, 0.03)  # K1 and K2 of the paper


def gaussian_window(size: int, sigma: float) -> Tensor:
    """1-D Gaussian weights of odd length `size`, (size,) float64, summing to 1; `sigma` in pixels."""
    if size < 1 or size % 2 == 0:
        raise ValueError(f"expected window to be an odd number of pixels but got {size}, try 11")
    offset = torch.arange(size, dtype=torch.float64) - size // 2
    weights = torch.exp(-0.5 * (offset / sigma) ** 2)
    return weights / weights.sum()


def blur(image: Tensor, size: int, sigma: float) -> Tensor:
    """Separable Gaussian blur without padding: (N, C, H, W) -> (N, C, H - size + 1, W - size + 1)."""
    window = gaussian_window(size, sigma).to(image)
    channels = image.shape[1]
    rows = F.conv2d(image, window.view(1, 1, size, 1).expand(channels, 1, size, 1), groups=channels)
    return F.conv2d(rows, window.view(1, 1, 1, size).expand(channels, 1, 1, size), groups=channels)


def ssim_map(a: Tensor, b: Tensor, window: int = 11, sigma: float = 1.5, data_range: float = 1.0) -> Tensor:
    """SSIM of each full window: two (N, C, H, W) images -> (N, C, H - window + 1, W - window + 1) in [-1, 1].

    Gaussian weights, population variance, as in Wang et al. 2004 (eq. 13).

    Raises:
        ValueError: if shapes differ or the picture is smaller than the window.
    """
    if a.shape != b.shape:
        raise ValueError(f"expected two images of one shape but got {tuple(a.shape)} and {tuple(b.shape)}")
    if min(a.shape[-2:]) < window:
        raise ValueError(
            f"expected at least {window} pixels a side but got {tuple(a.shape[-2:])}, try a smaller window"
        )
    c1, c2 = ((k * data_range) ** 2 for k in STABILITY)
    count = a.shape[0]
    moments = blur(torch.cat([a, b, a * a, b * b, a * b]), window, sigma)
    mean_a, mean_b, square_a, square_b, product = moments.split(count)
    variance_a, variance_b = square_a - mean_a**2, square_b - mean_b**2
    covariance = product - mean_a * mean_b
    luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    structure = (2 * covariance + c2) / (variance_a + variance_b + c2)
    return luminance * structure


def ssim(a: Tensor, b: Tensor, window: int = 11, sigma: float = 1.5, data_range: float = 1.0) -> Tensor:
    """Mean SSIM of each image: two (N, C, H, W) images -> (N,)."""
    return ssim_map(a, b, window, sigma, data_range).mean(dim=(1, 2, 3))


def resize_to(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Average pooling of an image to the grid of a flow level: (N, C, H, W) -> (N, C, *size)."""
    return image if tuple(image.shape[-2:]) == tuple(size) else F.interpolate(image, size=size, mode="area")


def ssim_distance(previous: Tensor, current: Tensor, flow: Tensor, window: int, visible: Tensor | None) -> Tensor:
    """Mean of (1 - SSIM) / 2 between warp(previous, flow) and current where seen; sizes as in `ssim_pyramid_loss`."""
    side = min(window, *(n - 1 + n % 2 for n in flow.shape[-2:]))  # the largest odd window that fits a coarse level
    distance = 0.5 - 0.5 * ssim_map(warp(previous, flow), current, side, sigma=1.5)
    seen = inside(flow).to(flow.dtype)
    if visible is not None:
        seen = seen * resize_to(visible.to(flow.dtype), tuple(flow.shape[-2:]))
    margin = side // 2
    seen = seen[:, :, margin : seen.shape[2] - margin, margin : seen.shape[3] - margin]
    return (distance * seen).sum() / (seen.sum() * distance.shape[1]).clamp(min=1.0)


def ssim_pyramid_loss(
    previous: Tensor,
    current: Tensor,
    flows: Sequence[Tensor],
    weights: Sequence[float] | None = None,
    window: int = 7,
    visible: Tensor | None = None,
) -> Tensor:
    """Multi-scale SSIM loss: F_{t-1} warped by the flow of each level against F_t, summed over levels.

    Args:
        previous: (N, C, H, W) in [0, 1], frame t-1.
        current: (N, C, H, W) in [0, 1], frame t.
        flows: (N, 2, h_l, w_l) each, pixels of its level; frames are average-pooled to that size.
        weights: one per level; all 1 by default.
        window: odd window in pixels of the level, cut where a level is smaller.
        visible: (N, 1, H, W) in [0, 1], what of frame t was seen in frame t-1; all by default.

    Returns:
        Scalar, sum over levels of w_l * mean (1 - SSIM) / 2, in [0, number of levels].
    """
    weights = [1.0] * len(flows) if weights is None else weights
    if len(weights) != len(flows):
        raise ValueError(f"expected a weight for each of {len(flows)} levels but got {len(weights)}")
    total = current.new_zeros(())
    for weight, flow in zip(weights, flows, strict=True):
        if weight == 0 or min(flow.shape[-2:]) < 3:
            continue
        size = (int(flow.shape[-2]), int(flow.shape[-1]))
        distance = ssim_distance(resize_to(previous, size), resize_to(current, size), flow, window, visible)
        total = total + weight * distance
    return total
