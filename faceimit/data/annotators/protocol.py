"""What an annotator is, and how one of your own is plugged in.

Derive a class from :class:`FrameAnnotator`; it is handed every frame and answers with the faces it sees. Reading the
video, crop boxes, the choice among several faces and the store are taken care of::

    # in mylab/faces.py
    from faceimit.data.annotators.protocol import FrameAnnotator
    from faceimit.data.annotators.tracks import SeenFace

    class Mine(FrameAnnotator):
        name, version = "mine", "1.0"        # another version annotates every clip anew

        def __init__(self, model):           # the path given with --model, or None
            self.net = load(model)

        def look(self, image, time_s):       # (H, W, 3) uint8 RGB, seconds
            return [SeenFace(points, coefficients, matrix) for ... in self.net(image)]

It is used as ``faceimit-annotate VIDEOS --out STORE --annotator mylab.faces:Mine``, or by a short name that an
installed package declares in its entry points::

    [project.entry-points."faceimit.annotators"]
    mine = "mylab.faces:Mine"
"""

import hashlib
import importlib
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from faceimit.data.annotators.boxes import boxes_on, row, shared
from faceimit.data.annotators.tracks import SeenFace, Track, Tracks
from faceimit.data.corpora.listing import Source
from faceimit.data.faces import FaceTracker, make_detector
from faceimit.data.store import StoredClip
from faceimit.data.video import VideoInfo, VideoReader, read_frames
from faceimit.data.videos import CROP_VERSION
from faceimit.errors import InputError
from faceimit.face.blendshapes import BLENDSHAPES

MEDIAPIPE = "mediapipe"
GROUP = "faceimit.annotators"
NO_FACE = "no face found"
POINTS = 478
REQUIRED = ("name", "version", "model_sha256", "annotate", "close")


class Annotator(Protocol):
    """Says for a video what :class:`faceimit.data.store.StoredClip` holds.

    Attributes:
        name: of the annotator, written into the store.
        version: clips annotated by another version are annotated anew.
        model_sha256: of its model file, "" if there is none; as version.
    """

    name: str
    version: str
    model_sha256: str

    def annotate(self, source: Source) -> StoredClip:
        """The whole row of a video; the same bytes whenever and wherever it is asked.

        Raises:
            InputError: the video cannot be read.
        """
        ...

    def close(self) -> None:
        """Let go of what it holds; it is not used afterwards."""
        ...


@dataclass(frozen=True)
class AnnotatorSpec:
    """Which annotator, in a form that travels to other processes and machines.

    Attributes:
        kind: ``mediapipe``, ``package.module:Class``, or a name of the entry-point group ``faceimit.annotators``.
        model: path of its model file, or None.
    """

    kind: str = MEDIAPIPE
    model: str | None = None


def make_annotator(spec: AnnotatorSpec) -> Annotator:
    """The annotator of a spec.

    Raises:
        InputError: there is no such annotator, or it cannot be made.
    """
    if spec.kind == MEDIAPIPE:
        from faceimit.data.annotators.mediapipe_faces import MediaPipeAnnotator

        return MediaPipeAnnotator(spec.model)
    try:
        annotator = _class_of(spec.kind)(None if spec.model is None else Path(spec.model))
    except InputError:
        raise
    except Exception as error:  # somebody else's code
        raise InputError(
            f"annotator {spec.kind} cannot be made with the model {spec.model} "
            f"({type(error).__name__}: {' '.join(str(error).split())}), check --model, or mend it"
        ) from error
    lacking = [name for name in REQUIRED if not hasattr(annotator, name)]
    if lacking:
        raise InputError(
            f"expected {spec.kind} to be an annotator but it has no {', '.join(lacking)}, "
            f"derive it from faceimit.data.annotators.protocol.FrameAnnotator"
        )
    return annotator


class FrameAnnotator(ABC):
    """An annotator that looks at one frame after the other; see the module for an example."""

    name: str
    version: str
    model_sha256: str = ""

    def start(self, info: VideoInfo) -> None:  # noqa: B027  (most have nothing to forget)
        """A new video begins."""

    @abstractmethod
    def look(self, image: np.ndarray, time_s: float) -> list[SeenFace]:
        """All faces in the next picture (H, W, 3) uint8 RGB, shown at this time."""

    def close(self) -> None:  # noqa: B027
        """Let go of what it holds; it is not used afterwards."""

    def annotate(self, source: Source) -> StoredClip:
        """See :class:`Annotator`."""
        with read_frames(source.path) as video:
            self.start(video.info)
            times, boxes, tracks = self._watch(video)
        track = tracks.chosen()
        note = video.note or ("" if track.faces else NO_FACE)
        with source.path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return StoredClip(
            name=source.name,
            source=str(source.path.absolute()),
            relative=source.relative,
            sha256=digest,
            bytes=source.path.stat().st_size,
            annotator=self.name,
            annotator_version=self.version,
            model_sha256=self.model_sha256,
            fps=video.info.fps,
            width=video.info.width,
            height=video.info.height,
            crop_version=CROP_VERSION,
            note=note.replace(str(source.path), source.relative),
            times=times,
            faces=np.minimum(tracks.counts, 255).astype(np.uint8),
            boxes=boxes_on(track, boxes, source.path),
            **per_frame(track, len(times)),
        )

    def _watch(self, video: VideoReader) -> tuple[np.ndarray, np.ndarray, Tracks]:
        """Times (T,), crop boxes (T, 3) and all faces of a video, in one pass."""
        tracker, tracks = FaceTracker(shared(make_detector), video.info.fps), Tracks()
        times, boxes = [], []
        for frame in video:
            box = tracker.push(frame.image)
            tracks.push(frame.time_s, frame.image, self.look(frame.image, frame.time_s))
            times.append(frame.time_s)
            boxes.append(row(box))
        return np.array(times, dtype=np.float64), np.array(boxes, dtype=np.float32).reshape(-1, 3), tracks


def per_frame(track: Track, frames: int) -> dict[str, Any]:
    """The arrays of a row that a track fills; zeros, and the identity as matrix, where the face is not seen."""
    arrays = {
        "valid": np.zeros(frames, dtype=bool),
        "blendshapes": np.zeros((frames, len(BLENDSHAPES)), dtype=np.float32),
        "matrices": np.tile(np.eye(4, dtype=np.float32), (frames, 1, 1)),
        "landmarks": np.zeros((frames, POINTS, 3), dtype=np.float16),
    }
    for index, face in track.faces.items():
        arrays["valid"][index] = True
        arrays["blendshapes"][index] = face.blendshapes
        arrays["matrices"][index] = face.matrix
        arrays["landmarks"][index] = face.landmarks
    return arrays


def _class_of(kind: str) -> Callable[[Path | None], Any]:
    module, colon, attribute = kind.partition(":")
    if not colon:
        found = [point for point in entry_points(group=GROUP) if point.name == kind]
        if not found:
            names = [MEDIAPIPE, *sorted(point.name for point in entry_points(group=GROUP))]
            raise InputError(
                f"there is no annotator {kind!r}, valid names: {', '.join(names)}, or give package.module:Class"
            )
        return _loaded(kind, found[0].load)
    return _loaded(kind, lambda: getattr(importlib.import_module(module), attribute))


def _loaded(kind: str, load: Callable[[], Any]) -> Callable[[Path | None], Any]:
    try:
        return load()
    except (ImportError, AttributeError) as error:
        raise InputError(
            f"annotator {kind} cannot be imported ({error}), check the name and that PYTHONPATH holds its folder"
        ) from error
