"""A training whose loss is no number has failed: it ends, and what it had before stays."""

from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor

from faceimit.data.sharding import anybody
from faceimit.errors import InputError
from faceimit.nets.finite import not_finite

ASKED_EVERY = 10  # batches, where reading a number waits for a GPU or for other processes


class Finite(Callback):
    """Looks at every loss before it is propagated back, at the validation's, and at weights before they are saved.

    On a GPU or in several processes losses are looked at every :data:`ASKED_EVERY` batches.

    Args:
        lr: the learning rate asked for, if there is one.
    """

    def __init__(self, lr: float | None) -> None:
        self.lr = lr
        self._broken: Tensor | None = None

    def on_before_backward(self, trainer: Trainer, pl_module: LightningModule, loss: Tensor) -> None:
        """See whether it is a number: not so, some operators read beyond their memory on the way back.

        Raises:
            InputError: it is none.
        """
        broken = ~torch.isfinite(loss.detach())
        if trainer.world_size == 1 and loss.device.type == "cpu":
            if bool(broken):
                raise self._failure(trainer, self._terms(trainer))
        else:
            self._broken = broken if self._broken is None else self._broken | broken

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Look at the losses noted so far; all processes end together.

        Raises:
            InputError: one of them was no number.
        """
        if self._broken is None or batch_idx % ASKED_EVERY:
            return
        if anybody(bool(self._broken), trainer.strategy.root_device):
            raise self._failure(trainer, self._terms(trainer))

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look before the best checkpoint is chosen.

        Raises:
            InputError: its loss is no number.
        """
        loss = trainer.callback_metrics.get("val/loss")
        if loss is not None and not torch.isfinite(loss) and not trainer.sanity_checking:
            raise self._failure(trainer, "val/loss")

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Save no weights that are none.

        Raises:
            InputError: naming the first.
        """
        name = not_finite(checkpoint["state_dict"])
        if name is not None:
            raise self._failure(trainer, f"weight {name}")

    def _failure(self, trainer: Trainer, what: str) -> InputError:
        last = Path(trainer.default_root_dir) / "checkpoints" / "last.ckpt"
        kept = f"; {last} is from before" if last.is_file() else ""
        lr = "" if self.lr is None else f" than {self.lr:g}"
        return InputError(
            f"training has failed by step {trainer.global_step + 1} (not finite: {what}), "
            f"try a lower task.lr{lr} or other weights of the losses{kept}"
        )

    @staticmethod
    def _terms(trainer: Trainer) -> str:
        """The losses that are no numbers, as they are logged."""
        logged = {name: value for name, value in trainer.callback_metrics.items() if name.startswith("train/")}
        return ", ".join(name for name, value in logged.items() if not torch.isfinite(value)) or "the loss"
