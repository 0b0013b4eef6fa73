"""Keyframe network: how much the expression changes at each frame of a clip, from appearance and multi-scale flow.

The seed paper fuses ResNet-50 features of a frame with the features of its optical flow and regresses a score in
[0, 1]. Ours adds, each switchable: the amplified difference to the previous frame beside the frame (`pair`), the flow
left after the best affine motion (what the head does is not expression), a short temporal context with bounded
look-ahead, and a velocity head (how fast each blendshape moves) whose length is a second opinion on the score.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from faceimit.errors import InputError
from faceimit.face.blendshapes import BLENDSHAPES
from faceimit.nets.backbone import build_backbone, stage
from faceimit.nets.fastflownet import FastFlowNet
from faceimit.nets.warp import warp

MOTIONS = len(BLENDSHAPES) + 3  # blendshapes, then yaw, pitch, roll
REFERENCE_FPS = 25.0
DIFFERENCE_GAIN = 5.0
TOGETHER = 8  # pairs of frames
SCALES = 3  # levels of flow the score looks at, the finest ones
Flows = tuple[Tensor, ...]


class KeyframeOutput(NamedTuple):
    """What the network says of a clip.

    Attributes:
        score: (B, T) in [0, 1], expression change at frame t in units of c_ref.
        velocity: (B, T, 55) change a 1/25 s of the 52 blendshapes and of yaw, pitch, roll (radians).
        flow: flow of frames 1..T-1 of the `joint` windows to their predecessors, N = J (T - 1), finest level first, in
            pixels of the level; None without the flow branch.
    """

    score: Tensor
    velocity: Tensor
    flow: Flows | None


@dataclass(frozen=True)
class Context:
    """Temporal convolutions of the head: kernel sizes and how many of the frames they see lie in the future."""

    kernels: tuple[int, ...]
    look_ahead: int

    def paddings(self) -> list[tuple[int, int]]:
        """(past, future) padding of each convolution; the look-ahead is spent on the first ones."""
        left = self.look_ahead
        pairs = []
        for kernel in self.kernels:
            future = min(left, kernel // 2)
            left -= future
            pairs.append((kernel - 1 - future, future))
        if left:
            most = sum(kernel // 2 for kernel in self.kernels)
            raise InputError(f"expected look_ahead of at most {most} frames but got {self.look_ahead}, try {most}")
        return pairs


class KeyframeNet(nn.Module):
    """Scores of a clip of face crops.

    Args:
        backbone: one of :data:`faceimit.nets.backbone.BACKBONES`, randomly initialised.
        flow: use the flow branch (False is the baseline without flow).
        inputs: "pair" (frame and amplified difference to the previous one) or "frame" (the paper's single frame).
        affine: give the flow branch also the flow without its best affine part.
        size: side in pixels at which the backbone sees the crops; the flow sees them as they come.
        width: hidden channels.
        kernels, look_ahead: temporal context (:class:`Context`); `kernels=()` scores each frame alone.
        dropout: of the fully connected head, in [0, 1).
        scales: levels of flow the score looks at, from the finest one up, 1 to :data:`SCALES`.
    """

    def __init__(
        self,
        backbone: str = "resnet50",
        flow: bool = True,
        inputs: str = "pair",
        affine: bool = True,
        size: int = 96,
        width: int = 128,
        kernels: Sequence[int] = (5, 3),
        look_ahead: int = 3,
        dropout: float = 0.5,
        scales: int = SCALES,
    ) -> None:
        super().__init__()
        if inputs not in ("pair", "frame"):
            raise InputError(f"expected inputs to be 'pair' or 'frame' but got {inputs!r}, try inputs=pair")
        if not 1 <= scales <= SCALES:
            raise InputError(f"expected scales to be 1 to {SCALES} but got {scales}, try scales={SCALES}")
        self.pair, self.size = inputs == "pair", size
        self.appearance = Appearance(backbone, channels=6 if self.pair else 3, width=width)
        self.flow = FastFlowNet() if flow else None
        self.motion = FlowFeatures(width, affine, scales) if flow else None
        self.fuse = nn.Sequential(nn.Dropout(dropout), nn.Linear(width * (2 if flow else 1), width), nn.ReLU())
        self.head = ScoreHead(width, Context(tuple(kernels), look_ahead), dropout)

    def forward(
        self, frames: Tensor, fps: Tensor, joint: int | None = None, known: Sequence[Tensor] | None = None
    ) -> KeyframeOutput:
        """Scores of whole windows.

        Args:
            frames: (B, T, 3, S, S) RGB in [0, 1], T >= 2.
            fps: (B,) frames per second.
            joint: windows, the first of the batch, whose gradients reach the flow network; None: all of them.
            known: flow of the other windows where it was computed before, :data:`SCALES` levels (B, T, 2, h, w), each
                frame's flow to its predecessor in pixels of the level; None: the flow network runs on them too.
        """
        batch, time = frames.shape[:2]
        rate = (fps / REFERENCE_FPS).view(batch, 1).expand(batch, time).reshape(-1)  # (B T,)
        parts = [self.appearance(self._appearance_input(frames, rate))]
        flow = None
        if self.flow is not None and self.motion is not None:
            joint = batch if joint is None else joint
            flows = self._flows(frames, joint, known)
            parts.append(self._motion_features(frames, flows, rate))
            flow = tuple(level[: joint * (time - 1)] for level in flows)
        fused = self.fuse(torch.cat(parts, dim=1)).view(batch, time, -1)
        score, velocity = self.head(fused)
        return KeyframeOutput(score, velocity, flow)

    def flow_of_clip(self, frames: Tensor) -> Flows:
        """Flow of frames 1..T-1 to their predecessors, N = B (T - 1); each frame's pyramid is computed once.

        On the CPU and without gradients a few pairs at a time, whose correlations stay in the processor's cache: nearly
        twice as fast as all at once, in a tenth of the memory.
        """
        assert self.flow is not None
        batch, time = frames.shape[:2]
        levels = self.flow.pyramid(frames.flatten(0, 1))
        clips = [level.view(batch, time, *level.shape[1:]) for level in levels]
        previous = tuple(level[:, :-1].flatten(0, 1) for level in clips)
        current = tuple(level[:, 1:].flatten(0, 1) for level in clips)
        if torch.is_grad_enabled() or frames.device.type != "cpu":
            return self.flow.decode(previous, current).flows
        pairs = zip(*(level.split(TOGETHER) for level in previous + current), strict=True)
        parts = [self.flow.decode(part[: len(levels)], part[len(levels) :]).flows for part in pairs]
        return tuple(torch.cat(level) for level in zip(*parts, strict=True))

    def _flows(self, frames: Tensor, joint: int, known: Sequence[Tensor] | None) -> Flows:
        """Flow of all windows; only the first `joint` keep what gradients need, which costs three times as much."""
        parts = [self.flow_of_clip(frames[:joint])[:SCALES]] if joint else []
        if known is not None:
            parts.append(tuple(level[joint:, 1:].flatten(0, 1) for level in known))
        else:
            with torch.no_grad():  # a window at a time: its features stay in the processor's cache, twice as fast
                parts += [self.flow_of_clip(window[None])[:SCALES] for window in frames[joint:]]
        return tuple(torch.cat(level) for level in zip(*parts, strict=True))

    def _appearance_input(self, frames: Tensor, rate: Tensor) -> Tensor:
        """(B, T, 3, S, S) -> (B T, 3 or 6, size, size): standardised frame [and its difference to the previous]."""
        batch, time = frames.shape[:2]
        x = standardised(frames.flatten(0, 1), self.size)
        if not self.pair:
            return x
        clip = x.view(batch, time, *x.shape[1:])
        previous = torch.cat([clip[:, :1], clip[:, :-1]], dim=1).flatten(0, 1)
        difference = (x - previous) * (DIFFERENCE_GAIN * rate).view(-1, 1, 1, 1)
        return torch.cat([x, difference], dim=1)

    def _motion_features(self, frames: Tensor, flow: Flows, rate: Tensor) -> Tensor:
        """Flow features (B T, width); frame 0 has no predecessor and takes the features of frame 1."""
        assert self.motion is not None
        batch, time = frames.shape[:2]
        previous, current = frames[:, :-1].flatten(0, 1), frames[:, 1:].flatten(0, 1)
        features = self.motion(previous, current, flow, rate.view(batch, time)[:, 1:].reshape(-1))
        features = features.view(batch, time - 1, -1)
        return torch.cat([features[:, :1], features], dim=1).flatten(0, 1)

    @property
    def context(self) -> int:
        """Frames before a frame that its score depends on."""
        return 1 + sum(past for past, _ in self.head.paddings)

    @property
    def look_ahead(self) -> int:
        """Frames after a frame that its score depends on."""
        return sum(future for _, future in self.head.paddings)


@torch.no_grad()
def score_clip(net: KeyframeNet, frames: Tensor, fps: float, chunk: int = 64) -> Tensor:
    """Scores of a whole clip of any length in flat memory.

    Args:
        net: in eval mode.
        frames: (T, 3, S, S) uint8 RGB, T >= 1.
        fps: frames per second.
        chunk: frames scored at a time.

    Returns:
        (T,) float32 in [0, 1]; a single frame scores 0.
    """
    count = len(frames)
    if count < 2:
        return torch.zeros(count)
    device = next(net.parameters()).device
    rate = torch.tensor([fps], dtype=torch.float32, device=device)
    parts = []
    for start in range(0, count, chunk):
        first, last = max(0, start - net.context), min(count, start + chunk + net.look_ahead)
        first = min(first, last - 2)
        window = frames[first:last].to(device).float().div(255)[None]
        score = net(window, rate).score[0]
        parts.append(score[start - first : start - first + chunk].cpu())
    return torch.cat(parts).float()  # autocast makes them shorter


def standardised(frames: Tensor, size: int) -> Tensor:
    """(N, 3, S, S) in [0, 1] -> (N, 3, size, size) of mean 0: a flicker of the light is no change of expression."""
    if frames.shape[-1] != size:
        frames = F.interpolate(frames, size=(size, size), mode="bilinear", align_corners=False, antialias=False)
    mean, std = frames.mean(dim=(1, 2, 3), keepdim=True), frames.std(dim=(1, 2, 3), keepdim=True)
    return (frames - mean) / (std + 0.02)


class Appearance(nn.Module):
    """Backbone of the frame; its last map is reduced and kept as a grid, since crops are aligned and place matters."""

    GRID = 4

    def __init__(self, backbone: str, channels: int, width: int) -> None:
        super().__init__()
        self.trunk, outputs = build_backbone(backbone, channels)
        self.reduce = nn.Sequential(nn.Conv2d(outputs, 64, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU())
        self.project = nn.Sequential(nn.Linear(64 * self.GRID**2, width), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, s, s) -> (N, width)."""
        grid = self.reduce(self.trunk(x))
        if grid.shape[-1] != self.GRID:
            grid = F.interpolate(grid, size=self.GRID, mode="bilinear", align_corners=False)
        return self.project(grid.flatten(1))


class FlowFeatures(nn.Module):
    """Multi-scale flow -> one vector a frame: fine to coarse, each level joining where the resolutions meet."""

    CHANNELS = (16, 32, 64, 96)

    def __init__(self, width: int, affine: bool, scales: int = SCALES) -> None:
        super().__init__()
        self.affine, self.scales = affine, scales
        entry = 2 + 3 + (2 if affine else 0)  # flow, colours it does not explain [, its non-rigid part]
        inputs = (entry, *(self.CHANNELS[n - 1] + (2 if n < scales else 0) for n in range(1, len(self.CHANNELS))))
        self.stages = nn.ModuleList(
            stage(i, o, 1 if n == 0 else 2) for n, (i, o) in enumerate(zip(inputs, self.CHANNELS, strict=True))
        )
        self.project = nn.Sequential(nn.Linear(self.CHANNELS[-1] * 16, width), nn.ReLU())

    def forward(self, previous: Tensor, current: Tensor, flow: Flows, rate: Tensor) -> Tensor:
        """Features (N, width).

        Args:
            previous: (N, 3, S, S) frame t-1, RGB in [0, 1].
            current: frame t likewise.
            flow: of frame t to t-1, :data:`SCALES` levels (N, 2, h, w), finest first, in pixels of the level.
            rate: (N,) fps / 25, so that a motion means the same at any frame rate.
        """
        scale = rate.view(-1, 1, 1, 1)
        x = self.stages[0](self._entry(previous, current, flow[0], scale))
        for level in range(1, SCALES):
            if level < self.scales:
                x = torch.cat([x, at_size(flow[level] * scale, x.shape[-1])], dim=1)
            x = self.stages[level](x)
        x = self.stages[SCALES](x)
        x = F.adaptive_avg_pool2d(x, 4) if x.shape[-1] != 4 else x
        return self.project(x.flatten(1))

    def _entry(self, previous: Tensor, current: Tensor, finest: Tensor, scale: Tensor) -> Tensor:
        size = tuple(finest.shape[-2:])
        small = [F.interpolate(x, size=size, mode="area") for x in (previous, current)]
        unexplained = (small[1] - warp(small[0], finest)) * DIFFERENCE_GAIN
        parts = [finest * scale, unexplained * scale]
        if self.affine:
            parts.append(without_affine(finest) * scale)
        return torch.cat(parts, dim=1)


def at_size(flow: Tensor, size: int) -> Tensor:
    """The flow at another resolution by the nearest vector, its pixels left as they are."""
    return flow if flow.shape[-1] == size else F.interpolate(flow, size=(size, size), mode="nearest")


class ScoreHead(nn.Module):
    """Temporal context, then score and blendshape velocities; the score starts from the length of the velocity."""

    def __init__(self, width: int, context: Context, dropout: float) -> None:
        super().__init__()
        self.paddings = context.paddings()
        self.context = nn.ModuleList(nn.Conv1d(width, width, kernel) for kernel in context.kernels)
        self.dropout = nn.Dropout(dropout)
        self.velocity = nn.Conv1d(width, MOTIONS, 1)
        self.score = nn.Sequential(nn.Conv1d(width + 1, 64, 1), nn.ReLU(), nn.Conv1d(64, 1, 1))

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, width) -> score (B, T) in [0, 1], velocity (B, T, 55)."""
        x = features.transpose(1, 2)
        for padding, layer in zip(self.paddings, self.context, strict=True):
            x = F.relu(layer(F.pad(x, padding, mode="replicate")))
        return self.readout(x)

    def readout(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Frames with their context (B, width, T) -> score (B, T), velocity (B, T, 55)."""
        x = self.dropout(x)
        velocity = self.velocity(x) * 0.1
        length = (velocity.square().sum(dim=1, keepdim=True) + 1e-4).sqrt() * 2.5
        score = length + self.score(torch.cat([x, length], dim=1))
        return soft_clip(score[:, 0]), velocity.transpose(1, 2)


def soft_clip(x: Tensor, softness: float = 0.05) -> Tensor:
    """Clip to [0, 1] with gradients beyond the ends: softplus(x) - softplus(x - 1), sharpened."""
    return (F.softplus(x / softness) - F.softplus((x - 1) / softness)) * softness


def without_affine(flow: Tensor) -> Tensor:
    """Flow minus its least-squares affine part over the picture, weighted to the face in the centre.

    Args:
        flow: (N, 2, H, W) in pixels.

    Returns:
        (N, 2, H, W). The fit is one constant projection, so it exports to ONNX as two matrix products.
    """
    height, width = flow.shape[-2:]
    y = torch.linspace(-1, 1, height, dtype=torch.float32, device=flow.device).view(-1, 1).expand(height, width)
    x = torch.linspace(-1, 1, width, dtype=torch.float32, device=flow.device).view(1, -1).expand(height, width)
    basis = torch.stack([torch.ones_like(x), x, y], dim=0).flatten(1)  # (3, H W)
    weighted = basis * torch.exp(-1.5 * (x.square() + y.square())).flatten()
    # 1, x and y are orthogonal on a grid and weights that are even in both, so the normal equations are diagonal
    solve = weighted / (weighted * basis).sum(dim=1, keepdim=True)  # (3, H W)
    flat = flow.flatten(2).to(basis.dtype)  # (N, 2, H W)
    return (flat - (flat @ solve.T) @ basis).view_as(flow).to(flow.dtype)
