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
    (other / "clock.csv").write_text("step,seconds\n0,0.7\n")
    assert rerun_of(copy, "--out", str(other)) == 2
    assert f"{other} holds a run already, choose another" in capsys.readouterr().err
    assert (other / "clock.csv").read_text().endswith("0.7\n")


def without(folder, name):
    (folder / name).unlink()


def cut(folder, name):
    (folder / name).write_text((folder / name).read_text()[:-20])


def with_text(text):
    return lambda folder, name: (folder / name).write_text(text)


def with_key(folder, name):
    config = yaml.safe_load((folder / name).read_text())
    (folder / name).write_text(yaml.safe_dump(config | {"colour": "red"}))


def another_seed(folder, name):
    config = yaml.safe_load((folder / name).read_text())
    (folder / name).write_text(yaml.safe_dump(config | {"seed": 8}))


def with_value(key, value):
    def change(folder, name):
        (folder / name).write_text(json.dumps(json.loads((folder / name).read_text()) | {key: value}))

    return change


@pytest.mark.parametrize(
    ("breaks", "name", "sentence"),
    [
        (without, "config.yaml", "is not a run folder, it holds no config.yaml"),
        (with_text("task: {"), "config.yaml", "config.yaml cannot be read"),
        (with_text("seed: 0\n"), "config.yaml", "it lacks experiment, data"),
        (with_key, "config.yaml", r"no configuration key 'colour'.* is of another one, faceimit 0.1.0, commit \w+"),
        (another_seed, "config.yaml", "has seed 8 in config.yaml and 0 in environment.json"),
        (without, "metrics.json", r"metrics.json does not exist"),
        (cut, "metrics.json", "metrics.json is no whole JSON file"),
        (cut, "environment.json", "environment.json is no whole JSON file"),
        (with_value("versions", ["2.0"]), "environment.json", r"expected versions in \S+ to be names and values"),
        (
            with_value("fingerprint", "x"),
            "data.json",
            r"expected fingerprint in \S+ to be names and values",
        ),
        (with_value("fingerprint", {"train": 3}), "data.json", r"expected train in \S+ to be names and values"),
        (
            with_text('{"trainer": 3}'),
            "environment-resumed-1.json",
            r"expected trainer in \S+ to be names",
        ),
        (cut, "metrics.csv", "metrics.csv is cut short, "),
        (with_text("step,loss\n0,low\n"), "metrics.csv", "line 2 of .* is no step with numbers"),
        (with_text("step,seconds\n0,soon\n"), "clock.csv", "is not the time of step 0"),
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


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--json", "old/metrics.json"], "--json old/metrics.json would overwrite what is read from "),
        (["--json", "."], "--json . is a folder, give a file name"),
        (["--out", "old"], "would overwrite .*/old, which is read"),
        (["--out", "old/metrics.json"], "metrics.json is a file, give the name of a folder"),
        (["--out", "other"], "other is not empty, choose another folder with --out"),
    ],
)
def test_nothing_is_overwritten_nor_found_out_too_late(copy, monkeypatch, capsys, arguments, sentence):
    monkeypatch.chdir(copy.parent)
    (copy.parent / "other").mkdir()
    (copy.parent / "other" / "notes.txt").write_text("mine")
    before = {path: path.stat().st_mtime_ns for path in copy.parent.rglob("*")}
    assert rerun_of(copy, *arguments) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert re.search(sentence, error), error
    assert {path: path.stat().st_mtime_ns for path in copy.parent.rglob("*")} == before


def limited(folder, lines):
    """A time limit, and a clock that knows the first steps."""
    config = yaml.safe_load((folder / "config.yaml").read_text())
    config["trainer"]["max_time"] = "00:01:00:00"
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    (folder / "clock.csv").write_text("step,seconds\n" + "".join(f"{step},{step}.5\n" for step in range(lines)))


def test_a_clock_that_lacks_steps_is_refused(copy, capsys):
    limited(copy, 7)
    assert rerun_of(copy) == 2
    assert "clock.csv has the times of 7 of 12 steps, delete it: the times are taken anew" in capsys.readouterr().err


def test_nothing_is_left_of_a_repetition_that_made_no_step(copy, monkeypatch, capsys):
    limited(copy, 12)
    monkeypatch.setenv("WANDB_MODE", "foo")
    assert rerun_of(copy, "--logger", "wandb") == 2
    assert "expected WANDB_MODE to be one of" in capsys.readouterr().err
    assert list(copy.parent.iterdir()) == [copy]


def test_what_is_lost_is_said_and_the_rest_is_repeated(copy, capsys):
    limited(copy, 12)
    (copy / "clock.csv").unlink()
    cut_short = (copy / "checkpoints" / "best.ckpt").read_bytes()[:-200]
    (copy / "checkpoints" / "best.ckpt").write_bytes(cut_short)
    assert rerun_of(copy) == 0
    output, errors = capsys.readouterr()
    assert "not as it was: the time at which each step began is not known, there is no clock.csv" in errors
    assert "best.ckpt is damaged, its weights cannot be compared" in errors
    assert "identical: the same losses at every step, no weights to compare" in output


def test_an_unknown_logger_is_named(copy, capsys):
    assert rerun_of(copy, "--logger", "tensorbord") == 2
    assert "did you mean 'tensorboard'" in capsys.readouterr().err
