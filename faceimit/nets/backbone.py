"""Convolutional trunks for face crops: torchvision's, and a compact one for a CPU that also trains."""

import itertools

import torchvision
from torch import nn

from faceimit.errors import InputError

BACKBONES = ("compact", "resnet10", "resnet18", "resnet34", "resnet50", "mobilenet_v3_small")


def stage(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    """Two 3 x 3 convolutions with batch normalisation, the first with the stride."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
        nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


def build_backbone(name: str, channels: int) -> tuple[nn.Module, int]:
    """Convolutional trunk of a torchvision network, randomly initialised, for `channels` inputs; and its outputs."""
    if name not in BACKBONES:
        raise InputError(f"expected backbone to be one of {', '.join(BACKBONES)} but got {name!r}, try resnet18")
    if name == "compact":  # a few million multiplications: for a CPU that also trains
        widths = (channels, 16, 32, 64, 96)
        return nn.Sequential(*(stage(i, o, 2) for i, o in itertools.pairwise(widths))), widths[-1]
    if name == "mobilenet_v3_small":
        trunk = torchvision.models.mobilenet_v3_small(weights=None).features
        first = trunk[0][0]
        trunk[0][0] = nn.Conv2d(channels, first.out_channels, 3, stride=2, padding=1, bias=False)
        return trunk, 576
    if name == "resnet10":
        net = torchvision.models.ResNet(torchvision.models.resnet.BasicBlock, [1, 1, 1, 1])
    else:
        net = getattr(torchvision.models, name)(weights=None)
    net.conv1 = nn.Conv2d(channels, 64, kernel_size=7, stride=2, padding=3, bias=False)
    nn.init.kaiming_normal_(net.conv1.weight, mode="fan_out", nonlinearity="relu")
    outputs = net.fc.in_features
    return nn.Sequential(*list(net.children())[:-2]), outputs
