"""A corpus in memory's eyes: clip files, their annotations held, their frames fetched when needed and kept a while."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from faceimit.data import targets
from faceimit.data.clipfile import load_clip
from faceimit.errors import InputError
from faceimit.face.records import Clip


@dataclass(frozen=True)
class Labels:
    """What a network learns from a clip, per frame.

    Attributes:
        change: (T,) float32 c_t, NaN where unknown.
        velocity: (T, 55) float32, smoothed change of the 52 blendshapes and of yaw, pitch, roll (radians) a 1/25 s.
        valid: (T,) bool, change is known.
    """

    change: np.ndarray
    velocity: np.ndarray
    valid: np.ndarray


def labels_of(clip: Clip) -> Labels:
    """Targets of a clip by the definitions of :mod:`faceimit.data.targets`."""
    annotation = clip.annotation
    change = targets.change(annotation.blendshapes, annotation.pose, clip.fps, annotation.valid)
    state = np.concatenate([annotation.blendshapes, annotation.pose], axis=1)
    smoothed = targets.smooth(state, clip.fps, valid=annotation.valid)
    velocity = np.zeros_like(smoothed)
    velocity[1:] = np.diff(smoothed, axis=0) * (clip.fps / targets.BASE_FPS)
    valid = np.isfinite(change)
    velocity[~np.isfinite(velocity).all(axis=1)] = 0.0
    return Labels(change.astype(np.float32), velocity.astype(np.float32), valid)


class Corpus:
    """Clips of one split, read from clip files or given whole.

    Frames of the most recently used clips stay in memory up to a limit, labels of all of them do.

    Args:
        sources: clip files, or clips.
        memory: bytes of frames to keep.
        flow: also read exact flow and occlusion where a file has them.
    """

    def __init__(self, sources: Sequence[Path | Clip], memory: float = 2e9, flow: bool = False) -> None:
        if not sources:
            raise InputError("the split holds no clips, try a larger clips=... or another data root")
        self._sources = list(sources)
        self._memory, self._flow = memory, flow
        self._kept: OrderedDict[int, Clip] = OrderedDict()
        self._bytes = 0
        self.labels: list[Labels] = []
        self.fps: list[float] = []
        # Flow a task has computed for a clip, by clip number: levels (T, 2, h, w) in pixels of the level.
        self.flow: dict[int, tuple[np.ndarray, ...]] = {}
        self.identities: list[str] = []
        for index in range(len(self._sources)):
            clip = self[index]
            self.labels.append(labels_of(clip))
            self.fps.append(clip.fps)
            self.identities.append(clip.identity)

    def __len__(self) -> int:
        return len(self._sources)

    def __getitem__(self, index: int) -> Clip:
        """The clip, from memory or from its file."""
        source = self._sources[index]
        if isinstance(source, Clip):
            return source
        if index in self._kept:
            self._kept.move_to_end(index)
            return self._kept[index]
        clip = load_clip(source, with_flow=self._flow)
        self._keep(index, clip)
        return clip

    def lengths(self) -> list[int]:
        """Frames of each clip."""
        return [len(labels.change) for labels in self.labels]

    def _keep(self, index: int, clip: Clip) -> None:
        self._kept[index] = clip
        self._bytes += size_in_bytes(clip)
        while self._bytes > self._memory and len(self._kept) > 1:
            _, dropped = self._kept.popitem(last=False)
            self._bytes -= size_in_bytes(dropped)


def size_in_bytes(clip: Clip) -> int:
    """Memory of a clip's pictures and flow."""
    arrays = (clip.frames, clip.flow, clip.occluded)
    return sum(array.nbytes for array in arrays if array is not None)
