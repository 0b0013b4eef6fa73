"""Networks -> ONNX graphs of fixed shapes, one crop at a time, with what prepares the crop inside."""

import warnings
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from faceimit.bundle.format import CROP, NEXT, RATE, SCORES
from faceimit.bundle.step import KeyframeStep
from faceimit.nets.keyframe import KeyframeNet
from faceimit.nets.mapper import ControlMapper
from faceimit.nets.pfld import PFLD, confidence

OPSET = 18


class LandmarkGraph(nn.Module):
    """Crop (S, S, 3) uint8 RGB -> points (68, 2) in pixels of the crop, confidence (68,) in [0, 1]."""

    def __init__(self, net: PFLD) -> None:
        super().__init__()
        self.net = net
        self.eval()

    def forward(self, crop: Tensor) -> tuple[Tensor, Tensor]:
        found = self.net(crop.permute(2, 0, 1).unsqueeze(0))
        return found.points[0], confidence(found.scale[0], float(crop.shape[0]))


class MapperGraph(nn.Module):
    """Crop (S, S, 3) uint8 RGB -> values (30,) in table order and units, inside the ranges."""

    def __init__(self, net: ControlMapper) -> None:
        super().__init__()
        self.net = net
        self.eval()

    def forward(self, crop: Tensor) -> Tensor:
        return self.net.values(crop.permute(2, 0, 1).unsqueeze(0))[0]


def step_graph(net: KeyframeNet, crop: int) -> bytes:
    """ONNX of the streaming step: see :class:`faceimit.bundle.step.KeyframeStep`."""
    step = KeyframeStep(net, crop)
    names = [tensor.name for tensor in step.state]
    inputs = (_blank(crop), torch.ones(1), *step.zeros())
    return _export(step, inputs, [CROP, RATE, *names], [SCORES, *(NEXT + name for name in names)])


def landmark_graph(net: PFLD, crop: int) -> bytes:
    """ONNX of :class:`LandmarkGraph`."""
    return _export(LandmarkGraph(net), (_blank(crop),), [CROP], ["points", "confidence"])


def mapper_graph(net: ControlMapper, crop: int) -> bytes:
    """ONNX of :class:`MapperGraph`."""
    return _export(MapperGraph(net), (_blank(crop),), [CROP], ["controls"])


def _blank(crop: int) -> Tensor:
    return torch.zeros(crop, crop, 3, dtype=torch.uint8)


def _export(module: nn.Module, inputs: tuple[Tensor, ...], names: Sequence[str], outputs: Sequence[str]) -> bytes:
    with warnings.catch_warnings(), torch.inference_mode(False), torch.no_grad():
        warnings.simplefilter("ignore")  # the exporter's own, about its own internals
        program = torch.onnx.export(
            module, inputs, dynamo=True, opset_version=OPSET, input_names=names, output_names=outputs, verbose=False
        )
    assert program is not None
    model = program.model_proto
    # where in which file each node comes from: of no use on a robot, and a path of the machine it was exported on
    for part in (model, model.graph, *model.graph.node, *model.graph.value_info, *model.graph.initializer):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    for value in (*model.graph.input, *model.graph.output):
        value.ClearField("metadata_props")
    return model.SerializeToString(deterministic=True)
