"""The time limit's clock, written down, so that a run that was shaped by it can be repeated.

Where time is short the learning rate follows the clock (:func:`faceimit.tasks.schedule.time_used`) and training ends by
it: how fast the machine happened to be then decides about the weights. The clock is therefore read once a step and kept
in ``clock.csv``; steps that stand there already, of a resumed run or of the run to repeat, take their time from there.
"""

import re
from pathlib import Path
from typing import Any

from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Timer

from faceimit.errors import InputError
from faceimit.tracking.files import write_text

NAME = "clock.csv"
HEAD = "step,seconds"


class Clock(Timer):
    """A time limit whose time stands still during a step and is read from, or written to, a file.

    Args:
        duration: DD:HH:MM:SS of training.
        path: ``clock.csv`` of the run folder.
    """

    def __init__(self, duration: str, path: Path) -> None:
        super().__init__(duration, verbose=False)
        self.path = path
        self.seconds = read_clock(path)
        self._known = len(self.seconds)
        self._now: float | None = None
        self._ahead = 0.0  # of the real time, after times that were read

    @property
    def state_key(self) -> str:
        """As Lightning's own."""
        return Timer.__qualname__

    def time_elapsed(self, stage: Any = "train") -> float:
        """Seconds of training at the start of the current step, of other stages as they are."""
        if stage != "train" or self._now is None:
            return super().time_elapsed(stage)
        return self._now

    def on_fit_start(self, trainer: Trainer, *_: Any, **__: Any) -> None:
        """Nothing yet: Lightning would leave at once, with nothing validated."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Go on with the time; a resumed run whose time is over only has the epoch's end that it has not had yet."""
        super().on_train_start(trainer, pl_module)
        self._check_time_remaining(trainer)
        epochs = trainer.fit_loop.epoch_progress.current
        if trainer.should_stop and epochs.started > epochs.processed:
            _end_epoch(trainer)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Read the time."""
        step = trainer.fit_loop.epoch_loop.batch_progress.total.ready - 1
        real = super().time_elapsed()
        if step < self._known:
            self._now = self.seconds[step]
            self._ahead = self._now - real
        else:
            self._now = real + self._ahead
            without_limit = [0.0] * (step - len(self.seconds))  # a run that got its limit when it was resumed
            self.seconds[step:] = [*without_limit, self._now]

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Write it down with every checkpoint."""
        if trainer.is_global_zero:
            lines = [f"{step},{seconds!r}" for step, seconds in enumerate(self.seconds)]
            write_text(self.path, "\n".join([HEAD, *lines]) + "\n")


def _end_epoch(trainer: Trainer) -> None:
    """Do what Lightning does when training ends after a step, from a checkpoint saved right after that step."""
    loop = trainer.fit_loop
    trainer.validating = True
    loop.epoch_loop.val_loop.run()
    trainer.training = True
    loop.epoch_loop.reset()  # the step counts as done now
    loop.on_advance_end()


def read_clock(path: Path) -> list[float]:
    """Seconds at the start of each step, none without the file.

    Raises:
        InputError: cut short, a step left out, or something else.
    """
    try:
        text = path.read_text()
    except FileNotFoundError:
        return []
    except UnicodeDecodeError:
        text = ""
    remedy = "delete it: the times are taken anew"
    first, *lines = text.splitlines() or [""]
    if first != HEAD or not text.endswith("\n"):
        raise InputError(f"{path} is cut short or holds no times of a run, {remedy}")
    seconds = []
    for step, line in enumerate(lines):
        number, _, time = line.partition(",")
        if number != str(step) or not re.fullmatch(r"\d+(\.\d+)?(e[-+]?\d+)?", time):
            raise InputError(f"line {step + 2} of {path} is not the time of step {step} but {line[:40]!r}, {remedy}")
        seconds.append(float(time))
    return seconds
