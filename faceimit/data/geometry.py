"""Affine moves of a whole batch (kornia), on the device it lies on: pictures, flow, points and boxes follow together.

Matrices (..., 2, 3) take old pixels to new ones, x' = A x + b, with pixel centres at whole numbers
(``align_corners=True``), the convention of OpenCV and of the crops.
"""

from typing import Any

import torch
from torch import Tensor

PLACEMENT = "placement"


def move_batch(batch: dict[str, Any]) -> dict[str, Any]:
    """A batch whose every part is moved by its ``placement`` (B, T, 2, 3), which is taken out.

    Args:
        batch: ``frames`` (B, T, 3, S, S) uint8; where present ``known_flow``, levels (B, T, 2, h, w), ``flow``
            (B, T, 2, S, S), ``landmarks`` (B, T, N, 2) and ``boxes`` (B, T, 4). A batch without a placement is
            returned as it is.
    """
    if PLACEMENT not in batch:
        return batch
    moved = dict(batch)
    matrices, side = moved.pop(PLACEMENT), batch["frames"].shape[-1]
    moved["frames"] = move_frames(batch["frames"], matrices)
    if "known_flow" in batch:
        moved["known_flow"] = [move_flow(level, matrices, side) for level in batch["known_flow"]]
    if "flow" in batch:
        moved["flow"] = move_flow(batch["flow"], matrices, side)
    if "landmarks" in batch:
        moved["landmarks"] = move_points(batch["landmarks"], matrices)
    if "boxes" in batch:
        moved["boxes"] = move_boxes(batch["boxes"], matrices)
    return moved


def move_frames(frames: Tensor, matrices: Tensor) -> Tensor:
    """Pictures under their matrices; beyond the border the picture's edge is repeated.

    Args:
        frames: (..., 3, S, S) uint8, or float.
        matrices: (..., 2, 3).

    Returns:
        As `frames`, bilinear, rounded for uint8.
    """
    flat = frames.reshape(-1, *frames.shape[-3:])
    new = _warp(flat.float(), matrices.reshape(-1, 2, 3))
    if not frames.is_floating_point():
        new = new.round_().clamp_(0, 255).to(frames.dtype)
    return new.reshape(frames.shape)


def move_flow(flow: Tensor, matrices: Tensor, side: int) -> Tensor:
    """Flow of the moved frames: with x' = A x + b_t it is A f + b_(t-1) - b_t, at the moved place.

    Args:
        flow: (B, T, 2, h, w) from frame t to t - 1, in pixels of its level.
        matrices: (B, T, 2, 3) of the frames; A is the same for all frames of a window.
        side: of the frames in pixels.

    Returns:
        (B, T, 2, h, w) float32; the first frame of a window, whose predecessor is not seen, keeps no offset.
    """
    factor = side / flow.shape[-1]  # pixel centres: x_frame = factor * (x_level + 0.5) - 0.5
    linear, offset = matrices[..., :2].float(), matrices[..., 2].float()
    steps = torch.zeros_like(offset)
    steps[:, 1:] = (offset[:, :-1] - offset[:, 1:]) / factor
    turned = torch.einsum("btij,btjhw->btihw", linear, flow.float()) + steps[..., None, None]
    centre = torch.full_like(offset, (factor - 1) / 2)
    small = (offset + torch.einsum("btij,btj->bti", linear, centre) - centre) / factor
    level = torch.cat([linear, small[..., None]], dim=-1)
    return _warp(turned.flatten(0, 1), level.flatten(0, 1)).reshape(flow.shape)


def move_points(points: Tensor, matrices: Tensor) -> Tensor:
    """Points (..., N, 2) in pixels under matrices (..., 2, 3)."""
    linear, offset = matrices[..., :2].to(points.dtype), matrices[..., 2].to(points.dtype)
    return points @ linear.transpose(-1, -2) + offset[..., None, :]


def move_boxes(boxes: Tensor, matrices: Tensor) -> Tensor:
    """Boxes (..., 4) left, top, right, bottom in pixels: the upright box around the moved corners."""
    left, top, right, bottom = boxes.unbind(-1)
    corners = torch.stack([left, top, right, top, right, bottom, left, bottom], dim=-1).unflatten(-1, (4, 2))
    moved = move_points(corners, matrices)
    return torch.cat([moved.amin(dim=-2), moved.amax(dim=-2)], dim=-1)


def _warp(images: Tensor, matrices: Tensor) -> Tensor:
    """(N, C, h, w) float under matrices (N, 2, 3)."""
    from kornia.geometry.transform import warp_affine

    height, width = images.shape[-2:]
    return warp_affine(
        images, matrices.float(), (height, width), mode="bilinear", padding_mode="border", align_corners=True
    )
