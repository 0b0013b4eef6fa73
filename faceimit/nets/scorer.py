"""A trained keyframe network as what a video needs: crops as they come in, scores out, and how far it sees."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from faceimit.errors import InputError


@dataclass(frozen=True)
class WindowScorer:
    """Scores of a window of face crops.

    Attributes:
        name: for people, e.g. "keyframe_multitask".
        net: module called with frames (1, T, 3, S, S) in [0, 1] and fps (1,).
        size: S, side in pixels of the crops.
        context: frames before a frame that its score depends on.
        look_ahead: frames after it.
        search: keyword arguments of :class:`faceimit.keyframes.search.SearchParams`, chosen on validation.
        device: where it runs.
        pick: takes the scores (1, T) out of what ``net`` returns.
    """

    name: str
    net: nn.Module
    size: int
    context: int
    look_ahead: int
    search: Mapping[str, Any] = field(default_factory=dict)
    device: str = "cpu"
    pick: Callable[[Any], Tensor] = lambda output: output.score

    def __post_init__(self) -> None:
        check_device(self.device)
        self.net.eval().to(self.device)

    @torch.inference_mode()
    def score(self, frames: np.ndarray, fps: float) -> np.ndarray:
        """Crops (T, S, S, 3) uint8 RGB, T >= 2 -> scores (T,) float32."""
        clip = torch.from_numpy(np.ascontiguousarray(frames)).to(self.device)
        clip = clip.permute(0, 3, 1, 2)[None].float() / 255.0  # (1, T, 3, S, S)
        rate = torch.full((1,), float(fps), device=self.device)
        return self.pick(self.net(clip, rate))[0].float().cpu().numpy()


def check_device(device: str) -> None:
    """Refuse a device that is not there.

    Raises:
        InputError: torch does not know or have it.
    """
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"device {device!r} is not available here: use --device cpu") from error
