"""Supervision by known flow, at every level of a flow pyramid."""

from collections.abc import Sequence

import torch
from torch import Tensor

from faceimit.losses.photometric import masked_mean
from faceimit.nets.warp import upsample_flow


def endpoint_loss(
    full: Tensor, flows: Sequence[Tensor], target: Tensor, visible: Tensor, level: float = 0.2, fine: float = 0.0
) -> Tensor:
    """Mean endpoint error in full-resolution pixels, plus `level` times that of each pyramid level.

    `fine` weighs the mean square root of the full-resolution error besides: its gradient grows as the error shrinks, so
    that the many pixels that are off by little count against the few that are off by much.

    Args:
        full: (N, 2, H, W) px, flow at full resolution.
        flows: (N, 2, h_l, w_l) each, px of its level; brought to full resolution before comparing.
        target: (N, 2, H, W) px, known flow.
        visible: (N, 1, H, W) bool; what is hidden in frame t-1 still counts a fifth, flow there can be guessed.
        level: weight of a pyramid level.
        fine: weight of the square-root term.

    Returns:
        Scalar >= 0.
    """
    size = (int(target.shape[-2]), int(target.shape[-1]))
    weight = 0.2 + 0.8 * visible.to(target.dtype)

    total = full.new_zeros(())
    for scale, flow in ((1.0, full), *((level, upsample_flow(flow, size)) for flow in flows)):
        # the small constant keeps the gradient of the length finite at a perfect match
        length = torch.sqrt((flow - target).square().sum(dim=1, keepdim=True) + 1e-4)
        total = total + scale * masked_mean(length, weight)
        if flow is full and fine:
            total = total + fine * masked_mean(length.sqrt(), weight)
    return total
