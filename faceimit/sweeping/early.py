"""Early termination as W&B's hyperband has it, decided by each trial itself from what the others have logged.

A trial writes its metric after every validation into its folder and reads the folders beside it, so that the same rule
holds for processes of one machine and for jobs of a cluster with a common file system.
"""

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pytorch_lightning import Callback, LightningModule, Trainer

from faceimit.tracking.files import write_json, write_text

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
    """The figures a trial has logged so far, one a validation; none when it has not come so far."""
    try:
        with (folder / HISTORY).open(newline="") as file:
            return [float(row["value"]) for row in csv.DictReader(file)]
    except FileNotFoundError:
        return []


class SweepHistory(Callback):
    """Writes the sweep's metric after every validation and ends the training when the rule says so.

    Args:
        metric: as the task logs it.
        maximize: whether higher is better.
        bands, eta, strict: of :func:`stops`; without bands every trial runs to its end.
    """

    def __init__(
        self, metric: str, maximize: bool, bands: Sequence[int] = (), eta: float = 3.0, strict: bool = True
    ) -> None:
        self.metric = metric
        self.sign = -1.0 if maximize else 1.0
        self.bands, self.eta, self.strict = list(bands), eta, strict

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write, compare, and stop all processes of this training if need be."""
        if trainer.sanity_checking:
            return
        reason = self._judged(trainer) if trainer.is_global_zero else None
        if trainer.strategy.reduce_boolean_decision(reason is not None, all=False):
            trainer.should_stop = True

    def _judged(self, trainer: Trainer) -> Threshold | None:
        folder = Path(trainer.default_root_dir)
        value = trainer.callback_metrics.get(self.metric)
        if value is None or not math.isfinite(float(value)):
            return None
        _append(folder / HISTORY, trainer.global_step, float(value))
        everyone = [read_history(path.parent) for path in sorted(folder.parent.glob(f"[0-9]*/{HISTORY}"))]
        signed = [[self.sign * figure for figure in figures] for figures in everyone]
        own = [self.sign * figure for figure in read_history(folder)]
        reason = stops(own, signed or [own], self.bands, self.eta, self.strict)
        if reason is not None:
            value, needed = self.sign * reason.value, self.sign * reason.needed
            write_json(folder / STOPPED, {"validation": reason.band, "value": value, "needed": needed})
        return reason


def _append(path: Path, step: int, value: float) -> None:
    """A row; rows of this step and later, which a resumed run writes again, are dropped."""
    lines = path.read_text().splitlines()[1:] if path.is_file() else []
    kept = [line for line in lines if int(line.split(",")[0]) < step]
    write_text(path, "\n".join(["step,value", *kept, f"{step},{value!r}"]) + "\n")
