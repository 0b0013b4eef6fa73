"""What a trial's metric has been so far, in its folder, and W&B's rule on which trials to end early."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from faceimit.errors import InputError
from faceimit.tracking.files import write_text

HISTORY = "history.csv"
STOPPED = "stopped.json"


@dataclass(frozen=True)
class Threshold:
    """Why a trial stops: at validation `band` its figure was worse than the one that is needed there."""

    band: int
    value: float
    needed: float


def stops(
    own: Sequence[float], everyone: Sequence[Sequence[float]], bands: Sequence[int], eta: float, strict: bool
) -> Threshold | None:
    """W&B's rule: at the last band reached, a trial must be among the best 1/eta of all that got there.

    Args:
        own: figures of this trial, one a validation, lower is better.
        everyone: figures of all trials, this one too.
        bands: numbers of validations at which it is judged, rising.
        eta: only the best 1/eta go on.
        strict: judge by the figure at the band, not by the best one so far.
    """
    reached = [band for band in bands if band <= len(own)]
    if not reached:
        return None
    band = reached[-1]
    there = sorted(figures[band - 1] for figures in everyone if len(figures) >= band)
    needed = there[int(len(there) / eta)]
    value = own[band - 1] if strict else min(own)
    return Threshold(band, value, needed) if value > needed else None


def read_history(folder: Path) -> list[float]:
    """The figures a trial has logged so far, one a validation; none when it has not come so far.

    Raises:
        InputError: the file is damaged.
    """
    try:
        with (folder / HISTORY).open(newline="") as file:
            return [float(row["value"]) for row in csv.DictReader(file)]
    except FileNotFoundError:
        return []
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        raise InputError(f"{folder / HISTORY} is damaged, delete {folder} to have the trial run again") from error


def append_history(folder: Path, step: int, value: float) -> None:
    """Add a row; rows of this step and later, which a resumed run writes again, are dropped."""
    path = folder / HISTORY
    lines = path.read_text().splitlines()[1:] if path.is_file() else []
    kept = [line for line in lines if int(line.split(",")[0]) < step]
    write_text(path, "\n".join(["step,value", *kept, f"{step},{value!r}"]) + "\n")
