"""A trained keyframe network ready for use, and its file: weights and all it needs to be built again, no pickles."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import torch

from faceimit.errors import InputError
from faceimit.nets.keyframe import KeyframeNet, score_clip

FORMAT = 1


@dataclass(frozen=True)
class WindowScorer:
    """Scores of windows of crops.

    Attributes:
        net: in eval mode.
        arguments: what `net` was built with.
        search: parameters of the keyframe search that belongs to the scores.
        c_ref: change that scores 1.
        size: side in pixels of the crops it was trained on.
        name: for people.
    """

    net: KeyframeNet
    arguments: Mapping[str, Any]
    search: Mapping[str, Any]
    c_ref: float
    size: int = 128
    name: str = "model"

    @property
    def context(self) -> int:
        """Frames before a frame that its score depends on."""
        return self.net.context

    @property
    def look_ahead(self) -> int:
        """Frames after it."""
        return self.net.look_ahead

    def score(self, frames: np.ndarray, fps: float) -> np.ndarray:
        """(T, S, S, 3) uint8 RGB crops -> (T,) float32 scores in [0, 1]."""
        pictures = torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2)
        return score_clip(self.net, pictures, fps).numpy()


def save_scorer(scorer: WindowScorer) -> bytes:
    """The scorer as a .safetensors file; weights in half precision, the rest as JSON in its header."""
    from safetensors.torch import save

    state = {name: half(tensor) for name, tensor in scorer.net.state_dict().items()}
    header = {"format": FORMAT, "net": dict(scorer.arguments), "search": dict(scorer.search)}
    header |= {"c_ref": scorer.c_ref, "size": scorer.size}
    return save(state, metadata={"faceimit.keyframe": json.dumps(header)})


def half(tensor: torch.Tensor) -> torch.Tensor:
    """Weights at half precision, counters as they are."""
    return (tensor.half() if tensor.is_floating_point() else tensor).contiguous()


def load_scorer(source: str | Path = "shipped", device: str = "cpu") -> WindowScorer:
    """A scorer from a file of :func:`save_scorer`, or the one in this package.

    Raises:
        InputError: the file is missing, damaged, or of something else.
    """
    data = _read(source)
    try:
        length = int.from_bytes(data[:8], "little")
        header = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["faceimit.keyframe"])
        return _built(header, data, device, "shipped" if str(source) == "shipped" else Path(source).stem)
    except (KeyError, ValueError, TypeError, RuntimeError, UnicodeDecodeError) as error:
        raise InputError(f"{source} holds no keyframe network, give a checkpoint that faceimit.train wrote") from error


def _built(header: Mapping[str, Any], data: bytes, device: str, name: str) -> WindowScorer:
    from safetensors.torch import load

    net = KeyframeNet(**header["net"])
    net.load_state_dict({key: t.float() if t.is_floating_point() else t for key, t in load(data).items()})
    net = net.eval().to(device)
    return WindowScorer(net, header["net"], header["search"], header["c_ref"], header["size"], name)


def _read(source: str | Path) -> bytes:
    path = Path(source)
    try:
        if str(source) == "shipped":
            return resources.files("faceimit").joinpath("weights", "keyframe.safetensors").read_bytes()
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read keyframe weights {source}: {error.strerror}, give --checkpoint CKPT") from error
