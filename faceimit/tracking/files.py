"""Files that are there whole or not at all."""

import csv
import json
import math
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from faceimit.errors import InputError, kind_of, unwritable

Row = dict[str, str]


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data` under a temporary name beside `path`, flush it to the disk, then rename it.

    Raises:
        InputError: the folder cannot be written or the disk is full; nothing is left behind.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise unwritable(path, error) from error
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        Path(name).unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text with :func:`write_bytes`."""
    write_bytes(path, text.encode())


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write :func:`as_json` with :func:`write_bytes`."""
    write_text(path, as_json(content))


def as_json(content: Mapping[str, Any]) -> str:
    """Indented JSON, a line at its end."""
    return json.dumps(content, indent=2, allow_nan=False) + "\n"


def read_json(path: Path) -> dict[str, Any]:
    """What :func:`write_json` wrote.

    Raises:
        InputError: the file is missing, cut short or something else.
    """
    try:
        content = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist, give the folder of a whole run") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is no whole JSON file ({error}), the run must be trained anew") from error
    if not isinstance(content, dict):
        raise InputError(f"expected {path} to hold names and values but got {kind_of(content)}, train anew")
    return content


def write_metrics(path: Path, metrics: Mapping[str, Any]) -> dict[str, float]:
    """Write a flat ``{name: number}`` JSON file, sorted by name; what is not a finite number is left out."""
    numbers = {name: float(value) for name, value in metrics.items()}
    finite = {name: numbers[name] for name in sorted(numbers) if math.isfinite(numbers[name])}
    write_json(path, finite)
    return finite


def read_rows(path: Path) -> list[Row]:
    """Rows of a CSV file by column; a row shorter or longer than the first is an error.

    Raises:
        InputError: no text, or rows of different lengths.
    """
    try:
        with path.open(newline="") as file:
            reader = csv.reader(file)
            columns, *rows = list(reader) or [[]]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} is no CSV file ({error}), make it again or delete it") from error
    rows = [row for row in rows if row]
    for number, row in enumerate(rows, start=2):
        if len(row) != len(columns):
            raise InputError(
                f"line {number} of {path} has {len(row)} cells where the first has {len(columns)}, "
                "make the file again or delete it"
            )
    return [dict(zip(columns, row, strict=True)) for row in rows]


def read_steps(path: Path) -> dict[int, Row]:
    """Rows of a ``metrics.csv`` by step, with all their columns.

    Raises:
        InputError: missing, cut short, or something else.
    """
    remedy = "delete it to resume the run without it, or train anew"
    try:
        whole = path.read_bytes().endswith(b"\n")
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist, give the folder of a whole run") from error
    if not whole:
        raise InputError(f"{path} is cut short, {remedy}")
    steps: dict[int, Row] = {}
    for number, row in enumerate(read_rows(path), start=2):
        try:
            [float(text) for text in row.values() if text]
            steps[int(row["step"])] = row
        except (KeyError, ValueError) as error:
            raise InputError(f"line {number} of {path} is no step with numbers, {remedy}") from error
    return steps
