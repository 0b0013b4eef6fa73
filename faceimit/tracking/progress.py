"""Progress: a rich bar on a terminal, one line per validation elsewhere, the figures so far in a file."""

import sys
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
    """For logs and pipes: a plain line on stderr whenever a validation ends."""

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print epoch, step and the validation metrics."""
        if trainer.sanity_checking or not trainer.is_global_zero:
            return
        shown = {k: v for k, v in trainer.callback_metrics.items() if k.startswith("val/")}
        figures = "  ".join(f"{name} {float(value):.4g}" for name, value in shown.items())
        print(f"epoch {trainer.current_epoch}  step {trainer.global_step}  {figures}", file=sys.stderr, flush=True)


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
