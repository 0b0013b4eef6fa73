"""(b) One crop through each network: torch as it is, compiled, and ONNX Runtime in float32 and int8."""

import tempfile
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from stopwatch import in_turn
from torch import Tensor, nn

from faceimit.bundle.graphs import OPSET, LandmarkGraph, MapperGraph
from faceimit.bundle.load import open_session
from faceimit.bundle.step import KeyframeStep
from faceimit.data.synthetic.generate import render_clip
from faceimit.keyframes.weights import read_network
from faceimit.nets.fastflownet import FastFlowNet, load_flow_weights
from faceimit.nets.mapper import load_mapper
from faceimit.nets.pfld import load_pfld

CROP, FRAMES = 128, 12
NETWORKS = ("flow", "score", "landmarks", "mapper")


class FlowPair(nn.Module):
    """Two crops (S, S, 3) uint8 -> full-resolution flow (1, 2, S, S): both frames' features, as for a single pair."""

    def __init__(self, net: FastFlowNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, previous: Tensor, current: Tensor) -> Tensor:
        """In pixels."""
        pair = [x.permute(2, 0, 1).unsqueeze(0).float() / 255 for x in (previous, current)]
        return self.net.full(self.net(*pair), (CROP, CROP))


@dataclass
class Network:
    """A network with inputs of one step: the crops of a rendered person, the state of a stream after some steps."""

    module: nn.Module
    names: list[str]
    inputs: list[tuple[Tensor, ...]]


@lru_cache
def crops() -> list[Tensor]:
    """Neighbouring frames (S, S, 3) uint8 of a rendered person."""
    return [torch.from_numpy(frame) for frame in render_clip(0, 17, frames=FRAMES, size=CROP).frames]


@lru_cache
def network(name: str) -> Network:
    """With the shipped weights."""
    pictures = crops()
    if name == "flow":
        module: nn.Module = FlowPair(load_flow_weights(FastFlowNet(), "shipped")).eval()
        return Network(module, ["previous", "crop"], list(pairwise(pictures)))
    if name == "landmarks":
        return Network(LandmarkGraph(load_pfld()), ["crop"], [(crop,) for crop in pictures])
    if name == "mapper":
        return Network(MapperGraph(load_mapper()), ["crop"], [(crop,) for crop in pictures])
    step = KeyframeStep(read_network().net, CROP)
    state, inputs = step.zeros(), []
    for crop in pictures:
        inputs.append((crop, torch.ones(1), *state))
        with torch.no_grad():
            _, *after = step(*inputs[-1])
        state = tuple(after)
    return Network(step, ["crop", "rate", *(tensor.name for tensor in step.state)], inputs)


@lru_cache
def graph(name: str) -> bytes:
    """ONNX in float32, as a bundle's."""
    net = network(name)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # the exporter's own, about its own internals
        program = torch.onnx.export(
            net.module, net.inputs[1], dynamo=True, opset_version=OPSET, input_names=net.names, verbose=False
        )
    assert program is not None
    return program.model_proto.SerializeToString()


@lru_cache
def quantised(name: str) -> bytes:
    """ONNX in int8, convolutions calibrated on the crops, as ``faceimit-export --quantize int8`` does it."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self.left = [feed(name, inputs) for inputs in network(name).inputs[1:]]

        def get_next(self) -> dict[str, np.ndarray] | None:
            return self.left.pop() if self.left else None

    with tempfile.TemporaryDirectory() as folder:
        raw, ready, done = (Path(folder) / part for part in ("raw.onnx", "ready.onnx", "done.onnx"))
        raw.write_bytes(graph(name))
        quant_pre_process(raw, ready, skip_symbolic_shape=True)
        quantize_static(
            ready, done, Reader(), quant_format=QuantFormat.QDQ, op_types_to_quantize=["Conv"], per_channel=True,
            activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
            extra_options={"ActivationSymmetric": False, "WeightSymmetric": True},
        )  # fmt: skip
        return done.read_bytes()


def feed(name: str, inputs: Sequence[Tensor]) -> dict[str, np.ndarray]:
    """Inputs of a session."""
    return dict(zip(network(name).names, (value.numpy() for value in inputs), strict=True))


def by_torch(module: Callable[..., Any], inputs: Sequence[Tensor]) -> np.ndarray:
    """First output."""
    with torch.no_grad():
        found = module(*inputs)
    return (found if isinstance(found, Tensor) else found[0]).numpy()


def by_onnx(session: onnxruntime.InferenceSession, name: str, inputs: Sequence[Tensor]) -> np.ndarray:
    """First output."""
    return session.run(None, feed(name, inputs))[0]


def runners(name: str, threads: int, compiled: bool) -> dict[str, Callable[[Sequence[Tensor]], np.ndarray]]:
    """Ways to run a network on so many threads: torch as it is, and compiled or in ONNX Runtime."""
    net = network(name)
    torch.set_num_threads(threads)
    found: dict[str, Callable[[Sequence[Tensor]], np.ndarray]] = {"torch": lambda x: by_torch(net.module, x)}
    if compiled:
        torch.compiler.reset()  # what was compiled for another number of threads would be used again
        module = torch.compile(net.module, dynamic=False)
        return found | {"torch.compile": lambda x: by_torch(module, x)}
    contents = {"ONNX float32": graph(name), "ONNX int8": quantised(name)}
    sessions = {form: open_session(content, name, threads) for form, content in contents.items()}
    return found | {form: (lambda x, s=session: by_onnx(s, name, x)) for form, session in sessions.items()}


def rows(name: str, rounds: int, compiled: bool = False) -> list[dict[str, Any]]:
    """A row for each way and number of threads; ratios are to torch on one thread in the same run.

    Compiled: torch.compile alone, which takes minutes to begin.
    """
    found: list[dict[str, Any]] = []
    inputs = network(name).inputs
    for threads in (1, 2):
        ways = runners(name, threads, compiled)
        want = ways["torch"](inputs[-1])
        errors = {form: float(np.abs(run(inputs[-1]) - want).max()) for form, run in ways.items()}
        turn = {form: (lambda run=run: [run(x) for x in inputs[1:6]]) for form, run in ways.items()}
        for form, times in in_turn(turn, rounds).items():
            per_step = {key: value / 5 for key, value in times.milliseconds().items()}
            what = f"{name}, {form}, {threads} thread{'s' if threads > 1 else ''}"
            found.append({"table": "latency", "what": what, **per_step, "largest_difference": errors[form]})
    torch.set_num_threads(1)
    base = found[0]
    found = [row | {f"{c}_ratio": row[f"{c}_ms"] / base[f"{c}_ms"] for c in ("cpu", "wall")} for row in found]
    return [row for row in found if not compiled or "compile" in str(row["what"])]
