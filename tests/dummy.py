"""A training job of milliseconds in the shape of the real ones; `python -m tests.dummy OVERRIDES` trains it."""

import random
import sys
import time

import numpy as np
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader, Dataset

from faceimit.ranges import Count, Positive, Whole
from faceimit.tasks.schedule import time_used

EXPERIMENT = ["experiment=keyframe_multitask", "profile=tiny", "logger=none", "trainer.accelerator=cpu"]


class Crash(pl.Callback):
    """Ends training as a kill does, before step `step` or in the validation after it."""

    def __init__(self, step: int, validating: bool = False):
        self.step = step
        self.validating = validating

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if not self.validating and trainer.global_step == self.step:
            raise RuntimeError("crash")

    def on_validation_batch_end(self, trainer, *_, **__):
        if self.validating and trainer.global_step == self.step:
            raise RuntimeError("crash")


class Line(Dataset):
    """Points of y = 2x with noise from all three global generators."""

    def __len__(self):
        return 24

    def __getitem__(self, index):
        noise = random.random() + np.random.rand() + torch.rand(()).item()  # noqa: NPY002  the global one is meant
        x = torch.tensor([index / 24 + noise])
        return {"x": x.float(), "y": 2 * x.float()}


class DummyData(pl.LightningDataModule):
    def __init__(self, batch_size: Count = 4, workers: Whole = 0):
        super().__init__()
        self.batch_size = batch_size
        self.workers = workers

    def train_dataloader(self):
        return DataLoader(Line(), self.batch_size, shuffle=True, num_workers=self.workers)

    def val_dataloader(self):
        return DataLoader(Line(), self.batch_size)

    test_dataloader = val_dataloader


class DummyTask(pl.LightningModule):
    metrics = ("val/loss", "val/F1", "test/loss")
    monitor = ("val/loss", "min")

    def __init__(
        self, lr: Positive = 0.05, dropout: float = 0.2, seconds_a_step: float = 0.0, by_the_clock: bool = False
    ):
        super().__init__()
        self.lr = lr
        self.by_the_clock = by_the_clock
        self.seconds_a_step = seconds_a_step
        self.net = torch.nn.Sequential(torch.nn.Linear(1, 16), torch.nn.Dropout(dropout), torch.nn.Linear(16, 1))

    def training_step(self, batch):
        time.sleep(self.seconds_a_step)
        loss = (self.net(batch["x"]) - batch["y"]).square().mean()
        self.log("train/loss", loss)
        return loss

    def validation_step(self, batch):
        self.log("val/loss", (self.net(batch["x"]) - batch["y"]).square().mean(), batch_size=len(batch["x"]))

    def test_step(self, batch):
        self.log("test/loss", (self.net(batch["x"]) - batch["y"]).square().mean(), batch_size=len(batch["x"]))

    def figures(self):
        from matplotlib.figure import Figure

        figure = Figure(figsize=(1, 1))
        figure.add_subplot().plot([0, 1])
        return {"line": figure}

    def configure_optimizers(self):
        optimiser = torch.optim.Adam(self.parameters(), lr=self.lr)
        if self.by_the_clock:
            schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda _: 1 - time_used(self.trainer))
        else:
            schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 30)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def as_dummy(config: dict, task: dict | None = None, data: dict | None = None) -> dict:
    """`config` with the dummy's task and data."""
    return config | {
        "task": {"_target_": "tests.dummy.DummyTask"} | (task or {}),
        "data": {"_target_": "tests.dummy.DummyData"} | (data or {}),
    }


def main() -> int:
    from faceimit.tracking.command import run_configured
    from faceimit.train import train

    slow = {"seconds_a_step": 0.1}
    sys.argv[1:] = [*EXPERIMENT, *sys.argv[1:]]
    return run_configured(lambda config, changed: print(train(as_dummy(config, slow), changed)))


if __name__ == "__main__":
    sys.exit(main())
