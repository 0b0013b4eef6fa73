"""(a) A training step under Lightning, beside a bare loop over the same network and batches, and beside loading."""

import copy
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from stopwatch import Stopwatch, Times

from faceimit.tracking import assembly
from faceimit.tracking.config import composed, plain
from faceimit.tracking.runs import Run
from faceimit.tracking.schema import build

FEW = "data.renderers=0"  # in this process
SETTINGS = {
    "keyframe": ("keyframe_multitask", ["budget.clips={train: 3, val: 1, test: 1}", "budget.frames=40", FEW]),
    "landmark": ("landmarks", ["budget.clips={train: 8, val: 2, test: 2}", "budget.frames=4", FEW]),
    "control": ("control_mapping", ["budget.clips={train: 5, val: 2, test: 2}", "budget.frames=6", FEW]),
    "flow": ("flow", ["budget.clips={train: 2, val: 1, test: 1}", "budget.frames=12", "data.people=3"]),
}
WARM_UP = 1  # steps


class Given(pl.LightningDataModule):
    """Batches of a data module, loaded beforehand, so that a step contains no loading."""

    def __init__(self, data: pl.LightningDataModule, count: int) -> None:
        super().__init__()
        self.data, self.count = data, count
        self.batches: list[Any] = []

    def __getattr__(self, name: str) -> Any:  # what a task asks its data besides
        return getattr(self.data, name)

    def train_dataloader(self) -> "Listed":
        """The same batches in each epoch."""
        if not self.batches:
            endless = repeated(self.data)
            self.batches = [next(endless) for _ in range(self.count)]
        return Listed(self.batches)


class Listed:
    """Batches in order; Lightning takes a list for several loaders."""

    def __init__(self, batches: list[Any]) -> None:
        self.batches = batches

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.batches)


def repeated(data: pl.LightningDataModule) -> Iterator[Any]:
    """Training batches for ever, moved to their place as before a step."""
    while True:
        for batch in data.train_dataloader():
            yield data.on_after_batch_transfer(batch, 0)


class Bare:
    """A twin of the task and the loop that everybody writes first."""

    def __init__(self, task: pl.LightningModule, precision: str) -> None:
        self.task, self.half = task, "bf16" in precision
        task.log = task.log_dict = lambda *_, **__: None  # type: ignore[method-assign]
        parameters = [p for p in task.parameters() if p.requires_grad]
        self.parameters, self.optimizer = parameters, torch.optim.AdamW(parameters, lr=1e-4)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer, lambda _: 1.0)

    def __call__(self, batch: Any, number: int) -> None:
        """One step."""
        device = self.parameters[0].device
        batch = pl.utilities.move_data_to_device(batch, device)
        with torch.autocast(device.type, torch.bfloat16, enabled=self.half):
            arguments = (batch, number) if self.task.training_step.__code__.co_argcount > 2 else (batch,)
            loss = self.task.training_step(*arguments)
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()
        self.schedule.step()


class Beside(pl.Callback):
    """After each step under Lightning the same step without, and a batch loaded."""

    def __init__(self, bare: Bare, given: Given) -> None:
        self.bare, self.given = bare, given
        self.times = {name: Times() for name in ("lightning", "bare", "loading")}
        self.loader: Iterator[Any] | None = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """The twin starts where the task does."""
        self.bare.task.to(pl_module.device).train()
        self.loader, self.watch = repeated(self.given.data), Stopwatch()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Read the watch: everything since the last call was Lightning's."""
        counts = trainer.fit_loop.epoch_loop.total_batch_idx >= WARM_UP
        times = self.times if counts else {name: Times() for name in self.times}
        self.watch.read(times["lightning"])
        self.bare(self.given.batches[batch_idx], batch_idx)
        self.watch.read(times["bare"])
        assert self.loader is not None
        next(self.loader)
        self.watch.read(times["loading"])


def beside(name: str, work: Path, steps: int, trainer: str = "cpu", more: tuple[str, ...] = ()) -> dict[str, Times]:
    """Times of the task's steps under Lightning, with all of our callbacks and the CSV logger, bare, and of loading.

    Args:
        name: of :data:`SETTINGS`.
        work: folder for rendered faces.
        steps: measured, after those that warm up.
        trainer: of conf/trainer.
        more: overrides.
    """
    experiment, small = SETTINGS[name]
    words = [
        f"experiment={experiment}",
        "profile=cpu",
        f"trainer={trainer}",
        "logger=csv",
        f"cache={work}",
        *small,
        *more,
    ]
    config = plain(composed([*words, "budget.epochs=100", "budget.minutes=60"]))
    config["trainer"] |= {"limit_val_batches": 0, "max_steps": steps + WARM_UP}
    pl.seed_everything(0, verbose=False)
    data, task = build(config["data"]), build(config["task"])
    data.prepare_data()
    data.setup("fit")
    given = Given(data, steps + WARM_UP + 1)  # one epoch
    other = Beside(Bare(copy.deepcopy(task), str(config["trainer"].get("precision", ""))), given)
    with tempfile.TemporaryDirectory() as folder:
        run = Run(Path(folder), config)
        callbacks = [*assembly.callbacks(run)[1:-1], other]  # without those that describe the data and keep the best
        assembly.trainer(run, callbacks, assembly.loggers(run)).fit(task, given)
    return other.times


def rows(name: str, work: Path, steps: int, trainer: str = "cpu", more: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """Row of the table; shares are of processor time on the CPU, with one thread, and of the wall's on a GPU."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1 if trainer == "cpu" else threads)  # two spin while they wait for each other
    try:
        times = beside(name, work, steps, trainer, more)
    finally:
        torch.set_num_threads(threads)
    clock = "wall_ms" if torch.cuda.is_available() and trainer != "cpu" else "cpu_ms"
    found = {what: one.milliseconds() for what, one in times.items()}
    pairs = zip(getattr(times["lightning"], clock[:-3]), getattr(times["bare"], clock[:-3]), strict=True)
    quotients = sorted(a / b for a, b in pairs)
    return [
        {
            "table": "training",
            "what": " ".join([name, *(() if trainer == "cpu" else (trainer,)), *more]),
            "lightning_ms": found["lightning"][clock],
            "bare_ms": found["bare"][clock],
            "loading_ms": found["loading"][clock],
            "overhead": quotients[len(quotients) // 2] - 1,
            "loading_share": found["loading"][clock] / found["bare"][clock],
            "lightning_wall_ms": found["lightning"]["wall_ms"],
            "bare_wall_ms": found["bare"]["wall_ms"],
        }
    ]
