"""How a training begins and fails: what is left of it, who may be at work in its folder, and numbers that are none."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch

from faceimit.errors import InputError
from faceimit.tracking.checkpoints import Interrupted, read_checkpoint
from faceimit.tracking.config import composed, plain
from faceimit.train import train
from tests.dummy import EXPERIMENT, as_dummy

ROOT = Path(__file__).parents[1]
OFTEN = {"first_step": 1, "every_steps": 1}


class Stop(pl.Callback):
    """Ctrl-C before the first step."""

    def on_train_start(self, trainer, pl_module):
        raise KeyboardInterrupt


class Neighbour(pl.Callback):
    """Somebody writes a letter into the folder, then Ctrl-C before the first step."""

    def on_train_start(self, trainer, pl_module):
        (Path(trainer.default_root_dir) / "letter.txt").write_text("dear")
        raise KeyboardInterrupt


class Poison(pl.Callback):
    """A weight that is no number after the third step."""

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        if trainer.global_step == 3:
            pl_module.net[0].bias.data.fill_(float("nan"))


def job(folder, *overrides, task=None, **callbacks):
    config = plain(composed([*EXPERIMENT, f"runs={folder}", "budget.epochs=2", *overrides]))
    last = config["callbacks"]["last"] | OFTEN
    return as_dummy(config, task) | {"callbacks": config["callbacks"] | {"last": last} | callbacks}


def content(folder):
    """All files below, those that begin with a dot left out, and links by where they point."""
    files = [path for path in sorted(folder.rglob("*")) if path.name[0] != "."]
    return {path: os.readlink(path) if path.is_symlink() else path.is_file() and path.read_bytes() for path in files}


FAILING = [
    (["compile=foo"], {}, InputError, "expected compile to be"),
    (["logger=wandb"], {}, InputError, "expected WANDB_MODE to be one of"),
    (["trainer.accelerator=gpu", "trainer.devices=99"], {}, InputError, "there can be no trainer with trainer.acc"),
    ([], {"crash": {"_target_": "tests.dummy.Crash", "step": 0}}, RuntimeError, "crash"),
    ([], {"stop": {"_target_": "tests.test_start.Stop"}}, Interrupted, "nothing was saved yet"),
]


@pytest.mark.parametrize(("words", "callbacks", "error", "message"), FAILING)
def test_nothing_is_left_of_a_training_that_made_no_step(tmp_path, monkeypatch, words, callbacks, error, message):
    monkeypatch.setenv("WANDB_MODE", "foo")
    runs = tmp_path / "runs"
    with pytest.raises(error, match=message):
        train(job(runs, *words, **callbacks))
    assert not runs.exists()
    own = runs / "keyframe_multitask" / "own"
    own.mkdir(parents=True)
    (own / "note.txt").write_text("kept")
    (own.parent / "latest").symlink_to("own")
    before = content(runs)
    with pytest.raises(error, match=message):
        train(job(runs, *words, f"run_dir={own}", **callbacks))
    with pytest.raises(error, match=message):
        train(job(runs, *words, **callbacks))
    assert content(runs) == before


def test_what_others_write_meanwhile_into_a_folder_of_the_user_stays(tmp_path):
    (tmp_path / "own").mkdir()
    neighbour = {"_target_": "tests.test_start.Neighbour"}
    with pytest.raises(Interrupted):
        train(job(tmp_path, f"run_dir={tmp_path / 'own'}", neighbour=neighbour))
    assert signal.getsignal(signal.SIGINT) == signal.default_int_handler
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    assert [path.name for path in (tmp_path / "own").iterdir() if path.name != ".lock"] == ["letter.txt"]


def test_a_training_that_began_stays_and_is_the_latest_and_a_failed_continuation_changes_nothing(tmp_path, capfd):
    run = tmp_path / "runs" / "keyframe_multitask" / "mine"
    crash = {"_target_": "tests.dummy.Crash", "step": 2}
    with pytest.raises(RuntimeError, match="crash"):
        train(job(tmp_path / "runs", f"run_dir={run}", crash=crash))
    assert (run.parent / "latest").resolve() == run
    before = content(run)
    config = job(tmp_path / "runs", f"resume={run}", "compile=foo") | {"callbacks": {}}
    with pytest.raises(InputError, match="trained with compile=False, not foo"):
        train(config, {"compile": "foo"})
    stop = job(tmp_path / "runs", f"resume={run}", stop={"_target_": "tests.test_start.Stop"})
    with pytest.raises(Interrupted, match="resume="):
        train(stop, {"callbacks": stop["callbacks"]})
    assert content(run) == before

    train(job(tmp_path / "runs", f"resume={run}"), {"callbacks": job(tmp_path)["callbacks"]})
    assert f"training in {run}" in capfd.readouterr().err
    train(job(tmp_path / "runs", f"resume={run}"))
    assert f"{run} was trained to its end, step 12; a greater budget.epochs" in capfd.readouterr().err


HOLDER = """
import sys, time
from pathlib import Path
from faceimit.tracking.occupation import occupied
from faceimit.tracking.runs import Run
with occupied(Run(Path(sys.argv[1]), {})):
    print("there", flush=True)
    time.sleep(60)
"""


def test_a_folder_belongs_to_one_training_until_that_is_killed(tmp_path):
    run = tmp_path / "run"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(run)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "there\n"
        before = set(run.rglob("*"))
        with pytest.raises(InputError, match=rf"another training is at work in {run}"):
            train(job(tmp_path, f"run_dir={run}"))
        assert set(run.rglob("*")) == before
        other.send_signal(signal.SIGKILL)
    assert train(job(tmp_path, f"run_dir={run}")) == run


@pytest.mark.parametrize(
    ("task", "callbacks", "message", "kept"),
    [
        ({"lr": 1e30}, {}, r"failed by step 2 \(not finite: train/loss\), try a lower task.lr than 1e\+30", 1),
        (
            {},
            {"poison": {"_target_": "tests.test_start.Poison"}},
            r"failed by step 4 \(not finite: weight net.0.bias\)",
            2,
        ),
    ],
)
def test_training_ends_at_the_first_number_that_is_none(tmp_path, task, callbacks, message, kept):
    run = tmp_path / "run"
    with pytest.raises(InputError, match=message + r".*last.ckpt is from before"):
        train(job(tmp_path, f"run_dir={run}", task=task, **callbacks))
    assert not (run / "checkpoints" / "best.ckpt").exists()
    last = read_checkpoint(run / "checkpoints" / "last.ckpt")
    assert last["global_step"] == kept
    assert all(torch.isfinite(value).all() for value in last["state_dict"].values())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["trainer.devices=0"], "no trainer with trainer.accelerator=cpu, trainer.devices=0 here"),
        (["trainer.devices=abc"], "trainer.devices=abc here .*should be an int"),
        (["trainer.devices=5"], "several processes train together with trainer=ddp only, .*trainer.devices=5"),
        (["trainer.accelerator=tpu"], "no trainer with trainer.accelerator=tpu"),
    ],
)
def test_hardware_that_is_not_here(tmp_path, words, message):
    with pytest.raises(InputError, match=message + ".*try trainer=cpu"):
        train(job(tmp_path / "runs", *words))
    assert not (tmp_path / "runs").exists()
