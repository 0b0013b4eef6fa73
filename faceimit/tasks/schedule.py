"""Learning rates that fall to their end when the steps, or the time, run out."""

from math import cos, pi
from typing import Any

import pytorch_lightning as pl
import torch
from torch import nn

from faceimit.data.sharding import agreed


def cosine(progress: float, step: int, warmup: int) -> float:
    """Factor of the peak rate: linear over `warmup` steps, then along a cosine of `progress` in [0, 1] to 1 %."""
    fall = 0.01 + 0.99 * 0.5 * (1 + cos(pi * min(1.0, progress)))
    return min(1.0, (step + 1) / max(1, warmup)) * fall


def planned_steps(trainer: pl.Trainer) -> float:
    """Steps of the whole training, at least 1; infinite where only the time limit ends it."""
    return max(1.0, float(trainer.estimated_stepping_batches))


def adamw_with_cosine(task: pl.LightningModule, net: nn.Module) -> dict[str, Any]:
    """What ``configure_optimizers`` of a task returns; its ``lr``, ``weight_decay`` and ``warmup`` say how.

    Args:
        task: that trains.
        net: whose weights are trained.
    """
    settings = task.hparams
    optimizer = torch.optim.AdamW(net.parameters(), lr=settings["lr"], weight_decay=settings["weight_decay"])

    def rate(step: int) -> float:
        return cosine(max(step / planned_steps(task.trainer), time_used(task.trainer)), step, settings["warmup"])

    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


def time_used(trainer: pl.Trainer | None) -> float:
    """Share of the trainer's time limit that is used up, in [0, 1]; 0 without a limit, or a trainer.

    Where several processes train it is the first one's: by clocks of their own their weights would drift apart.
    """
    if trainer is None:
        return 0.0
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        if isinstance(callback, pl.callbacks.Timer) and callback.time_remaining() is not None:
            used, left = callback.time_elapsed(), callback.time_remaining() or 0.0
            return agreed(used / max(1e-9, used + left), trainer.strategy.root_device)
    return 0.0
