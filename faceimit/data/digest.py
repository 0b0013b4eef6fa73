"""The few numbers a frame that training keeps of every stored clip, computed once and kept on the disk."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from faceimit.data.crop import SIDE_PER_FACE_HEIGHT
from faceimit.data.labels import change_of
from faceimit.data.store import ClipInfo, Store
from faceimit.data.whole import written_whole
from faceimit.errors import InputError
from faceimit.face.landmarks import FROM_MEDIAPIPE
from faceimit.face.pose import pose_from_rotation
from faceimit.face.records import Annotation

# Raised whenever a digest of the same row changes.
VERSION = 1
# A crop whose centre is further from the annotated face than this, in crop sides, does not show it.
ASTRAY = 0.4


@dataclass(frozen=True, eq=False)
class Digest:
    """A stored clip in 25 bytes a frame.

    Attributes:
        times: (T,) float64, seconds since the first frame.
        boxes: (T, 3) float32 x, y, side of the crop in pixels of the picture; NaN where there is none.
        valid: (T,) bool: annotated, and the crop shows the annotated face.
        change: (T,) float32 c_t, NaN where unknown.
    """

    times: np.ndarray
    boxes: np.ndarray
    valid: np.ndarray
    change: np.ndarray


def digests(store: Store, infos: Sequence[ClipInfo], cache: Path | None = None) -> list[Digest]:
    """Digests of some clips of a store, from the cache if they are there.

    Args:
        store: that holds the clips.
        infos: of the clips.
        cache: folder of one file for these very rows; None: it is neither read nor written.
    """
    if cache is None or not infos:
        return [digest_of(store, info) for info in infos]
    path = cache / f"digest-{_key(infos)}.npz"
    found = _load(path, infos)
    if found is None:
        found = [digest_of(store, info) for info in infos]
        _save(path, found)
    return found


def digest_of(store: Store, info: ClipInfo) -> Digest:
    """Digest of one clip."""
    arrays = store.columns(info.name, ["times", "boxes", "valid", "blendshapes", "matrices", "landmarks"])
    valid = arrays["valid"] & shows_face(arrays["boxes"], in_picture(arrays["landmarks"], info))
    annotation = Annotation(arrays["blendshapes"], pose_of(arrays["matrices"], valid), valid)
    return Digest(arrays["times"], arrays["boxes"], valid, change_of(annotation, info.fps))


def in_picture(landmarks: np.ndarray, info: ClipInfo) -> np.ndarray:
    """(T, 68, 2) float64 pixels of the picture, of the stored (T, 478, 3) landmarks."""
    chosen = landmarks[:, list(FROM_MEDIAPIPE), :2].astype(np.float64)
    return chosen * (info.width, info.height) - 0.5


def pose_of(matrices: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """(T, 3) float32 yaw, pitch, roll in radians; 0 where invalid."""
    return pose_from_rotation(np.where(valid[:, None, None], matrices, np.eye(4))).astype(np.float32)


def shows_face(boxes: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Whether a crop box (T, 3) lies on the face of these landmarks (T, 68, 2): (T,) bool, False where it is NaN."""
    low, high = landmarks.min(axis=1), landmarks.max(axis=1)
    away = np.linalg.norm((low + high) / 2 - boxes[:, :2], axis=1) / boxes[:, 2]
    size = SIDE_PER_FACE_HEIGHT * (high - low)[:, 1] / boxes[:, 2]
    with np.errstate(invalid="ignore"):
        return (away < ASTRAY) & (size > 0.4) & (size < 2.5)


def _key(infos: Iterable[ClipInfo]) -> str:
    digest = hashlib.sha256(f"digest {VERSION}".encode())
    for info in infos:
        about = (info.name, info.sha256, info.annotator, info.annotator_version, info.model_sha256, info.crop_version)
        digest.update(repr((*about, info.frames, info.valid_frames)).encode())
    return digest.hexdigest()[:16]


def _save(path: Path, found: Sequence[Digest]) -> None:
    columns = {field.name: [getattr(one, field.name) for one in found] for field in fields(Digest)}
    joined = {name: np.concatenate(parts) for name, parts in columns.items() if parts}
    with written_whole(path) as unfinished, unfinished.open("wb") as stream:
        np.savez(stream, allow_pickle=False, **joined)


def _load(path: Path, infos: Sequence[ClipInfo]) -> list[Digest] | None:
    edges = np.cumsum([info.frames for info in infos])
    try:
        with np.load(path, allow_pickle=False) as stored:
            columns = {field.name: stored[field.name] for field in fields(Digest)}
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise InputError(f"{path} is no whole file ({error}), delete it: it is made again") from error
    parts = {name: np.split(values, edges[:-1]) for name, values in columns.items()}
    return [Digest(*(parts[field.name][i] for field in fields(Digest))) for i in range(len(infos))]
