"""Learning rates that fall to their end when the steps, or the time, run out."""

from math import cos, pi

import pytorch_lightning as pl


def cosine(progress: float, step: int, warmup: int) -> float:
    """Factor of the peak rate: linear over `warmup` steps, then along a cosine of `progress` in [0, 1] to 1 %."""
    fall = 0.01 + 0.99 * 0.5 * (1 + cos(pi * min(1.0, progress)))
    return min(1.0, (step + 1) / max(1, warmup)) * fall


def time_used(trainer: pl.Trainer) -> float:
    """Share of the trainer's time limit that is used up, in [0, 1]; 0 without a limit."""
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        if isinstance(callback, pl.callbacks.Timer) and callback.time_remaining() is not None:
            used, left = callback.time_elapsed(), callback.time_remaining() or 0.0
            return used / max(1e-9, used + left)
    return 0.0
