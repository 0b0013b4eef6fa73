"""What is on the disk when a run is killed is enough to continue it to the same figures, tables and checkpoints."""

import json
import os
import shutil
import signal
from pathlib import Path

import pytest
import torch
from pytorch_lightning.callbacks import Checkpoint

from faceimit.tracking.checkpoints import Interrupted
from faceimit.tracking.config import composed, plain
from faceimit.train import train
from tests.dummy import EXPERIMENT, as_dummy

OFTEN = ["callbacks.last.first_step=1", "callbacks.last.every_steps=1", "trainer.log_every_n_steps=2"]


class Copies(Checkpoint):
    """Copies the run folder where `moments` say, after all other callbacks: what a kill -9 would leave there.

    Args:
        to: folder of the copies, named by hook and step.
    """

    def __init__(self, to: str):
        self.to = Path(to)

    def _copy(self, trainer, hook):
        shutil.copytree(trainer.default_root_dir, self.to / f"{hook}-{trainer.global_step}", symlinks=True)

    def on_train_batch_end(self, trainer, *_):
        self._copy(trainer, "batch")

    def on_validation_start(self, trainer, *_):
        self._copy(trainer, "validation")

    def on_train_epoch_end(self, trainer, *_):
        self._copy(trainer, "epoch")


class Stop(Checkpoint):
    """Ctrl-C in a hook of step `step`."""

    def __init__(self, step: int, hook: str):
        self.step = step
        setattr(self, hook, self._stop)

    def _stop(self, trainer, *_):
        if trainer.global_step == self.step:
            os.kill(os.getpid(), signal.SIGINT)


def job(folder, *overrides, **callbacks):
    config = as_dummy(plain(composed([*EXPERIMENT, *OFTEN, f"run_dir={folder}", "budget.epochs=2", *overrides])))
    return config | {"callbacks": config["callbacks"] | callbacks}


def resumed(folder, *overrides):
    config = job(folder, *overrides)
    return train(config | {"run_dir": None, "resume": str(folder)}, {"callbacks": config["callbacks"]})


def table(run):
    """All but the figure of the test, whose points the dummy draws anew."""
    return (run / "metrics.csv").read_text().rpartition(",")[0]


def weights(run, name):
    return torch.load(run / "checkpoints" / name, weights_only=True)["state_dict"]


def same_weights(run, other, name):
    ours, theirs = weights(run, name), weights(other, name)
    return ours.keys() == theirs.keys() and all(torch.equal(ours[key], theirs[key]) for key in theirs)


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    """A whole run, and copies of its folder at each of its moments."""
    folder = tmp_path_factory.mktemp("straight")
    copies = {"_target_": "tests.test_resumed.Copies", "to": str(folder / "copies")}
    return train(job(folder / "run", copies=copies)), folder / "copies"


@pytest.mark.parametrize("moment", ["batch-2", "batch-4", "batch-5", "validation-6", "epoch-6", "batch-10", "epoch-12"])
def test_a_killed_run_continues_to_the_same_table_and_weights(straight, tmp_path, moment):
    whole, copies = straight
    run = resumed(shutil.copytree(copies / moment, tmp_path / "run"))
    assert table(run) == table(whole)
    for name in ("last.ckpt", "best.ckpt"):
        assert same_weights(run, whole, name)


@pytest.mark.parametrize(
    ("step", "hook"), [(2, "on_train_batch_start"), (6, "on_validation_end"), (12, "on_validation_end")]
)
def test_a_run_stopped_by_ctrl_c_continues_to_the_same_table_and_weights(straight, tmp_path, step, hook):
    whole, _ = straight
    stop = {"_target_": "tests.test_resumed.Stop", "step": step, "hook": hook}
    with pytest.raises(Interrupted):
        train(job(tmp_path / "run", stop=stop))
    run = resumed(tmp_path / "run")
    assert table(run) == table(whole)
    for name in ("last.ckpt", "best.ckpt"):
        assert same_weights(run, whole, name)


@pytest.mark.parametrize("moment", ["batch-5", "validation-5", "epoch-5"])
def test_a_run_killed_when_its_time_is_over_is_validated_and_tested_when_it_continues(tmp_path, moment):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "clock.csv").write_text("step,seconds\n0,0.0\n1,1.0\n2,2.0\n3,3.0\n4,61.0\n")
    limit, copies = "budget.minutes=1", {"_target_": "tests.test_resumed.Copies", "to": str(tmp_path / "copies")}
    whole = train(job(tmp_path / "run", limit, copies=copies))
    metrics = json.loads((whole / "metrics.json").read_text())
    assert metrics["fit/steps"] == 5
    run = resumed(tmp_path / "copies" / moment, limit)
    again = json.loads((run / "metrics.json").read_text())
    assert again.keys() == metrics.keys() >= {"train/loss", "val/loss", "best/val/loss", "test/loss"}
    for name in ("last.ckpt", "best.ckpt"):
        assert same_weights(run, whole, name)
    steps = [[line.split(",")[0] for line in table(folder).splitlines()] for folder in (run, whole)]
    assert steps[0] == steps[1]
    before = table(run)
    resumed(run, limit)  # nothing is left to do
    assert table(run) == before
    assert json.loads((run / "metrics.json").read_text()).keys() == metrics.keys()
