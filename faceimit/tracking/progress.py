"""Progress: a rich bar on a terminal, one line per validation elsewhere, the figures so far in a file."""

import sys
import time
from pathlib import Path
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.callbacks import RichProgressBar
from pytorch_lightning.callbacks.progress.rich_progress import RichProgressBarTheme

from faceimit.tracking.files import write_metrics

THEME = RichProgressBarTheme(
    description="bold",
    progress_bar="#2a9d8f",
    progress_bar_finished="#2a9d8f",
    progress_bar_pulse="#e9c46a",
    batch_progress="default",
    time="grey54",
    processing_speed="grey70",
    metrics="#e76f51",
)


class Lines(Callback):
    """For logs and pipes: plain lines on stderr, where the run is, its losses now and then, and each validation."""

    interval_s = 30.0

    def __init__(self) -> None:
        self._said = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Say where."""
        self._said = time.monotonic()
        if trainer.is_global_zero:
            print(f"training in {trainer.default_root_dir}", file=sys.stderr, flush=True)

    def on_train_batch_end(self, trainer: Trainer, *_: Any, **__: Any) -> None:
        """Print the losses, when nothing was said for a while."""
        if time.monotonic() - self._said > self.interval_s:
            self._say(trainer, "train/", f" of {trainer.estimated_stepping_batches}")

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print epoch, step and the validation metrics."""
        if not trainer.sanity_checking:
            self._say(trainer, "val/")

    def _say(self, trainer: Trainer, kind: str, total: str = "") -> None:
        self._said = time.monotonic()
        if not trainer.is_global_zero:
            return
        shown = {name: value for name, value in trainer.callback_metrics.items() if name.startswith(kind)}
        figures = "  ".join(f"{name} {float(value):.4g}" for name, value in shown.items())
        print(
            f"epoch {trainer.current_epoch}  step {trainer.global_step}{total}  {figures}", file=sys.stderr, flush=True
        )


class EarlyMetrics(Callback):
    """``metrics.json`` after every validation, so that a run that ends early has its figures."""

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write what is known so far."""
        if trainer.is_global_zero and not trainer.sanity_checking:
            write_metrics(Path(trainer.default_root_dir) / "metrics.json", trainer.callback_metrics)


def progress_bar(refresh_rate: int = 1) -> Any:
    """The callback that suits where stderr goes."""
    if sys.stderr.isatty():
        return RichProgressBar(refresh_rate=refresh_rate, theme=THEME, console_kwargs={"stderr": True})
    return Lines()
