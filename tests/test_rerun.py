"""Repeating a run from its folder: identical to the bit, also where time was short; broken folders are one sentence."""

import json
import re
import shutil
from pathlib import Path

import pytest
import torch
import yaml

from faceimit.rerun import rerun
from faceimit.tracking.cli import run_command
from faceimit.tracking.config import composed, plain
from faceimit.train import train
from tests.dummy import EXPERIMENT, as_dummy


def job(folder, *overrides, task=None):
    config = plain(composed([*EXPERIMENT, f"runs={folder}", "budget.epochs=2", *overrides]))
    return as_dummy(config, task=task)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return train(job(tmp_path_factory.mktemp("runs")))


@pytest.fixture
def copy(run, tmp_path):
    return shutil.copytree(run, tmp_path / "old")


def rerun_of(folder, *arguments):
    return run_command(rerun, [str(folder), *arguments])


def test_a_run_is_repeated_from_its_folder_alone(copy, tmp_path, capsys):
    shutil.rmtree(copy / "checkpoints")  # heavy, and not needed
    assert rerun_of(copy, "--json", str(tmp_path / "c.json")) == 0
    output, _ = capsys.readouterr()
    new = Path(output.splitlines()[-1])
    assert new.parent == copy.parent
    assert "identical: the same losses at every step, no weights to compare" in output
    assert "test/loss" in output
    found = json.loads((tmp_path / "c.json").read_text())
    assert found["identical"]
    assert {row["name"] for row in found["metrics"]} >= {"test/loss", "val/loss", "best/val/loss", "fit/steps"}
    assert all(row["delta"] == 0 for row in found["metrics"])


def test_a_run_is_repeated_with_its_number_of_threads(copy, capsys):
    now = torch.get_num_threads()
    path = copy / "environment.json"
    environment = json.loads(path.read_text())
    environment["hardware"]["threads"] = other = 1 if now > 1 else 2
    path.write_text(json.dumps(environment))
    try:
        assert rerun_of(copy) == 0
        new = json.loads((Path(capsys.readouterr().out.splitlines()[-1]) / "environment.json").read_text())
        assert new["hardware"]["threads"] == other
    finally:
        torch.set_num_threads(now)


def test_what_differs_is_named_and_the_deltas_are_shown(copy, capsys):
    environment = json.loads((copy / "environment.json").read_text())
    environment["versions"]["torch"] = "1.0"
    environment["commit"] = {"id": "0" * 40, "dirty": False}
    (copy / "environment.json").write_text(json.dumps(environment))
    config = yaml.safe_load((copy / "config.yaml").read_text())
    config["task"]["lr"] = 0.01
    (copy / "config.yaml").write_text(yaml.safe_dump(config))
    assert rerun_of(copy, "--out", str(copy.parent / "new")) == 0
    output, errors = capsys.readouterr()
    assert "not as it was: torch 1.0 then, " in errors
    assert "not as it was: commit 0000000 then, " in errors
    assert "not identical: other losses from step 1 on, other weights" in output
    assert output.splitlines()[-1] == str(copy.parent / "new")


def test_a_run_that_time_ended_is_repeated_step_by_step(tmp_path, capsys):
    slow = {"_target_": "tests.dummy.DummyTask", "seconds_a_step": 0.05, "by_the_clock": True}
    old = train(job(tmp_path, "budget.epochs=1000", "budget.minutes=0.02", task=slow))
    steps = json.loads((old / "metrics.json").read_text())["fit/steps"]
    assert 0 < steps < 6000
    config = yaml.safe_load((old / "config.yaml").read_text())
    config["task"]["seconds_a_step"] = 0.0  # a faster machine
    (old / "config.yaml").write_text(yaml.safe_dump(config))
    assert rerun_of(old) == 0
    output, _ = capsys.readouterr()
    assert "identical: the same losses at every step, the same weights" in output
    assert "not identical" not in output


def test_a_prolonged_run_that_has_moved_is_repeated_as_long(copy, tmp_path, capsys):
    old = train(job(tmp_path, "budget.epochs=3", f"resume={copy}"), {"budget.epochs": 3})
    assert rerun_of(old) == 0
    assert "identical: the same losses at every step, the same weights" in capsys.readouterr().out


def test_another_run_is_left_as_it_is(copy, run, tmp_path, capsys):
    other = shutil.copytree(run, tmp_path / "other")
    for folder, seconds in ((copy, 0.5), (other, 0.7)):
        (folder / "clock.csv").write_text(f"step,seconds\n0,{seconds}\n")
    assert rerun_of(copy, "--out", str(other)) == 2
    assert f"{other} holds a run already, choose another" in capsys.readouterr().err
    assert (other / "clock.csv").read_text().endswith("0.7\n")


def without(folder, name):
    (folder / name).unlink()


def cut(folder, name):
    (folder / name).write_text((folder / name).read_text()[:-20])


def with_key(folder, name):
    config = yaml.safe_load((folder / name).read_text())
    (folder / name).write_text(yaml.safe_dump(config | {"colour": "red"}))


def another_seed(folder, name):
    config = yaml.safe_load((folder / name).read_text())
    (folder / name).write_text(yaml.safe_dump(config | {"seed": 8}))


@pytest.mark.parametrize(
    ("breaks", "name", "sentence"),
    [
        (without, "config.yaml", "is not a run folder, it holds no config.yaml"),
        (lambda folder, name: (folder / name).write_text("task: {"), "config.yaml", "config.yaml cannot be read"),
        (lambda folder, name: (folder / name).write_text("seed: 0\n"), "config.yaml", "it lacks experiment, data"),
        (with_key, "config.yaml", r"is of faceimit 0.1.0, commit \w+ .*there is no configuration key 'colour'"),
        (another_seed, "config.yaml", "has seed 8 in config.yaml and 0 in environment.json"),
        (without, "metrics.json", r"metrics.json does not exist"),
        (cut, "metrics.json", "metrics.json is no whole JSON file"),
        (cut, "environment.json", "environment.json is no whole JSON file"),
        (lambda folder, name: (folder / name).write_text("step,seconds\n0,soon\n"), "clock.csv", "holds no times"),
    ],
)
def test_broken_folders_are_one_sentence(copy, capsys, breaks, name, sentence):
    breaks(copy, name)
    before = set(copy.parent.rglob("*"))
    assert rerun_of(copy) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert re.search(sentence, error), error
    assert set(copy.parent.rglob("*")) == before


def test_an_unknown_logger_is_named(copy, capsys):
    assert rerun_of(copy, "--logger", "tensorbord") == 2
    assert "did you mean 'tensorboard'" in capsys.readouterr().err
