"""Trained keyframe networks as one small .safetensors file: weights, architecture and the search that belongs to them.

The file shipped with the package, ``faceimit/weights/keyframe.safetensors``, is one of these. Nothing in it is ever
executed: it holds numbers and one JSON text.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from faceimit.errors import InputError
from faceimit.keyframes.search import SearchParams
from faceimit.keyframes.stream import ChunkedScorer

FORMAT = "faceimit-keyframe-1"
USES = {"faceimit-landmarks": "faceimit-export --landmarks", "faceimit-mapper": "faceimit-export --mapping"}
CROP = 128  # pixels: the networks are trained on crops of this side


def pack_network(
    net: Any,
    arguments: Mapping[str, Any],
    search: SearchParams,
    name: str,
    half: bool = True,
    c_ref: float | None = None,
) -> bytes:
    """The content of a weights file.

    Args:
        net: a :class:`faceimit.nets.keyframe.KeyframeNet`.
        arguments: what its constructor was called with, in plain types.
        search: chosen on validation.
        name: of the method, for people.
        half: store weights as float16, half the size; they are computed with as float32.
        c_ref: change that scores 1, of the training split.
    """
    import torch
    from safetensors.torch import save

    def stored(tensor: "torch.Tensor") -> "torch.Tensor":
        tensor = tensor.detach().cpu().contiguous()
        return tensor.half() if half and tensor.is_floating_point() else tensor

    header: dict[str, Any] = {"format": FORMAT, "name": name, "arguments": dict(arguments), "search": asdict(search)}
    header["c_ref"] = c_ref
    state = {key: stored(tensor) for key, tensor in net.state_dict().items()}
    return save(state, metadata={"faceimit": json.dumps(header, sort_keys=True)})


class TrainedNetwork(NamedTuple):
    """What a weights file holds.

    Attributes:
        net: a :class:`faceimit.nets.keyframe.KeyframeNet`.
        search: chosen on validation.
        name: of the method, for people.
        c_ref: change that scores 1; None if unknown.
    """

    net: Any
    search: SearchParams
    name: str
    c_ref: float | None


def load_network(path: str | Path | None = None, device: str = "cpu") -> ChunkedScorer:
    """The scorer of a weights file; None: the one shipped with the package.

    Raises:
        InputError: no such file, not a weights file, damaged, of another version, or the device is not there.
    """
    found = read_network(path)
    return network_scorer(found.net, found.search, found.name, device)


def read_network(path: str | Path | None = None) -> TrainedNetwork:
    """The network of a weights file; None: the one shipped with the package.

    Raises:
        InputError: no such file, not a weights file, damaged, or of another version.
    """
    content = _read(path)
    named = "the shipped keyframe weights" if path is None else str(path)
    try:
        return _unpack(content, named)
    except InputError:
        raise
    except (ValueError, KeyError, TypeError, RuntimeError) as error:
        raise InputError(f"{named} do not fit this version of faceimit, give others or a checkpoint") from error


def _read(path: str | Path | None) -> bytes:
    if path is None:
        shipped = resources.files("faceimit").joinpath("weights", "keyframe.safetensors")
        if not shipped.is_file():
            raise InputError("this installation has no keyframe weights, give --checkpoint or --method")
        return shipped.read_bytes()
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"cannot read weights {path} ({error.strerror}), check the path") from error


def starting_weights(path: str | Path | None) -> dict[str, Any]:
    """The tensors of a weights file (None: the shipped one), for a training that starts from them.

    Raises:
        InputError: no such file, not a weights file, or damaged.
    """
    return _tensors(_read(path), "the shipped keyframe weights" if path is None else str(path))[0]


def _tensors(content: bytes, named: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Weights by name, and the header."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    from faceimit.nets.finite import check_finite

    try:
        state = {key: tensor.float() if tensor.is_floating_point() else tensor for key, tensor in load(content).items()}
        # A safetensors file begins with the length of its JSON header.
        described = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])["__metadata__"]["faceimit"]
    except (SafetensorError, KeyError) as error:
        raise InputError(f"{named}: not a keyframe weights file, give one or a checkpoint") from error
    check_finite(state, named)
    return state, json.loads(described)


def _unpack(content: bytes, named: str) -> TrainedNetwork:
    from faceimit.nets.keyframe import KeyframeNet

    state, header = _tensors(content, named)
    if header["format"] != FORMAT:
        use = USES.get(header["format"].rpartition("-")[0])
        remedy = f"they are for {use}" if use else "train or fetch them again"
        raise InputError(f"{named}: format {header['format']!r} instead of {FORMAT!r}, {remedy}")
    net = KeyframeNet(**header["arguments"])
    net.load_state_dict(state)
    return TrainedNetwork(net, SearchParams(**header["search"]), header["name"], header.get("c_ref"))


def network_scorer(net: Any, search: SearchParams, name: str, device: str = "cpu") -> ChunkedScorer:
    """A trained :class:`faceimit.nets.keyframe.KeyframeNet` as a scorer of streams of crops."""
    import torch

    from faceimit.nets.keyframe import score_clip

    try:
        net = net.eval().to(device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"device {device!r} is not available here, use --device cpu") from error

    def score(frames: np.ndarray, fps: float) -> np.ndarray:
        with torch.inference_mode():
            return score_clip(net, torch.from_numpy(frames).permute(0, 3, 1, 2), fps).numpy()

    return ChunkedScorer(name, CROP, search, score, net.context, net.look_ahead)
