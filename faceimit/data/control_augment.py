"""Augmentation of pictures whose control values are known: what a camera and a tracker do, and left and right.

On whole batches, on the device they lie on, so that it costs a GPU nothing and needs no loader processes. Randomness is
torch's own, which a resumed run repeats.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from faceimit.data.geometry import move_frames, move_points
from faceimit.face.controls import MIRROR, MIRROR_SIGN
from faceimit.face.landmarks import MIRROR as LANDMARK_MIRROR
from faceimit.ranges import Share, Weight


@dataclass(frozen=True)
class ControlStrength:
    """How far the augmentation goes; all zero leaves a batch as it is.

    Attributes:
        flip: probability of mirroring picture and controls.
        rotation: degrees, either way; small, since the tilt of the head is one of the controls.
        scale: largest factor of zoom is exp(scale).
        shift: fraction of the side, either way; small, for the same reason.
        light: largest factor of gain and of gamma is exp(light).
        colour: largest factor of the gain of each colour channel is exp(colour).
        blur: probability of a Gaussian blur of up to 1.2 pixels.
        noise: largest standard deviation of the sensor noise, in grey levels of 255.
    """

    flip: Share = 0.5
    rotation: Weight = 1.0
    scale: Weight = 0.02
    shift: Weight = 0.01
    light: Weight = 0.3
    colour: Weight = 0.1
    blur: Share = 0.2
    noise: Weight = 6.0


Augmentation = Annotated[Mapping[str, float], ControlStrength]


def augment(
    images: Tensor, deviations: Tensor, strength: ControlStrength, landmarks: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor | None]:
    """New pictures, and the deviations and landmarks that belong to them.

    Args:
        images: (B, 3, S, S) uint8 RGB.
        deviations: (B, 30) from neutral as shares of the range. They are not clipped to it when mirrored: the picture
            shows what it shows, also where the other side's servo could not go so far.
        strength: how far to go.
        landmarks: (B, 68, 2) in pixels, where they are known.

    Returns:
        (B, 3, S, S) float RGB in [0, 255], (B, 30), and (B, 68, 2) or None.
    """
    flips = torch.rand(len(images), device=images.device) < strength.flip
    images = torch.where(flips[:, None, None, None], images.flip(-1), images).float()
    deviations = torch.where(flips[:, None], mirrored_deviations(deviations), deviations)
    if landmarks is not None:
        landmarks = torch.where(flips[:, None, None], mirrored_landmarks(landmarks, images.shape[-1]), landmarks)
    if strength.rotation or strength.scale or strength.shift:
        matrices = placements(len(images), images.shape[-1], strength).to(images.device)
        images = move_frames(images, matrices)
        landmarks = None if landmarks is None else move_points(landmarks, matrices)
    return filmed(images, strength), deviations, landmarks


def mirrored_deviations(deviations: Tensor) -> Tensor:
    """Deviations (..., 30) of the mirrored face; as :func:`faceimit.face.controls.mirrored`, not clipped."""
    sign = torch.as_tensor(MIRROR_SIGN, dtype=deviations.dtype, device=deviations.device)
    return deviations[..., list(MIRROR)] * sign


def mirrored_landmarks(landmarks: Tensor, side: int) -> Tensor:
    """Landmarks (..., 68, 2) in pixels of the mirrored picture."""
    swapped = landmarks[..., list(LANDMARK_MIRROR), :]
    return torch.stack([side - 1 - swapped[..., 0], swapped[..., 1]], dim=-1)


def placements(count: int, side: int, strength: ControlStrength) -> Tensor:
    """(B, 2, 3) matrices, old to new pixel: rotation and zoom about the centre, and a shift."""
    angle = torch.deg2rad(_spread(count, strength.rotation))
    zoom = _spread(count, strength.scale).exp()
    cos, sin = angle.cos() * zoom, angle.sin() * zoom
    linear = torch.stack([torch.stack([cos, -sin], dim=1), torch.stack([sin, cos], dim=1)], dim=1)  # (B, 2, 2)
    centre = torch.full((2,), (side - 1) / 2)
    offset = centre - linear @ centre + _spread(2 * count, strength.shift * side).view(count, 2)
    return torch.cat([linear, offset[:, :, None]], dim=2)


def filmed(images: Tensor, strength: ControlStrength) -> Tensor:
    """What light, lens and sensor make of pictures: (B, 3, S, S) float RGB in [0, 255] -> the same."""
    count, device = len(images), images.device
    if strength.light or strength.colour:
        gamma = _spread(count, strength.light).exp().view(-1, 1, 1, 1).to(device)
        gain = (_spread(count, strength.light)[:, None] + _spread(3 * count, strength.colour).view(count, 3)).exp()
        images = (images / 255).clamp(0, 1).pow(gamma) * (255 * gain.to(device)[:, :, None, None])
    blurred = torch.rand(count) < strength.blur
    if blurred.any():
        images = _blurred(images, blurred.nonzero()[:, 0].to(device))
    if strength.noise:
        level = (strength.noise * torch.rand(count) ** 2).view(-1, 1, 1, 1).to(device)
        images = images + level * torch.randn(images.shape, device=device)
    return images.clamp(0, 255)


def _blurred(images: Tensor, rows: Tensor) -> Tensor:
    from kornia.filters import gaussian_blur2d

    sigma = torch.empty(len(rows), 1, device=images.device).uniform_(0.3, 1.2).expand(-1, 2)
    return images.index_copy(0, rows, gaussian_blur2d(images[rows], (7, 7), sigma))


def _spread(count: int, reach: float) -> Tensor:
    """(count,) uniform in [-reach, reach]."""
    return (2 * torch.rand(count) - 1) * reach
