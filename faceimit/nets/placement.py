"""Where a face lies in a picture, as a similarity, and the upright, centred face cut out along it.

A placement (B, 4) is a, b, x, y: a point q of the face's own frame lies at ((a, -b), (b, a)) q + (x, y), in shares of
the picture's side. In the face's frame the middle between the eyes is 0 and the distance of the eyes' centres 1.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

# Points that expressions hardly move: bridge and base of the nose, and the eyes (68-point numbering).
STEADY = tuple(range(27, 48))
# Of the cut-out: distance of the eyes and height of their middle, as shares of its side.
EYES, LEVEL = 0.375, 0.36


def points_at(placement: Tensor, shape: Tensor) -> Tensor:
    """Points (N, 2) or (B, N, 2) of the face's frame -> (B, N, 2) in shares of the picture's side."""
    a, b, x, y = placement[:, :, None].unbind(dim=1)  # (B, 1) each
    u, v = shape[..., 0], shape[..., 1]
    return torch.stack([a * u - b * v + x, b * u + a * v + y], dim=-1)


def placed(points: Tensor, shape: Tensor) -> Tensor:
    """The placement (B, 4) that brings `shape` (N, 2) nearest to `points` (B, N, 2) in shares: least squares."""
    middle, centre = shape.mean(dim=0), points.mean(dim=1)
    q, p = shape - middle, points - centre[:, None]
    size = q.square().sum()
    a = (p * q).sum(dim=(1, 2)) / size
    b = (p[..., 1] * q[:, 0] - p[..., 0] * q[:, 1]).sum(dim=1) / size
    x = centre[:, 0] - (a * middle[0] - b * middle[1])
    y = centre[:, 1] - (b * middle[0] + a * middle[1])
    return torch.stack([a, b, x, y], dim=1)


def in_face(points: Tensor, placement: Tensor) -> Tensor:
    """Inverse of :func:`points_at`: (B, N, 2) shares of the picture -> (B, N, 2) of the face's frame."""
    a, b, x, y = placement[:, :, None].unbind(dim=1)
    u, v = points[..., 0] - x, points[..., 1] - y
    size = a.square() + b.square()
    return torch.stack([(a * u + b * v) / size, (a * v - b * u) / size], dim=-1)


def cut_out(pictures: Tensor, placement: Tensor, side: int) -> Tensor:
    """Upright faces (B, C, side, side) out of pictures (B, C, S, S) float; beyond the border the edge is repeated."""
    place = (torch.arange(side, device=pictures.device, dtype=pictures.dtype) + 0.5) / side
    v, u = torch.meshgrid((place - LEVEL) / EYES, (place - 0.5) / EYES, indexing="ij")
    grid = points_at(placement.to(pictures.dtype), torch.stack([u, v], dim=-1).view(-1, 2))
    grid = (2 * grid - 1).view(-1, side, side, 2)
    return F.grid_sample(pictures, grid, mode="bilinear", padding_mode="border", align_corners=False)


def shaken(placement: Tensor, shift: float = 0.012, turn: float = 0.03, zoom: float = 0.03) -> Tensor:
    """Placements as a finder that errs gives them: standard deviations in shares of the side, radians and log scale."""
    noise = torch.randn(len(placement), 4, device=placement.device)
    a, b = placement[:, 0], placement[:, 1]
    angle, scale = turn * noise[:, 0], (zoom * noise[:, 1]).exp()
    turned = (a * angle.cos() - b * angle.sin(), a * angle.sin() + b * angle.cos())
    moved = placement[:, 2:] + shift * noise[:, 2:]
    return torch.cat([scale[:, None] * torch.stack(turned, dim=1), moved], dim=1)


def face_shape(points: Tensor) -> tuple[Tensor, Tensor]:
    """Mean shape (68, 2) in the face's frame, and mean placement (4,), of faces (B, 68, 2) in shares."""
    right, left = points[:, 36:42].mean(dim=1), points[:, 42:48].mean(dim=1)
    along, middle = left - right, (left + right) / 2
    placement = torch.cat([along, middle], dim=1)
    return in_face(points, placement).mean(dim=0), placement.mean(dim=0)
