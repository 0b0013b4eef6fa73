"""A corpus in memory's eyes: clips, their labels held, their frames fetched when needed and kept a while."""

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from faceimit.data.clipfile import load_clip
from faceimit.data.labels import Labels, labels_of
from faceimit.data.stored import LazyClip
from faceimit.errors import InputError
from faceimit.face.records import Clip

ClipSource = Path | Clip | LazyClip


class Corpus:
    """Clips of one split, read from clip files, from an annotation store with its videos, or given whole.

    Frames of the most recently used clips stay in memory up to a limit, labels of all of them do. Clips of a store are
    kept whole only if all of them fit; otherwise a window decodes its own frames and nothing is kept.

    Args:
        sources: clip files, clips of a store, or clips.
        memory: bytes of frames to keep; of flow too, in :attr:`flow`.
        flow: also read exact flow and occlusion where a file has them.
        own: numbers of the clips this process will read the frames of; of the others it knows the labels. None: all.
    """

    def __init__(
        self,
        sources: Sequence[ClipSource],
        memory: float = 2e9,
        flow: bool = False,
        own: Sequence[int] | None = None,
    ) -> None:
        if not sources:
            raise InputError("the split holds no clips, try a larger clips=... or another data root")
        self._sources = list(sources)
        self.own = list(range(len(sources))) if own is None else list(own)
        self.memory, self._flow = memory, flow
        self._kept: OrderedDict[int, Clip] = OrderedDict()
        self._bytes = 0
        lazy = [source for i in self.own if isinstance(source := self._sources[i], LazyClip)]
        self._keeps_lazy = sum(source.nbytes for source in lazy) <= memory
        self.labels: list[Labels] = []
        self.fps: list[float] = []
        self.names: list[str] = []
        self.identities: list[str] = []
        # Flow a task has computed for a clip, by clip number: levels (T, 2, h, w) in pixels of the level.
        self.flow: dict[int, tuple[np.ndarray, ...]] = {}
        mine = set(self.own)
        for index, source in enumerate(self._sources):
            if isinstance(source, Path) and index not in mine:
                clip: Clip | LazyClip = load_clip(source, with_frames=False)
            else:
                clip = source if isinstance(source, LazyClip) else self[index]
            self.labels.append(clip.labels() if isinstance(clip, LazyClip) else labels_of(clip))
            self.fps.append(clip.fps)
            self.names.append(clip.name)
            self.identities.append(clip.identity)

    def __len__(self) -> int:
        return len(self._sources)

    def __getitem__(self, index: int) -> Clip:
        """The clip with all of its frames, from memory or from its file."""
        source = self._sources[index]
        if isinstance(source, Clip):
            return source
        if index in self._kept:
            self._kept.move_to_end(index)
            return self._kept[index]
        if isinstance(source, LazyClip):
            clip = source.whole()
            if self._keeps_lazy:
                self._keep(index, clip)
            return clip
        clip = load_clip(source, with_flow=self._flow)
        self._keep(index, clip)
        return clip

    def frames(self, index: int, start: int, stop: int) -> np.ndarray:
        """Frames [start, stop) of a clip: (n, S, S, 3) uint8 RGB."""
        source = self._sources[index]
        if isinstance(source, LazyClip) and not self._keeps_lazy:
            return source.frames(start, stop)
        return self[index].frames[start:stop]

    def lengths(self) -> list[int]:
        """Frames of each clip."""
        return [len(labels.change) for labels in self.labels]

    def _keep(self, index: int, clip: Clip) -> None:
        self._kept[index] = clip
        self._bytes += size_in_bytes(clip)
        while self._bytes > self.memory and len(self._kept) > 1:
            _, dropped = self._kept.popitem(last=False)
            self._bytes -= size_in_bytes(dropped)


def size_in_bytes(clip: Clip) -> int:
    """Memory of a clip's pictures and flow."""
    arrays = (clip.frames, clip.flow, clip.occluded)
    return sum(array.nbytes for array in arrays if array is not None)
