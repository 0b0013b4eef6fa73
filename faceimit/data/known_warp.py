"""Exact supervision for free: frame pairs whose second frame is a known warp of the first.

A pair is made from one picture: smooth random motion (affine and a few local bumps, face-like in size, much of it below
a pixel), on some pairs a second layer that moves by itself and hides what is under it, then light, blur, noise and
compression drawn anew for each of the two frames, so that nothing but the motion connects them.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from faceimit.nets.warp import inside, pixel_grid


@dataclass(frozen=True)
class KnownWarpParams:
    """How far pairs move and how unlike their frames are.

    Attributes:
        smallest, largest: px, range of the log-uniform size of motion of a pair.
        bumps: most local deformations a pair.
        layered: share of pairs with a second moving layer.
        noise: largest standard deviation of sensor noise, in units of [0, 1].
        light: largest relative change of gain between the frames.
        blur: largest standard deviation of defocus, px.
        jpeg: share of pairs compressed; quality 40 to 95.
    """

    smallest: float = 0.05
    largest: float = 6.0
    bumps: int = 6
    layered: float = 0.5
    noise: float = 0.035
    light: float = 0.1
    blur: float = 0.8
    jpeg: float = 0.4


@dataclass(frozen=True)
class KnownPair:
    """Frames t-1 and t with their exact flow.

    Attributes:
        previous, current: (N, 3, H, W) float in [0, 1] RGB.
        flow: (N, 2, H, W) px, frame t -> t-1.
        visible: (N, 1, H, W) bool, pixels of frame t that frame t-1 shows.
    """

    previous: Tensor
    current: Tensor
    flow: Tensor
    visible: Tensor


def uniform(generator: torch.Generator, shape: tuple[int, ...], low: float, high: float) -> Tensor:
    """Uniform random numbers of `shape` in [low, high)."""
    return low + (high - low) * torch.rand(shape, generator=generator)


def random_affine(generator: torch.Generator, magnitude: Tensor, position: Tensor, side: float) -> Tensor:
    """Translation, rotation, zoom and shear about a random centre: magnitude (N,) px -> flow (N, 2, H, W)."""
    count = magnitude.shape[0]
    centre = uniform(generator, (count, 2, 1, 1), 0.2 * side, 0.8 * side)
    offset = (position - centre) / (0.5 * side)  # about -1 to 1
    shift = torch.randn((count, 2, 1, 1), generator=generator)
    matrix = 0.6 * torch.randn((count, 2, 2), generator=generator)
    spin = 0.8 * torch.randn((count,), generator=generator)
    matrix[:, 0, 1] += spin
    matrix[:, 1, 0] -= spin
    share = torch.rand((count, 1, 1, 1), generator=generator)
    linear = torch.einsum("nij,njhw->nihw", matrix, offset)
    return magnitude.view(-1, 1, 1, 1) * 0.7 * (share * shift + (1 - share) * linear)


def random_bumps(generator: torch.Generator, magnitude: Tensor, position: Tensor, side: float, bumps: int) -> Tensor:
    """Sum of Gaussian pushes of random place, width and direction: magnitude (N,) px -> flow (N, 2, H, W)."""
    count = magnitude.shape[0]
    flow = torch.zeros(count, 2, *position.shape[-2:])
    for _ in range(bumps):
        centre = uniform(generator, (count, 2, 1, 1), 0.0, side)
        width = side * 10 ** uniform(generator, (count, 2, 1, 1), -1.5, -0.6)  # 4 to 32 px of 128, any aspect
        push = torch.randn((count, 2, 1, 1), generator=generator) * (
            torch.rand((count, 1, 1, 1), generator=generator) < 0.5
        )
        # a push steeper than its width would fold the picture over
        push = push * torch.minimum(magnitude.view(-1, 1, 1, 1), 0.4 * width.amin(dim=1, keepdim=True))
        flow = flow + push * torch.exp(-0.5 * ((position - centre) / width).square().sum(dim=1, keepdim=True))
    return flow


def random_flow(count: int, size: tuple[int, int], generator: torch.Generator, params: KnownWarpParams) -> Tensor:
    """Smooth face-like motion: (count, 2, H, W) px, frame t -> t-1."""
    side = float(max(size))
    log_range = (float(np.log(params.smallest)), float(np.log(params.largest)))
    magnitude = uniform(generator, (count,), *log_range).exp()
    position = pixel_grid(*size)
    local = uniform(generator, (count,), *log_range).exp()
    return random_affine(generator, magnitude, position, side) + random_bumps(
        generator, local, position, side, params.bumps
    )


def sample(image: Tensor, flow: Tensor, mode: str = "bicubic") -> Tensor:
    """image(x + flow(x)), sharper than :func:`faceimit.nets.warp.warp`, mirrored at the border; no gradient meant."""
    height, width = image.shape[-2:]
    position = pixel_grid(height, width) + flow
    size = torch.tensor([width, height], dtype=torch.float32).view(1, 2, 1, 1)
    grid = ((2 * position + 1) / size - 1).permute(0, 2, 3, 1)
    return F.grid_sample(image, grid, mode=mode, padding_mode="reflection", align_corners=False)


def random_layer(count: int, size: tuple[int, int], generator: torch.Generator) -> Tensor:
    """Soft-edged random shape: (count, 1, H, W) in [0, 1], an ellipse with a wavy rim."""
    position = pixel_grid(*size)
    side = float(max(size))
    centre = uniform(generator, (count, 2, 1, 1), 0.1 * side, 0.9 * side)
    axes = uniform(generator, (count, 2, 1, 1), 0.1 * side, 0.45 * side)
    offset = (position - centre) / axes
    angle = torch.atan2(offset[:, 1:], offset[:, :1])
    waves = sum(
        uniform(generator, (count, 1, 1, 1), 0.0, 0.15)
        * torch.sin(order * angle + uniform(generator, (count, 1, 1, 1), 0.0, 6.3))
        for order in (2, 3, 5)
    )
    radius = offset.square().sum(dim=1, keepdim=True).sqrt()
    return torch.sigmoid((1 + waves - radius) * axes.amin(dim=1, keepdim=True) / 0.5)


def warped_pair(images: Tensor, generator: torch.Generator, params: KnownWarpParams) -> KnownPair:
    """Clean pairs: (N, 3, H, W) in [0, 1] pictures of frame t-1 -> pairs of the same size."""
    count, _, height, width = images.shape
    size = (height, width)
    flow = random_flow(count, size, generator, params)
    previous, current = images, sample(images, flow)
    visible = inside(flow)
    layered = torch.rand((count, 1, 1, 1), generator=generator) < params.layered
    layer = random_layer(count, size, generator) * layered
    other = images.roll(1, dims=0).flip(3)
    motion = random_flow(count, size, generator, params)
    moved = sample(layer, motion, mode="bilinear")
    on_top = moved > 0.5
    hidden = sample(layer, flow, mode="bilinear") > 0.5  # the background of frame t lay under the layer in frame t-1
    return KnownPair(
        previous=torch.lerp(previous, other, layer).clamp(0, 1),
        current=torch.lerp(current, sample(other, motion), moved).clamp(0, 1),
        flow=torch.where(on_top, motion, flow),
        visible=torch.where(on_top, inside(motion), visible & ~hidden),
    )


def random_blur(images: Tensor, generator: torch.Generator, largest: float) -> Tensor:
    """Defocus of its own for each picture: 5-tap Gaussians, standard deviation 0 to `largest` px."""
    count, channels = images.shape[:2]
    sigma = uniform(generator, (count, 1), 0.0, largest).clamp(min=1e-2)
    taps = torch.exp(-0.5 * (torch.arange(-2.0, 3.0).view(1, 5) / sigma) ** 2)
    taps = (taps / taps.sum(dim=1, keepdim=True)).repeat_interleave(channels, dim=0)
    stacked = F.pad(images, (2, 2, 2, 2), mode="replicate").flatten(0, 1).unsqueeze(0)  # (1, N C, H + 4, W + 4)
    groups = count * channels
    rows = F.conv2d(stacked, taps.view(groups, 1, 5, 1), groups=groups)
    return F.conv2d(rows, taps.view(groups, 1, 1, 5), groups=groups).view_as(images)


def relight(images: Tensor, generator: torch.Generator, light: float) -> Tensor:
    """Gain, colour and a slow gradient of light: each picture of its own."""
    count, _, height, width = images.shape
    gain = 1 + uniform(generator, (count, 1, 1, 1), -light, light)
    tint = 1 + uniform(generator, (count, 3, 1, 1), -0.2 * light, 0.2 * light)
    corners = 1 + uniform(generator, (count, 1, 2, 2), -light, light)
    field = F.interpolate(corners, size=(height, width), mode="bilinear", align_corners=True)
    return images * gain * tint * field


def add_noise(images: Tensor, generator: torch.Generator, largest: float) -> Tensor:
    """Sensor noise, brighter pixels noisier, part of it coarse as after denoising; 0 to `largest` in [0, 1]."""
    count, channels, height, width = images.shape
    deviation = uniform(generator, (count, 1, 1, 1), 0.0, 1.0).square() * largest
    fine = torch.randn(images.shape, generator=generator)
    coarse = torch.randn((count, channels, (height + 1) // 2, (width + 1) // 2), generator=generator)
    coarse = F.interpolate(coarse, size=(height, width), mode="bilinear", align_corners=False)
    share = torch.rand((count, 1, 1, 1), generator=generator)
    return images + deviation * (0.5 + images.clamp(0, 1)) * (share * fine + (1 - share) * coarse)


def compress(images: Tensor, generator: torch.Generator, share: float) -> Tensor:
    """JPEG of random quality 40 to 95 on `share` of the pictures."""
    import cv2

    chosen = torch.rand(len(images), generator=generator) < share
    quality = torch.randint(40, 96, (len(images),), generator=generator)
    out = images.clone()
    for index in chosen.nonzero().flatten().tolist():
        picture = (images[index].clamp(0, 1) * 255).byte().permute(1, 2, 0).numpy()
        _, coded = cv2.imencode(
            ".jpg", np.ascontiguousarray(picture[:, :, ::-1]), [cv2.IMWRITE_JPEG_QUALITY, int(quality[index])]
        )
        decoded = cv2.imdecode(coded, cv2.IMREAD_COLOR)[:, :, ::-1].copy()
        out[index] = torch.from_numpy(decoded).permute(2, 0, 1).float() / 255
    return out


def corrupt(images: Tensor, generator: torch.Generator, params: KnownWarpParams) -> Tensor:
    """What a camera does to a frame: defocus, light, noise, compression; (N, 3, H, W) in [0, 1] -> the same."""
    images = relight(random_blur(images, generator, params.blur), generator, params.light)
    noisy = add_noise(images, generator, params.noise).clamp(0, 1)
    return compress(noisy, generator, params.jpeg) if params.jpeg > 0 else noisy


def known_pair(images: Tensor, generator: torch.Generator, params: KnownWarpParams | None = None) -> KnownPair:
    """Pairs with exact flow from single pictures.

    Args:
        images: (N, 3, H, W) float in [0, 1] RGB, on the CPU; as free of noise as can be had, because what noise they
            have moves along with the picture.
        generator: CPU generator all randomness comes from.
        params: sizes of motion and corruption.
    """
    params = params or KnownWarpParams()
    pair = warped_pair(images, generator, params)
    return KnownPair(
        corrupt(pair.previous, generator, params), corrupt(pair.current, generator, params), pair.flow, pair.visible
    )
