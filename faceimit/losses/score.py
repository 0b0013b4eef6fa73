"""Losses of the keyframe score: the paper's MSE, and a term for where it rises and falls.

MSE alone gives a good correlation with the target and badly timed peaks; keyframes are the peaks, so the slope of the
score is matched as well (`slope_loss`). Frames that are not valid count nowhere.
"""

import torch
from torch import Tensor

from faceimit.losses.photometric import masked_mean


def score_loss(predicted: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """MSE of scores (B, T) in [0, 1] over valid frames (seed paper)."""
    return masked_mean((predicted - target).square(), valid.to(predicted.dtype))


def slope_loss(predicted: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """MSE of the change of the score from frame to frame, where both frames are valid; peaks are where it turns."""
    rise = predicted.diff(dim=1) - target.diff(dim=1)
    return masked_mean(rise.square(), (valid[:, 1:] & valid[:, :-1]).to(rise.dtype))


def velocity_loss(predicted: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """Squared error of the blendshape and pose velocities (B, T, K), summed over K, mean over valid frames."""
    return masked_mean((predicted - target).square().sum(dim=2), valid.to(predicted.dtype))


def correlation_loss(predicted: Tensor, target: Tensor, valid: Tensor, epsilon: float = 1e-3) -> Tensor:
    """1 - Pearson correlation over the valid frames of each window, mean over windows (B, T)."""
    mask = valid.to(predicted.dtype)
    count = mask.sum(dim=1, keepdim=True).clamp(min=1.0)
    p = (predicted - (predicted * mask).sum(dim=1, keepdim=True) / count) * mask
    t = (target - (target * mask).sum(dim=1, keepdim=True) / count) * mask
    covariance = (p * t).sum(dim=1)
    norm = torch.sqrt((p.square().sum(dim=1) + epsilon) * (t.square().sum(dim=1) + epsilon))
    return (1 - covariance / norm).mean()
