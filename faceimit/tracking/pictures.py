"""Example pictures and tables of a task, sent to the loggers."""

from collections.abc import Sequence
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.loggers import Logger

from faceimit.ranges import Count
from faceimit.tracking.loggers import CsvLogger, log_figure, log_table


class Pictures(Callback):
    """Logs what a task's ``figures() -> dict[str, Figure]`` draws, its ``tables() -> dict[str, list[dict]]`` hold, and
    the ``scores() -> list[dict]`` of its test clips (:meth:`faceimit.tracking.loggers.CsvLogger.save_scores`).

    Tables of the validation go to the run folder alone: the loggers would keep each of them for good.

    Args:
        every_epochs: epochs between pictures.
    """

    def __init__(self, every_epochs: Count = 1) -> None:
        self.every_epochs = every_epochs

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw and log."""
        if trainer.sanity_checking or trainer.current_epoch % self.every_epochs:
            return
        self._log(trainer, pl_module, ("", "val/"), _files(trainer))

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw and log."""
        self._log(trainer, pl_module, ("test/", ""), trainer.loggers)
        scores: list[dict[str, Any]] = getattr(pl_module, "scores", list)()
        for files in _files(trainer) if scores else ():
            files.save_scores(scores)

    @staticmethod
    def _log(trainer: Trainer, task: LightningModule, prefixes: tuple[str, str], takers: Sequence[Logger]) -> None:
        """With `prefixes` of the names of figures and tables; tables go to `takers` alone."""
        if not trainer.is_global_zero:
            return
        for name, figure in getattr(task, "figures", dict)().items():
            log_figure(trainer.loggers, f"{prefixes[0]}{name}", figure, trainer.global_step)
        for name, rows in getattr(task, "tables", dict)().items():
            log_table(takers, f"{prefixes[1]}{name}", rows, trainer.global_step)


def _files(trainer: Trainer) -> list[CsvLogger]:
    return [logger for logger in trainer.loggers if isinstance(logger, CsvLogger)]
