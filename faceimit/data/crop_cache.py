"""Face crops as JPEG in parquet: a copy of what training needs of a corpus, quick to read from the middle.

Clips sorted by name are put together into files of a few thousand frames; a row is a frame, a row group holds few
frames of one clip. Files are named by their content's recipe: what changes is made anew, what is there is used.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from faceimit.data.stored import LazyClip
from faceimit.data.whole import written_whole
from faceimit.data.workers import team
from faceimit.errors import InputError

QUALITY = 95
GROUP_FRAMES = 32  # of a row group
FILE_FRAMES = 8192  # about 60 MB of crops of 128 pixels
CHUNK_FRAMES = 8 * GROUP_FRAMES  # decoded at a time
VERSION = 1  # raised whenever the same clips give other files


@dataclass(frozen=True)
class _Plan:
    path: Path
    clips: tuple[LazyClip, ...]


class JpegCrops:
    """Crops of one clip in a file of :func:`make_crops`.

    Args:
        path: of the file.
        group: number of the clip's first row group.
        size: S, side of the crops in pixels.
    """

    def __init__(self, path: Path, group: int, size: int) -> None:
        self._path, self._group, self._size = path, group, size

    def read(self, start: int, stop: int) -> np.ndarray:
        """See :class:`faceimit.data.stored.Crops`.

        Raises:
            InputError: the file is gone or damaged.
        """
        first, last = start // GROUP_FRAMES, (stop - 1) // GROUP_FRAMES
        crops = np.zeros((stop - start, self._size, self._size, 3), dtype=np.uint8)
        if stop <= start:
            return crops
        rows = self._rows(range(self._group + first, self._group + last + 1))
        for i, row in enumerate(rows[start - first * GROUP_FRAMES :][: stop - start]):
            if row:
                crops[i] = self._decoded(row)
        return crops

    def _decoded(self, row: bytes) -> np.ndarray:
        crop = cv2.imdecode(np.frombuffer(row, dtype=np.uint8), cv2.IMREAD_COLOR_RGB)
        if crop is None:
            raise self._damaged("no JPEG")
        return crop

    def _damaged(self, reason: object) -> InputError:
        return InputError(f"{self._path} is no whole file of crops ({reason}), delete it: it is made again")

    def _rows(self, groups: range) -> list[bytes]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            with pq.ParquetFile(self._path) as file:
                return file.read_row_groups(list(groups), ["jpeg"], use_threads=False).column("jpeg").to_pylist()
        except (pa.ArrowInvalid, OSError) as error:
            raise InputError(
                f"{self._path} is no whole file of crops ({error}), delete it: it is made again"
            ) from error


def make_crops(clips: Sequence[LazyClip], folder: Path, processes: int = 1) -> dict[str, JpegCrops]:
    """Crops of whole clips, by name; those that are not in the folder yet are made.

    Args:
        clips: whole clips that read their pictures from videos, all of one size.
        folder: where to.
        processes: that work at the same time.

    Raises:
        InputError: a video cannot be read, the disk is full.
    """
    plans = list(_plans(clips, folder))
    missing = [plan for plan in plans if not plan.path.exists()]
    if processes > 1 and len(missing) > 1:
        with team(min(processes, len(missing))) as pool:
            list(pool.map(_make, missing))
    else:
        for plan in missing:
            _make(plan)
    found = {}
    for plan in plans:
        group = 0
        for clip in plan.clips:
            found[clip.name] = JpegCrops(plan.path, group, clip.size)
            group += -(-len(clip) // GROUP_FRAMES)
    return found


def _plans(clips: Sequence[LazyClip], folder: Path) -> Iterator[_Plan]:
    """Which clips go into which file."""
    together: list[LazyClip] = []
    plan = partial(_plan, folder=folder)
    for clip in sorted(clips, key=lambda clip: clip.name):
        if together and sum(map(len, together)) + len(clip) > FILE_FRAMES:
            yield plan(together)
            together = []
        together.append(clip)
    if together:
        yield plan(together)


def _plan(clips: Sequence[LazyClip], folder: Path) -> _Plan:
    recipe = hashlib.sha256(json.dumps([VERSION, QUALITY, GROUP_FRAMES]).encode())
    for clip in clips:
        recipe.update(json.dumps([clip.name, clip.info.sha256, clip.size, len(clip)]).encode())
        recipe.update(clip.digest.boxes.tobytes())
    return _Plan(folder / f"crops-{recipe.hexdigest()[:16]}.parquet", tuple(clips))


def _make(plan: _Plan) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([("jpeg", pa.binary())])
    options: dict[str, Any] = {"compression": "none", "use_dictionary": False, "write_statistics": False}
    with written_whole(plan.path) as path, pq.ParquetWriter(path, schema, **options) as writer:
        for clip in plan.clips:
            for start in range(0, len(clip), CHUNK_FRAMES):
                crops = clip.frames(start, min(start + CHUNK_FRAMES, len(clip)))
                table = pa.table({"jpeg": pa.array([_encoded(crop) for crop in crops], pa.binary())}, schema=schema)
                writer.write_table(table, row_group_size=GROUP_FRAMES)


def _encoded(crop: np.ndarray) -> bytes:
    """A crop as JPEG; nothing where there is none."""
    if not crop.any():
        return b""
    done, encoded = cv2.imencode(".jpg", cv2.cvtColor(crop, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    assert done
    return encoded.tobytes()
