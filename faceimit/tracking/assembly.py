"""Builds the callbacks, loggers and trainer of a run, and closes it."""

import contextlib
import logging
import sys
import warnings
from collections.abc import Iterable, Mapping
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.loggers import Logger
from pytorch_lightning.utilities.exceptions import MisconfigurationException

import faceimit
from faceimit.data.fingerprint import fingerprint
from faceimit.errors import InputError
from faceimit.tracking.checkpoints import KEY, Best, PlainCheckpoints, Record, read_checkpoint
from faceimit.tracking.clock import NAME as CLOCK
from faceimit.tracking.clock import Clock
from faceimit.tracking.compiled import compiled
from faceimit.tracking.files import read_json
from faceimit.tracking.finite import Finite
from faceimit.tracking.loggers import CsvLogger, log_best
from faceimit.tracking.runs import Run
from faceimit.tracking.schema import build, monitor_of

HARDWARE = ("accelerator", "devices", "num_nodes", "strategy", "precision")


def callbacks(run: Run) -> list[Callback]:
    """The configured callbacks, the record in each checkpoint and the best checkpoint by the monitored metric."""
    name, mode = monitor_of(run.config)
    best = Best(run.folder / "checkpoints", name, mode)
    arguments = {k: v for k, v in run.config["task"].items() if k != "_target_"}
    record = Record(run.config["task"]["_target_"], arguments, faceimit.__version__)
    chosen = [build(node) for node in run.config["callbacks"].values() if node is not None]
    # Lightning leaves the order of checkpoints as it is: the last one, among the chosen, has the best one's state in it
    finite = Finite(arguments.get("lr"))
    return [finite, best, *chosen, *compiled(run.config["compile"]), record, Described(run)]


def loggers(run: Run) -> list[Logger]:
    """The CSV file and the configured logger."""
    step = 0 if run.last is None else int(read_checkpoint(run.last)["global_step"])
    found: list[Logger] = [CsvLogger(run.folder / "metrics.csv", resumed_at=step)]
    chosen = build(run.config["logger"], folder=run.folder, run_id=run.id)
    if chosen is not None:
        chosen.log_hyperparams(run.config | {"environment": run.environment})
        found.append(chosen)
    return found


def check_trainer(settings: Mapping[str, Any]) -> None:
    """Refuse settings that Lightning builds no trainer of on this machine.

    Raises:
        InputError: naming them, in its words; several processes that would not train together.
    """
    hardware = ", ".join(f"trainer.{name}={settings[name]}" for name in HARDWARE if name in settings)
    remedy = "try trainer=cpu, or trainer=ddp trainer.accelerator=cpu trainer.devices=2 trainer.precision=32-true"
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    quiet = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
    try:
        with warnings.catch_warnings(action="ignore"):  # the trainer proper will give them
            built = build({**settings, **quiet})
    except (MisconfigurationException, ValueError, TypeError, RuntimeError, ImportError) as error:
        reason = " ".join(str(error).split()).rstrip(".!")
        raise InputError(f"there can be no trainer with {hardware} here ({reason}), {remedy}") from error
    if built.num_devices * built.num_nodes > 1 and "strategy" not in settings:
        raise InputError(f"several processes train together with trainer=ddp only, but got {hardware}, {remedy}")


def check_last(run: Run, task: LightningModule) -> None:
    """Refuse to continue a run with the checkpoint of another.

    Raises:
        InputError: it is of another task, or of another network.
    """
    if run.last is None:
        return
    content = read_checkpoint(run.last)
    found, wanted = content.get(KEY, {}).get("task", "an unknown task"), run.config["task"]["_target_"]
    remedy = "put the run's own back or start a new run"
    if found != wanted:
        raise InputError(f"checkpoint {run.last} holds {found}, not this run's {wanted}, {remedy}")
    try:
        task.load_state_dict(content["state_dict"], strict=task.strict_loading)
    except RuntimeError as error:
        raise InputError(f"checkpoint {run.last} is of another network than this run's, {remedy}") from error


def trainer(run: Run, callbacks: list[Callback], loggers: list[Logger]) -> Trainer:
    """The configured trainer, with checkpoints written whole and read without running code."""
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)  # its hints and tips are not ours to give
    # Lightning 2.6 asks torch 2.15 in a way that torch announces the end of; only a newer Lightning mends it
    warnings.filterwarnings("ignore", message=r".*LeafSpec", category=FutureWarning, module="pytorch_lightning")
    if run.last is not None:  # expected, for once
        warnings.filterwarnings("ignore", message="Checkpoint directory .* exists and is not empty")
    more: dict[str, Any] = {"default_root_dir": str(run.folder), "plugins": [PlainCheckpoints()]}
    settings = dict(run.config["trainer"])
    bars = [callback for callback in callbacks if "ProgressBar" in type(callback).__name__]
    if not settings.pop("enable_progress_bar", True) or not bars:
        callbacks = [callback for callback in callbacks if callback not in bars]
        more["enable_progress_bar"] = False
    limit = settings.pop("max_time", None)
    clock = [] if limit is None else [Clock(limit, run.folder / CLOCK)]
    return build(settings, callbacks=[*callbacks, *clock], logger=loggers, **more)


class Described(Callback):
    """Writes down what a run is trained on, once its data are there, and that it has begun.

    Args:
        run: whose folder it goes to.
    """

    def __init__(self, run: Run) -> None:
        self.run = run

    def on_train_batch_end(self, *_: Any, **__: Any) -> None:
        """The run counts from its first step on."""
        if not self.run.begun:
            self.run.begin()

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Tell the run folder and the loggers."""
        data = getattr(trainer, "datamodule", None)
        if not trainer.is_global_zero or data is None:
            return
        found = fingerprint(data)
        self.run.describe(data.counts() if hasattr(data, "counts") else {}, found)
        for logger in trainer.loggers:
            logger.log_hyperparams({"data_fingerprint": found})


def say_if_done(run: Run, trainer: Trainer) -> None:
    """On stderr, when there was nothing to train."""
    if run.last is not None and not run.begun and trainer.is_global_zero:
        print(
            f"{run.folder} was trained to its end, step {trainer.global_step}; "
            "a greater budget.epochs or budget.minutes prolongs it",
            file=sys.stderr,
        )


def finish(run: Run, metrics: Mapping[str, Any], loggers: Iterable[Logger]) -> None:
    """Write ``metrics.json``, the validation of the best checkpoint in it as well, and hand the checkpoint on.

    What it held before stays where nothing new is known: a run that was done and is resumed is only tested again, one
    whose time was over is only validated and tested.
    """
    files = next((logger for logger in loggers if isinstance(logger, CsvLogger)), None)
    known: dict[str, Any] = {}
    with contextlib.suppress(InputError):  # there is none yet, or it was damaged
        known = read_json(run.folder / "metrics.json")
    trained = {} if files is None else _row(files, metrics["fit/steps"], "train/")
    best = {} if files is None else _best(run, files)
    numbers = run.finish({**known, **trained, **metrics, **best})
    log_best(loggers, run.folder, run.best, numbers)


def _best(run: Run, files: CsvLogger) -> dict[str, float]:
    """What was validated when the best checkpoint was saved."""
    if not run.best.is_file():
        return {}
    row = _row(files, int(read_checkpoint(run.best)["global_step"]), "val/")
    return {f"best/{name}": value for name, value in row.items()}


def _row(files: CsvLogger, steps: int, prefix: str) -> dict[str, float]:
    """What was logged after so many steps: it bears the number before."""
    return {name: value for name, value in files.row(steps - 1).items() if name.startswith(prefix)}
