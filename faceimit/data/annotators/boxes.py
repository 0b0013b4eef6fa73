"""Crop boxes on the face that was annotated: the tracker chooses a face as it goes, the annotation with hindsight."""

import functools
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

from faceimit.data.annotators.tracks import Track
from faceimit.data.crop import CropBox
from faceimit.data.faces import Face, FaceDetector, FaceTracker, make_detector
from faceimit.data.video import Frame, read_frames

# A crop box further from the annotated face than this, in crop sides, lies on another face.
ASTRAY = 0.5
# From this share of the annotated frames on the crop is made anew, on the annotated face.
TOO_MANY_ASTRAY = 0.05


def on_face(boxes: np.ndarray, track: Track) -> np.ndarray:
    """Crop boxes (T, 3) without those that lie on another face than the annotated one (NaN there)."""
    kept = boxes.copy()
    for index, face in track.boxes.items():
        if np.isfinite(boxes[index]).all() and _astray(CropBox(*boxes[index].tolist()), face):
            kept[index] = np.nan
    return kept


@functools.lru_cache(maxsize=1)
def shared(make: Callable[[], FaceDetector]) -> FaceDetector:
    """One detector a process, for one video after the other: dlib's takes half a second to make."""
    return make()


def boxes_on(track: Track, boxes: np.ndarray, path: Path) -> np.ndarray:
    """Crop boxes (T, 3) on the annotated face; the video is read again where they were on another one for long."""
    kept = on_face(boxes, track)
    dropped = int((np.isfinite(boxes[:, 0]) & np.isnan(kept[:, 0])).sum())
    if dropped <= TOO_MANY_ASTRAY * len(track.boxes):
        return kept
    detector = _OnTrack(shared(make_detector), track)
    with read_frames(path) as video:
        tracker = FaceTracker(detector, video.info.fps)
        followed = [row(tracker.push(frame.image)) for frame in detector.counted(video)]
    return on_face(np.array(followed, dtype=np.float32).reshape(-1, 3), track)


class _OnTrack:
    """A detector that is blind to all faces but one."""

    def __init__(self, detector: FaceDetector, track: Track) -> None:
        self._detector, self._track, self._index = detector, track, 0

    def counted(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        """Frames as they are looked at."""
        for frame in frames:
            self._index = frame.index
            yield frame

    def find(self, image: np.ndarray, fine: bool = False) -> list[Face]:
        return [face for face in self._detector.find(image, fine) if self._fits(face)]

    def locate(self, image: np.ndarray, near: CropBox, zoom: float = 1.0) -> Face | None:
        face = self._detector.locate(image, near, zoom)
        return face if face is not None and self._fits(face) else None

    def close(self) -> None:
        self._detector.close()

    def _fits(self, face: Face) -> bool:
        annotated = self._track.boxes.get(self._index)
        return annotated is not None and not _astray(face.box, annotated)


def _astray(box: CropBox, face: CropBox) -> bool:
    return float(np.hypot(box.x - face.x, box.y - face.y)) > ASTRAY * max(box.side, face.side)


def row(box: CropBox | None) -> tuple[float, float, float]:
    return (np.nan,) * 3 if box is None else (box.x, box.y, box.side)
