"""Mapping network: a face crop -> the 30 values that make the robot show the same expression.

Lips and lids move by a pixel or two while head and neck carry them across the picture, so the network looks twice. A
small finder says where the face lies; the face is cut out upright, and a trunk with one head for each part of the robot
(brow, eyelid, gaze, jaw, lip, nose, head, neck) reads the controls off it. Each head keeps a grid of places instead of
an average: what is lost in an average cannot be located again. The 68 landmarks, where they are known, are learnt along
with them. The network says how far each control is from neutral, as a share of its range: zero is the neutral face.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from faceimit.errors import InputError
from faceimit.face.controls import HIGH, LOW, NAMES, NEUTRAL, PARTS, SPAN, check_names
from faceimit.face.landmarks import COUNT
from faceimit.nets.backbone import build_backbone
from faceimit.nets.packed import pack, unpack
from faceimit.nets.placement import EYES, LEVEL, cut_out, face_shape

FORMAT = "faceimit-mapper-1"
SHIPPED = "mapper.safetensors"
CELL = 8  # pixels of the upright face in a place of the feature map


class Mapping30(NamedTuple):
    """What the network says of a batch of crops.

    Attributes:
        deviations: (B, 30) from neutral as a share of the range, in about [-1, 1], in the table's order.
        features: (B, F) hidden values of all heads, what pairs of human and robot are compared by.
        points: (B, 68, 2) landmarks in the face's frame (:mod:`faceimit.nets.placement`).
        found: (B, 4) placement of the face, of the finder.
    """

    deviations: Tensor
    features: Tensor
    points: Tensor
    found: Tensor


class ControlMapper(nn.Module):
    """Deviations of the 30 controls from neutral.

    Args:
        backbone: one of :data:`faceimit.nets.backbone.BACKBONES`, randomly initialised.
        size: side in pixels of the upright face that the trunk sees; a multiple of 16.
        width: channels of the map that the heads share.
        channels: of the grid that each head keeps.
        hidden: values of the hidden layer of each head.
        dropout: of the hidden layers, in [0, 1).
    """

    def __init__(
        self,
        backbone: str = "compact",
        size: int = 96,
        width: int = 64,
        channels: int = 8,
        hidden: int = 64,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if size % 16 or size < 64:
            raise InputError(f"expected size to be a multiple of 16, 64 or more, but got {size}, try size=96")
        self.size = size
        self.finder = Finder()
        self.trunk = Trunk(backbone, width)
        places = (size // CELL) ** 2
        self.points = GridHead(width, 2 * channels, places, COUNT * 2)
        aside = COUNT * 2 + 4  # landmarks and placement
        self.heads = nn.ModuleDict(
            {part: PartHead(width, channels, places, aside, hidden, len(at), dropout) for part, at in PARTS.items()}
        )
        order = [i for at in PARTS.values() for i in at]
        self.register_buffer("order", torch.tensor(order).argsort(), persistent=False)
        for name, values in (("low", LOW), ("high", HIGH), ("neutral", NEUTRAL), ("span", SPAN)):
            self.register_buffer(name, torch.tensor(values, dtype=torch.float32), persistent=False)
        self.register_buffer("shape", torch.zeros(COUNT, 2))  # mean landmarks in the face's frame

    def forward(self, crops: Tensor, placement: Tensor | None = None) -> Mapping30:
        """Deviations and features of crops of any side.

        Args:
            crops: (B, 3, S, S) RGB in [0, 255], uint8 or float.
            placement: (B, 4) of the faces where it is known, for training; None: what the finder finds.
        """
        pictures = crops.float() / 255
        found = self.finder(pictures)
        placement = found.detach() if placement is None else placement
        face = standardised(cut_out(pictures, placement, self.size))
        shared, whole = self.trunk(face.contiguous(memory_format=torch.channels_last))
        offset = self.points(shared, whole)  # of the landmarks from the mean shape, in eye distances x 10
        aside = torch.cat([4 * offset, 10 * (placement - self.finder.usual)], dim=1)
        hidden = [head.hidden(shared, whole, aside) for head in self.heads.values()]
        parts = [head.controls(values, aside) for head, values in zip(self.heads.values(), hidden, strict=True)]
        deviations = torch.cat(parts, dim=1)[:, self.order]
        points = self.shape + offset.view(-1, COUNT, 2) / 10
        return Mapping30(deviations.float(), torch.cat(hidden, dim=1), points, found)

    def values(self, crops: Tensor) -> Tensor:
        """Crops (B, 3, S, S) RGB in [0, 255] -> values (B, 30) in the table's units, clipped to the ranges."""
        values = self(crops).deviations * self.span + self.neutral
        return values.clamp(min=self.low, max=self.high)

    def expect(self, points: Tensor) -> None:
        """Start from the mean shape and placement of faces (B, 68, 2), in shares of the picture's side."""
        shape, usual = face_shape(points)
        self.shape.copy_(shape)
        self.finder.usual.copy_(usual)

    def get_extra_state(self) -> dict[str, list[str]]:
        """The controls that the outputs mean; kept in every checkpoint."""
        return {"controls": list(NAMES)}

    def set_extra_state(self, state: Mapping[str, Any]) -> None:
        """Refuse weights of another list of controls.

        Raises:
            InputError: names that differ, or stand in another order.
        """
        check_controls(state["controls"])


def standardised(pictures: Tensor) -> Tensor:
    """(B, 3, s, s) -> the same of mean 0 and deviation about 1: a change of light moves no servo."""
    x = pictures - pictures.mean(dim=(1, 2, 3), keepdim=True)
    return x / (x.square().mean(dim=(1, 2, 3), keepdim=True).sqrt() + 0.02)


class Finder(nn.Module):
    """Placement (B, 4) of the face in pictures (B, 3, S, S) in [0, 1], from a small copy.

    Before training the face is taken to fill the picture, so data without landmarks are seen whole.
    """

    SIZE = 64

    def __init__(self) -> None:
        super().__init__()
        self.trunk, outputs = build_backbone("compact", 3)
        self.head = GridHead(outputs, 32, (self.SIZE // 16) ** 2, 4)
        self.register_buffer("usual", torch.tensor([EYES, 0.0, 0.5, LEVEL]))

    def forward(self, pictures: Tensor) -> Tensor:
        size = (self.SIZE, self.SIZE)
        x = pictures
        if x.shape[-1] != self.SIZE:
            x = F.interpolate(x, size=size, mode="bilinear", align_corners=False, antialias=False)
        grid = self.trunk(standardised(x).contiguous(memory_format=torch.channels_last))
        return self.usual + 0.1 * self.head(grid, grid.mean(dim=(2, 3)))


class GridHead(nn.Module):
    """Linear in all places of a thinned map and in a vector of the whole: (B, W, g, g), (B, W) -> (B, outputs)."""

    def __init__(self, width: int, channels: int, places: int, outputs: int) -> None:
        super().__init__()
        self.thin = nn.Sequential(nn.Conv2d(width, channels, 1, bias=False), nn.BatchNorm2d(channels), nn.ReLU())
        self.out = nn.Linear(channels * places + width, outputs)
        nn.init.normal_(self.out.weight, std=1e-3)
        nn.init.zeros_(self.out.bias)

    def forward(self, shared: Tensor, whole: Tensor) -> Tensor:
        return self.out(torch.cat([self.thin(shared).flatten(1), whole], dim=1))


class Trunk(nn.Module):
    """A backbone whose coarsest map is added to its map at 1 / :data:`CELL` of the side."""

    def __init__(self, backbone: str, width: int) -> None:
        super().__init__()
        trunk, outputs = build_backbone(backbone, 3)
        layers = list(trunk.children())
        cut, channels = _cut(layers)
        self.early, self.late = nn.Sequential(*layers[:cut]), nn.Sequential(*layers[cut:])
        self.fine = nn.Conv2d(channels, width, 1, bias=False)
        self.coarse = nn.Conv2d(outputs, width, 1, bias=False)
        self.mix = nn.Sequential(
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, s, s) -> map (B, width, s / 8, s / 8) and mean of the coarsest map (B, width)."""
        early = self.early(x)
        coarse = self.coarse(self.late(early))
        fine = self.fine(early)
        size = (int(fine.shape[-2]), int(fine.shape[-1]))
        return self.mix(fine + F.interpolate(coarse, size=size, mode="nearest")), coarse.mean(dim=(2, 3))


def _cut(layers: list[nn.Module]) -> tuple[int, int]:
    """How many layers of a trunk lead to the last map of a cell a place, and its channels."""
    x = torch.zeros(1, 3, 8 * CELL, 8 * CELL)
    found = (0, 0)
    with torch.no_grad():
        for number, layer in enumerate(layers, start=1):
            x = layer.eval()(x)
            if x.shape[-1] == 8:
                found = number, int(x.shape[1])
            layer.train()
    return found


class PartHead(nn.Module):
    """Controls of one part: its thin map, the whole face, landmarks and placement -> hidden values -> deviations."""

    def __init__(
        self, width: int, channels: int, places: int, aside: int, hidden: int, outputs: int, dropout: float
    ) -> None:
        super().__init__()
        self.thin = nn.Sequential(nn.Conv2d(width, channels, 1, bias=False), nn.BatchNorm2d(channels), nn.ReLU())
        inputs = channels * places + width + aside
        self.mid = nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), nn.Dropout(dropout))
        self.out = nn.Linear(hidden + aside, outputs)  # much of a control is linear in where the landmarks are
        nn.init.normal_(self.out.weight, std=1e-2)
        nn.init.zeros_(self.out.bias)

    def hidden(self, shared: Tensor, whole: Tensor, aside: Tensor) -> Tensor:
        """(B, width, g, g), (B, width) and (B, aside) -> (B, hidden)."""
        return self.mid(torch.cat([self.thin(shared).flatten(1), whole, aside], dim=1))

    def controls(self, hidden: Tensor, aside: Tensor) -> Tensor:
        """(B, hidden) and (B, aside) -> (B, outputs)."""
        return self.out(torch.cat([hidden, aside], dim=1))


class ControlValues(nn.Module):
    """What is exported: uint8 crops (B, 3, S, S) -> values (B, 30) in the table's units, clipped to the ranges."""

    def __init__(self, net: ControlMapper) -> None:
        super().__init__()
        self.net = net.eval()

    def forward(self, crops: Tensor) -> Tensor:
        """As :meth:`ControlMapper.values`."""
        return self.net.values(crops)


def check_controls(names: list[str]) -> None:
    """Refuse a list of controls that is not the table's, in its order.

    Raises:
        InputError: names that are unknown, missing or in another place, all of them named.
    """
    check_names(names)
    moved = [f"{name} at {names.index(name)} instead of {i}" for i, name in enumerate(NAMES) if names[i] != name]
    if moved:
        raise InputError(f"expected the controls in the table's order but got {', '.join(moved)}, train again")


def pack_mapper(net: ControlMapper, arguments: Mapping[str, Any], half: bool = True) -> bytes:
    """The content of a weights file.

    Args:
        net: trained.
        arguments: what its constructor was called with, in plain types.
        half: store weights as float16, half the size; they are computed with as float32.
    """
    header = {"format": FORMAT, "arguments": dict(arguments), "controls": list(NAMES)}
    return pack(net.state_dict(), header, half)


def load_mapper(source: str | Path = "shipped") -> ControlMapper:
    """A trained network for inference.

    Args:
        source: "shipped" (the weights in this package) or a .safetensors file of :func:`pack_mapper`.

    Raises:
        InputError: the file is missing, damaged, of another network or version, or of other controls, which are named.
    """
    state, header = unpack(source, SHIPPED, FORMAT)
    check_controls(header.get("controls", []))
    try:
        net = ControlMapper(**header["arguments"])
        missing, unexpected = net.load_state_dict(state, strict=False)
    except (RuntimeError, TypeError, KeyError) as error:
        raise InputError(f"weights {source} belong to another network, try 'shipped'") from error
    if unexpected or set(missing) - {"_extra_state"}:
        raise InputError(f"weights {source} belong to another network, try 'shipped'")
    return net.to(memory_format=torch.channels_last).eval()
