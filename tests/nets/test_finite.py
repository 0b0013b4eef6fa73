"""Weights that are no numbers are refused wherever a file of them is loaded."""

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from faceimit.errors import InputError
from faceimit.keyframes.weights import load_network, starting_weights
from faceimit.nets.fastflownet import FastFlowNet, load_flow_weights
from faceimit.nets.finite import check_finite
from faceimit.nets.mapper import load_mapper
from faceimit.nets.pfld import load_pfld
from faceimit.tracking.config import conf_dir

WEIGHTS = conf_dir().parent / "faceimit" / "weights"


def test_what_is_finite_and_what_is_no_tensor_pass():
    check_finite({"a": torch.ones(2), "b": {"nan": float("nan")}, "c": torch.tensor(3)}, "it")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize(
    ("name", "load"),
    [
        ("keyframe", load_network),
        ("keyframe", starting_weights),
        ("landmarks", load_pfld),
        ("mapper", load_mapper),
        ("flow", lambda path: load_flow_weights(FastFlowNet(), path)),
    ],
)
def test_weights_files(tmp_path, name, load, value):
    source, path = WEIGHTS / f"{name}.safetensors", tmp_path / "nan.safetensors"
    state = load_file(source)
    first = next(key for key, tensor in state.items() if tensor.is_floating_point())
    state[first].view(-1)[0] = value
    with safe_open(source, "pt") as file:
        save_file(state, path, file.metadata())
    with pytest.raises(InputError, match=rf"nan.safetensors holds values that are not finite \(in {first}\)"):
        load(path)
