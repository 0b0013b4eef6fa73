"""Golden crops, and what the networks say of them in torch: whole clips at once, as they were evaluated."""

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from faceimit.bundle.graphs import LandmarkGraph, MapperGraph
from faceimit.bundle.parity import GOLDEN_FPS, PICTURES, Golden
from faceimit.data.synthetic.generate import render_clip
from faceimit.data.targets import valid_runs
from faceimit.face.records import Clip
from faceimit.keyframes.search import SearchParams
from faceimit.nets.keyframe import KeyframeNet, score_clip
from faceimit.nets.mapper import ControlMapper
from faceimit.nets.pfld import PFLD

SEED = 715517  # of people that no training renders
LONG = 60  # frames of the clip that is compared at export only


@dataclass
class Networks:
    """What a bundle is made of.

    Attributes:
        score: trained keyframe network.
        search: the keyframe search that belongs to its scores.
        name: of its method.
        c_ref: change that scores 1; None if unknown.
        landmarks, mapper: trained, or None.
        left_out: why not, by name of the graph.
        training: what is known of the training, in plain types.
    """

    score: KeyframeNet
    search: SearchParams
    name: str
    c_ref: float | None
    landmarks: PFLD | None = None
    mapper: ControlMapper | None = None
    left_out: dict[str, str] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)


def golden_values(networks: Networks, size: int) -> Golden:
    """Crops that try every path, few enough to be run at each load.

    A face that moves; jumps by a quarter of the crop and to another picture, so that the flow is large; flat and noisy
    pictures; a lost face; a part of two frames and one of a single frame.
    """
    face = rendered(0, 24, size).frames
    noise = np.random.default_rng(0).integers(0, 256, face[0].shape, dtype=np.uint8)
    flat = np.zeros_like(noise)
    first = [face[0], face[4], face[8], np.roll(face[8], (size // 4, -size // 5), (0, 1)), face[12][:, ::-1], noise]
    crops = np.stack([*first, flat, face[16], flat, face[20], face[23], flat, face[2]])
    valid = np.ones(len(crops), dtype=bool)
    valid[[8, 11]] = False
    return Golden(crops, valid, torch_outputs(networks, crops, valid))


def long_values(networks: Networks, size: int) -> Golden:
    """A clip longer than any context, with a jump in it."""
    crops = rendered(1, LONG, size).frames.copy()
    crops[LONG // 2 :] = np.roll(crops[LONG // 2 :], size // 3, 2)
    valid = np.ones(len(crops), dtype=bool)
    return Golden(crops, valid, torch_outputs(networks, crops, valid))


@lru_cache(maxsize=4)
def rendered(number: int, frames: int, size: int) -> Clip:
    """A rendered face; another person for each number."""
    return render_clip(SEED + number, SEED + number, frames, size, GOLDEN_FPS)


@torch.no_grad()
def torch_outputs(networks: Networks, crops: np.ndarray, valid: np.ndarray) -> dict[str, np.ndarray]:
    """What :class:`faceimit.bundle.parity.Golden` keeps, of crops (N, S, S, 3) and validity (N,)."""
    scores = np.full(len(crops), np.nan, dtype=np.float32)
    for start, stop in valid_runs(valid):
        frames = torch.from_numpy(crops[start:stop]).permute(0, 3, 1, 2)
        scores[start:stop] = score_clip(networks.score.eval(), frames, GOLDEN_FPS).numpy()
    outputs = {"scores": scores}
    pictures = [torch.from_numpy(crop) for crop in crops[:PICTURES]]
    if networks.landmarks is not None:
        graph = LandmarkGraph(networks.landmarks)
        points, sure = zip(*(graph(picture) for picture in pictures), strict=True)
        outputs |= {"points": _stacked(points), "confidence": _stacked(sure)}
    if networks.mapper is not None:
        mapper = MapperGraph(networks.mapper)
        outputs["controls"] = _stacked([mapper(picture) for picture in pictures])
    return outputs


def _stacked(values: Any) -> np.ndarray:
    stacked: Tensor = torch.stack(list(values)).float()
    return stacked.numpy()
