"""Early termination as W&B's hyperband has it, decided by each trial itself from what the others have logged.

A trial writes its metric after every validation into its folder and reads the folders beside it, so that the same rule
holds for processes of one machine and for jobs of a cluster with a common file system.
"""

import math
from collections.abc import Sequence
from pathlib import Path

from pytorch_lightning import Callback, LightningModule, Trainer

from faceimit.sweeping.history import HISTORY, STOPPED, Threshold, append_history, read_history, stops
from faceimit.tracking.files import write_json


class SweepHistory(Callback):
    """Writes the sweep's metric after every validation and ends the training when the rule says so.

    Args:
        metric: as the task logs it.
        maximize: whether higher is better.
        bands, eta, strict: of :func:`faceimit.sweeping.history.stops`; without bands every trial runs to its end.
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
        append_history(folder, trainer.global_step, float(value))
        everyone = [read_history(path.parent) for path in sorted(folder.parent.glob(f"[0-9]*/{HISTORY}"))]
        signed = [[self.sign * figure for figure in figures] for figures in everyone]
        own = [self.sign * figure for figure in read_history(folder)]
        reason = stops(own, signed or [own], self.bands, self.eta, self.strict)
        if reason is not None:
            value, needed = self.sign * reason.value, self.sign * reason.needed
            write_json(folder / STOPPED, {"validation": reason.band, "value": value, "needed": needed})
        else:  # of an attempt that was killed before it could stop; this one goes on
            (folder / STOPPED).unlink(missing_ok=True)
        return reason
