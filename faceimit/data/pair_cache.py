"""Pictures of a pair table, made square once and kept in one file, so that training reads them without decoding."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from rich.console import Console
from rich.progress import track

from faceimit.data.crop import CropBox, crop_face
from faceimit.data.faces import Face, FaceDetector, make_detector
from faceimit.data.pairs import PairTable
from faceimit.data.whole import written_whole
from faceimit.errors import InputError

Crop = Literal["resize", "face"]


def squares(table: PairTable, cache: str | os.PathLike[str], size: int, crop: Crop) -> tuple[np.ndarray, np.ndarray]:
    """All pictures of a table as squares, from the cache or made now.

    Args:
        table: N pairs.
        cache: folder for the file, about N * S * S * 3 bytes.
        size: S, side of a square in pixels.
        crop: "resize": the whole picture, its middle square where it is not square itself; "face": the face, cut as
            everywhere (:mod:`faceimit.data.crop`); the robot's face must look human enough to be found.

    Returns:
        (N, S, S, 3) uint8 RGB, mapped from the disk; (N,) bool, whether a picture could be used: it decodes and, for
        "face", shows a face.

    Raises:
        InputError: no picture could be used, or the cache cannot be written.
    """
    if crop not in {"resize", "face"}:
        raise InputError(f"expected crop to be resize or face but got {crop}")
    path = Path(cache) / f"{table.key}-{crop}-{size}.npy"
    marks = path.with_suffix(".valid.npy")
    if not (path.is_file() and marks.is_file()):
        _make(table, path, marks, size, crop)
    valid = np.load(marks, allow_pickle=False)
    if not valid.any():
        raise InputError(
            f"no picture of {table.name} can be used: they are damaged"
            + (", or no face is found in them: try data.crop=resize" if crop == "face" else "")
        )
    return np.load(path, mmap_mode="r", allow_pickle=False), valid


def _make(table: PairTable, path: Path, marks: Path, size: int, crop: Crop) -> None:
    detector = make_detector() if crop == "face" else None
    valid = np.zeros(len(table), dtype=bool)
    try:
        with written_whole(path) as unfinished:
            shape = (len(table), size, size, 3)
            mapped = np.lib.format.open_memmap(unfinished, "w+", np.uint8, shape)
            for i in _shown(len(table), f"squares of {table.name}"):
                picture = _square(table, i, size, detector)
                if picture is not None:
                    mapped[i], valid[i] = picture, True
            mapped.flush()
            with written_whole(marks) as other, other.open("wb") as stream:
                np.save(stream, valid, allow_pickle=False)
    finally:
        if detector is not None:
            detector.close()


def _shown(count: int, what: str) -> Iterable[int]:
    """Numbers from 0, with a bar on the screen if there is one."""
    console = Console(stderr=True)
    return track(range(count), what, console=console, transient=True, disable=not console.is_terminal)


def _square(table: PairTable, i: int, size: int, detector: FaceDetector | None) -> np.ndarray | None:
    try:
        image = table.image(i)
    except InputError:
        return None
    if detector is None:
        return middle_square(image, size)
    face = max(detector.find(image) or detector.find(image, fine=True), key=_prominence, default=None)
    return None if face is None else crop_face(image, face.box, size)


def _prominence(face: Face) -> float:
    return face.box.side


def middle_square(image: np.ndarray, size: int) -> np.ndarray:
    """(S, S, 3) uint8 of the largest square in the middle of a picture (H, W, 3), each pixel the mean of its area."""
    height, width = image.shape[:2]
    side = min(height, width)
    if height == width and side <= size:
        return cv2.resize(image, (size, size), interpolation=cv2.INTER_LINEAR)
    return crop_face(image, CropBox((width - 1) / 2, (height - 1) / 2, float(side)), size)
