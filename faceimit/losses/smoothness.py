"""Edge-aware smoothness: flow may jump only where the picture does."""

import torch
from torch import Tensor

from faceimit.losses.photometric import charbonnier


def smoothness_loss(flow: Tensor, image: Tensor, order: int = 1, edge: float = 20.0) -> Tensor:
    """Mean size of flow differences, weighted by exp(-edge * mean |image difference|).

    After Jonschkowski et al., "What Matters in Unsupervised Optical Flow", ECCV 2020, eq. 6.

    Args:
        flow: (N, 2, h, w) pixels.
        image: (N, C, h, w) in [0, 1], frame t on the same grid.
        order: 1 punishes any change, 2 lets flow be affine.
        edge: how fast image edges switch the term off.

    Returns:
        Scalar >= 0; 0 on grids too small for the difference.

    Raises:
        ValueError: if order is neither 1 nor 2 or grids differ.
    """
    if order not in (1, 2):
        raise ValueError(f"expected order to be 1 or 2 but got {order}")
    if flow.shape[-2:] != image.shape[-2:]:
        raise ValueError(f"expected one grid but got {tuple(flow.shape[-2:])} and {tuple(image.shape[-2:])}")
    terms = []
    for axis in (2, 3):
        if flow.shape[axis] > order:
            change = torch.diff(flow, n=order, dim=axis)
            reach = image.shape[axis] - order
            contrast = (image.narrow(axis, order, reach) - image.narrow(axis, 0, reach)).abs()
            weight = torch.exp(-edge * contrast.mean(dim=1, keepdim=True))
            terms.append((weight * charbonnier(change)).mean())
    return torch.stack(terms).mean() if terms else flow.sum() * 0
