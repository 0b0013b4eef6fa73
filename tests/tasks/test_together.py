"""Every task measures on two processes (gloo) what it measures on one, also where items do not divide by them."""

import pytest
import pytorch_lightning as pl
import torch

from faceimit.data.landmark_module import FaceSet
from faceimit.data.sharding import measured
from faceimit.tasks.control import ControlTask
from faceimit.tasks.flow import FlowTask
from faceimit.tasks.keyframe import KeyframeTask
from faceimit.tasks.landmark import LandmarkTask
from tests import control_pairs
from tests.landmark_faces import dotted_faces
from tests.tasks.test_keyframe import SMALL, Blobs


class Items(torch.utils.data.Dataset):
    def __init__(self, items):
        self.items = items

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        return self.items[index]


def flow_clip(seed):
    generator = torch.Generator().manual_seed(seed)
    return {
        "frames": torch.randint(0, 256, (4 + seed, 3, 40, 40), generator=generator, dtype=torch.uint8),
        "flow": torch.randn(4 + seed, 2, 40, 40, generator=generator),
        "occluded": torch.rand(4 + seed, 40, 40, generator=generator) < 0.2,
        "noise_free": torch.tensor(seed == 0),  # one clip of a kind: the other process has none
    }


class Flows(pl.LightningDataModule):
    def test_dataloader(self):
        return measured(Items([flow_clip(seed) for seed in range(3)]), batch_size=1)


class Faces(pl.LightningDataModule):
    def test_dataloader(self):
        return measured(FaceSet(dotted_faces(19)), batch_size=3)


class Cartoons(pl.LightningDataModule):
    test_sets = ("robot", "human")

    def test_dataloader(self):
        rows = control_pairs.rows(7, 1), control_pairs.rows(5, 2, human=True)
        return [measured(Items(part), batch_size=3) for part in rows]


JOBS = {
    "keyframe": (lambda: KeyframeTask(**SMALL, flow=False), Blobs),
    "flow": (FlowTask, Flows),
    "landmark": (lambda: LandmarkTask(width=0.125, size=64), Faces),
    "control": (lambda: ControlTask(size=64, width=16, hidden=32), Cartoons),
}


def figures(task, data, **processes):
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    trainer = pl.Trainer(accelerator="cpu", enable_model_summary=False, **quiet, **processes)
    return trainer.test(task, data, verbose=False)[0]


@pytest.mark.parametrize("name", JOBS)
def test_two_processes_measure_what_one_does(name):
    make, data = JOBS[name]
    first, second = make().eval(), make().eval()
    second.load_state_dict(first.state_dict())
    alone = figures(first, data(), devices=1)
    together = figures(second, data(), devices=2, strategy="ddp_fork")
    assert set(together) == set(alone)
    assert len(alone) > 3
    for figure in alone:
        assert together[figure] == pytest.approx(alone[figure], rel=1e-4, nan_ok=True), figure
