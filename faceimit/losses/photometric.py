"""Pixel terms of self-supervised flow that hold when light, gain and noise change between frames."""

import torch
from torch import Tensor
from torch.nn import functional as F

GREY = (0.299, 0.587, 0.114)


def robust(x: Tensor, epsilon: float = 0.01, power: float = 0.4) -> Tensor:
    """(|x| + epsilon)^power, element-wise: outliers weigh little (Liu et al., "DDFlow", AAAI 2019)."""
    return (x.abs() + epsilon) ** power


def charbonnier(x: Tensor, epsilon: float = 1e-3) -> Tensor:
    """sqrt(x^2 + epsilon^2), element-wise: an absolute value that is smooth at 0."""
    return torch.sqrt(x * x + epsilon * epsilon)


def masked_mean(values: Tensor, visible: Tensor | None = None) -> Tensor:
    """Mean of (N, C, H, W) over pixels weighted by `visible` (N, 1, H, W) in [0, 1]; 0 if none is.

    So are values and weights of any other shape, as long as the weights expand to it.
    """
    if visible is None:
        return values.mean()
    weight = visible.to(values.dtype).expand_as(values)
    return (values * weight).sum() / weight.sum().clamp(min=1.0)


def grey(image: Tensor) -> Tensor:
    """(N, 3, H, W) RGB -> (N, 1, H, W) luma of ITU-R BT.601, same range."""
    return (image * image.new_tensor(GREY).view(1, 3, 1, 1)).sum(dim=1, keepdim=True)


def gain_normalised(image: Tensor, window: int = 15, floor: float = 0.02) -> Tensor:
    """Subtract the local mean and divide by the local deviation: same for a * I + b; (N, C, H, W) -> same shape.

    `floor` is the least deviation divided by, in units of the image, so that flat skin does not turn into noise.
    """
    mean = F.avg_pool2d(image, window, stride=1, padding=window // 2, count_include_pad=False)
    square = F.avg_pool2d(image * image, window, stride=1, padding=window // 2, count_include_pad=False)
    deviation = (square - mean * mean).clamp(min=0).add(floor * floor).sqrt()
    return (image - mean) / deviation


def brightness_loss(warped: Tensor, current: Tensor, visible: Tensor | None = None) -> Tensor:
    """Charbonnier distance of gain-normalised images, two (N, C, H, W) in [0, 1] -> scalar."""
    return masked_mean(charbonnier(gain_normalised(warped) - gain_normalised(current)), visible)


def census(image: Tensor, radius: int = 2, slope: float = 0.03) -> Tensor:
    """Soft census transform: each grey pixel against its neighbours, (N, 3, H, W) -> (N, (2 r + 1)^2 - 1, H, W).

    Values in (-1, 1): difference / sqrt(difference^2 + slope^2) (Meister et al., "UnFlow", AAAI 2018).
    """
    centre = grey(image)
    height, width = centre.shape[-2:]
    padded = F.pad(centre, (radius,) * 4, mode="replicate")
    differences = [
        padded[:, :, row : row + height, column : column + width] - centre
        for row in range(2 * radius + 1)
        for column in range(2 * radius + 1)
        if (row, column) != (radius, radius)
    ]
    difference = torch.cat(differences, dim=1)
    return difference / torch.sqrt(difference**2 + slope**2)


def census_loss(warped: Tensor, current: Tensor, visible: Tensor | None = None, radius: int = 2) -> Tensor:
    """Robust soft Hamming distance of two census transforms: two (N, 3, H, W) in [0, 1] -> scalar >= 0."""
    squared = (census(warped, radius) - census(current, radius)) ** 2
    hamming = (squared / (0.1 + squared)).mean(dim=1, keepdim=True)
    return masked_mean(robust(hamming), visible)
