"""A small keyframe training on tiny clips, in one or several processes: `python -m tests.together OVERRIDES`."""

import os
import sys

import pytorch_lightning as pl

from faceimit.data.datamodule import ClipData
from tests.clips import blob_clip

EXPERIMENT = ["experiment=keyframe_multitask", "profile=tiny", "logger=none"]
TWO = ["trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2", "trainer.precision=32-true"]
SMALL = {"backbone": "compact", "size": 32, "width": 16, "flow_weights": "none", "dropout": 0.1}
CLIPS = {"train": 5, "val": 5, "test": 3}  # no two processes can halve them


class Blobs(ClipData):
    """Clips of a blob, 5 / 5 / 3 a split."""

    def __init__(self, window: int = 8, batch_size: int = 2, steps: int | None = 8):
        super().__init__(window, batch_size, steps)

    def sources(self, split):
        first = {"train": 0, "val": 10, "test": 20}[split]
        return [blob_clip(first + i, frames=30 + 3 * i) for i in range(CLIPS[split])]


class Break(pl.Callback):
    """One process fails at its third batch."""

    def __init__(self, rank: int):
        self.rank = rank

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if trainer.global_rank == self.rank and batch_idx == 2:
            raise RuntimeError(f"process {self.rank} breaks")


def small(config: dict) -> dict:
    """`config` on the tiny clips, with the small network."""
    task = config["task"] | SMALL | {"joint": 1, "joint_every": 2}
    callbacks = dict(config["callbacks"])
    if "BREAK" in os.environ:
        callbacks["break"] = {"_target_": "tests.together.Break", "rank": int(os.environ["BREAK"])}
    return config | {"task": task, "data": {"_target_": "tests.together.Blobs"}, "callbacks": callbacks}


def main() -> int:
    from faceimit.tracking.command import run_configured
    from faceimit.train import train

    return run_configured(lambda config, changed: print(train(small(config), changed)))


if __name__ == "__main__":
    sys.exit(main())
