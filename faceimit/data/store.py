"""The annotation store: what an annotator says about every frame of every video of a corpus, in parquet.

A store is a folder. While it is being made each finished clip is a file of its own, ``parts/*.parquet``; at the end
the parts are packed into shards, ``clips-*.parquet``, sorted by name. A reader takes both together and a part before a
shard, shards are named by their content, and what is superseded is removed last: a kill at any moment loses nothing.
The same clips give the same bytes, in whatever order and by however many processes they were annotated.

One row is one clip and one row group, so that one clip is read without its neighbours; the columns without arrays
are read alone. ``datasets.load_dataset("parquet", data_files="STORE/clips-*.parquet")`` and pyarrow read it too.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from faceimit.data.whole import written_whole
from faceimit.errors import InputError

SCHEMA_VERSION = 1
# A shard is full when it holds so many frames (about 200 MB) or clips.
SHARD_FRAMES = 65536
SHARD_CLIPS = 256
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


class Store:
    """An annotation store on the disk; nothing is created before the first :meth:`write`.

    Several processes may write different clips into one store at the same time. :meth:`pack` is for one process,
    when the others are done. Objects can be sent to other processes.

    Args:
        path: the folder.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._shards: tuple[Path, ...] = ()
        self._places: dict[str, tuple[Path, int]] = {}

    def __repr__(self) -> str:
        return f"Store({str(self.path)!r})"

    def __contains__(self, name: object) -> bool:
        return self._find(str(name)) is not None

    def names(self) -> list[str]:
        """Names of all clips, sorted."""
        self._look()
        parts = [self._names_in(path)[0] for path in self._parts()]
        return sorted({*self._places, *parts})

    def info(self, name: str) -> ClipInfo:
        """What is known of one clip, without its arrays."""
        path, row = self._place(name)
        return _infos_of(_read(path, INFO, row))[0]

    def infos(self) -> list[ClipInfo]:
        """What is known of all clips, by name, without their arrays."""
        self._look()
        found: dict[str, ClipInfo] = {}
        for path in [*self._shards, *self._parts()]:
            found |= {info.name: info for info in _infos_of(_read(path, INFO))}
        return [found[name] for name in sorted(found)]

    def read(self, name: str) -> StoredClip:
        """A whole row.

        Raises:
            InputError: there is no such clip, or its file is damaged.
        """
        path, row = self._place(name)
        return _clip_of(_read(path, None, row))

    def columns(self, name: str, names: Sequence[str]) -> dict[str, np.ndarray]:
        """Some arrays of a clip, the others are not read.

        Args:
            name: of the clip.
            names: of :data:`ARRAYS`.
        """
        path, row = self._place(name)
        table = _read(path, names, row)
        return {key: _array(table, key) for key in names}

    def write(self, clip: StoredClip) -> None:
        """Add a clip, or replace the one of this name; it appears whole or not at all.

        Raises:
            ValueError: an array of a wrong shape.
            InputError: the disk is full or the folder cannot be written.
        """
        with written_whole(self._part(clip.name)) as path, _Writer(path) as writer:
            writer.add(_table(clip))

    def pack(self) -> None:
        """Rewrite parts and shards as shards sorted by name; the same clips give the same files.

        Raises:
            InputError: a damaged file, a full disk; nothing is lost then.
        """
        self._look()
        parts, old = self._parts(), self._shards
        if not parts and len(self._places) == sum(len(self._names_in(path)) for path in old):
            return
        new = {self._write_shard(group) for group in self._groups(self.infos())}
        # parts last: a clip in an old and in a new shard is told by its part which one counts
        for path in [*sorted({*old} - new), *parts]:
            path.unlink()
        self._look()

    def check(self) -> None:
        """Make sure this is a store of this version.

        Raises:
            InputError: it is not.
        """
        if not self.path.is_dir():
            raise InputError(f"annotation store {self.path} does not exist, make it with faceimit-annotate")
        paths = [*self._listed(), *self._parts()]
        if not paths:
            raise InputError(
                f"expected {self.path} to be an annotation store but it holds no clips-*.parquet and no "
                f"parts/*.parquet, try the folder given to faceimit-annotate --out"
            )
        for path in paths:
            _open(path).close()

    # ------------------------------------------------------------------ where clips are

    def _part(self, name: str) -> Path:
        return self.path / "parts" / f"{hashlib.sha256(name.encode()).hexdigest()[:24]}.parquet"

    def _parts(self) -> list[Path]:
        return sorted((self.path / "parts").glob("*.parquet"))

    def _listed(self) -> tuple[Path, ...]:
        return tuple(sorted(self.path.glob("clips-*.parquet")))

    def _look(self) -> bool:
        """Learn which clips the shards hold; whether anything has changed."""
        listed = self._listed()
        if listed == self._shards:
            return False
        self._shards = listed
        self._places = {name: (path, row) for path in listed for row, name in enumerate(self._names_in(path))}
        return True

    def _find(self, name: str) -> tuple[Path, int] | None:
        part = self._part(name)
        if part.exists():
            return part, 0
        # a pack in another process may have moved it since the last look
        if name not in self._places or not self._places[name][0].exists():
            self._look()
        return self._places.get(name)

    def _place(self, name: str) -> tuple[Path, int]:
        place = self._find(name)
        if place is None:
            raise InputError(f"annotation store {self.path} holds no clip {name!r}, annotate it with faceimit-annotate")
        return place

    def _names_in(self, path: Path) -> list[str]:
        return _read(path, ["name"]).column("name").to_pylist()

    # ------------------------------------------------------------------ packing

    @staticmethod
    def _groups(infos: Iterable[ClipInfo]) -> Iterator[list[str]]:
        """Names of the clips of each shard."""
        group: list[str] = []
        frames = 0
        for info in infos:
            if group and (frames + info.frames > SHARD_FRAMES or len(group) >= SHARD_CLIPS):
                yield group
                group, frames = [], 0
            group.append(info.name)
            frames += info.frames
        if group:
            yield group

    def _write_shard(self, names: Sequence[str]) -> Path:
        """A shard named by its content, so that it never takes the place of an older one with other clips."""
        final = self.path / "clips.parquet"

        def by_content(path: Path) -> str:
            nonlocal final
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            final = self.path / f"clips-{digest[:16]}.parquet"
            return final.name

        with written_whole(final, by_content) as path, _Writer(path) as writer:
            for name in names:
                source, row = self._place(name)
                writer.add(_read(source, None, row))
        return final


class _Writer:
    """Rows into one parquet file, one row group each."""

    def __init__(self, path: Path) -> None:
        import pyarrow.parquet as pq

        # dictionaries do not help rows of their own; statistics of arrays would only lengthen the footer
        options = {"compression": "zstd", "use_dictionary": False, "write_statistics": ["name"]}
        self._writer = pq.ParquetWriter(path, _schema(), **options)

    def __enter__(self) -> "_Writer":
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.close()

    def add(self, table: Any) -> None:
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


def _table(clip: StoredClip) -> Any:
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


def _open(path: Path) -> Any:
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


def _read(path: Path, columns: Sequence[str] | None, row: int | None = None) -> Any:
    """A table: one row or all, some columns or all."""
    import pyarrow as pa

    with _open(path) as file:
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


def _infos_of(table: Any) -> list[ClipInfo]:
    return [ClipInfo(**row) for row in table.select(list(INFO)).to_pylist()]


def _clip_of(table: Any) -> StoredClip:
    (row,) = table.select([name for name in INFO if name not in {"frames", "valid_frames"}]).to_pylist()
    return StoredClip(**row, **{name: _array(table, name) for name in ARRAYS})


def _array(table: Any, name: str) -> np.ndarray:
    """(T, ...) of the one row of a table."""
    dtype, shape = ARRAYS[name]
    flat = table.column(name).combine_chunks()
    for _ in range(1 + len(shape)):
        flat = flat.flatten()
    return np.array(flat.to_numpy(zero_copy_only=False), dtype=dtype).reshape(-1, *shape)
