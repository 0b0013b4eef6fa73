"""Ameca pairs: pictures of a robot's face and the 30 control values that made it, and how they are split.

Frames of one recording look alike. Split by sequence, no recording is in two splits; split frame by frame, nearly every
test picture has its neighbour in the training set, and the error measured is that of remembering.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from faceimit.data.corpora.listing import SPLITS, Problem, ranked
from faceimit.data.pair_folder import read_folder
from faceimit.data.pair_table import is_hub_id, is_saved, parquet_files, read_table, write_table
from faceimit.data.pair_values import BadRow, OnError, checked
from faceimit.errors import InputError
from faceimit.face.controls import NAMES

TEST = 2336 / 11677  # share of the test pictures in the published 9,341 / 2,336
_COUNTER = re.compile(r"[\s_.-]*(frame|img|image)?[\s_.-]*\d+$", re.IGNORECASE)


@dataclass(frozen=True)
class PairTable:
    """Pictures and control values.

    Attributes:
        name: of the table.
        values: (N, 30) float64 in the order of :data:`faceimit.face.controls.NAMES`, in the unit of each.
        sequence: (N,) str, the recording each row is of.
        names: (N,) str of the pictures.
        encoded: the file content of picture i.
        key: hash that changes when pictures or values do.
        fps: of the recordings, None if unknown.
        dropped: rows that were left out because of their values.
        problems: rows without picture, pictures without row.
    """

    name: str
    values: np.ndarray
    sequence: np.ndarray
    names: np.ndarray
    encoded: Callable[[int], bytes]
    key: str
    fps: float | None = None
    dropped: tuple[BadRow, ...] = ()
    problems: tuple[Problem, ...] = field(default=())

    def __len__(self) -> int:
        return len(self.values)

    def image(self, i: int) -> np.ndarray:
        """(H, W, 3) uint8 RGB of row i, upright.

        Raises:
            InputError: the picture is missing or damaged.
        """
        try:
            return decoded(self.encoded(i))
        except (InputError, OSError) as error:
            raise InputError(f"picture {self.names[i]} (row {i}) of {self.name}: {error}") from error


def decoded(content: bytes) -> np.ndarray:
    """(H, W, 3) uint8 RGB of an encoded picture of any common format; grey becomes RGB, transparency is left out.

    Raises:
        InputError: it does not decode.
    """
    image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR) if content else None
    if image is None:
        raise InputError("it is damaged or no picture, export it again")
    return np.ascontiguousarray(image[..., ::-1])


def read_pairs(
    source: str | Path,
    names: Sequence[str] | None = None,
    sequence: str | None = None,
    block: int | None = None,
    on_error: OnError = "refuse",
    fps: float | None = None,
    cache: str | None = None,
) -> PairTable:
    """Read pairs from a ``datasets`` table (parquet, ``save_to_disk`` or the hub) or from a folder of pictures with a
    JSON or CSV table (:mod:`faceimit.data.pair_folder`).

    The sequence of a row is taken from a column; else from the picture's folder, where there are several; else from
    the picture's name without its number (``smile_0001.png``: ``smile``).

    Args:
        source: a file, a folder, or the hub's ``OWNER/NAME``.
        names: of values that stand in lists; ``["table"]``: they are in the order of :mod:`faceimit.face.controls`.
        sequence: name of the column of the sequence; None: whatever it is commonly called.
        block: where nothing tells the sequence: take so many rows in a row for one.
        on_error: "refuse" a table with a wrong row, or "drop" such rows (listed in ``dropped``).
        fps: of the recordings, if known.
        cache: folder for what ``datasets`` converts and downloads.

    Raises:
        InputError: nothing there, an unknown control or another number of them, a value out of its range.
    """
    text = str(source)
    path = Path(text).expanduser()
    # a name in a folder that is here is a path with a slip, not a table of the hub
    if not path.exists() and (not is_hub_id(text) or path.parent.is_dir()):
        raise InputError(f"the pairs {text} do not exist, give a .parquet file, a folder or a hub name OWNER/NAME")
    if not path.exists() or is_saved(path) or parquet_files(path):
        table = read_table(text, cache, sequence)
        images, given, found, listed = table.images, table.values, table.sequences, table.names
        encoded, key, problems = table.bytes_of, table.key, []
    else:
        folder = read_folder(path, sequence)
        images, given, listed = [row.image for row in folder.rows], [row.values for row in folder.rows], folder.names
        told = [row.sequence for row in folder.rows]
        found = [str(value) for value in told] if all(value is not None for value in told) else None
        encoded, key, problems = _reader(folder.root, images), _folder_key(folder.root, images), folder.problems
    values, usable, bad = checked(zip(images, given, strict=True), names or listed, on_error)
    rows = np.flatnonzero(usable)
    sequences = np.array(found if found is not None else _sequences(images, block))
    key = hashlib.sha256(key.encode() + values[rows].tobytes() + rows.tobytes()).hexdigest()[:16]

    def content(i: int) -> bytes:
        return encoded(int(rows[i]))

    kept = np.array(images)[rows]
    return PairTable(text, values[rows], sequences[rows], kept, content, key, fps, tuple(bad), tuple(problems))


def _reader(root: Path, images: Sequence[str]) -> Callable[[int], bytes]:
    return lambda i: (root / images[i]).read_bytes()


def _folder_key(root: Path, images: Iterable[str]) -> str:
    found = hashlib.sha256()
    for image in images:
        status = (root / image).stat()
        found.update(f"{image}:{status.st_size}:{status.st_mtime_ns}\n".encode())
    return found.hexdigest()


def _sequences(images: Sequence[str], block: int | None) -> list[str]:
    """Sequence of each picture from its folder, else from its name without number, else in blocks of rows."""
    folders = [str(Path(image).parent) for image in images]
    if len(set(folders)) > 1:
        return folders
    prefixes = [_COUNTER.sub("", Path(image).stem) for image in images]
    if len(set(prefixes)) > 1:
        return prefixes
    return prefixes if block is None else [f"block {row // block}" for row in range(len(images))]


def split_by_sequence(
    sequence: np.ndarray, test: float = TEST, val: float = 0.1, seed: int = 0
) -> dict[str, np.ndarray]:
    """Row numbers of "train", "val" and "test": whole sequences, as near to the shares of rows as they allow.

    Args:
        sequence: (N,) str.
        test: share of all rows, by default that of the published split.
        val: share of the rest.
        seed: of the choice.

    Raises:
        InputError: fewer than three sequences, or shares out of range.
    """
    _check_shares(test, val)
    names, counts = np.unique(sequence, return_counts=True)
    if len(names) < 3:
        raise InputError(
            f"expected three or more sequences, one a split, but there are {len(names)}: name their column with "
            "sequence=COLUMN, or take block=500 rows in a row for one sequence"
        )
    rows_of = dict(zip(names.tolist(), counts.tolist(), strict=True))
    order = ranked(rows_of, seed)
    chosen = {"test": _filled(order, rows_of, test * len(sequence), keep=2)}
    order = [name for name in order if name not in chosen["test"]]
    rest = sum(rows_of[name] for name in order)
    chosen["val"] = _filled(order, rows_of, val * rest, keep=1)
    chosen["train"] = {name for name in order if name not in chosen["val"]}
    return {split: np.flatnonzero(np.isin(sequence, sorted(chosen[split]))) for split in SPLITS}


def _filled(order: Sequence[str], rows_of: dict[str, int], wanted: float, keep: int) -> set[str]:
    """Sequences in their order as long as they bring the number of rows nearer to `wanted`; at least one, and at least
    `keep` are left.
    """
    taken: set[str] = set()
    total = 0
    for name in order:
        if len(order) - len(taken) <= keep:
            break
        if not taken or abs(total + rows_of[name] - wanted) < abs(total - wanted):
            taken.add(name)
            total += rows_of[name]
    return taken


def split_by_frame(count: int, test: float = TEST, val: float = 0.1, seed: int = 0) -> dict[str, np.ndarray]:
    """Row numbers of "train", "val" and "test", each row drawn on its own.

    It exists only to show the leak: neighbouring frames of a recording fall into different splits, so its figures say
    nothing about a new recording. Report :func:`split_by_sequence`.
    """
    _check_shares(test, val)
    order = np.random.default_rng(seed).permutation(count)
    tested = max(1, round(test * count))
    held = max(1, round(val * (count - tested)))
    if tested + held >= count:
        raise InputError(f"expected enough rows for three splits but got {count}")
    parts = {"test": order[:tested], "val": order[tested : tested + held], "train": order[tested + held :]}
    return {split: np.sort(parts[split]) for split in SPLITS}


def _check_shares(test: float, val: float) -> None:
    for name, share in (("test", test), ("val", val)):
        if not 0 < share < 1:
            raise InputError(f"expected the share {name} to be between 0 and 1 but got {share:g}")


def write_pairs(
    path: str | Path, pairs: Iterable[tuple[np.ndarray, np.ndarray, str]], quality: int | None = None
) -> int:
    """Write pairs to a parquet file that :func:`read_pairs` and ``datasets`` read, whole or not at all.

    Args:
        path: where to, ending in .parquet.
        pairs: (picture (H, W, 3) uint8 RGB, (30,) values in table order and units, name of the sequence) in order of
            time within a sequence; taken one by one, so they may be made while they are written.
        quality: 1 to 100 of JPEG; None: PNG, without loss.

    Returns:
        Number of pairs.

    Raises:
        InputError: a value out of its range, another path, a full disk.
    """
    path = Path(path)
    if path.suffix != ".parquet":
        raise InputError(f"expected the pairs' file to end in .parquet but got {path}")
    frames: dict[str, int] = {}

    def row(picture: np.ndarray, values: np.ndarray, sequence: str) -> dict[str, object]:
        frame = frames.get(sequence, 0)
        frames[sequence] = frame + 1
        name = f"{sequence}/{frame:06d}{'.png' if quality is None else '.jpg'}"
        right = checked([(name, values)], ["table"], "refuse")[0][0]
        image = {"bytes": _encode(picture, quality), "path": name}
        return {"image": image, "sequence": sequence, "frame": frame} | dict(zip(NAMES, right.tolist(), strict=True))

    return write_table(path, (row(*pair) for pair in pairs))


def _encode(picture: np.ndarray, quality: int | None) -> bytes:
    options = [] if quality is None else [cv2.IMWRITE_JPEG_QUALITY, quality]
    bgr = np.ascontiguousarray(picture[..., ::-1])
    done, content = cv2.imencode(".png" if quality is None else ".jpg", bgr, options)
    if not done:
        raise InputError(f"expected a picture (H, W, 3) of uint8 but got {picture.shape} of {picture.dtype}")
    return content.tobytes()
