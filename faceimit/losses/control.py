"""Losses of the mapping network: errors of controls as shares of their ranges, and features that pairs should share."""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from faceimit.face.controls import INDEX, NAMES, PARTS, SPAN
from faceimit.losses.photometric import masked_mean

Kind = Literal["huber", "mse"]
# An upper lid this far below neutral, as a share of its range, leaves a quarter of the eye open at most.
SHUT = 0.5
_LIDS = [INDEX["Eyelid Upper Left"], INDEX["Eyelid Upper Right"]]
_GAZE = list(PARTS["gaze"])
_LID_SPAN = float(SPAN[_LIDS[0]])


def known_controls(deviations: Tensor, gaze_known: Tensor | None = None) -> Tensor:
    """Which controls can be told from the picture: all, but the gaze of shut eyes.

    Args:
        deviations: (B, 30) true deviations from neutral as shares of the range.
        gaze_known: (B,) bool where it is given with the picture; None: unless both upper lids are lowered by
            :data:`SHUT` or more.

    Returns:
        (B, 30) bool.
    """
    if gaze_known is None:
        gaze_known = (deviations[:, _LIDS] > -SHUT).any(dim=1)
    known = torch.ones_like(deviations, dtype=torch.bool)
    known[:, _GAZE] = gaze_known.bool().unsqueeze(1)
    return known


def control_loss(predicted: Tensor, target: Tensor, known: Tensor, kind: Kind = "huber", delta: float = 0.2) -> Tensor:
    """Mean error over the known controls: (B, 30) deviations, (B, 30) truth, (B, 30) bool -> ().

    Args:
        predicted: deviations from neutral as shares of the range.
        target: the truth, likewise.
        known: which count; 0 if none does.
        kind: "mse", or "huber": squared up to `delta`, then straight, divided by `delta` so that it is the absolute
            error beyond.
        delta: share of the range.

    Raises:
        ValueError: shapes that are not (B, 30), or another kind.
    """
    if predicted.shape != target.shape or predicted.shape[-1] != len(NAMES):
        raise ValueError(f"expected two (B, {len(NAMES)}) but got {tuple(predicted.shape)} and {tuple(target.shape)}")
    if kind == "huber":
        errors = F.huber_loss(predicted, target, reduction="none", delta=delta) / delta
    elif kind == "mse":
        errors = (predicted - target).square()
    else:
        raise ValueError(f"expected kind to be 'huber' or 'mse' but got {kind!r}")
    return masked_mean(errors, known)


def matching_loss(features: Tensor, pair: Tensor) -> Tensor:
    """Mean of 1 - cosine over all pairs of rows that show one expression, 0 if there are none.

    Args:
        features: (B, F) of the mapping network.
        pair: (B,) int64; rows of the same number >= 0 show the same expression, on a human and on the robot.
    """
    same = (pair[:, None] == pair[None, :]) & (pair >= 0)[:, None]
    first, second = torch.nonzero(same.triu(diagonal=1), as_tuple=True)
    if not len(first):
        return features.sum() * 0
    return (1 - F.cosine_similarity(features[first], features[second], dim=1)).mean()


def place_loss(points: Tensor, target: Tensor, known: Tensor, limit: float = 0.3) -> Tensor:
    """Mean distance of points (B, N, 2) from the truth, each counted up to `limit`; in whatever unit both have.

    Args:
        points: where the network has them.
        target: where they are, finite.
        known: (B, N) bool, which count; 0 if none does.
        limit: see above.
    """
    distance = ((points - target).square().sum(dim=-1) + 1e-12).sqrt().clamp(max=limit)
    return masked_mean(distance, known)
