"""Loggers: a CSV file always; Weights & Biases (offline by default) or TensorBoard besides."""

import csv
import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import Logger, TensorBoardLogger, WandbLogger
from pytorch_lightning.utilities.rank_zero import rank_zero_only

from faceimit.errors import InputError
from faceimit.tracking.files import write_text


class CsvLogger(Logger):
    """One row per step in ``metrics.csv``, columns as they turn up; a resumed run continues the file.

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
        self._written = time.monotonic()

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Write what is left."""
        if self._rows:
            self.flush()

    def _read(self, resumed_at: int) -> None:
        with self.path.open(newline="") as file:
            reader = csv.DictReader(file)
            self._columns = list(reader.fieldnames or ["step"])
            for row in reader:
                if int(row["step"]) < resumed_at:
                    self._rows[int(row["step"])] = {k: v for k, v in row.items() if v and k != "step"}


def wandb_logger(folder: Path, run_id: str, project: str = "faceimit", name: str | None = None) -> Logger | None:
    """Weights & Biases, offline unless WANDB_MODE says otherwise, so that it never waits for a login.

    Args:
        folder: the run folder.
        run_id: the same id when a run is resumed.
        project: W&B project.
        name: shown in W&B, default the run folder's.

    Returns:
        The logger, or None in all training processes but the first.
    """
    if rank_zero_only.rank:
        return None
    import wandb

    mode: Any = os.environ.get("WANDB_MODE", "offline")
    if mode in {"online", "shared"} and not wandb.api.api_key:
        raise InputError("WANDB_MODE=online needs a key, set WANDB_API_KEY or leave WANDB_MODE unset to log offline")
    run = wandb.init(
        project=project,
        name=name or folder.name,
        id=os.environ.get("WANDB_RUN_ID", run_id),  # a sweep names its runs itself
        dir=folder,
        mode=mode,
        resume="allow" if mode == "online" else None,
        settings=wandb.Settings(silent=True, console="off"),
    )
    return WandbLogger(experiment=run)


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
        if isinstance(logger, WandbLogger):
            import wandb

            logger.experiment.log({name: wandb.Image(figure), "trainer/global_step": step})
        elif isinstance(logger, TensorBoardLogger):
            logger.experiment.add_figure(name, figure, global_step=step, close=False)
    plt.close(figure)


def log_best(loggers: Iterable[Logger], checkpoint: Path, metrics: Mapping[str, float]) -> None:
    """Keep the best checkpoint as a W&B artifact, with its metrics, and close the W&B runs."""
    for logger in loggers:
        if isinstance(logger, WandbLogger):
            import wandb

            artifact = wandb.Artifact(f"{logger.experiment.id}-best", type="model", metadata=dict(metrics))
            # immutable: referred to where it lies instead of copied to a staging folder in the user's home
            artifact.add_file(str(checkpoint), policy="immutable", skip_cache=True)
            logger.experiment.log_artifact(artifact, aliases=["best"])
            logger.experiment.summary.update(dict(metrics))
            logger.experiment.finish()
