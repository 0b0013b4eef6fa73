"""PFLD: 68 facial landmarks of a face crop in about a millisecond, each with how far off it may be.

Guo et al., "PFLD: A Practical Facial Landmark Detector", arXiv 1902.10859 (2019), table 1: inverted residuals of
MobileNetV2 with a width multiplier, a head that is fully connected to three scales of features, and a branch that
estimates the head's pose in training only. Ours adds: noise and light are taken out of each picture; points are also
looked for where they are seen, since an average over the picture no longer knows places, and the head says how far to
trust that; each point comes with a scale, learnt by likelihood.
"""

import json
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from faceimit.errors import InputError
from faceimit.face.landmarks import COUNT
from faceimit.nets.finite import check_finite

FORMAT = "faceimit-landmarks-1"
GAIN = 0.1  # of the head's places: its inputs are many, their steps would add up to wild jumps
# Weights of the low-pass on the crop, along each axis: halves what sensor noise moves the points and costs no accuracy.
SMOOTHING = (1, 4, 6, 4, 1)
UNSURE = 0.02  # fraction of the crop's side: scale of the point errors before training
# A point is right if it lies within this fraction of the crop's side: 4 % of a frontal face's inter-ocular distance.
TOLERANCE = 0.015


class Landmarks(NamedTuple):
    """What the network says of a batch of crops.

    Attributes:
        points: (B, 68, 2) x and y in pixels of the crop.
        scale: (B, 68) b of the density exp(-d / b) / (2 pi b^2) of the distance d to the truth, in pixels of the crop:
            the expected distance is 2 b.
        parts: (B, 68, 2) each, what the points were mixed from: the head's and, if any, the local ones.
        pose: (B, 3) yaw, pitch, roll in radians; None outside training.
    """

    points: Tensor
    scale: Tensor
    parts: tuple[Tensor, ...]
    pose: Tensor | None


class PFLD(nn.Module):
    """Landmarks of face crops.

    Args:
        width: multiplier of the trunk's channels, paper: 1.0 and 0.25.
        size: side in pixels at which the trunk sees the crops, paper: 112; a multiple of 16.
        local: also look for each point where it is seen, paper: False.
    """

    def __init__(self, width: float = 0.25, size: int = 112, local: bool = True) -> None:
        super().__init__()
        if size % 16 or size < 64:
            raise InputError(f"expected size to be a multiple of 16, 64 or more, but got {size}, try size=112")
        self.size = size
        thin, thick = max(8, round(64 * width)), max(8, round(128 * width))
        self.stem = nn.Sequential(unit(3, thin, 3, stride=2), unit(thin, thin, 3, groups=thin))  # 1/2
        first = [Inverted(thin, thin, 2, stride=2), *(Inverted(thin, thin, 2) for _ in range(4))]
        self.early = nn.Sequential(*first)  # 1/4
        later = [Inverted(thin, thick, 2, stride=2), *(Inverted(thick, thick, 4) for _ in range(6))]
        self.late = nn.Sequential(*later)  # 1/8
        self.fine = Inverted(thick, 16, 2)
        self.coarse = unit(16, 32, 3, stride=2)  # 1/16
        self.top = nn.Sequential(nn.Conv2d(32, 128, size // 16), nn.ReLU(inplace=True))  # 1 x 1
        self.head = nn.Linear(16 + 32 + 128, COUNT * 4)  # x, y, log of the scale, trust in the local place
        nn.init.normal_(self.head.weight, std=1e-2)
        nn.init.zeros_(self.head.bias)
        self.local = LocalPlaces(thin, thick, 3 * thin, size // 4) if local else None
        self.pose = PoseBranch(thin, size // 4)
        self.register_buffer("mean", torch.full((COUNT, 2), 0.5))
        taps = torch.tensor(SMOOTHING) / sum(SMOOTHING)
        self.register_buffer("low_pass", (taps[:, None] * taps).expand(3, 1, -1, -1).contiguous(), persistent=False)

    def forward(self, crops: Tensor) -> Landmarks:
        """Landmarks of crops of any side.

        Args:
            crops: (B, 3, S, S) RGB in [0, 255], uint8 or float.
        """
        side = crops.shape[-1]
        early = self.early(self.stem(self._normalised(crops)))  # (B, C, size/4, size/4)
        late = self.late(early)  # (B, C', size/8, size/8)
        fine = self.fine(late)
        coarse = self.coarse(fine)
        scales = (fine.mean(dim=(2, 3)), coarse.mean(dim=(2, 3)), self.top(coarse).flatten(1))
        values = self.head(torch.cat(scales, dim=1)).view(-1, COUNT, 4).float()
        points = self.mean + GAIN * values[..., :2]  # fractions of the side
        parts = (points,)
        if self.local is not None:
            parts = (points, self.local(early, late))
            points = torch.lerp(*parts, torch.sigmoid(values[..., 3:]))
        scale = UNSURE * side * values[..., 2].clamp(-5.0, 4.0).exp()
        pose = self.pose(early) if self.training else None
        # the centre of the first pixel is 0
        return Landmarks(points * side - 0.5, scale, tuple(part * side - 0.5 for part in parts), pose)

    def _normalised(self, crops: Tensor) -> Tensor:
        """(B, 3, S, S) -> (B, 3, size, size) of mean 0 and deviation about 1: a change of light moves no point."""
        edge = len(SMOOTHING) // 2
        x = F.pad(crops.float() / 255, (edge, edge, edge, edge), mode="replicate")
        x = F.conv2d(x, self.low_pass, groups=3)
        if x.shape[-1] != self.size:
            x = F.interpolate(x, size=(self.size, self.size), mode="bilinear", align_corners=False, antialias=False)
        mean = x.mean(dim=(1, 2, 3), keepdim=True)
        x = x - mean
        x = x / (x.square().mean(dim=(1, 2, 3), keepdim=True).sqrt() + 0.02)
        return x.contiguous(memory_format=torch.channels_last)


class LocalPlaces(nn.Module):
    """Where each point is seen: cells of a grid vote with their own place and an offset, weighted by a softmax.

    Integral regression (Sun et al., 2018) of the offsets of PIPNet (Jin et al., 2021), on fine features that know of
    the coarse ones: (B, C, g, g), (B, C', g/2, g/2) -> (B, 68, 2) fractions of the side.
    """

    def __init__(self, fine: int, coarse: int, wide: int, grid: int) -> None:
        super().__init__()
        self.fine, self.coarse = unit(fine, wide, 1, act=False), unit(coarse, wide, 1, act=False)
        self.features = nn.Sequential(nn.ReLU(), unit(wide, wide, 3, groups=wide))
        self.votes = nn.Conv2d(wide, COUNT * 3, 1)
        nn.init.normal_(self.votes.weight, std=1e-2)
        nn.init.zeros_(self.votes.bias)
        centres = (torch.arange(grid) + 0.5) / grid
        rows, columns = torch.meshgrid(centres, centres, indexing="ij")
        self.register_buffer("cells", torch.stack([columns, rows]).flatten(1), persistent=False)  # (2, g g)
        self.grid = grid

    def forward(self, fine: Tensor, coarse: Tensor) -> Tensor:
        context = F.interpolate(self.coarse(coarse), scale_factor=2.0, mode="bilinear", align_corners=False)
        votes = self.votes(self.features(self.fine(fine) + context)).float()
        votes = votes.flatten(2).unflatten(1, (COUNT, 3))  # (B, 68, 3, g g)
        weights = votes[:, :, 2:].softmax(dim=-1)
        return ((self.cells + votes[:, :, :2] / self.grid) * weights).sum(dim=-1)


class PoseBranch(nn.Module):
    """Yaw, pitch and roll from early features (paper, table 2): (B, C, h, h) -> (B, 3) radians."""

    def __init__(self, channels: int, side: int) -> None:
        super().__init__()
        wide = 2 * channels
        self.features = nn.Sequential(
            unit(channels, wide, 3, stride=2), unit(wide, wide, 3), unit(wide, 32, 3, stride=2), nn.Flatten()
        )
        last = (side + 3) // 4
        self.angles = nn.Sequential(nn.Linear(32 * last * last, 128), nn.ReLU(), nn.Linear(128, 32), nn.Linear(32, 3))

    def forward(self, early: Tensor) -> Tensor:
        return self.angles(self.features(early)).float()


class Inverted(nn.Module):
    """Inverted residual (MobileNetV2): expand, filter each channel, project; added to its input where it fits."""

    def __init__(self, inputs: int, outputs: int, expansion: int, stride: int = 1) -> None:
        super().__init__()
        inner = inputs * expansion
        self.layers = nn.Sequential(
            unit(inputs, inner, 1), unit(inner, inner, 3, stride, groups=inner), unit(inner, outputs, 1, act=False)
        )
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x) if self.residual else self.layers(x)


def unit(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1, act: bool = True) -> nn.Sequential:
    """Convolution, batch normalisation and, unless told otherwise, ReLU; the size only shrinks by the stride."""
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), *([nn.ReLU(inplace=True)] if act else []))


def confidence(scale: Tensor, side: float) -> Tensor:
    """Probability in [0, 1] that a point lies within :data:`TOLERANCE` of the truth.

    Args:
        scale: (...,) b in pixels of the crop (:class:`Landmarks`).
        side: of the crop in pixels.
    """
    ratio = TOLERANCE * side / scale
    return 1 - (1 + ratio) * torch.exp(-ratio)


def pack_pfld(net: PFLD, arguments: Mapping[str, Any], half: bool = True) -> bytes:
    """The content of a weights file: numbers and one JSON text.

    Args:
        net: trained.
        arguments: what its constructor was called with.
        half: store weights as float16, half the size; they are computed with as float32.
    """
    from safetensors.torch import save

    def stored(tensor: Tensor) -> Tensor:
        tensor = tensor.detach().cpu().contiguous()
        return tensor.half() if half and tensor.is_floating_point() else tensor

    header = json.dumps({"format": FORMAT, "arguments": dict(arguments)}, sort_keys=True)
    kept = {name: tensor for name, tensor in net.state_dict().items() if not name.startswith("pose.")}
    return save({name: stored(tensor) for name, tensor in kept.items()}, metadata={"faceimit": header})


def load_pfld(source: str | Path = "shipped") -> PFLD:
    """A trained network for inference, without the weights of the pose branch.

    Args:
        source: "shipped" (the weights in this package) or a .safetensors file of :func:`pack_pfld`.

    Raises:
        InputError: the file is missing, damaged, or of another network or version.
    """
    state, header = _read(source)
    if header.get("format") != FORMAT:
        raise InputError(f"landmark weights {source} have format {header.get('format')!r} instead of {FORMAT!r}")
    try:
        net = PFLD(**header["arguments"])
        missing, unexpected = net.load_state_dict(state, strict=False)
    except (RuntimeError, TypeError, KeyError) as error:
        raise InputError(f"landmark weights {source} belong to another network, try 'shipped'") from error
    if unexpected or any(not name.startswith("pose.") for name in missing):
        raise InputError(f"landmark weights {source} belong to another network, try 'shipped'")
    check_finite(state, f"landmark weights file {source}")
    return net.eval()


def _read(source: str | Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Weights by name, and the header."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    shipped = resources.files("faceimit").joinpath("weights", "landmarks.safetensors")
    try:
        content = shipped.read_bytes() if str(source) == "shipped" else Path(source).read_bytes()
        state = {
            name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in load(content).items()
        }
        # A safetensors file begins with the length of its JSON header.
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])["__metadata__"]["faceimit"]
        return state, json.loads(header)
    except OSError as error:
        raise InputError(f"cannot read landmark weights {source}: {error.strerror}, try 'shipped'") from error
    except (SafetensorError, KeyError, ValueError) as error:
        raise InputError(f"{source} is not a landmark weights file, give one or 'shipped'") from error
