"""Example pictures of a task, sent to the loggers after validation."""

from pytorch_lightning import Callback, LightningModule, Trainer

from faceimit.tracking.loggers import log_figure


class Pictures(Callback):
    """Logs what a task's ``figures() -> dict[str, Figure]`` draws, if it has one.

    Args:
        every_epochs: epochs between pictures.
    """

    def __init__(self, every_epochs: int = 1) -> None:
        self.every_epochs = every_epochs

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw and log."""
        draw = getattr(pl_module, "figures", None)
        if draw is None or trainer.sanity_checking or not trainer.is_global_zero:
            return
        if trainer.current_epoch % self.every_epochs:
            return
        for name, figure in draw().items():
            log_figure(trainer.loggers, name, figure, step=trainer.global_step)
