"""Pairs in a ``datasets`` table: parquet files, a folder that ``save_to_disk`` wrote, or a table of the hub.

A column holds the pictures (an ``Image``, a struct of bytes and path, or encoded bytes). The controls are columns of
their own, or one column: a struct, a JSON text, or a list with names from ``names`` in the parquet file's metadata.
"""

import contextlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from faceimit.data.corpora.listing import walk
from faceimit.data.pair_folder import IMAGE_KEYS, SEQUENCE_KEYS, VALUE_KEYS, controls_among
from faceimit.data.pair_values import NAMES, index_of
from faceimit.data.quiet import without_retries
from faceimit.data.whole import written_whole
from faceimit.errors import InputError

if TYPE_CHECKING:
    from datasets import Dataset

_HUB = re.compile(r"[\w.-]+/[\w.-]+")


@dataclass(frozen=True)
class Table:
    """A table before its values are checked.

    Attributes:
        images: names of the pictures, or their row numbers.
        values: of each row, as they stand.
        sequences: of each row, None if the table has none.
        names: of values that are lists, if the table says.
        bytes_of: the encoded picture of a row.
        key: changes when the content does.
    """

    images: list[str]
    values: list[Any]
    sequences: list[str] | None
    names: Sequence[str] | None
    bytes_of: Callable[[int], bytes]
    key: str


def is_hub_id(source: str) -> bool:
    """Whether a source that is no file may be the name of a table on the hub: ``OWNER/NAME``."""
    return _HUB.fullmatch(source) is not None


def parquet_files(path: Path) -> list[Path]:
    """The parquet file, or those of a folder, sorted."""
    if path.is_file():
        return [path] if path.suffix.lower() == ".parquet" else []
    return [path / place / name for place, names in walk(path) for name in names if name.lower().endswith(".parquet")]


def is_saved(path: Path) -> bool:
    """Whether ``datasets``' ``save_to_disk`` wrote a folder."""
    return (path / "state.json").is_file() or (path / "dataset_dict.json").is_file()


def read_table(source: str, cache: str | None = None, sequence: str | None = None) -> Table:
    """Open a table; the pictures stay on the disk.

    Args:
        source: a .parquet file, a folder of them, a folder of ``save_to_disk``, or the name of a table on the hub.
        cache: folder where ``datasets`` keeps what it converts and downloads; None: its own.
        sequence: column that names the sequence of a row; None: one of
            :data:`faceimit.data.pair_folder.SEQUENCE_KEYS` that is there.

    Raises:
        InputError: it cannot be read or fetched, or has no pictures or no controls.
    """
    import datasets

    rows = _opened(source, cache)
    image, key = _image_column(rows, source), _key(source, rows)
    if isinstance(rows.features[image], datasets.Image):
        rows = rows.cast_column(image, datasets.Image(decode=False))
    others = rows.select_columns([name for name in rows.column_names if name != image])
    columns = {name: others.with_format("arrow")[:].column(name).to_pylist() for name in _wanted(others, sequence)}
    values = _values(columns, len(rows), source)
    found = _sequence_column(columns, sequence, source)
    pictures = rows.select_columns([image])

    def bytes_of(row: int) -> bytes:
        return _encoded(pictures[row][image], source, row)

    sequences = None if found is None else [str(value) for value in columns[found]]
    return Table(_names(rows, image, columns), values, sequences, _list_names(source), bytes_of, key)


def _opened(source: str, cache: str | None) -> "Dataset":
    import datasets

    path = Path(source).expanduser()
    try:
        with _quiet():
            if path.exists() and is_saved(path):
                rows = datasets.load_from_disk(str(path))
            elif path.exists():
                files = [str(file) for file in parquet_files(path)]
                rows = datasets.load_dataset("parquet", data_files=files, split="train", cache_dir=cache)
            else:
                rows = datasets.load_dataset(source, cache_dir=cache)
    except Exception as error:  # datasets raises errors of many libraries, of the network's too
        raise InputError(_not_opened(source, path.exists(), error)) from error
    if isinstance(rows, datasets.DatasetDict):
        rows = datasets.concatenate_datasets([rows[name] for name in sorted(rows)])
    if not len(rows):
        raise InputError(f"the table {source} has no row")
    return rows


def _names(rows: "Dataset", image: str, columns: Mapping[str, list[Any]]) -> list[str]:
    """Names of the pictures: their paths in the column of pictures, a column of texts, or row numbers."""
    import pyarrow.compute as pc

    column = rows.data.column(image)
    paths = pc.struct_field(column, "path").to_pylist() if _has_path(column.type) else []
    told = [values for key, values in columns.items() if key.lower() in IMAGE_KEYS and isinstance(values[0], str)]
    given = (paths if any(paths) else None) or (told[0] if told else [None] * len(rows))
    return [f"row {row}" if name is None else str(name) for row, name in enumerate(given)]


def _has_path(kind: Any) -> bool:
    import pyarrow as pa

    return pa.types.is_struct(kind) and any(field.name == "path" for field in kind)


def _key(source: str, rows: "Dataset") -> str:
    files = parquet_files(Path(source).expanduser()) if Path(source).expanduser().exists() else []
    states = [(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    return repr(states) if states else rows._fingerprint


def _not_opened(source: str, local: bool, error: Exception) -> str:
    reason = " ".join(str(error.__cause__ or error).split())[:200] or type(error).__name__
    if local:
        return f"the table {source} cannot be read ({reason}), copy or export it again"
    return (
        f"{source} is no file here, and the table of that name cannot be fetched from the hub ({reason}), check the "
        "name and the network, or give the path of a copy"
    )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    import datasets

    shown = datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        with without_retries():
            yield
    finally:
        if not shown:
            datasets.enable_progress_bars()


def _image_column(rows: "Dataset", source: str) -> str:
    import datasets

    def holds_pictures(feature: Any) -> bool:
        is_struct = isinstance(feature, Mapping) and "bytes" in feature
        is_bytes = isinstance(feature, datasets.Value) and "binary" in feature.dtype
        return isinstance(feature, datasets.Image) or is_struct or is_bytes

    found = [name for name, feature in rows.features.items() if holds_pictures(feature)]
    chosen = [name for name in IMAGE_KEYS if name in found] or found
    if not chosen:
        raise InputError(
            f"the table {source} has no column of pictures, its columns are {', '.join(rows.column_names)}"
        )
    if isinstance(rows.features[chosen[0]], datasets.Image):
        rows.features[chosen[0]].decode = False
    return chosen[0]


def _wanted(rows: "Dataset", sequence: str | None) -> list[str]:
    """Columns that may be controls, sequences or names: not other pictures, sounds and the like."""
    plain = [name for name, feature in rows.features.items() if "Value(" in repr(feature) or "List(" in repr(feature)]
    return [name for name in rows.column_names if name in plain or name == sequence]


def _values(columns: Mapping[str, list[Any]], count: int, source: str) -> list[Any]:
    lower = {name.lower(): name for name in columns}
    own = [name for name in columns if index_of(name) is not None]
    container = next((lower[key] for key in VALUE_KEYS if key in lower), None)
    if own or container is None:
        names = list(controls_among(columns))
        if not names:
            raise InputError(
                f"the table {source} has no controls, expected the columns {NAMES[0]}, {NAMES[1]}, ... or one column "
                f"'controls', but its columns are {', '.join(columns)}"
            )
        return [{name: columns[name][row] for name in names} for row in range(count)]
    return [dict(value) if isinstance(value, list) and _is_map(value) else value for value in columns[container]]


def _is_map(value: list[Any]) -> bool:
    """Whether it is an arrow map, which comes as a list of (name, value)."""
    return bool(value) and isinstance(value[0], tuple)


def _sequence_column(columns: Mapping[str, list[Any]], sequence: str | None, source: str) -> str | None:
    if sequence is not None and sequence not in columns:
        there = ", ".join(columns)
        raise InputError(f"the table {source} has no column '{sequence}' for the sequence, its columns are {there}")
    lower = {name.lower(): name for name in columns}
    return sequence or next((lower[key] for key in SEQUENCE_KEYS if key in lower), None)


def _encoded(value: Any, source: str, row: int) -> bytes:
    content = value.get("bytes") if isinstance(value, Mapping) else value
    if content is None and isinstance(value, Mapping) and value.get("path"):
        path = Path(value["path"])
        folder = Path(source).expanduser() if Path(source).expanduser().is_dir() else Path(source).expanduser().parent
        place = path if path.is_absolute() else folder / path
        content = place.read_bytes() if place.is_file() else None
    if not content:
        raise InputError(f"row {row} of {source} has no picture")
    return content


def _list_names(source: str) -> list[str] | None:
    """Names of the values of a list column, from the metadata of the first parquet file."""
    import pyarrow.parquet as pq

    files = parquet_files(Path(source).expanduser()) if Path(source).expanduser().exists() else []
    metadata = pq.read_schema(files[0]).metadata if files else None
    text = (metadata or {}).get(b"names") or (metadata or {}).get(b"controls")
    return None if text is None else json.loads(text)


def write_table(path: Path, rows: Iterator[dict[str, Any]], group: int = 100) -> int:
    """Write rows with ``image`` (encoded bytes), ``sequence``, ``frame`` and 30 controls to a parquet file, whole or
    not at all, in groups of `group` rows, so that memory stays flat; ``datasets`` reads the pictures as ``Image``.

    Returns:
        Number of rows.
    """
    import datasets
    import pyarrow as pa
    import pyarrow.parquet as pq

    features = datasets.Features(
        {"image": datasets.Image(), "sequence": datasets.Value("string"), "frame": datasets.Value("int64")}
        | {name: datasets.Value("float64") for name in NAMES}
    )
    schema, count = features.arrow_schema, 0
    with written_whole(path) as unfinished, pq.ParquetWriter(unfinished, schema) as writer:
        waiting: list[dict[str, Any]] = []
        for row in rows:
            waiting.append(row)
            count += 1
            if len(waiting) == group:
                writer.write_table(pa.Table.from_pylist(waiting, schema=schema))
                waiting = []
        writer.write_table(pa.Table.from_pylist(waiting, schema=schema))
    return count
