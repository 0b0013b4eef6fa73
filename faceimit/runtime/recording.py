"""Everything of a run in a folder, in flat memory: the pictures as video, the rest as parquet tables.

``frames``: number, index, captured and time_s in seconds, x, y, side of the face's box in pixels (NaN: no face), video
(place in ``frames.mp4``, -1 if there was no time to write it). ``scores``: number, score. ``keyframes``: number and
decided, in seconds. ``targets``: number, captured, decided, keyframe, values. ``commands``: now, holding, and target,
planned, sent and measured, the last NaN where the robot does not tell. Values are 30, in the order and units of
:mod:`faceimit.face.controls`; seconds are of the run's clock.
"""

import queue
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from faceimit.data.video import write_video
from faceimit.data.whole import written_whole
from faceimit.errors import InputError
from faceimit.face.controls import NAMES
from faceimit.runtime.loop import Command, Decision

VIDEO, LONGER_SIDE = "frames.mp4", 640
RERUN = "run.rrd"  # the same for the viewer rerun, where that is installed
TABLES: dict[str, dict[str, str]] = {
    "frames": {
        "number": "int64",
        "index": "int64",
        "captured": "double",
        "time_s": "double",
        "x": "float",
        "y": "float",
        "side": "float",
        "video": "int64",
    },
    "scores": {"number": "int64", "score": "float"},
    "keyframes": {"number": "int64", "decided": "double"},
    "targets": {
        "number": "int64",
        "captured": "double",
        "decided": "double",
        "keyframe": "bool",
        "values": "values",
    },
    "commands": {
        "now": "double",
        "holding": "bool",
        "target": "values",
        "planned": "values",
        "sent": "values",
        "measured": "values",
    },
}
STEMS = [Path(VIDEO).stem, *TABLES]  # of the files' names; unfinished ones begin with a dot
_BATCH = 500  # rows written at a time
_WAITING = 32  # pictures that may wait for the encoder


class Table:
    """Rows that go to a parquet file in batches.

    Args:
        path: of the file.
        columns: type by name; ``values`` is 30 numbers.
    """

    def __init__(self, path: Path, columns: dict[str, str]) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        plain = {"int64": pa.int64(), "double": pa.float64(), "float": pa.float32(), "bool": pa.bool_()}
        kinds = plain | {"values": pa.list_(pa.float32(), len(NAMES))}
        self._schema = pa.schema([(name, kinds[kind]) for name, kind in columns.items()])
        self._writer = pq.ParquetWriter(path, self._schema)
        self._rows: list[dict[str, Any]] = []

    def add(self, **row: Any) -> None:
        """Add a row; arrays of 30 for ``values``."""
        self._rows.append(row)
        if len(self._rows) >= _BATCH:
            self._flush()

    def close(self) -> None:
        """Write what is left and end the file."""
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        import pyarrow as pa

        if self._rows:
            self._writer.write_table(pa.Table.from_pylist(self._rows, self._schema))
            self._rows = []


class Recorder:
    """Writes a run into a folder; an observer of the loop.

    Args:
        folder: made if needed, see :func:`check_folder`; a recording that lies there is replaced.
        fps: of the video.

    Raises:
        InputError: the folder cannot be written.
    """

    def __init__(self, folder: Path, fps: float) -> None:
        self.folder = folder
        self._files = ExitStack()
        self._tables = {}
        for name, columns in TABLES.items():
            path = self._files.enter_context(written_whole(folder / f"{name}.parquet"))
            self._tables[name] = Table(path, columns)
        self._pictures: queue.Queue[np.ndarray | None] = queue.Queue(_WAITING)
        self._encoded = 0
        self._error: Exception | None = None
        self._encoder = threading.Thread(target=self._encode, args=(fps,), name="record", daemon=True)
        self._encoder.start()

    def decided(self, decision: Decision) -> None:
        """As :class:`faceimit.runtime.loop.Observer`."""
        percept, picture = decision.percept, decision.picture
        nowhere = float("nan")
        x, y, side = (percept.box.x, percept.box.y, percept.box.side) if percept.box else (nowhere,) * 3
        self._tables["frames"].add(
            number=percept.number,
            index=picture.index,
            captured=picture.captured,
            time_s=picture.time_s,
            x=x,
            y=y,
            side=side,
            video=self._keep(picture.image),
        )
        for number, score in percept.scores:
            self._tables["scores"].add(number=number, score=score)
        for number in percept.keyframes:
            self._tables["keyframes"].add(number=number, decided=picture.captured)
        if decision.target is not None:
            target = decision.target
            self._tables["targets"].add(
                number=target.number,
                captured=target.captured,
                decided=picture.captured,
                keyframe=target.keyframe,
                values=target.values,
            )

    def commanded(self, command: Command) -> None:
        """As :class:`faceimit.runtime.loop.Observer`."""
        unknown = np.full(len(NAMES), np.nan)
        self._tables["commands"].add(
            now=command.now,
            holding=command.holding,
            target=command.target,
            planned=command.planned,
            sent=command.sent,
            measured=unknown if command.measured is None else command.measured,
        )

    def close(self) -> None:
        """End all files.

        Raises:
            InputError: the disk is full; tables and video are there whole or not at all.
        """
        self._pictures.put(None)
        self._encoder.join()
        with self._files:
            for table in self._tables.values():
                table.close()
        if self._error is not None:
            raise self._error

    def _keep(self, image: np.ndarray) -> int:
        """Place of the picture in the video, -1 if the encoder is behind."""
        try:
            self._pictures.put_nowait(image)
        except queue.Full:
            return -1
        self._encoded += 1
        return self._encoded - 1

    def _encode(self, fps: float) -> None:
        try:
            write_video(self.folder / VIDEO, _alike(self._waiting()), fps)
        except Exception as error:
            self._error = error
            for _ in self._waiting():
                pass

    def _waiting(self) -> Iterator[np.ndarray]:
        while (image := self._pictures.get()) is not None:
            yield image


def check_folder(folder: Path) -> None:
    """Refuse a folder that holds something other than a whole recording.

    Raises:
        InputError: naming it.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file, give a folder for the recording")
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    if not names or "commands.parquet" in names:
        return
    if all(name == RERUN or name.startswith(tuple(f".{stem}." for stem in STEMS)) for name in names):
        raise InputError(
            f"{folder} holds a recording that was broken off, or still runs: delete it or give a new folder"
        )
    raise InputError(f"{folder} holds other files and no recording, give a new folder")


def _alike(images: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    """Pictures of one even size, that of the first, at most :data:`LONGER_SIDE` long."""
    size: tuple[int, int] | None = None
    for image in images:
        if size is None:
            scale = min(1.0, LONGER_SIDE / max(image.shape[:2]))
            size = (max(2, round(image.shape[1] * scale / 2) * 2), max(2, round(image.shape[0] * scale / 2) * 2))
        same = (image.shape[1], image.shape[0]) == size
        yield image if same else cv2.resize(image, size, interpolation=cv2.INTER_AREA)


@dataclass(frozen=True)
class Recording:
    """A recording, read.

    Attributes:
        folder: where it lies.
        tables: columns by name of the table and of the column; arrays of N, or (N, 30).
    """

    folder: Path
    tables: dict[str, dict[str, np.ndarray]]


def read_recording(folder: Path) -> Recording:
    """All tables of a recording.

    Raises:
        InputError: it is none, or damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    tables = {}
    for name in TABLES:
        try:
            table = pq.read_table(folder / f"{name}.parquet")
        except (OSError, pa.ArrowException) as error:
            raise InputError(f"{folder} holds no readable {name}.parquet, record the run again") from error
        tables[name] = {column: _array(table[column]) for column in table.column_names}
    return Recording(folder, tables)


def _array(column: Any) -> np.ndarray:
    import pyarrow as pa

    column = column.combine_chunks()
    if isinstance(column.type, pa.FixedSizeListType):
        return np.asarray(column.flatten()).reshape(-1, column.type.list_size)
    return np.asarray(column)
