"""FastFlowNet: optical flow between two frames, written from the paper's description.

Kong, Shen, Yang, "FastFlowNet: A Lightweight Network for Fast Optical Flow Estimation", ICRA 2021:
head-enhanced pooling pyramid (sec. III-B), centre-dense dilated correlation (III-C), shuffle-block decoders (III-D),
coarse to fine from level 6 (1/64) to level 2 (1/4). Ours besides: features are normalised before they are correlated,
levels are an option, any picture size works, each level begins with a Lucas-Kanade step on the learnt features and the
decoder also sees their change (both carry motion far below a pixel, which a correlation hardly does), and a convex
upsampling head (Teed & Deng, "RAFT", ECCV 2020, sec. 3.3) brings the finest flow to full resolution.
"""

from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from faceimit.errors import InputError
from faceimit.nets.finite import check_finite
from faceimit.nets.warp import warp

PYRAMID_CHANNELS = (16, 32, 64, 64, 64, 64)  # levels 1 to 6
RADIUS = 4
REDUCED = 32
COMPARED = 16
DECODED = 32


def dilated_offsets(radius: int = RADIUS, dense: int = 2) -> tuple[tuple[int, int], ...]:
    """Search positions (dx, dy) of the centre-dense dilated correlation: all within `dense`, every second one beyond.

    Radius 4 gives 53 of the 81 positions (paper, fig. 3).
    """
    span = range(-radius, radius + 1)
    return tuple((dx, dy) for dy in span for dx in span if max(abs(dx), abs(dy)) <= dense or (dx + dy) % 2 == 0)


def correlate(current: Tensor, previous: Tensor, offsets: tuple[tuple[int, int], ...]) -> Tensor:
    """Mean over channels of current(x) * previous(x + offset), zero outside of the picture.

    Args:
        current: (N, C, H, W) features of frame t.
        previous: (N, C, H, W) features of frame t-1.
        offsets: (dx, dy) in pixels of this level.

    Returns:
        (N, len(offsets), H, W). Shift and multiply: only slices, so it exports to ONNX as it stands.
    """
    height, width = current.shape[-2:]
    radius = max(max(abs(dx), abs(dy)) for dx, dy in offsets)
    padded = F.pad(previous, (radius, radius, radius, radius))
    rows = {dy: padded[:, :, radius + dy : radius + dy + height] for dy in range(-radius, radius + 1)}
    shifted = [rows[dy][..., radius + dx : radius + dx + width] for dx, dy in offsets]
    if current.device.type == "cpu" and not torch.compiler.is_compiling():
        # one by one, so that the products stay in the processor's cache: three quarters of the time
        return torch.stack([(current * there).mean(dim=1) for there in shifted], dim=1)
    products = current.unsqueeze(1) * torch.stack(shifted, dim=1)  # (N, offsets, C, H, W)
    return products.mean(dim=2)


def convolution(inputs: int, outputs: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """3 x 3 convolution and leaky ReLU (0.1); an odd size n becomes (n + 1) / 2 at stride 2."""
    layer = nn.Conv2d(inputs, outputs, kernel_size=3, stride=stride, padding=1, groups=groups)
    return nn.Sequential(layer, nn.LeakyReLU(0.1, inplace=True))


class PoolingPyramid(nn.Module):
    """Head-enhanced pooling pyramid: convolutions at the fine levels 1-3, average pooling alone at the coarse 4-6."""

    def __init__(self, levels: int = 6) -> None:
        super().__init__()
        first, second, third = PYRAMID_CHANNELS[:3]
        self.level1 = nn.Sequential(convolution(3, first, 2), convolution(first, first))
        self.level2 = nn.Sequential(convolution(first, second, 2), *(convolution(second, second) for _ in range(2)))
        self.level3 = nn.Sequential(convolution(second, third, 2), *(convolution(third, third) for _ in range(2)))
        self.levels = levels

    def forward(self, frames: Tensor) -> tuple[Tensor, ...]:
        """(N, 3, H, W) in [0, 1] -> features of levels 1 to `levels`, (N, C_l, ceil(H / 2^l), ceil(W / 2^l))."""
        features = [self.level1(2 * frames - 1)]
        features.append(self.level2(features[-1]))
        features.append(self.level3(features[-1]))
        for _ in range(3, self.levels):
            features.append(F.avg_pool2d(features[-1], 2, ceil_mode=True, count_include_pad=False))
        return tuple(features[: self.levels])


def normalise(features: Tensor) -> Tensor:
    """Zero mean and unit variance over the (C, H, W) of each frame, without which correlations start flat.

    After Jonschkowski et al., "What Matters in Unsupervised Optical Flow", ECCV 2020, sec. 4.2.
    """
    mean = features.mean(dim=(1, 2, 3), keepdim=True)
    centred = features - mean
    variance = centred.square().mean(dim=(1, 2, 3), keepdim=True)
    return centred * torch.rsqrt(variance + 1e-6)


class ShuffleBlock(nn.Module):
    """Grouped convolution, then a channel shuffle that lets the groups talk (Zhang et al., ShuffleNet)."""

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        self.convolution = convolution(channels, channels, groups=groups)
        self.groups = groups

    def forward(self, x: Tensor) -> Tensor:
        x = self.convolution(x)
        batch, channels, height, width = x.shape
        x = x.view(batch, self.groups, channels // self.groups, height, width)
        # (N, groups, C / groups, H, W) -> (N, C / groups, groups, H, W) -> (N, C, H, W)
        return x.transpose(1, 2).reshape(batch, channels, height, width)


class ShuffleDecoder(nn.Module):
    """Cost volume, reduced features of frame t and the coarser flow -> flow correction and features of one level."""

    def __init__(self, inputs: int, groups: int = 3) -> None:
        super().__init__()
        self.head = convolution(inputs, 96)
        self.shuffle = nn.Sequential(*(ShuffleBlock(96, groups) for _ in range(3)))
        self.tail = nn.Sequential(convolution(96, 64), convolution(64, DECODED))
        self.flow = nn.Conv2d(DECODED, 2, kernel_size=3, padding=1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        features = self.tail(self.shuffle(self.head(x)))
        return self.flow(features), features


@dataclass(frozen=True)
class FlowPyramid:
    """Flow of every level and what the decoder knew there; index 0 is the finest level.

    Attributes:
        flows: (N, 2, h_l, w_l) each, (dx, dy) in pixels of its level, frame t -> t-1 (:mod:`faceimit.nets.warp`).
        features: (N, 32, h_l, w_l) each, decoder features.
    """

    flows: tuple[Tensor, ...]
    features: tuple[Tensor, ...]


class FastFlowNet(nn.Module):
    """FastFlowNet for face crops; 1.4 M parameters with the default levels.

    Args:
        coarsest, finest: pyramid levels of the first and last flow, level l has 1/2^l of the resolution.
    """

    def __init__(self, coarsest: int = 6, finest: int = 2) -> None:
        super().__init__()
        if not 1 <= finest <= coarsest <= len(PYRAMID_CHANNELS):
            raise InputError(f"expected 1 <= finest <= coarsest <= 6 but got {finest} and {coarsest}, try 2 and 6")
        self.coarsest, self.finest = coarsest, finest
        self.offsets = dilated_offsets()
        self.extract = PoolingPyramid(max(coarsest, 3))
        levels = range(finest, coarsest + 1)
        inputs = len(self.offsets) + REDUCED + COMPARED + 4
        self.reduce = nn.ModuleDict({str(n): nn.Conv2d(PYRAMID_CHANNELS[n - 1], REDUCED, 1) for n in levels})
        self.decoders = nn.ModuleDict({str(n): ShuffleDecoder(inputs) for n in levels})
        factor = 2**finest
        self.mask = nn.Sequential(nn.Conv2d(DECODED, 64, 1), nn.ReLU(inplace=True), nn.Conv2d(64, 9 * factor**2, 1))
        self._initialise()

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, a=0.1, mode="fan_in", nonlinearity="leaky_relu")
                nn.init.zeros_(module.bias)
        for decoder in self.decoders.values():  # start near zero flow: most of a face hardly moves
            nn.init.normal_(decoder.flow.weight, std=1e-3)

    def pyramid(self, frames: Tensor) -> tuple[Tensor, ...]:
        """Features of each frame, once a clip: (N, 3, H, W) in [0, 1] RGB -> levels 1 to `coarsest`, finest first."""
        height, width = frames.shape[-2:]
        factor = 2**self.finest
        right, below = -width % factor, -height % factor
        if right or below:
            frames = F.pad(frames, (0, right, 0, below), mode="replicate")
        return tuple(normalise(level) for level in self.extract(frames))

    def decode(self, previous: tuple[Tensor, ...], current: tuple[Tensor, ...]) -> FlowPyramid:
        """Flow of frame t to t-1 from the features of both; for a clip, each level cut to [:-1] and [1:]."""
        flows: list[Tensor] = []
        features: list[Tensor] = []
        for level in range(self.coarsest, self.finest - 1, -1):
            now, before = current[level - 1], previous[level - 1]
            up = double(flows[-1], now.shape[-2:]) if flows else zero_flow(now)
            moved = warp(before, up) if flows else before
            cost = F.leaky_relu(correlate(now, moved, self.offsets), 0.1)
            reduce = self.reduce[str(level)]
            context, compared = reduce(now), reduce(moved)
            step = lucas_kanade(context, compared)
            change = (context - compared)[:, :COMPARED]
            inputs = torch.cat([cost, context, change, up.to(cost.dtype), step.to(cost.dtype)], dim=1)
            correction, decoded = self.decoders[str(level)](inputs)
            flows.append(up + step + correction.to(up.dtype))
            features.append(decoded)
        return FlowPyramid(tuple(reversed(flows)), tuple(reversed(features)))

    def forward(self, previous: Tensor, current: Tensor) -> FlowPyramid:
        """(N, 3, H, W) frames t-1 and t in [0, 1] RGB -> flow at all levels; sizes ceil(H / 2^l), padded inside."""
        if previous.shape != current.shape or previous.ndim != 4 or previous.shape[1] != 3:
            shapes = f"{tuple(previous.shape)} and {tuple(current.shape)}"
            raise ValueError(f"expected two (N, 3, H, W) frames of one shape but got {shapes}")
        both = self.pyramid(torch.cat([previous, current]))
        count = previous.shape[0]
        return self.decode(tuple(f[:count] for f in both), tuple(f[count:] for f in both))

    def full(self, pyramid: FlowPyramid, size: tuple[int, int]) -> Tensor:
        """Finest flow at full resolution by convex upsampling: (N, 2, *size) px of the picture; `size` is (H, W)."""
        factor = 2**self.finest
        weights = self.mask(pyramid.features[0]).float()
        return convex_upsample(pyramid.flows[0], weights, factor)[:, :, : size[0], : size[1]]


def lucas_kanade(current: Tensor, previous: Tensor, window: int = 5, most: float = 4.0) -> Tensor:
    """One least-squares step of flow between two feature maps (Lucas & Kanade, 1981), with gradients.

    Solves previous(x + step) = current(x) to first order over a `window` around each pixel, all channels together.

    Args:
        current: (N, C, h, w) features of frame t.
        previous: (N, C, h, w) features of frame t-1, warped by the flow so far.
        window: odd number of pixels a side.
        most: px, the step saturates here.

    Returns:
        (N, 2, h, w) px, float32 or float64.
    """
    precision = torch.promote_types(current.dtype, torch.float32)
    current, previous = current.to(precision), previous.to(precision)
    mean = F.pad(0.5 * (current + previous), (1, 1, 1, 1), mode="replicate")
    dx = 0.5 * (mean[:, :, 1:-1, 2:] - mean[:, :, 1:-1, :-2])
    dy = 0.5 * (mean[:, :, 2:, 1:-1] - mean[:, :, :-2, 1:-1])
    difference = current - previous
    products = (dx * dx, dx * dy, dy * dy, dx * difference, dy * difference)
    sums = torch.stack([product.mean(dim=1) for product in products], dim=1)  # (N, 5, h, w)
    sums = F.avg_pool2d(sums, window, stride=1, padding=window // 2, count_include_pad=False)
    xx, xy, yy, xt, yt = sums.unbind(dim=1)
    damping = 0.05 * (xx + yy) + 1e-3
    xx, yy = xx + damping, yy + damping
    determinant = xx * yy - xy * xy
    step = torch.stack([yy * xt - xy * yt, xx * yt - xy * xt], dim=1) / determinant.unsqueeze(1)
    return most * torch.tanh(step / most)


def zero_flow(features: Tensor) -> Tensor:
    """(N, C, h, w) -> zeros (N, 2, h, w), in float32 at least: half a bfloat16 step at 4 px is 0.016 px."""
    precision = torch.promote_types(features.dtype, torch.float32)
    return torch.zeros(features.shape[0], 2, *features.shape[-2:], dtype=precision, device=features.device)


def double(flow: Tensor, size: torch.Size) -> Tensor:
    """Flow of the next finer level, cropped to its `size` (a coarser level of odd size covers one pixel more)."""
    larger = 2 * F.interpolate(flow, scale_factor=2.0, mode="bilinear", align_corners=False)
    return larger[:, :, : size[0], : size[1]]


def convex_upsample(flow: Tensor, weights: Tensor, factor: int) -> Tensor:
    """Each fine vector is a learnt convex mix of the 3 x 3 coarse ones around it (RAFT, sec. 3.3).

    Args:
        flow: (N, 2, h, w) in coarse pixels.
        weights: (N, 9 * factor^2, h, w) logits.
        factor: fine pixels a coarse one, a side.

    Returns:
        (N, 2, factor * h, factor * w) in fine pixels.
    """
    batch, _, height, width = flow.shape
    mix = weights.to(flow.dtype).view(batch, 9, factor * factor, height, width).softmax(dim=1)
    padded = F.pad(factor * flow, (1, 1, 1, 1), mode="replicate")
    fine = flow.new_zeros(batch, 2, factor * factor, height, width)
    for index in range(9):
        row, column = divmod(index, 3)
        neighbour = padded[:, :, row : row + height, column : column + width]
        fine = fine + mix[:, index].unsqueeze(1) * neighbour.unsqueeze(2)
    # (N, 2, factor^2, h, w) -> (N, 2 * factor^2, h, w) -> (N, 2, factor h, factor w)
    return F.pixel_shuffle(fine.reshape(batch, 2 * factor * factor, height, width), factor)


def load_flow_weights(net: FastFlowNet, source: str | Path) -> FastFlowNet:
    """Fill `net` with trained weights and return it.

    Args:
        net: what to fill.
        source: "shipped" (the weights in this package), "none" (keep the random start), or a .safetensors file.

    Raises:
        InputError: if the file is missing, damaged, or of another network.
    """
    if str(source) == "none":
        return net
    if str(source) == "shipped":
        data = resources.files("faceimit").joinpath("weights", "flow.safetensors").read_bytes()
    else:
        data = _read(Path(source))
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        state = {name: tensor.float() for name, tensor in load(data).items()}
    except SafetensorError as error:
        raise InputError(
            f"flow weights {source} are not a safetensors file ({error}), try flow.weights=shipped"
        ) from error
    expected = net.state_dict()
    if {k: v.shape for k, v in state.items()} != {k: v.shape for k, v in expected.items()}:
        raise InputError(f"flow weights {source} belong to another network, try the default levels 6 to 2")
    check_finite(state, f"flow weights file {source}")
    net.load_state_dict(state)
    return net


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read flow weights {path}: {error.strerror}, try flow.weights=shipped") from error
