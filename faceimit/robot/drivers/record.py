"""Every command that was sent, with its time, in a file; and on to a robot, if one is named.

A ``.jsonl`` file has a first line ``{"format": "faceimit-commands 1", "names": ["time", ...]}`` and 31 numbers a line
after it; a ``.csv`` file has the names as its header. Both are written row by row, so that a kill loses at most the row
being written, which ``resume`` cuts off. The driver ``replay`` reads both, ``faceimit-pair`` the ``.csv``.
"""

import contextlib
import csv
import io
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

import numpy as np

from faceimit.errors import InputError
from faceimit.face.controls import NAMES
from faceimit.robot.drivers.base import LOGGER
from faceimit.robot.drivers.wrapper import Wrapper
from faceimit.robot.script import FORMAT

HEADER = ("time", *NAMES)
GAP = 0.02  # seconds between the last row of a file and the first that is added to it


@dataclass(eq=False, kw_only=True)
class Record(Wrapper):
    """A recording of what is sent.

    Attributes:
        path: file that is written, .jsonl or .csv.
        resume: go on with a file that is there, its times too; without it such a file is refused.
    """

    path: Path = Path("commands.jsonl")
    resume: bool = False
    _file: TextIO | None = field(init=False, repr=False, default=None)
    _shift: float | None = field(init=False, repr=False, default=None)
    _last: float | None = field(init=False, repr=False, default=None)
    _trouble: str = field(init=False, repr=False, default="")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.path.suffix.lower() not in {".jsonl", ".csv"}:
            raise InputError(f"expected option path to end with .jsonl or .csv but got {self.path}")

    def _acquire(self) -> None:
        super()._acquire()
        self._shift, self._last, self._trouble = None, None, ""
        try:
            there = self.path.exists() and self.path.stat().st_size > 0
            if there and not self.resume:
                raise InputError(f"{self.path} is there already, give another path or resume=true")
            if there:
                self._last = _mended(self.path)
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("a", encoding="utf-8", newline="")
        except OSError as error:
            raise InputError(f"cannot write {self.path} ({error.strerror}), choose another path") from error
        if not there:
            self._write(header_line(self.path))

    def _carry(self, values: np.ndarray, now: float) -> bool:
        carried = super()._carry(values, now)
        if carried:
            if self._shift is None:  # times of a file that is gone on with go on too
                self._shift = 0.0 if self._last is None else self._last + GAP - now
            seconds = round(now + self._shift, 6)
            if self._last is None or seconds > self._last:
                self._write(row_line(self.path, [seconds, *np.round(values, 6).tolist()]))
                self._last = seconds
        return carried

    def _release(self) -> None:
        try:
            super()._release()
        finally:
            if self._file is not None:
                with contextlib.suppress(OSError):  # what could not be written is reported below
                    self._file.close()
                self._file = None
        if self._trouble:
            raise InputError(f"cannot write all of {self.path} ({self._trouble}), free some space and use resume=true")

    def _write(self, line: str) -> None:
        """One line, at once; a robot must not be left in mid-motion for a full disk, which is reported on leaving."""
        if self._file is None or self._trouble:
            return
        try:
            self._file.write(line)
            self._file.flush()
        except OSError as error:
            self._trouble = str(error.strerror or error)
            LOGGER.error("cannot write %s any more: %s", self.path, self._trouble)


def header_line(path: Path) -> str:
    """First line of a recording."""
    if path.suffix.lower() == ".csv":
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerow(HEADER)
        return text.getvalue()
    return json.dumps({"format": FORMAT, "names": HEADER}) + "\n"


def row_line(path: Path, row: list[float]) -> str:
    """A line of a recording."""
    return ",".join(map(repr, row)) + "\n" if path.suffix.lower() == ".csv" else json.dumps(row) + "\n"


def _mended(path: Path) -> float | None:
    """Cut off a last line that is not whole, and return the time of the last one that is, None if there is no row.

    Raises:
        InputError: the file is no recording.
    """
    data = path.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    lines = whole.decode("utf-8", errors="replace").splitlines()
    if not lines or lines[0] != header_line(path).rstrip("\n"):
        raise InputError(f"expected {path} to be a recording to go on with but it is none, give another path")
    if len(whole) < len(data):
        os.truncate(path, len(whole))
    try:
        return float(lines[-1].strip("[]").split(",")[0]) if len(lines) > 1 else None
    except ValueError as error:
        raise InputError(f"the last row of {path} has no time ({error}), give another path") from error
