"""Clips of an annotation store: the annotation is at hand, the frames are decoded and cropped when asked for."""

from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Protocol

import numpy as np

from faceimit.data.corpora.pts import read_landmarks
from faceimit.data.crop import CropBox, crop_face, to_crop
from faceimit.data.digest import Digest, in_picture, pose_of
from faceimit.data.labels import Labels, velocity_of
from faceimit.data.seek import FrameFinder
from faceimit.data.store import ClipInfo, Store
from faceimit.face.records import Annotation, Clip


class Crops(Protocol):
    """Where the pictures of a clip come from."""

    def read(self, start: int, stop: int) -> np.ndarray:
        """Crops of frames [start, stop): (n, S, S, 3) uint8 RGB, black where there is none."""
        ...


class VideoCrops:
    """Crops cut out of the video, which is decoded from the last key frame before them.

    Args:
        path: of the video.
        digest: of the clip.
        size: S, side of the crops in pixels.
        damaged: the video does not decode without errors.
    """

    def __init__(self, path: Path, digest: Digest, size: int, damaged: bool = False) -> None:
        self.finder = FrameFinder(path, digest.times, damaged)
        self._boxes, self._size = digest.boxes, size
        self._needed = np.isfinite(digest.boxes).all(axis=1)

    def read(self, start: int, stop: int) -> np.ndarray:
        """See :class:`Crops`.

        Raises:
            InputError: the video cannot be read.
        """
        crops = np.zeros((stop - start, self._size, self._size, 3), dtype=np.uint8)

        def cut(index: int, image: np.ndarray) -> None:
            crops[index - start] = crop_face(image, CropBox(*self._boxes[index].tolist()), self._size)

        self.finder.read(start, stop, cut, self._needed)
        return crops


@dataclass(frozen=True, eq=False)
class LazyClip:
    """A clip, or a segment of one, whose pictures are somewhere else and whose annotation is in a store.

    Attributes:
        info: of the whole clip in the store.
        store: that holds it.
        identity: whose face it is.
        digest: of the whole clip.
        crops: pictures of the whole clip.
        size: S, side of the crops in pixels.
        start, stop: frames of the segment, stop excluded.
        points: folder of hand-made landmarks (.pts), which stand in for the annotator's, or None.
    """

    info: ClipInfo
    store: Store
    identity: str
    digest: Digest
    crops: Crops
    size: int
    start: int
    stop: int
    points: Path | None = None

    @property
    def name(self) -> str:
        """Of the clip in the store; that of a segment ends in its frames, ``[START:STOP]``."""
        whole = self.start == 0 and self.stop == self.info.frames
        return self.info.name if whole else f"{self.info.name}[{self.start}:{self.stop}]"

    @property
    def fps(self) -> float:
        """Frames per second of the video."""
        return self.info.fps

    def __len__(self) -> int:
        return self.stop - self.start

    @property
    def nbytes(self) -> int:
        """Memory that all of its pictures take."""
        return len(self) * self.size**2 * 3

    def frames(self, start: int, stop: int) -> np.ndarray:
        """Face crops of frames [start, stop) of the segment: (n, S, S, 3) uint8 RGB, black where there is no crop.

        Raises:
            InputError: the pictures cannot be read any more.
        """
        return self.crops.read(self.start + start, self.start + stop)

    def whole(self) -> Clip:
        """The segment with all of its frames."""
        return Clip(self.name, self.identity, self.fps, self.frames(0, len(self)), self.annotation())

    def annotation(self) -> Annotation:
        """What is known of the frames of the segment; landmarks in pixels of the crop, NaN where they are unknown."""
        part = slice(self.start, self.stop)
        whole = self._expression()
        landmarks = self._landmarks()
        return Annotation(whole.blendshapes[part], whole.pose[part], whole.valid[part], landmarks[part])

    def labels(self) -> Labels:
        """Targets of the segment, smoothed over the whole clip; the velocity is computed when it is asked for."""
        return _LazyLabels(self)

    def segments(self, most: int) -> list["LazyClip"]:
        """Parts of about equal length, of at most `most` frames, that have at least one step to learn from."""
        count = max(1, -(-len(self) // most))
        edges = np.linspace(self.start, self.stop, count + 1).round().astype(int).tolist()
        parts = [replace(self, start=a, stop=b) for a, b in pairwise(edges)]
        return [part for part in parts if part.has_steps()]

    def has_steps(self) -> bool:
        """Whether the change is known in two frames in a row."""
        known = np.isfinite(self.digest.change[self.start : self.stop])
        return bool((known[1:] & known[:-1]).any())

    def velocity(self) -> np.ndarray:
        """(T, 55) float32 of :class:`faceimit.data.labels.Labels`, read from the store."""
        return velocity_of(self._expression(), self.fps)[self.start : self.stop]

    def _expression(self) -> Annotation:
        """Of the whole clip, without landmarks."""
        arrays = self.store.columns(self.info.name, ["blendshapes", "matrices"])
        return Annotation(arrays["blendshapes"], pose_of(arrays["matrices"], self.digest.valid), self.digest.valid)

    def _landmarks(self) -> np.ndarray:
        """(T, 68, 2) float32 of the whole clip, in pixels of the crop."""
        if self.points is None:
            pixels = in_picture(self.store.columns(self.info.name, ["landmarks"])["landmarks"], self.info)
        else:
            pixels = read_landmarks(self.points, self.info.frames)[0].astype(np.float64)
        result = np.full(pixels.shape, np.nan, dtype=np.float32)
        for i in np.flatnonzero(self.digest.valid):
            result[i] = to_crop(pixels[i], CropBox(*self.digest.boxes[i].tolist()), self.size)
        return result


class _LazyLabels(Labels):
    """Labels of a lazy clip: 5 bytes a frame instead of 225."""

    def __init__(self, clip: LazyClip) -> None:
        change = clip.digest.change[clip.start : clip.stop]
        object.__setattr__(self, "change", change)
        object.__setattr__(self, "valid", np.isfinite(change))
        object.__setattr__(self, "_clip", clip)

    @property
    def velocity(self) -> np.ndarray:
        clip: LazyClip = self._clip  # type: ignore[attr-defined]
        return clip.velocity()
