"""From video files to clips of face crops: any video, and the annotated real clips."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from faceimit.data.clipfile import load_clip, save_clip
from faceimit.data.crop import CropBox, crop_face, to_crop
from faceimit.data.faces import FaceTracker, make_detector
from faceimit.data.video import read_frames
from faceimit.errors import InputError
from faceimit.face.blendshapes import from_mediapipe
from faceimit.face.landmarks import FROM_MEDIAPIPE
from faceimit.face.pose import pose_from_rotation
from faceimit.face.records import Annotation, Clip

# Raised whenever the tracker or the crop changes what comes out, so that cached crops are made anew.
CROP_VERSION = 3


@dataclass(frozen=True)
class CroppedFrame:
    """One frame of a video as the networks see it.

    Attributes:
        index: 0-based frame number.
        time_s: seconds since the first frame.
        crop: (S, S, 3) uint8 RGB, or None where no face was found.
        box: where the crop lies in the picture, or None.
        size: (width, height) of the picture in pixels.
    """

    index: int
    time_s: float
    crop: np.ndarray | None
    box: CropBox | None
    size: tuple[int, int]


class CropStream:
    """Face crops of a video, one at a time: flat memory. A context manager; ``fps``, ``info``, ``note`` as the video's.

    Args:
        path: video file.
        size: S, side of the crops in pixels.
        detector: see :func:`faceimit.data.faces.make_detector`.

    Raises:
        InputError: the video cannot be read, or the detector is unknown.
    """

    def __init__(self, path: str | os.PathLike[str], size: int = 128, detector: str = "dlib") -> None:
        self._detector = make_detector(detector)
        self._video = read_frames(path)
        self.info = self._video.info
        self.fps = self.info.fps
        self._size = size
        self._tracker = FaceTracker(self._detector, self.fps)

    @property
    def note(self) -> str | None:
        return self._video.note

    def __enter__(self) -> "CropStream":
        return self

    def __exit__(self, *_: object) -> None:
        self._video.close()
        self._detector.close()

    def __iter__(self) -> Iterator[CroppedFrame]:
        for frame in self._video:
            box = self._tracker.push(frame.image)
            crop = None if box is None else crop_face(frame.image, box, self._size)
            height, width = frame.image.shape[:2]
            yield CroppedFrame(frame.index, frame.time_s, crop, box, (width, height))


def crop_video(
    path: str | os.PathLike[str], size: int = 128, detector: str = "dlib"
) -> tuple[np.ndarray, np.ndarray, float]:
    """All face crops of a short video.

    Returns:
        frames (T, S, S, 3) uint8 RGB, black where there is no face; valid (T,) bool; frames per second.

    Raises:
        InputError: the video cannot be read.
    """
    with CropStream(path, size, detector) as stream:
        crops = [frame.crop for frame in stream]
    return _stack(crops, size), np.array([crop is not None for crop in crops]), stream.fps


def load_real(
    root: str | os.PathLike[str],
    names: Sequence[str] | None = None,
    size: int = 128,
    cache: str | os.PathLike[str] | None = None,
    detector: str = "dlib",
) -> list[Clip]:
    """Annotated real clips as face crops.

    A frame is valid if it was annotated and the tracker has a face there.

    Args:
        root: folder with ``clips/NAME.mp4`` and ``annotations/NAME.npz`` (MediaPipe FaceLandmarker's answers: keys
            ``blendshapes``, ``names``, ``matrices``, ``landmarks`` as fractions of the picture, ``valid``).
        names: which clips; all of them by default.
        size: side of the crops in pixels.
        cache: folder where crops are kept between runs; none are kept by default.
        detector: see :func:`faceimit.data.faces.make_detector`.

    Returns:
        Clips in the order of ``names``, landmarks in pixels of the crop, one identity a clip.

    Raises:
        InputError: a clip or its annotation is missing or unreadable.
    """
    root = Path(root)
    chosen = real_names(root) if names is None else names
    return [_cached(root, name, size, cache, detector) for name in chosen]


def real_names(root: str | os.PathLike[str]) -> list[str]:
    """Names of all annotated clips under ``root``, sorted."""
    names = sorted(path.stem for path in Path(root, "annotations").glob("*.npz"))
    if not names:
        raise InputError(f"{root} holds no annotations/*.npz: give the folder of the annotated clips")
    return names


def _cached(root: Path, name: str, size: int, cache: str | os.PathLike[str] | None, detector: str) -> Clip:
    video, annotation = root / "clips" / f"{name}.mp4", root / "annotations" / f"{name}.npz"
    for path in (video, annotation):
        if not path.exists():
            raise InputError(f"clip {name!r} has no {path}: its names are {', '.join(real_names(root))}")
    if cache is None:
        return _annotated(video, annotation, size, detector)
    stamp = (CROP_VERSION, size, detector, [(p.stat().st_size, p.stat().st_mtime_ns) for p in (video, annotation)])
    key = hashlib.sha256(repr(stamp).encode()).hexdigest()[:10]
    path = Path(cache) / f"{name}-{size}-{key}.npz"
    if path.exists():
        return load_clip(path)
    clip = _annotated(video, annotation, size, detector)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_clip(path, clip)
    return clip


def _annotated(video: Path, annotation: Path, size: int, detector: str) -> Clip:
    with CropStream(video, size, detector) as stream:
        frames = list(stream)
    truth = _read_annotation(annotation)
    count = len(truth["valid"])
    if abs(count - len(frames)) > 2:
        raise InputError(f"{annotation} describes {count} frames but {video} has {len(frames)}: annotate it again")
    frames = frames[:count]
    valid = np.array([frame.crop is not None for frame in frames]) & truth["valid"][: len(frames)]
    return Clip(
        name=video.stem,
        identity=video.stem,
        fps=stream.fps,
        frames=_stack([frame.crop for frame in frames], size),
        annotation=_annotation(truth, frames, valid, size),
    )


def _annotation(truth: dict[str, np.ndarray], frames: list[CroppedFrame], valid: np.ndarray, size: int) -> Annotation:
    count = len(frames)
    matrices = np.where(valid[:, None, None], truth["matrices"][:count], np.eye(4))
    landmarks = np.zeros((count, len(FROM_MEDIAPIPE), 2), dtype=np.float32)
    for i, frame in enumerate(frames):
        if frame.box is not None and valid[i]:
            points = truth["landmarks"][i, list(FROM_MEDIAPIPE), :2].astype(np.float64) * frame.size - 0.5
            landmarks[i] = to_crop(points, frame.box, size)
    return Annotation(
        blendshapes=from_mediapipe(truth["blendshapes"][:count], list(truth["names"])),
        pose=pose_from_rotation(matrices).astype(np.float32),
        valid=valid,
        landmarks=landmarks,
    )


def _read_annotation(path: Path) -> dict[str, np.ndarray]:
    keys = ("blendshapes", "names", "matrices", "landmarks", "valid")
    try:
        with np.load(path, allow_pickle=False) as data:
            return {key: data[key] for key in keys}
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise InputError(f"{path} is no readable annotation with the keys {', '.join(keys)}: make it again") from error


def _stack(crops: Iterable[np.ndarray | None], size: int) -> np.ndarray:
    black = np.zeros((size, size, 3), dtype=np.uint8)
    frames = [black if crop is None else crop for crop in crops]
    return np.stack(frames) if frames else np.zeros((0, size, size, 3), dtype=np.uint8)
