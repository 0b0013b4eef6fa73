"""A folder of pictures with a table of control values beside them: JSON, JSON lines, CSV or TSV.

Shapes that are read, where a picture is named by its path below the folder:

- rows ``[{"image": "a/0001.png", "ctrl": {"Jaw Yaw": 0.5, ...}}, ...]``, also as JSON lines, also with the controls
  beside the picture's name instead of in a value of their own, also under a key such as ``"data"``;
- ``{"a/0001.png": {"Jaw Yaw": 0.5, ...}, ...}``;
- either with a list instead of named values, and the names under ``"names"`` or given by the caller;
- CSV or TSV with a header: the picture's name and a column a control;
- one ``0001.json`` of values beside each ``0001.png``.
"""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from faceimit.data.corpora.listing import Problem, trouble, walk
from faceimit.data.pair_values import index_of, nearest
from faceimit.errors import InputError, kind_of

PICTURES = frozenset([".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff"])
TABLES = frozenset([".json", ".jsonl", ".ndjson", ".csv", ".tsv"])
IMAGE_KEYS = ("image", "file_name", "filename", "image_path", "image_name", "img", "path", "file", "frame", "name")
VALUE_KEYS = (
    "ctrl",
    "controls",
    "control",
    "ctrls",
    "ctrl_value",
    "ctrl_values",
    "control_values",
    "values",
    "targets",
)
SEQUENCE_KEYS = ("sequence", "sequence_id", "seq", "clip", "clip_id", "video", "video_id", "session", "take")
_ROW_KEYS = ("data", "rows", "pairs", "samples", "annotations", "frames", "images")
_TABLE_NAMES = ("controls", "metadata", "annotations", "labels", "pairs", "values", "data")


@dataclass(frozen=True)
class Row:
    """One pair before its values are checked.

    Attributes:
        image: posix path below the folder.
        values: as they stand.
        sequence: name of the sequence, None if the table has none.
    """

    image: str
    values: Any
    sequence: str | None = None


@dataclass
class Folder:
    """What a folder of pictures holds.

    Attributes:
        root: of the pictures' paths.
        rows: those with a picture that is there.
        names: of values that are lists, if the table says.
        problems: rows without picture, pictures without row, ...
    """

    root: Path
    rows: list[Row]
    names: Sequence[str] | None = None
    problems: list[Problem] = field(default_factory=list)


def read_folder(path: Path, sequence: str | None = None) -> Folder:
    """Rows of a folder, or of a table file in one.

    Args:
        path: the folder, or the table where it holds several.
        sequence: key or column that names the sequence of a row; None: one of :data:`SEQUENCE_KEYS` that is there.

    Raises:
        InputError: no table or several, or one that cannot be read.
    """
    root = path if path.is_dir() else path.parent
    files = [f"{place}/{name}" if place else name for place, names in walk(root) for name in names]
    pictures = [name for name in files if Path(name).suffix.lower() in PICTURES]
    tables = _tables(root, path, files, set(pictures))
    if tables is None:
        raise _no_table(root, pictures)
    names, rows = (None, _beside(root, files, pictures)) if not tables else _rows_of(tables[0], sequence)
    return _with_pictures(Folder(root, list(rows), names), pictures)


def _tables(root: Path, path: Path, files: Iterable[str], pictures: set[str]) -> list[Path] | None:
    """The one table; an empty list where each picture has its own; None where there is none."""
    if path.is_file():
        return [path]
    stems = {str(Path(name).with_suffix("")) for name in pictures}
    found = [name for name in files if Path(name).suffix.lower() in TABLES]
    tables = [name for name in found if str(Path(name).with_suffix("")) not in stems]
    top = [name for name in tables if "/" not in name]
    named = [name for name in top if Path(name).stem.lower() in _TABLE_NAMES]
    for choice in (named, top, tables):
        if len(choice) == 1:
            return [root / choice[0]]
        if choice:
            raise InputError(f"{root} holds several tables ({', '.join(choice[:4])}), give the path of the one to read")
    return [] if found else None


def _no_table(root: Path, pictures: Sequence[str]) -> InputError:
    there = f"{len(pictures)} pictures" if pictures else "no picture"
    return InputError(
        f"expected {root} to hold pictures and a table of their controls (.json, .jsonl, .csv) or .parquet files but "
        f"found {there} and no table, check the path"
    )


def _beside(root: Path, files: Iterable[str], pictures: Iterable[str]) -> Iterator[Row]:
    there = set(files)
    for picture in pictures:
        table = str(Path(picture).with_suffix(".json"))
        if table in there:
            content = _json(root / table)
            values = next((content[key] for key in VALUE_KEYS if isinstance(content, dict) and key in content), content)
            yield Row(picture, values)


def _rows_of(table: Path, sequence: str | None) -> tuple[Sequence[str] | None, list[Row]]:
    suffix = table.suffix.lower()
    if suffix in {".csv", ".tsv"}:
        return None, [_row(item, table, sequence, i) for i, item in enumerate(_csv(table))]
    content = _json_lines(table) if suffix in {".jsonl", ".ndjson"} else _json(table)
    names = None
    if isinstance(content, dict):
        found = next((content[key] for key in ("names", "control_names") if isinstance(content.get(key), list)), None)
        names = found
        content = next((content[key] for key in _ROW_KEYS if isinstance(content.get(key), list | dict)), content)
    if isinstance(content, dict):
        items = {k: v for k, v in content.items() if k not in {"names", "control_names"}}
        if not any(Path(image).suffix.lower() in PICTURES for image in items):
            some = ", ".join(list(items)[:6]) or "none"
            raise InputError(f"expected {table} to name pictures and their controls but its names are {some}")
        return names, [_row_of_mapping(image, values, sequence) for image, values in items.items()]
    if not isinstance(content, list):
        raise InputError(f"expected {table} to hold rows of pictures and controls but got {kind_of(content)}")
    return names, [_row(item, table, sequence, i) for i, item in enumerate(content)]


def _row_of_mapping(image: str, values: Any, sequence: str | None) -> Row:
    if isinstance(values, Mapping) and any(key in values for key in VALUE_KEYS):
        return Row(image, next(values[key] for key in VALUE_KEYS if key in values), _sequence(values, sequence))
    return Row(image, values)


def _row(item: Any, table: Path, sequence: str | None, number: int) -> Row:
    if not isinstance(item, Mapping):
        raise InputError(f"expected row {number} of {table} to name a picture and its controls but got {item!r:.60}")
    lower = {str(key).lower(): key for key in item}
    image = next((lower[key] for key in IMAGE_KEYS if isinstance(item.get(lower.get(key)), str)), None)
    if image is None:
        raise InputError(
            f"row {number} of {table} names no picture, expected one of {', '.join(IMAGE_KEYS[:4])} but got "
            f"{', '.join(map(str, list(item)[:6]))}"
        )
    value = next((lower[key] for key in VALUE_KEYS if key in lower), None)
    return Row(item[image], item[value] if value else controls_among(item), _sequence(item, sequence))


def controls_among(item: Mapping[str, Any]) -> dict[str, Any]:
    """The controls among the columns of a row, and columns so like a missing one that they must be misspelt."""
    found = {name: value for name, value in item.items() if index_of(str(name)) is not None}
    there = {index_of(str(name)) for name in found}
    for name, value in item.items():
        meant = nearest(str(name)) if name not in found else None
        if meant is not None and index_of(meant) not in there:
            found[name] = value
    return found


def _sequence(item: Mapping[str, Any], key: str | None) -> str | None:
    if key is not None and key not in item:
        raise InputError(
            f"there is no column '{key}' for the sequence, columns are {', '.join(map(str, list(item)[:8]))}"
        )
    lower = {str(name).lower(): name for name in item}
    name = key if key is not None else next((lower[k] for k in SEQUENCE_KEYS if k in lower), None)
    return None if name is None or item[name] is None else str(item[name])


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8-sig"))
    except ValueError as error:
        raise InputError(f"{path} is no JSON that can be read ({error}), mend it or export it again") from error


def _json_lines(path: Path) -> list[Any]:
    rows = []
    for number, line in enumerate(path.read_text("utf-8-sig").splitlines(), 1):
        try:
            rows += [json.loads(line)] if line.strip() else []
        except ValueError as error:
            raise InputError(f"line {number} of {path} is no JSON that can be read ({error})") from error
    return rows


def _csv(path: Path) -> list[dict[str, Any]]:
    text = path.read_text("utf-8-sig")
    first = text.partition("\n")[0]
    delimiter = max("\t,;", key=first.count)
    return [
        {str(name).strip(): value for name, value in row.items() if name is not None}
        for row in csv.DictReader(io.StringIO(text), delimiter=delimiter)
    ]


def _with_pictures(folder: Folder, pictures: Sequence[str]) -> Folder:
    """Keep the rows whose picture is there, once; say what is left out."""
    there, kept = _by_name(pictures), {}
    for row in folder.rows:
        image = there.get(row.image.replace("\\", "/").removeprefix("./"))
        reason = "the picture is not there" if image is None else trouble(folder.root / image)
        if image in kept:
            reason = "the picture has two rows, the first is used"
        if image is None or reason is not None:
            folder.problems.append(Problem(folder.root / row.image, reason or ""))
        else:
            kept[image] = Row(image, row.values, row.sequence)
    lone = len(pictures) - len(kept)
    if not kept:
        first = f", the first that is looked for is {folder.rows[0].image}" if folder.rows else ""
        raise InputError(f"no row of the table has a picture in {folder.root}{first}; give the folder of the pictures")
    if lone:
        folder.problems.append(Problem(folder.root, f"{lone} of {len(pictures)} pictures have no row that can be used"))
    folder.rows = list(kept.values())
    return folder


def _by_name(pictures: Sequence[str]) -> dict[str, str]:
    """Pictures by path, and by file name where only one has it."""
    names: dict[str, list[str]] = {}
    for picture in pictures:
        names.setdefault(Path(picture).name, []).append(picture)
    return {name: same[0] for name, same in names.items() if len(same) == 1} | {p: p for p in pictures}
