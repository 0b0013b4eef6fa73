"""Endpoint error of optical flow."""

import torch
from torch import Tensor
from torchmetrics import Metric


def endpoint_distance(predicted: Tensor, target: Tensor) -> Tensor:
    """Length of the difference of two flows, pixel by pixel: two (N, 2, H, W) px -> (N, H, W) px.

    Raises:
        ValueError: if the shapes differ or have not two channels.
    """
    if predicted.shape != target.shape or predicted.ndim != 4 or predicted.shape[1] != 2:
        shapes = f"{tuple(predicted.shape)} and {tuple(target.shape)}"
        raise ValueError(f"expected two flows of one shape (N, 2, H, W) but got {shapes}")
    return torch.linalg.vector_norm(predicted - target, dim=1)


def endpoint_error(predicted: Tensor, target: Tensor, mask: Tensor | None = None) -> Tensor:
    """Mean endpoint distance (EPE) in pixels over the pixels where `mask` (N, H, W) is true; NaN if none is."""
    distance = endpoint_distance(predicted.double(), target.double())
    return distance.mean() if mask is None else distance[mask.bool()].mean()


class EndPointError(Metric):
    """`endpoint_error` over everything seen, every pixel counting once, over batches and processes."""

    is_differentiable = True
    higher_is_better = False
    full_state_update = False
    total: Tensor
    count: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("total", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, predicted: Tensor, target: Tensor, mask: Tensor | None = None) -> None:
        """Flows (N, 2, H, W) px and the pixels that count (N, H, W) bool, all by default."""
        distance = endpoint_distance(predicted.double(), target.double())
        if mask is not None:
            distance = distance[mask.bool()]
        self.total += distance.sum()
        self.count += distance.numel()

    def compute(self) -> Tensor:
        """Mean distance in pixels; NaN before any pixel was seen."""
        return self.total / self.count
