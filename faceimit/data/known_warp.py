"""Exact supervision for free: frame pairs whose second frame is a known warp of the first.

A pair is made from one picture: smooth random motion (affine and a few local bumps, face-like in size, much of it below
a pixel), on some pairs a second layer that moves by itself and hides what is under it, then light, blur, noise and
compression drawn anew for each of the two frames, so that nothing but the motion connects them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from faceimit.data.pixel_grid import inside, pixel_grid


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
        shrunk: share of pairs of lower resolution.
        jpeg: share of pairs compressed; quality 30 to 95.
    """

    smallest: float = 0.05
    largest: float = 6.0
    bumps: int = 6
    layered: float = 0.5
    noise: float = 0.035
    light: float = 0.1
    blur: float = 1.0
    shrunk: float = 0.3
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
    low, high = float(np.log(params.smallest)), float(np.log(params.largest))
    half = ((size[0] + 1) // 2, (size[1] + 1) // 2)
    position = 2 * pixel_grid(*half) + 0.5  # motion is smooth: every second pixel is enough, and four times as fast
    flow = random_affine(generator, uniform(generator, (count,), low, high).exp(), position, side)
    local = uniform(generator, (count,), low, high).exp()
    flow = flow + random_bumps(generator, local, position, side, params.bumps)
    return F.interpolate(flow, scale_factor=2.0, mode="bilinear", align_corners=False)[:, :, : size[0], : size[1]]


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
    """Defocus, the same for the two frames of a pair: 5-tap Gaussians, standard deviation 0 to `largest` px."""
    count, channels = images.shape[:2]
    sigma = uniform(generator, (count // 2, 1), 0.0, largest).clamp(min=1e-2).repeat(2, 1)
    taps = torch.exp(-0.5 * (torch.arange(-2.0, 3.0).view(1, 5) / sigma) ** 2)
    taps = (taps / taps.sum(dim=1, keepdim=True)).repeat_interleave(channels, dim=0)
    stacked = F.pad(images, (2, 2, 2, 2), mode="replicate").flatten(0, 1).unsqueeze(0)  # (1, N C, H + 4, W + 4)
    groups = count * channels
    rows = F.conv2d(stacked, taps.view(groups, 1, 5, 1), groups=groups)
    return F.conv2d(rows, taps.view(groups, 1, 1, 5), groups=groups).view_as(images)


def low_resolution(images: Tensor, generator: torch.Generator, share: float) -> Tensor:
    """On `share` of the pairs, what was filmed with 40 to 100 % of the pixels and enlarged since."""
    count, _, height, width = images.shape
    factor = float(uniform(generator, (1,), 0.4, 1.0))
    small = F.interpolate(images, size=(round(height * factor), round(width * factor)), mode="area")
    enlarged = F.interpolate(small, size=(height, width), mode="bilinear", align_corners=False)
    chosen = (torch.rand((count // 2, 1, 1, 1), generator=generator) < share).repeat(2, 1, 1, 1)
    return torch.where(chosen, enlarged, images)


def relight(images: Tensor, generator: torch.Generator, light: float) -> Tensor:
    """Gain, colour and a slow gradient of light: each picture of its own, on most pairs hardly any."""
    count, _, height, width = images.shape
    light = light * torch.rand((count, 1, 1, 1), generator=generator) ** 2
    gain = 1 + light * uniform(generator, (count, 1, 1, 1), -1.0, 1.0)
    tint = 1 + 0.2 * light * uniform(generator, (count, 3, 1, 1), -1.0, 1.0)
    corners = 1 + light * uniform(generator, (count, 1, 2, 2), -1.0, 1.0)
    field = F.interpolate(corners, size=(height, width), mode="bilinear", align_corners=True)
    return images * gain * tint * field


def add_noise(images: Tensor, generator: torch.Generator, largest: float) -> Tensor:
    """Sensor noise, brighter pixels noisier, part of it coarse as after denoising; 0 to `largest` in [0, 1].

    The strength is that of the pair, the noise each picture's own.
    """
    count, channels, height, width = images.shape
    deviation = (torch.rand((count // 2, 1, 1, 1), generator=generator) ** 2 * largest).repeat(2, 1, 1, 1)
    fine = torch.randn(images.shape, generator=generator)
    coarse = torch.randn((count, channels, (height + 1) // 2, (width + 1) // 2), generator=generator)
    coarse = F.interpolate(coarse, size=(height, width), mode="bilinear", align_corners=False)
    share = torch.rand((count, 1, 1, 1), generator=generator)
    return images + deviation * (0.5 + images.clamp(0, 1)) * (share * fine + (1 - share) * coarse)


def compress(images: Tensor, generator: torch.Generator, share: float) -> Tensor:
    """JPEG of random quality 30 to 95 on `share` of the pairs."""
    import cv2

    chosen = (torch.rand(len(images) // 2, generator=generator) < share).repeat(2)
    quality = torch.randint(30, 96, (len(images) // 2,), generator=generator).repeat(2)
    out = images.clone()
    for index in chosen.nonzero().flatten().tolist():
        picture = (images[index].clamp(0, 1) * 255).byte().permute(1, 2, 0).numpy()
        _, coded = cv2.imencode(
            ".jpg", np.ascontiguousarray(picture[:, :, ::-1]), [cv2.IMWRITE_JPEG_QUALITY, int(quality[index])]
        )
        decoded = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR))[:, :, ::-1].copy()
        out[index] = torch.from_numpy(decoded).permute(2, 0, 1).float() / 255
    return out


def corrupt(
    previous: Tensor, current: Tensor, generator: torch.Generator, params: KnownWarpParams
) -> tuple[Tensor, Tensor]:
    """What a camera does to two frames: defocus, light, noise, compression; two (N, 3, H, W) in [0, 1] -> the same."""
    images = random_blur(torch.cat([previous, current]), generator, params.blur)
    images = relight(low_resolution(images, generator, params.shrunk), generator, params.light)
    images = add_noise(images, generator, params.noise).clamp(0, 1)
    before, now = (compress(images, generator, params.jpeg) if params.jpeg > 0 else images).chunk(2)
    return before, now


def head_motion(count: int, size: tuple[int, int], generator: torch.Generator, params: KnownWarpParams) -> Tensor:
    """Motion of head and shoulders: (count, 2, H, W) px; below the chin it fades, as shoulders follow a head little."""
    flow = random_flow(count, size, generator, params)
    height = size[0]
    row = torch.arange(height, dtype=torch.float32).view(1, 1, height, 1) / height
    chin = uniform(generator, (count, 1, 1, 1), 0.7, 1.0)
    rest = uniform(generator, (count, 1, 1, 1), 0.0, 0.6)
    return flow * (rest + (1 - rest) * torch.sigmoid((chin - row) * 25))


def still_motion(count: int, size: tuple[int, int], generator: torch.Generator) -> Tensor:
    """Background behind a stable crop: shift and zoom of a fraction of a pixel, on a third of the pairs none."""
    centred = pixel_grid(*size) / max(size) - 0.5
    shift = 0.25 * torch.randn((count, 2, 1, 1), generator=generator)
    zoom = 0.25 * torch.randn((count, 1, 1, 1), generator=generator)
    moves = torch.rand((count, 1, 1, 1), generator=generator) > 1 / 3
    return (shift + zoom * centred) * moves * torch.rand((count, 1, 1, 1), generator=generator)


def crop_shake(count: int, generator: torch.Generator, params: KnownWarpParams) -> Tensor:
    """Shift of everything at once, as by an unsteady crop, on 40 % of the pairs: (count, 2, 1, 1) px."""
    low, high = float(np.log(params.smallest)), float(np.log(params.largest))
    length = uniform(generator, (count, 1, 1, 1), low, high).exp()
    shakes = torch.rand((count, 1, 1, 1), generator=generator) < 0.4
    return 0.7 * length * shakes * torch.randn((count, 2, 1, 1), generator=generator)


def fast_motion(count: int, size: tuple[int, int], generator: torch.Generator, largest: float = 32.0) -> Tensor:
    """A hand passing: shift of 0.3 to `largest` px with a little rotation and zoom."""
    length = uniform(generator, (count, 1, 1, 1), float(np.log(0.3)), float(np.log(largest))).exp()
    angle = uniform(generator, (count, 1, 1, 1), 0.0, 2 * float(np.pi))
    shift = length * torch.cat([torch.cos(angle), torch.sin(angle)], dim=1)
    turn = 0.1 * length * torch.randn((count, 1, 1, 1), generator=generator)
    offset = pixel_grid(*size) / max(size) - 0.5
    rotation = torch.cat([offset[:, 1:], -offset[:, :1]], dim=1)
    return shift + turn * rotation


def layered_pair(
    heads: Tensor, hands: Tensor, backgrounds: Tensor, generator: torch.Generator, params: KnownWarpParams
) -> KnownPair:
    """Clean pairs of a head before a background, on a quarter a hand before both, each with its own motion.

    Args:
        heads: (N, 4, H, W) RGBA in [0, 1].
        hands: (N, 4, H, W) RGBA.
        backgrounds: (N, 3, H, W) RGB.
        generator: CPU generator.
        params: sizes of motion.
    """
    count, size = len(heads), (int(heads.shape[-2]), int(heads.shape[-1]))
    present = (torch.rand((count, 1, 1, 1), generator=generator) < 0.25).float()
    shake = crop_shake(count, generator, params)
    flow = shake + still_motion(count, size, generator)
    previous, current, visible = backgrounds, sample(backgrounds, flow), inside(flow)
    moves = (head_motion(count, size, generator, params), fast_motion(count, size, generator))
    stack = ((heads, shake + moves[0]), (hands, shake + moves[1]))
    for number, (layer, motion) in enumerate(stack):
        colour, alpha = layer[:, :3], layer[:, 3:] * (present if number else 1.0)
        moved = sample(alpha, motion, mode="bilinear")
        on_top = moved > 0.5
        # what lies below is hidden where this layer was in frame t-1; the layer itself where it came from outside
        hidden = sample(alpha, flow, mode="bilinear") > 0.5
        previous = torch.lerp(previous, colour, alpha)
        current = torch.lerp(current, sample(colour, motion), moved)
        visible = torch.where(on_top, inside(motion), visible & ~hidden)
        flow = torch.where(on_top, motion, flow)
    return KnownPair(previous.clamp(0, 1), current.clamp(0, 1), flow, visible)


def corrupted(pair: KnownPair, generator: torch.Generator, params: KnownWarpParams) -> KnownPair:
    """The pair as a camera would have seen it."""
    before, now = corrupt(pair.previous, pair.current, generator, params)
    return KnownPair(before, now, pair.flow, pair.visible)


def joined(pairs: Sequence[KnownPair]) -> KnownPair:
    """Pairs of one size, one after the other."""
    fields = ("previous", "current", "flow", "visible")
    return KnownPair(*(torch.cat([getattr(pair, name) for pair in pairs]) for name in fields))


def known_pair(images: Tensor, generator: torch.Generator, params: KnownWarpParams | None = None) -> KnownPair:
    """Pairs with exact flow from single pictures.

    Args:
        images: (N, 3, H, W) float in [0, 1] RGB, on the CPU; as free of noise as can be had, because what noise they
            have moves along with the picture.
        generator: CPU generator all randomness comes from.
        params: sizes of motion and corruption.
    """
    params = params or KnownWarpParams()
    return corrupted(warped_pair(images, generator, params), generator, params)
