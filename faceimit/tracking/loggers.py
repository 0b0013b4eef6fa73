"""Loggers: files in the run folder always; Weights & Biases (:mod:`.wandb_run`) or TensorBoard besides."""

import csv
import io
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pytorch_lightning import Trainer
from pytorch_lightning.loggers import Logger, TensorBoardLogger, WandbLogger
from pytorch_lightning.utilities.rank_zero import rank_zero_only

from faceimit.tracking.files import read_steps, write_bytes, write_json, write_text
from faceimit.tracking.wandb_run import AXIS, finish, keep_best, wandb_logger

__all__ = ["CsvLogger", "log_best", "log_figure", "log_table", "no_logger", "tensorboard_logger", "wandb_logger"]

Row = Mapping[str, str | int | float | bool | None]


class CsvLogger(Logger):
    """One row per step in ``metrics.csv``, columns as they turn up; a resumed run continues the file. Tables and
    pictures in folders beside it.

    Args:
        path: the file.
        resumed_at: rows of this step and later, which a resumed run will write again, are dropped.
    """

    interval_s = 5.0

    def __init__(self, path: Path, resumed_at: int = 0) -> None:
        super().__init__()
        self.path = path
        self._rows: dict[int, dict[str, str]] = {}
        self._columns = ["step"]
        self._written = 0.0
        self._new = False  # whether anything was logged since
        if path.is_file():
            self._read(resumed_at)

    @property
    def name(self) -> str:
        """The file's name."""
        return self.path.stem

    @property
    def version(self) -> str:
        """None of its own: the run folder is the version."""
        return ""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Add to the row of `step`."""
        self._new = True
        row = self._rows.setdefault(int(step or 0), {})
        for name, value in metrics.items():
            if name not in self._columns:
                self._columns.append(name)
            row[name] = f"{float(value):.9g}"

    @rank_zero_only
    def log_hyperparams(self, *_: Any, **__: Any) -> None:
        """The configuration is in ``config.yaml``."""

    @rank_zero_only
    def save(self) -> None:
        """Write the file now and then: Lightning asks at every step that logs."""
        if time.monotonic() - self._written > self.interval_s:
            self.flush()

    @rank_zero_only
    def flush(self) -> None:
        """Write the file, whole."""
        lines = [",".join(self._columns)]
        for step in sorted(self._rows):
            row = {"step": str(step)} | self._rows[step]
            lines.append(",".join(row.get(column, "") for column in self._columns))
        write_text(self.path, "\n".join(lines) + "\n")
        self._written, self._new = time.monotonic(), False

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Write what is left; a run that was resumed and came to nothing keeps its file."""
        if self._new:
            self.flush()

    def log_step(self, trainer: Trainer) -> None:
        """Add what Lightning logs once all are done with the step's end: a checkpoint that is saved before that, by a
        run that is then stopped or killed, would lack it for good.
        """
        connector = trainer._logger_connector
        row = connector.metrics["log"]
        if row and connector.should_update_logs:
            self.log_metrics({**row, "epoch": trainer.current_epoch}, trainer.global_step - 1)

    def row(self, step: int) -> dict[str, float]:
        """What was logged at a step, as the float32 that it was."""
        return {name: float(np.float32(value)) for name, value in self._rows.get(step, {}).items()}

    @rank_zero_only
    def save_table(self, name: str, rows: Sequence[Row]) -> None:
        """Write ``tables/<name>.csv`` beside the file."""
        text = io.StringIO()
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_text(self.path.parent / "tables" / f"{_as_file(name)}.csv", text.getvalue())

    @rank_zero_only
    def save_scores(self, clips: Sequence[Mapping[str, Any]]) -> None:
        """Write ``tables/scores.json`` beside the file: clips with ``clip`` (name), ``fps``, ``score`` and ``target``
        (T,), None where there is no face, and ``keyframes`` and ``true``, frame numbers.
        """
        write_json(self.path.parent / "tables" / "scores.json", {"clips": list(clips)})

    @rank_zero_only
    def save_figure(self, name: str, figure: Any) -> None:
        """Write ``media/<name>.png`` beside the file, in the place of an older one."""
        picture = io.BytesIO()
        figure.savefig(picture, format="png", dpi=110)
        write_bytes(self.path.parent / "media" / f"{_as_file(name)}.png", picture.getvalue())

    def _read(self, resumed_at: int) -> None:
        for step, row in read_steps(self.path).items():
            self._columns = list(row)
            if step < resumed_at:
                self._rows[step] = {name: value for name, value in row.items() if value and name != "step"}


def _as_file(name: str) -> str:
    return name.replace("/", "_")


def tensorboard_logger(folder: Path, run_id: str) -> Logger:
    """TensorBoard event files in ``<folder>/tensorboard``."""
    del run_id
    return TensorBoardLogger(save_dir=folder, name="tensorboard", version="")


def no_logger(folder: Path, run_id: str) -> None:
    """The CSV file alone."""
    del folder, run_id


def log_figure(loggers: Iterable[Logger], name: str, figure: Any, step: int) -> None:
    """Send a matplotlib figure to whichever loggers take pictures, then close it."""
    import matplotlib.pyplot as plt

    for logger in loggers:
        if isinstance(logger, CsvLogger):
            logger.save_figure(name, figure)
        elif isinstance(logger, WandbLogger):
            import wandb

            logger.experiment.log({name: wandb.Image(figure), AXIS: step})
        elif isinstance(logger, TensorBoardLogger):
            logger.experiment.add_figure(name, figure, global_step=step, close=False)
    plt.close(figure)


def log_table(loggers: Iterable[Logger], name: str, rows: Sequence[Row], step: int) -> None:
    """Send rows with the same columns to whichever loggers take tables; TensorBoard shows them as text."""
    if not rows:
        return
    columns = list(rows[0])
    for logger in loggers:
        if isinstance(logger, CsvLogger):
            logger.save_table(name, rows)
        elif isinstance(logger, WandbLogger):
            import wandb

            table = wandb.Table(columns=columns, data=[[row[column] for column in columns] for row in rows])
            logger.experiment.log({name: table, AXIS: step})
        elif isinstance(logger, TensorBoardLogger):
            lines = [columns, ["---"] * len(columns), *([_shown(row[column]) for column in columns] for row in rows)]
            text = "\n".join(f"| {' | '.join(line)} |" for line in lines)
            logger.experiment.add_text(name, text, global_step=step)


def log_best(loggers: Iterable[Logger], folder: Path, checkpoint: Path, metrics: Mapping[str, float]) -> None:
    """Hand the best checkpoint of a run to the loggers that keep models, and close them."""
    for logger in loggers:
        if isinstance(logger, WandbLogger):
            keep_best(logger.experiment, folder, checkpoint, metrics)
            finish(logger.experiment)


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
