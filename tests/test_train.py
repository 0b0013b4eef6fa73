"""Training end to end on a job of milliseconds: what a run leaves, and that a resumed run is the same run."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from faceimit.errors import InputError
from faceimit.tracking.config import composed, plain
from faceimit.train import train
from tests.dummy import EXPERIMENT, as_dummy

ROOT = Path(__file__).parents[1]


def job(folder, *overrides, data=None):
    config = composed([*EXPERIMENT, f"runs={folder}", "budget.epochs=3", *overrides])
    return as_dummy(plain(config), data=data)


def with_callbacks(config, **nodes):
    return config | {"callbacks": config["callbacks"] | nodes}


def state(run, name="last.ckpt"):
    return torch.load(run / "checkpoints" / name, weights_only=True)


def same(a, b):
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    return train(job(tmp_path_factory.mktemp("straight")))


def test_a_run_leaves_what_the_contract_names(straight):
    names = {path.relative_to(straight).as_posix() for path in straight.rglob("*")}
    assert {
        "checkpoints/best.ckpt",
        "checkpoints/last.ckpt",
        "metrics.json",
        "config.yaml",
        "environment.json",
    } <= names
    metrics = json.loads((straight / "metrics.json").read_text())
    assert {"val/loss", "test/loss", "fit/seconds", "fit/steps"} <= set(metrics)
    assert all(isinstance(value, float) for value in metrics.values())
    environment = json.loads((straight / "environment.json").read_text())
    assert environment["seed"] == 0
    assert {"versions", "commit", "hardware", "python"} <= set(environment)
    assert (straight.parent / "latest").resolve() == straight
    assert (straight / "metrics.csv").read_text().startswith("step,")


def test_settings_of_lightning_that_leave_something_out_are_honoured(tmp_path):
    words = ("+trainer.limit_test_batches=0", "+trainer.enable_progress_bar=false")
    run = train(job(tmp_path, "budget.epochs=1", *words))
    found = json.loads((run / "metrics.json").read_text())
    assert "best/val/loss" in found
    assert not [name for name in found if name.startswith("test/")]


def test_the_same_seed_gives_the_same_run(straight, tmp_path):
    assert same(state(straight)["state_dict"], state(train(job(tmp_path)))["state_dict"])
    other = train(job(tmp_path, "seed=1"))
    assert not same(state(straight)["state_dict"], state(other)["state_dict"])


@pytest.mark.parametrize(
    ("step", "validating", "workers"), [(4, False, 0), (6, True, 0), (7, False, 0), (9, False, 2), (12, False, 0)]
)
def test_a_resumed_run_is_bit_exact(straight, tmp_path, step, validating, workers):
    data = {"workers": workers}
    expected = straight if not workers else train(job(tmp_path / "straight", data=data))
    config = job(tmp_path, f"run_dir={tmp_path / 'run'}", data=data)
    last = config["callbacks"]["last"] | {"first_step": 2, "every_steps": 1}
    crash = {"_target_": "tests.dummy.Crash", "step": step, "validating": validating}
    with pytest.raises(RuntimeError, match="crash"):
        train(with_callbacks(config, last=last, crash=crash))
    assert state(tmp_path / "run")["global_step"] in {step, step - 1}
    assert (tmp_path / "run" / "metrics.json").is_file() == (step > 6)  # early, after the first validation

    run = train(config | {"resume": str(tmp_path / "run"), "run_dir": None}, {"callbacks": config["callbacks"]})
    assert run == tmp_path / "run"
    for key in ("state_dict", "optimizer_states", "lr_schedulers", "global_step", "epoch"):
        assert same(state(run)[key], state(expected)[key]), key
    assert same(state(run, "best.ckpt")["state_dict"], state(expected, "best.ckpt")["state_dict"])
    assert (run / "metrics.csv").read_text() == (expected / "metrics.csv").read_text()


def test_a_run_that_was_done_keeps_its_figures_when_it_is_resumed(straight, tmp_path):
    run = shutil.copytree(straight, tmp_path / "run")
    before = json.loads((run / "metrics.json").read_text())
    train(job(tmp_path, f"resume={run}"))
    after = json.loads((run / "metrics.json").read_text())
    changing = {"fit/seconds", "test/loss"}  # the dummy's test points are drawn anew
    assert set(after) == set(before) >= {"train/loss", "val/loss", "best/val/loss"} | changing
    assert {n: v for n, v in after.items() if n not in changing} == {
        n: v for n, v in before.items() if n not in changing
    }


def test_resuming_with_another_setting_is_explained(straight, tmp_path):
    config = job(tmp_path, f"resume={straight}")
    with pytest.raises(InputError, match=r"trained with seed=0, not 3"):
        train(config | {"seed": 3}, {"seed": 3})
    with pytest.raises(InputError, match="not a run folder"):
        train(config | {"resume": str(tmp_path)})


def test_a_run_can_be_prolonged(straight, tmp_path):
    first = train(job(tmp_path, "budget.epochs=2"))
    again = train(job(tmp_path, "budget.epochs=3", f"resume={first}"), {"budget.epochs": 3})
    assert same(state(again)["state_dict"], state(straight)["state_dict"])


def test_a_run_folder_is_not_overwritten(straight, tmp_path):
    with pytest.raises(InputError, match="holds a run already"):
        train(job(tmp_path, f"run_dir={straight}"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"task": {"_target_": "tests.dummy.DummyTask", "lr": -1.0}}, "expected task.lr to be a number above 0"),
        ({"task": {"_target_": "tests.dummy.DummyTask", "learning": 1.0}}, "no configuration key 'learning' in task"),
        (
            {"task": {"_target_": "tests.dummy.DummyTask", "lr": "fast"}},
            "task.lr to be a number above 0 but got 'fast'",
        ),
        ({"data": {"_target_": "tests.dummy.DummyData", "batch_size": 0}}, "data.batch_size to be a whole number of 1"),
        ({"monitor": "val/F2"}, "monitor=val/F2 is not a metric of DummyTask, did you mean 'val/F1'"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_anything_is_written(tmp_path, change, message):
    with pytest.raises(InputError, match=message):
        train(job(tmp_path / "runs") | change)
    assert not (tmp_path / "runs").exists()


def start(*arguments):
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-m", "tests.dummy", *arguments],
        cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def wait_for(path, process, seconds=60):
    for _ in range(seconds * 20):
        if path.exists() or process.poll() is not None:
            break
        time.sleep(0.05)
    assert path.exists(), process.communicate()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_ctrl_c_sigterm_and_kill_leave_a_run_that_continues(tmp_path, number, code):
    run = tmp_path / "run"
    arguments = [f"run_dir={run}", "budget.epochs=20", "callbacks.last.first_step=2", "callbacks.last.every_steps=1"]
    process = start(*arguments)
    wait_for(run / "checkpoints" / "last.ckpt", process)
    time.sleep(0.3)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == code, errors
    if number != signal.SIGKILL:
        assert f"resume={run}" in errors
        assert "Traceback" not in errors
    step = state(run)["global_step"]
    process = start(f"resume={run}", f"budget.epochs={step // 6 + 1}")
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert output.splitlines()[-1] == str(run)
    assert state(run)["global_step"] > step
