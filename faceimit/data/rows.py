"""Rows of the annotation store and the parquet files that hold them; :mod:`faceimit.data.store` puts them together."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from faceimit.errors import InputError

SCHEMA_VERSION = 1
_VERSION_KEY = b"faceimit.schema_version"


@dataclass(frozen=True, kw_only=True, eq=False)
class _About:
    name: str
    source: str
    relative: str
    sha256: str
    bytes: int
    annotator: str
    annotator_version: str
    model_sha256: str
    fps: float
    width: int
    height: int
    crop_version: int
    note: str = ""
    schema_version: int = SCHEMA_VERSION


@dataclass(frozen=True, kw_only=True, eq=False)
class ClipInfo(_About):
    """What is known of a clip without reading its arrays.

    Attributes:
        name: unique; posix path relative to the annotated root, without suffix.
        source: absolute path of the video when it was annotated.
        relative: posix path of the video below the annotated root, with suffix.
        sha256, bytes: of the video file.
        annotator, annotator_version, model_sha256: who says so; the last is "" if there is no model file.
        fps: frames per second, > 0.
        width, height: of the upright picture in pixels.
        crop_version: :data:`faceimit.data.videos.CROP_VERSION` of the boxes.
        note: damage and the like, one sentence, or "".
        schema_version: :data:`SCHEMA_VERSION`.
        frames, valid_frames: how many there are.
    """

    frames: int
    valid_frames: int


@dataclass(frozen=True, kw_only=True, eq=False)
class StoredClip(_About):
    """A row of the store: :class:`ClipInfo` without the counts, and per frame what the annotator says.

    Attributes:
        times: (T,) float64, seconds since the first frame.
        valid: (T,) bool, a face was found and annotated.
        faces: (T,) uint8, how many were seen.
        blendshapes: (T, 52) float32 in [0, 1], order of :data:`faceimit.face.blendshapes.BLENDSHAPES`.
        matrices: (T, 4, 4) float32, facial transformation, camera space, translation in cm.
        landmarks: (T, 478, 3) float16, x and y as fractions of width and height.
        boxes: (T, 3) float32, x, y, side of the crop in pixels of the upright picture; NaN where there is none.
    """

    times: np.ndarray
    valid: np.ndarray
    faces: np.ndarray
    blendshapes: np.ndarray
    matrices: np.ndarray
    landmarks: np.ndarray
    boxes: np.ndarray

    @property
    def frames(self) -> int:
        """T."""
        return len(self.times)

    @property
    def valid_frames(self) -> int:
        """How many frames are valid."""
        return int(np.count_nonzero(self.valid))


# Column of an array: numpy type and shape of one frame.
ARRAYS: dict[str, tuple[str, tuple[int, ...]]] = {
    "times": ("float64", ()),
    "valid": ("bool", ()),
    "faces": ("uint8", ()),
    "blendshapes": ("float32", (52,)),
    "matrices": ("float32", (4, 4)),
    "landmarks": ("float16", (478, 3)),
    "boxes": ("float32", (3,)),
}
INFO = tuple(field.name for field in fields(ClipInfo))
_SCALARS: dict[Any, str] = {str: "string", int: "int64", float: "float64"}


class RowWriter:
    """Rows into one parquet file, one row group each."""

    def __init__(self, path: Path) -> None:
        import pyarrow.parquet as pq

        # dictionaries do not help rows of their own; statistics of arrays would only lengthen the footer
        options = {"compression": "zstd", "use_dictionary": False, "write_statistics": ["name"]}
        self._writer = pq.ParquetWriter(path, _schema(), **options)

    def __enter__(self) -> "RowWriter":
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.close()

    def add(self, table: Any) -> None:
        """Append a table of one row (:func:`table_of`)."""
        self._writer.write_table(table, row_group_size=1)


def _schema() -> Any:
    """Of pyarrow, with what `datasets` wants to know in its metadata."""
    import pyarrow as pa

    columns = [(field.name, getattr(pa, _SCALARS[field.type])()) for field in fields(ClipInfo)]
    columns += [(name, _array_type(dtype, shape)) for name, (dtype, shape) in ARRAYS.items()]
    features = {field.name: {"dtype": _SCALARS[field.type], "_type": "Value"} for field in fields(ClipInfo)}
    features |= {name: _feature(dtype, shape) for name, (dtype, shape) in ARRAYS.items()}
    metadata = {
        _VERSION_KEY: str(SCHEMA_VERSION).encode(),
        b"huggingface": json.dumps({"info": {"features": features}}).encode(),
    }
    return pa.schema([pa.field(name, kind) for name, kind in columns], metadata=metadata)


def _array_type(dtype: str, shape: tuple[int, ...]) -> Any:
    import pyarrow as pa

    kind = pa.from_numpy_dtype(np.dtype(dtype))
    for length in reversed(shape):
        kind = pa.list_(kind, length)
    return pa.list_(kind)


def _feature(dtype: str, shape: tuple[int, ...]) -> dict[str, Any]:
    feature: dict[str, Any] = {"dtype": dtype, "_type": "Value"}
    for length in reversed(shape):
        feature = {"feature": feature, "length": length, "_type": "List"}
    return {"feature": feature, "_type": "List"}


def table_of(clip: StoredClip) -> Any:
    """One row."""
    import pyarrow as pa

    schema = _schema()
    values = [pa.array([getattr(clip, name)], schema.field(name).type) for name in INFO]
    for name, (dtype, shape) in ARRAYS.items():
        given = np.asarray(getattr(clip, name))
        if given.shape != (clip.frames, *shape):
            raise ValueError(f"expected {name} of shape {(clip.frames, *shape)} but got {given.shape}")
        flat = pa.array(np.ascontiguousarray(given, dtype=dtype).ravel())
        for length in reversed(shape):
            flat = pa.FixedSizeListArray.from_arrays(flat, length)
        offsets = pa.array([0, clip.frames], pa.int32())
        values.append(pa.ListArray.from_arrays(offsets, flat))
    return pa.Table.from_arrays(values, schema=schema)


def opened(path: Path) -> Any:
    """A file of this schema version.

    Raises:
        InputError: it is none, or cut off.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise _damaged(path, error) from error
    version = (file.schema_arrow.metadata or {}).get(_VERSION_KEY, b"none").decode()
    if version != str(SCHEMA_VERSION):
        file.close()
        raise InputError(
            f"expected {path} to be of an annotation store of schema version {SCHEMA_VERSION} but its version is "
            f"{version}, make the store again with faceimit-annotate"
        )
    return file


def read_table(path: Path, columns: Sequence[str] | None, row: int | None = None) -> Any:
    """A table: one row or all, some columns or all."""
    import pyarrow as pa

    with opened(path) as file:
        chosen = None if columns is None else list(columns)
        try:
            if row is None:
                return file.read(chosen, use_threads=False)
            return file.read_row_group(row, chosen, use_threads=False)
        except (pa.ArrowInvalid, OSError) as error:
            raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> InputError:
    reason = " ".join(str(error).split())[:200]
    return InputError(f"{path} is no whole parquet file ({reason}), delete it and run faceimit-annotate again")


def infos_of(table: Any) -> list[ClipInfo]:
    """The rows of a table without arrays."""
    return [ClipInfo(**row) for row in table.select(list(INFO)).to_pylist()]


def clip_of(table: Any) -> StoredClip:
    """The one row of a table."""
    (row,) = table.select([name for name in INFO if name not in {"frames", "valid_frames"}]).to_pylist()
    arrays: dict[str, Any] = {name: array_of(table, name) for name in ARRAYS}
    return StoredClip(**row, **arrays)


def array_of(table: Any, name: str) -> np.ndarray:
    """(T, ...) of the one row of a table."""
    dtype, shape = ARRAYS[name]
    flat = table.column(name).combine_chunks()
    for _ in range(1 + len(shape)):
        flat = flat.flatten()
    return np.array(flat.to_numpy(zero_copy_only=False), dtype=dtype).reshape(-1, *shape)
