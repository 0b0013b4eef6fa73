"""Pixel positions, and which of them flow leads out of the picture."""

import torch
from torch import Tensor


def pixel_grid(height: int, width: int, device: torch.device | None = None) -> Tensor:
    """Pixel centres, (1, 2, height, width) float32: channel 0 is x (column), channel 1 is y (row)."""
    rows = torch.arange(height, dtype=torch.float32, device=device).view(1, 1, height, 1).expand(1, 1, height, width)
    columns = torch.arange(width, dtype=torch.float32, device=device).view(1, 1, 1, width).expand(1, 1, height, width)
    return torch.cat([columns, rows], dim=1)


def inside(flow: Tensor) -> Tensor:
    """Where x + flow(x) still lies within the picture: (N, 2, H, W) -> (N, 1, H, W) bool."""
    height, width = flow.shape[-2:]
    position = pixel_grid(height, width, flow.device) + flow
    x, y = position[:, :1], position[:, 1:]
    return (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
