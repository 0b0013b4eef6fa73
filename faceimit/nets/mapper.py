"""Mapping network: a face crop -> the 30 values that make the robot show the same expression.

A shared trunk, a map of features at an eighth of the picture's side that also knows the whole face, and one head for
each part of the robot (brow, eyelid, gaze, jaw, lip, nose, head, neck). Lips and lids move by a pixel or two, so each
head keeps a grid of places instead of an average: what is lost in an average cannot be located again. The network
says how far each control is from neutral, as a share of its range; so a zero output is the robot's neutral face.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from faceimit.errors import InputError
from faceimit.face.controls import HIGH, LOW, NAMES, NEUTRAL, PARTS, SPAN, check_names
from faceimit.nets.backbone import build_backbone
from faceimit.nets.packed import pack, unpack

FORMAT = "faceimit-mapper-1"
SHIPPED = "mapper.safetensors"
CELL = 8  # pixels of the picture in a place of the feature map


class Mapping30(NamedTuple):
    """What the network says of a batch of crops.

    Attributes:
        deviations: (B, 30) from neutral as a share of the range, in about [-1, 1], in the table's order.
        features: (B, F) hidden values of all heads, what pairs of human and robot are compared by.
    """

    deviations: Tensor
    features: Tensor


class ControlMapper(nn.Module):
    """Deviations of the 30 controls from neutral.

    Args:
        backbone: one of :data:`faceimit.nets.backbone.BACKBONES`, randomly initialised.
        size: side in pixels at which the trunk sees the crops; a multiple of 16.
        width: channels of the map that the heads share.
        channels: of the grid that each head keeps.
        hidden: values of the hidden layer of each head.
        dropout: of the hidden layers, in [0, 1).
    """

    def __init__(
        self,
        backbone: str = "compact",
        size: int = 128,
        width: int = 64,
        channels: int = 8,
        hidden: int = 64,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if size % 16 or size < 64:
            raise InputError(f"expected size to be a multiple of 16, 64 or more, but got {size}, try size=128")
        self.size = size
        self.trunk = Trunk(backbone, width)
        places = (size // CELL) ** 2
        self.heads = nn.ModuleDict(
            {part: PartHead(width, channels, places, hidden, len(at), dropout) for part, at in PARTS.items()}
        )
        order = [i for at in PARTS.values() for i in at]
        self.register_buffer("order", torch.tensor(order).argsort(), persistent=False)
        for name, values in (("low", LOW), ("high", HIGH), ("neutral", NEUTRAL), ("span", SPAN)):
            self.register_buffer(name, torch.tensor(values, dtype=torch.float32), persistent=False)

    def forward(self, crops: Tensor) -> Mapping30:
        """Deviations and features of crops of any side.

        Args:
            crops: (B, 3, S, S) RGB in [0, 255], uint8 or float.
        """
        shared, whole = self.trunk(self._normalised(crops))
        hidden = [head.hidden(shared, whole) for head in self.heads.values()]
        parts = [head.out(values) for head, values in zip(self.heads.values(), hidden, strict=True)]
        return Mapping30(torch.cat(parts, dim=1)[:, self.order].float(), torch.cat(hidden, dim=1))

    def values(self, crops: Tensor) -> Tensor:
        """Crops (B, 3, S, S) RGB in [0, 255] -> values (B, 30) in the table's units, clipped to the ranges."""
        values = self(crops).deviations * self.span + self.neutral
        return values.clamp(min=self.low, max=self.high)

    def _normalised(self, crops: Tensor) -> Tensor:
        """(B, 3, S, S) -> (B, 3, size, size) of mean 0 and deviation about 1: a change of light moves no servo."""
        x = crops.float() / 255
        if x.shape[-1] != self.size:
            x = F.interpolate(x, size=(self.size, self.size), mode="bilinear", align_corners=False, antialias=False)
        x = x - x.mean(dim=(1, 2, 3), keepdim=True)
        x = x / (x.square().mean(dim=(1, 2, 3), keepdim=True).sqrt() + 0.02)
        return x.contiguous(memory_format=torch.channels_last)

    def get_extra_state(self) -> dict[str, list[str]]:
        """The controls that the outputs mean; kept in every checkpoint."""
        return {"controls": list(NAMES)}

    def set_extra_state(self, state: Mapping[str, Any]) -> None:
        """Refuse weights of another list of controls.

        Raises:
            InputError: names that differ, or stand in another order.
        """
        check_controls(state["controls"])


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
    """Controls of one part: a thin map of it, all its places and the whole face -> hidden values -> deviations."""

    def __init__(self, width: int, channels: int, places: int, hidden: int, outputs: int, dropout: float) -> None:
        super().__init__()
        self.thin = nn.Sequential(nn.Conv2d(width, channels, 1, bias=False), nn.BatchNorm2d(channels), nn.ReLU())
        self.mid = nn.Sequential(nn.Linear(channels * places + width, hidden), nn.ReLU(), nn.Dropout(dropout))
        self.out = nn.Linear(hidden, outputs)
        nn.init.normal_(self.out.weight, std=1e-2)
        nn.init.zeros_(self.out.bias)

    def hidden(self, shared: Tensor, whole: Tensor) -> Tensor:
        """(B, width, g, g) and (B, width) -> (B, hidden)."""
        return self.mid(torch.cat([self.thin(shared).flatten(1), whole], dim=1))


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
