"""Checkpoints of plain types, written whole or not at all, and the last one kept fresh."""

import contextlib
import importlib
import io
import pickle
import signal
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.callbacks import Checkpoint, ModelCheckpoint
from pytorch_lightning.plugins.io import TorchCheckpointIO

from faceimit.data.sharding import largest
from faceimit.errors import InputError
from faceimit.nets.finite import check_finite
from faceimit.ranges import Count
from faceimit.tracking.files import write_bytes
from faceimit.tracking.loggers import CsvLogger
from faceimit.tracking.stopping import Requests, Terminated, undisturbed

KEY = "faceimit"
USES = {
    "faceimit.tasks.keyframe.KeyframeTask": "faceimit-keyframes and faceimit.evaluate",
    "faceimit.tasks.landmark.LandmarkTask": "faceimit-export --landmarks",
    "faceimit.tasks.control.ControlTask": "faceimit-export --mapping",
}
ASKED_EVERY = 10  # batches: asking the other processes at each would slow every step


class Interrupted(Exception):  # noqa: N818  not an error: the user asked for it
    """Training was asked to stop, and has; Lightning would exit with 1 on a KeyboardInterrupt.

    Args:
        message: how to go on.
        number: of the signal.
    """

    def __init__(self, message: str, number: int = signal.SIGINT) -> None:
        super().__init__(message)
        self.number = number


class PlainCheckpoints(TorchCheckpointIO):
    """Lightning's checkpoint files, renamed into place when complete and read without running code from them."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Serialise in memory, then write with :func:`faceimit.tracking.files.write_bytes`."""
        del storage_options
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        write_bytes(Path(path), buffer.getvalue())

    def load_checkpoint(self, path: Any, map_location: Any = None, **_: Any) -> dict[str, Any]:
        """As :func:`read_checkpoint`, of finite weights."""
        content = read_checkpoint(path, map_location)
        check_finite(content["state_dict"], f"checkpoint {path}")
        return content


def read_checkpoint(path: str | Path, map_location: Any = "cpu") -> dict[str, Any]:
    """A checkpoint's content; only tensors and plain types are ever unpickled.

    Raises:
        InputError: no such file, not a checkpoint, damaged, or one that holds code objects.
    """
    path = Path(path)
    if path.is_dir():
        best = path / "checkpoints" / "best.ckpt"
        raise InputError(f"checkpoint {path} is a folder, give {best if best.is_file() else 'a .ckpt file of a run'}")
    if not path.is_file():
        raise InputError(f"checkpoint {path} does not exist, give a .ckpt file such as RUN/checkpoints/best.ckpt")
    if not zipfile.is_zipfile(path):
        raise InputError(f"{path} is not a checkpoint or is cut short, give a .ckpt file that faceimit.train wrote")
    try:
        with zipfile.ZipFile(path) as file:  # torch writes checksums, and does not look at them
            if file.testzip() is not None:
                raise ValueError("a checksum differs")
        content = torch.load(path, map_location=map_location, weights_only=True)
    except pickle.UnpicklingError as error:
        raise InputError(
            f"checkpoint {path} holds code objects, which are never run, give one that faceimit.train wrote"
        ) from error
    except (RuntimeError, EOFError, OSError, KeyError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f"checkpoint {path} is damaged, train again or give another one") from error
    if not isinstance(content, dict) or "state_dict" not in content:
        raise InputError(f"{path} holds no trained task, give a .ckpt file that faceimit.train wrote")
    return content


def load_task(path: str | Path, kind: str) -> Any:
    """The trained task of a checkpoint, in eval mode on the CPU.

    Args:
        path: a checkpoint faceimit.train wrote.
        kind: full name of the LightningModule wanted, such as ``faceimit.tasks.keyframe.KeyframeTask``.

    Raises:
        InputError: unreadable (:func:`read_checkpoint`), or a checkpoint of another task.
    """
    content = read_checkpoint(path)
    record = content.get(KEY, {})
    found = record.get("task", "an unknown task")
    if found != kind:
        hint = f" (this one is for {USES[found]})" if found in USES else ""
        raise InputError(f"checkpoint {path} holds {found}{hint}, not {kind}, give one trained for that")
    module, name = kind.rsplit(".", 1)
    kind_of_task = getattr(importlib.import_module(module), name)
    try:
        task = kind_of_task(**record["arguments"])
        task.load_state_dict(content["state_dict"])
    except (RuntimeError, TypeError, KeyError) as error:  # other weights, or arguments of an older architecture
        raise InputError(f"checkpoint {path} does not fit {name} of this version, train it again") from error
    check_finite(content["state_dict"], f"checkpoint {path}")
    task.on_load_checkpoint(content)
    return task.eval()


class Best(ModelCheckpoint):
    """Keeps ``best.ckpt`` by the monitored metric, and knows it again when the run folder has moved.

    Args:
        folder: of the checkpoints.
        monitor: metric.
        mode: min or max.
    """

    def __init__(self, folder: Path, monitor: str, mode: str) -> None:
        more = {"enable_version_counter": False, "save_on_exception": False}
        super().__init__(folder, "best", monitor=monitor, mode=mode, **more)

    @property
    def state_key(self) -> str:
        """As Lightning's own."""
        return super().state_key.replace(type(self).__qualname__, ModelCheckpoint.__qualname__, 1)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue, wherever the folder was then."""
        before, now = str(state_dict["dirpath"]), str(self.dirpath)

        def moved(value: Any) -> Any:
            if isinstance(value, dict):
                return {moved(key): moved(content) for key, content in value.items()}
            return now + value.removeprefix(before) if isinstance(value, str) and value.startswith(before) else value

        super().load_state_dict(moved(state_dict))


class Record(Callback):
    """Writes into each checkpoint how to build its task again, in plain types."""

    def __init__(self, task: str, arguments: Mapping[str, Any], version: str) -> None:
        self.record = {"task": task, "arguments": dict(arguments), "version": version}

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Add the record."""
        del trainer, pl_module
        checkpoint[KEY] = self.record


class LastCheckpoint(Checkpoint):
    """Keeps ``last.ckpt`` fresh: early on, every so many steps, at the end of each epoch, on Ctrl-C and on SIGTERM.

    A checkpoint to Lightning, and the last one, so that it comes after the time limit and the best checkpoint: a run
    that ends here has what they decided. Never between the batches of one step, where gradients would be lost. Where
    several processes train, they agree every :data:`ASKED_EVERY` batches whether one of them was asked to stop.

    Args:
        first_step: the first step saved, so that an early crash costs little.
        every_steps: steps between saves after that.
    """

    def __init__(self, first_step: Count = 10, every_steps: Count = 200) -> None:
        self.first_step = first_step
        self.every_steps = every_steps
        self._requests = Requests()
        self._stopping = 0
        self._terminate: Any = signal.SIG_DFL
        self._path = Path()

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Find the run folder, and whoever handles SIGTERM before Lightning does: it would end with 0, and silently."""
        self._path = Path(trainer.default_root_dir) / "checkpoints" / "last.ckpt"
        self._terminate = signal.getsignal(signal.SIGTERM)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """From here on, Ctrl-C and SIGTERM wait for the step to end."""
        self._requests.listen(self._terminate)
        loader = trainer.train_dataloader
        undisturbed(getattr(loader, "loader", loader))

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """As the processes that load training data, those that load these finish what they are at."""
        undisturbed(trainer.val_dataloaders)

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Nothing is lost by stopping at once."""
        with contextlib.suppress(ValueError):  # not the main thread
            signal.signal(signal.SIGTERM, self._terminate)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save when due; never after an epoch's last batch, where Lightning would resume past its validation."""
        left = trainer.num_training_batches - batch_idx - 1
        step, together = trainer.global_step, trainer.accumulate_grad_batches
        due = step == self.first_step or step % self.every_steps == 0
        if trainer.world_size == 1 or batch_idx % ASKED_EVERY == 0:
            self._agree(trainer)
        # the step before the last, so that stopping in a long validation repeats one step and the validation
        if left > 0 and (batch_idx + 1) % together == 0 and (due or left <= together or self._stopping):
            for logger in _tables(trainer):
                logger.log_step(trainer)
            self._save(trainer)
            self._stop_if_asked()

    def on_validation_batch_end(self, trainer: Trainer, *_: Any, **__: Any) -> None:
        """A validation is not saved half way: it is repeated. Several processes see it through."""
        if trainer.world_size == 1:
            self._agree(trainer)
            self._stop_if_asked()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save after the validation of the epoch."""
        self._agree(trainer)
        self._save(trainer)
        self._stop_if_asked()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Give the signals back."""
        self._requests.restore()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Give the signals back; Lightning would exit with 1 on a second Ctrl-C."""
        self._requests.restore()
        if isinstance(exception, KeyboardInterrupt):
            number = signal.SIGTERM if isinstance(exception, Terminated) else signal.SIGINT
            raise self._interrupted(number) from exception

    def _save(self, trainer: Trainer) -> None:
        for logger in _tables(trainer):
            logger.flush()  # a resumed run writes the rows after this step, so those before it must be there
        trainer.save_checkpoint(self._path)

    def _agree(self, trainer: Trainer) -> None:
        self._stopping = int(largest(self._requests.asked, trainer.strategy.root_device))

    def _stop_if_asked(self) -> None:
        if self._stopping:
            raise self._interrupted(self._stopping)

    def _interrupted(self, number: int) -> Interrupted:
        if not self._path.is_file():
            return Interrupted("nothing was saved yet", number)
        return Interrupted(f"continue with: python -m faceimit.train resume={self._path.parents[1]}", number)


def _tables(trainer: Trainer) -> list[CsvLogger]:
    return [logger for logger in trainer.loggers if isinstance(logger, CsvLogger)]
