"""The loss of PFLD (Guo et al., arXiv 1902.10859, eq. 2) and the likelihood of each point's scale."""

from typing import Literal

import torch
from torch import Tensor

Norm = Literal["squared", "distance"]


def point_distance(points: Tensor, target: Tensor, norm: Norm = "distance") -> Tensor:
    """How far points are from the truth: (B, N, 2), (B, N, 2) in pixels -> (B, N) in pixels.

    `norm` "squared" gives pixels squared, the paper's choice; "distance" is kinder to the few large errors and drives
    the many small ones further down.
    """
    squared = (points - target).square().sum(dim=-1)
    # the root has no gradient at 0; a thousandth of a pixel does not matter
    return squared if norm == "squared" else (squared + 1e-6).sqrt()


def pose_weight(pose: Tensor, target: Tensor) -> Tensor:
    """Sum over yaw, pitch and roll of 1 - cos(deviation): (B, 3), (B, 3) in radians -> (B,) in [0, 6]."""
    return (1 - torch.cos(pose - target)).sum(dim=-1)


def category_weight(category: Tensor, shares: Tensor) -> Tensor:
    """Sum over a face's categories of 1 / share, so that rare kinds of faces count more; 1 on average.

    Args:
        category: (B, C) bool.
        shares: (C,) of the training faces in each category; below 0.02 counts as 0.02, or single faces would rule.

    Returns:
        (B,) weights.
    """
    rare = 1 / shares.clamp(min=0.02)
    mean = (shares * rare).sum()
    return (category.to(shares.dtype) * rare).sum(dim=-1) / mean


def pfld_loss(
    points: Tensor,
    target: Tensor,
    known: Tensor,
    pose: Tensor,
    pose_target: Tensor,
    weight: Tensor,
    norm: Norm = "distance",
    floor: float = 1.0,
) -> Tensor:
    """Mean over faces of weight * (floor + pose weight) * mean distance of the known points.

    With floor = 0 and norm = "squared" this is the paper's: gradients of points and pose both vanish once either is
    right, so a pose learnt early stops the points from getting better. The floor keeps them going.

    Args:
        points: (B, N, 2) in pixels.
        target: the truth, likewise.
        known: (B, N) bool, points whose truth is known; a face without any counts as 0.
        pose: (B, 3) in radians.
        pose_target: the truth, likewise.
        weight: (B,) of each face, such as :func:`category_weight`.
        norm: of :func:`point_distance`.
        floor: weight of a face whose pose is estimated exactly.
    """
    counts = known.to(points.dtype)
    distance = (point_distance(points, target, norm) * counts).sum(dim=-1) / counts.sum(dim=-1).clamp(min=1)
    return (weight * (floor + pose_weight(pose, pose_target)) * distance).mean()


def scale_likelihood(distance: Tensor, scale: Tensor, known: Tensor) -> Tensor:
    """Mean negative log-likelihood of distances under exp(-d / b) / (2 pi b^2), without its constant.

    Args:
        distance: (B, N) in pixels; taken as it is, no gradient flows into the points.
        scale: (B, N) b in pixels.
        known: (B, N) bool; at least one.
    """
    values = distance.detach() / scale + 2 * scale.log()
    counts = known.to(values.dtype)
    return (values * counts).sum() / counts.sum()
