"""The flow of one crop to the one before it, written for ONNX Runtime: the same numbers in less time.

:meth:`faceimit.nets.fastflownet.FastFlowNet.decode` says what is computed. Here a level's features are rows, one a
pixel, so that what moves pixels about (warping, the windows of the correlation) copies whole rows, and what sums over
channels is a matrix product; ONNX Runtime's own operators for these go element by element. Batches of one, even sizes.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from faceimit.nets.fastflownet import COMPARED, RADIUS, FastFlowNet, double, zero_flow

BLOCK = 8  # side of the blocks of pixels that are compared with one window

# of sums (xx, xy, yy, xt, yt): the factors of yy xt - xy yt, xx yt - xy xt and xx yy - xy xy, xx and yy with damping
_X, _Y = (1.05, 0.0, 0.05, 0.0, 0.0, 1e-3), (0.05, 0.0, 1.05, 0.0, 0.0, 1e-3)
_XY, _XT, _YT = ((*(float(k == n) for k in range(5)), 0.0) for n in (1, 3, 4))
_FACTORS = (_Y, _X, _X, _XT, _YT, _Y, _XY, _XY, _XY, _YT, _XT, _XY)


class Blocks(NamedTuple):
    """A picture of h x w pixels in blocks of p pixels, each with a window of q pixels its pixels may look at.

    Attributes:
        pixels: (blocks, p) numbers of pixels, row by row.
        windows: (blocks, q) likewise, h w for what lies outside of the picture.
        wanted: (offsets, h, w) where among all products of pixels and windows (blocks, p, q) each offset's are.
    """

    pixels: Tensor
    windows: Tensor
    wanted: Tensor


class FlowRows(nn.Module):
    """A trained flow network for a stream of crops.

    Args:
        net: trained; shared, not copied.
        crop: side of the crops in pixels.

    Attributes:
        shapes: (h, w, C) of each level's rows.
    """

    def __init__(self, net: FastFlowNet, crop: int) -> None:
        super().__init__()
        self.net, self._blocks = net, dict[int, Blocks]()
        with torch.no_grad():
            self.shapes = {level: tuple(rows.shape) for level, rows in self.rows(torch.zeros(1, 3, crop, crop)).items()}
        for level, (height, width, _) in self.shapes.items():
            self._blocks[level] = blocks(height, width, net.offsets)

    def rows(self, frame: Tensor) -> dict[int, Tensor]:
        """Features of a frame (1, 3, S, S) in [0, 1], by level: (h, w, C)."""
        levels = self.net.pyramid(frame)
        used = range(self.net.finest, self.net.coarsest + 1)
        return {n: levels[n - 1][0].permute(1, 2, 0).contiguous() for n in used}

    def forward(self, previous: dict[int, Tensor], current: dict[int, Tensor]) -> tuple[Tensor, ...]:
        """Flow of the current frame to the previous one from the rows of both: levels (1, 2, h, w), finest first."""
        flows: list[Tensor] = []
        for level in range(self.net.coarsest, self.net.finest - 1, -1):
            now, before = current[level], previous[level]
            height, width, channels = now.shape
            blank = now.new_zeros(1, 1, height, width)
            up = double(flows[-1], now.shape[:2]) if flows else zero_flow(blank)
            moved = warp_rows(before, up[0]) if flows else before
            cost = F.leaky_relu(correlate_blocks(now, moved, self._blocks[level]), 0.1)
            reduce = self.net.reduce[str(level)]
            weight, bias = reduce.weight.flatten(1), reduce.bias.unsqueeze(1)  # type: ignore[operator,union-attr]
            context, compared = (weight @ rows.view(-1, channels).T + bias for rows in (now, moved))  # (32, h w)
            step = lucas_kanade_products(context.view(-1, height, width), compared.view(-1, height, width))
            change = (context - compared)[:COMPARED].view(1, -1, height, width)
            parts = [cost.unsqueeze(0), context.view(1, -1, height, width), change, up, step]
            correction, _ = self.net.decoders[str(level)](torch.cat(parts, dim=1))
            flows.append(up + step + correction)
        return tuple(reversed(flows))


def warp_rows(rows: Tensor, flow: Tensor) -> Tensor:
    """As :func:`faceimit.nets.warp.warp`: (h, w, C) at x + flow(x), flow (2, h, w) in pixels, the edge repeated."""
    height, width, channels = rows.shape
    ys, xs = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    most = torch.tensor([width - 1, height - 1], dtype=flow.dtype).view(2, 1, 1)
    place = torch.minimum((flow + torch.stack([xs, ys]).to(flow.dtype)).clamp(min=0.0), most)
    low = place.floor()  # at the last pixel its share below is all of it
    high = torch.minimum(low + 1, most)
    share = (place - low).flatten(1)  # (2, h w) of the pixel after
    (left, top), (right, bottom) = low.flatten(1).unbind(), high.flatten(1).unbind()
    top, bottom = top * width, bottom * width
    corners = torch.stack([top + left, top + right, bottom + left, bottom + right]).long()  # (4, h w)
    rest = 1 - share
    weights = torch.stack([rest[0] * rest[1], share[0] * rest[1], rest[0] * share[1], share[0] * share[1]])
    found = rows.view(-1, channels)[corners] * weights.unsqueeze(2)  # (4, h w, C)
    return (found[0] + found[1] + (found[2] + found[3])).view(height, width, channels)


def correlate_blocks(current: Tensor, previous: Tensor, by: Blocks) -> Tensor:
    """As :func:`faceimit.nets.fastflownet.correlate`, of rows (h, w, C): (offsets, h, w).

    A block of pixels is multiplied with the whole window its pixels may look at; a third of these products is used.
    """
    channels = current.shape[-1]
    now = (current / channels).view(-1, channels)[by.pixels]  # (blocks, p, C)
    before = F.pad(previous.view(-1, channels), (0, 0, 0, 1))[by.windows]  # the row after the last pixel's is zero
    return (now @ before.transpose(1, 2)).flatten()[by.wanted]


def blocks(height: int, width: int, offsets: tuple[tuple[int, int], ...]) -> Blocks:
    """Blocks of :data:`BLOCK` pixels a side, or of the whole side where that does not go."""
    tall, wide = (BLOCK if size % BLOCK == 0 else size for size in (height, width))
    corner = torch.cartesian_prod(torch.arange(0, height, tall), torch.arange(0, width, wide)).unsqueeze(1)
    inside = torch.cartesian_prod(torch.arange(tall), torch.arange(wide))
    span = torch.cartesian_prod(torch.arange(-RADIUS, tall + RADIUS), torch.arange(-RADIUS, wide + RADIUS))
    pixel, seen = corner + inside, corner + span  # (blocks, p or q, 2), y before x
    within = ((seen >= 0) & (seen < torch.tensor([height, width]))).all(dim=2)
    windows = torch.where(within, seen[..., 0] * width + seen[..., 1], height * width)
    ys, xs = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    y, x = ys % tall, xs % wide
    first = ((ys // tall * (width // wide) + xs // wide) * len(inside) + y * wide + x) * len(span)
    places = [(y + dy + RADIUS) * (wide + 2 * RADIUS) + x + dx + RADIUS for dx, dy in offsets]
    return Blocks(pixel[..., 0] * width + pixel[..., 1], windows, torch.stack([first + place for place in places]))


def lucas_kanade_products(current: Tensor, previous: Tensor, window: int = 5, most: float = 4.0) -> Tensor:
    """As :func:`faceimit.nets.fastflownet.lucas_kanade`, of (C, h, w): (1, 2, h, w) px."""
    channels, height, width = current.shape
    mean = F.pad((0.25 * (current + previous)).unsqueeze(0), (1, 1, 1, 1), mode="replicate")[0]
    dx = (mean[:, 1:-1, 2:] - mean[:, 1:-1, :-2]).flatten(1)
    dy = (mean[:, 2:, 1:-1] - mean[:, :-2, 1:-1]).flatten(1)
    difference = (current - previous).flatten(1)
    average = torch.full((1, channels), 1 / channels)
    products = (dx * dx, dx * dy, dy * dy, dx * difference, dy * difference)
    sums = torch.cat([average @ product for product in products]).view(1, 5, height, width)
    sums = F.avg_pool2d(sums, window, stride=1, padding=window // 2, count_include_pad=False)
    table = torch.tensor(_FACTORS)
    factors = table[:, :5] @ sums.view(5, -1) + table[:, 5:]  # (12, h w)
    a, b, c, d = factors.split(3)
    step, determinant = (a * b - c * d).split([2, 1])
    return (most * torch.tanh(step / determinant / most)).view(1, 2, height, width)
