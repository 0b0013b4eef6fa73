"""Builds the callbacks, loggers and trainer of a run, and closes it."""

import logging
import warnings
from collections.abc import Iterable, Mapping
from typing import Any

from pytorch_lightning import Callback, Trainer
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.loggers import Logger

import faceimit
from faceimit.tracking.checkpoints import PlainCheckpoints, Record, read_checkpoint
from faceimit.tracking.loggers import CsvLogger, log_best
from faceimit.tracking.runs import Run
from faceimit.tracking.schema import build, monitor_of


def callbacks(run: Run) -> list[Callback]:
    """The configured callbacks, the record in each checkpoint and the best checkpoint by the monitored metric."""
    name, mode = monitor_of(run.config)
    best = ModelCheckpoint(
        run.folder / "checkpoints",
        "best",
        monitor=name,
        mode=mode,
        enable_version_counter=False,
        save_on_exception=False,
    )
    arguments = {k: v for k, v in run.config["task"].items() if k != "_target_"}
    record = Record(run.config["task"]["_target_"], arguments, faceimit.__version__)
    chosen = [build(node) for node in run.config["callbacks"].values() if node is not None]
    return [*chosen, record, best]


def loggers(run: Run) -> list[Logger]:
    """The CSV file and the configured logger."""
    step = 0 if run.last is None else int(read_checkpoint(run.last)["global_step"])
    found: list[Logger] = [CsvLogger(run.folder / "metrics.csv", resumed_at=step)]
    chosen = build(run.config["logger"], folder=run.folder, run_id=run.id)
    if chosen is not None:
        chosen.log_hyperparams(run.config)
        found.append(chosen)
    return found


def trainer(run: Run, callbacks: list[Callback], loggers: list[Logger]) -> Trainer:
    """The configured trainer, with checkpoints written whole and read without running code."""
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)  # its hints and tips are not ours to give
    # Lightning 2.6 asks torch 2.15 in a way that torch announces the end of; only a newer Lightning mends it
    warnings.filterwarnings("ignore", message=r".*LeafSpec", category=FutureWarning, module="pytorch_lightning")
    if run.last is not None:  # expected, for once
        warnings.filterwarnings("ignore", message="Checkpoint directory .* exists and is not empty")
    more: dict[str, Any] = {"default_root_dir": str(run.folder), "plugins": [PlainCheckpoints()]}
    if not any("ProgressBar" in type(callback).__name__ for callback in callbacks):
        more["enable_progress_bar"] = False
    return build(run.config["trainer"], callbacks=callbacks, logger=loggers, **more)


def finish(run: Run, metrics: Mapping[str, Any], loggers: Iterable[Logger]) -> None:
    """Write ``metrics.json`` and hand the best checkpoint to the loggers that keep models."""
    numbers = run.finish(metrics)
    log_best(loggers, run.best, numbers)
