"""Timed commands: a table of times and 30 named values, written for a robot to play and read back as its log."""

import csv
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from faceimit.errors import InputError
from faceimit.face import controls
from faceimit.face.controls import NAMES, check_names, did_you_mean

FORMAT = "faceimit-commands 1"
TIME_KEYS = ("time", "time_s", "timestamp", "t")


@dataclass(frozen=True)
class Commands:
    """What a robot is sent, or was sent.

    Attributes:
        times: (N,) float64 seconds, strictly increasing, N >= 2.
        values: (N, 30) in table order and units; between two times they change evenly.
    """

    times: np.ndarray
    values: np.ndarray

    def at(self, times: np.ndarray) -> np.ndarray:
        """(T, 30) values at any times (T,), beyond the ends those of the ends."""
        return np.stack([np.interp(times, self.times, column) for column in self.values.T], axis=-1)

    def path(self) -> np.ndarray:
        """(N,) how far the face has moved up to each time: summed steps of the normalised values."""
        steps = np.linalg.norm(np.diff(controls.normalised(self.values), axis=0), axis=1)
        return np.concatenate([[0.0], np.cumsum(steps)])


def as_json(commands: Commands, **more: Any) -> str:
    """The commands as JSON: format, names, and rows [time, 30 values]; ``more`` stands beside them."""
    rows = [[round(t, 4), *row] for t, row in zip(commands.times.tolist(), _rounded(commands), strict=True)]
    head = {"format": FORMAT, **more, "names": ["time", *NAMES]}
    lines = ",\n".join(json.dumps(row) for row in rows)
    return json.dumps(head, indent=1)[:-2] + f',\n "commands": [\n{lines}\n]}}\n'


def as_csv(commands: Commands) -> str:
    """The commands as CSV with a header: time and the 30 names."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["time", *NAMES])
    writer.writerows([round(t, 4), *row] for t, row in zip(commands.times.tolist(), _rounded(commands), strict=True))
    return text.getvalue()


def read_commands(path: Path) -> Commands:
    """Commands of a JSON file (:func:`as_json`, or a list of objects) or a CSV file with named columns.

    Raises:
        InputError: unreadable, names that differ from the table, a value that is not finite or out of its range, times
            that do not increase, fewer than two rows.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the command log {path}: {error}") from error
    names, rows = _from_csv(text) if path.suffix.lower() == ".csv" else _from_json(text, path)
    time = next((name for name in names if name.lower() in TIME_KEYS), None)
    if time is None:
        near = did_you_mean("time", names)
        raise InputError(f"expected a column time in seconds in {path} but found none{near}")
    try:
        check_names([name for name in names if name != time])
        table = np.array(rows, dtype=np.float64)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except (TypeError, ValueError) as error:
        raise InputError(f"expected numbers in every row of {path}: {error}") from error
    if table.ndim != 2 or len(table) < 2:
        raise InputError(f"expected at least two commands in {path} but got {len(rows)}")
    columns = {name: table[:, i] for i, name in enumerate(names)}
    return checked(Commands(columns[time], np.stack([columns[name] for name in NAMES], axis=1)), str(path))


def checked(commands: Commands, where: str) -> Commands:
    """The commands, their times from 0, if they are sound.

    Raises:
        InputError: naming the row and the value that is not.
    """
    outside = ~((commands.values >= controls.LOW - 1e-6) & (commands.values <= controls.HIGH + 1e-6))
    if outside.any():
        row, column = np.argwhere(outside)[0]
        control = controls.CONTROLS[column]
        raise InputError(
            f"expected {control.name} in [{control.low:g}, {control.high:g}] but got {commands.values[row, column]:g} "
            f"in row {row} of {where}"
        )
    steps = np.diff(commands.times)
    if not (np.isfinite(commands.times).all() and (steps > 0).all()):
        row = int(np.argmax(~(steps > 0))) + 1
        raise InputError(f"expected times that increase in {where} but row {row} does not: {commands.times[row]:g} s")
    return Commands(commands.times, np.clip(commands.values, controls.LOW, controls.HIGH))


def _rounded(commands: Commands) -> list[list[float]]:
    return np.round(commands.values, 5).tolist()


def _from_csv(text: str) -> tuple[list[str], list[list[Any]]]:
    rows = list(csv.reader(text.splitlines()))
    return (rows[0], rows[1:]) if rows else ([], [])


def _from_json(text: str, path: Path) -> tuple[list[str], list[list[Any]]]:
    try:
        content = json.loads(text)
        if isinstance(content, dict):
            return [str(name) for name in content["names"]], content["commands"]
        return [str(name) for name in content[0]], [[row[name] for name in content[0]] for row in content]
    except (json.JSONDecodeError, KeyError, IndexError, TypeError) as error:
        raise InputError(f"{path} is no command log ({error!r}), write one with faceimit-rollout to see how") from error
