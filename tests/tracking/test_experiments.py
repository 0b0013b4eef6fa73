import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from faceimit.errors import InputError
from faceimit.tracking import experiments
from faceimit.tracking.experiments import Job, metrics, perform, stamp, trained

ROOT = Path(__file__).parents[2]


class Work:
    """Jobs a, b and c; counts what it does."""

    def __init__(self, fails=""):
        self.done, self.fails = [], fails

    def jobs(self, steps=1):
        return [Job(name, {"steps": steps}, lambda name=name: self.make(name)) for name in "abc"]

    def make(self, name):
        if name == self.fails:
            raise KeyboardInterrupt
        self.done.append(name)
        return [{"name": name, "value": 1 / 3, "nothing": float("nan"), **({"more": 2.0} if name == "c" else {})}]


def rows(table):
    return list(csv.DictReader(table.open()))


def test_an_interrupted_experiment_goes_on(tmp_path):
    table, work = tmp_path / "t.csv", Work(fails="c")
    with pytest.raises(KeyboardInterrupt):
        perform(work.jobs(), tmp_path / "kept", table)
    assert [row["name"] for row in rows(table)] == ["a", "b"]
    work.fails = ""
    perform(work.jobs(), tmp_path / "kept", table)
    assert work.done == ["a", "b", "c"]
    assert rows(table)[0] == {"name": "a", "value": "0.33333", "nothing": "", "more": ""}
    assert rows(table)[2]["more"] == "2.0"
    before = table.read_bytes()
    perform(work.jobs(), tmp_path / "kept", table)
    assert work.done == ["a", "b", "c"]
    assert table.read_bytes() == before


def test_other_settings_are_other_jobs(tmp_path):
    work = Work()
    perform(work.jobs(), tmp_path, tmp_path / "t.csv")
    perform(work.jobs(steps=2), tmp_path, tmp_path / "t.csv")
    assert work.done == ["a", "b", "c"] * 2


def test_names_choose_and_the_table_keeps_the_rest(tmp_path):
    work, table = Work(), tmp_path / "t.csv"
    perform(work.jobs(), tmp_path, table, ["b"])
    perform(work.jobs(), tmp_path, table, ["a"])
    assert work.done == ["b", "a"]
    assert [row["name"] for row in rows(table)] == ["a", "b"]
    with pytest.raises(InputError, match="there is no 'd'"):
        perform(work.jobs(), tmp_path, table, ["d"])


def test_what_is_done_is_done_again_when_asked(tmp_path):
    work, given = Work(), (tmp_path / "kept", tmp_path / "t.csv")
    perform(work.jobs(), *given)
    perform(work.jobs(), *given, ["b"], again=True)
    assert work.done == ["a", "b", "c", "b"]
    assert [row["name"] for row in rows(given[1])] == ["a", "b", "c"]


def test_a_row_says_where_it_comes_from():
    found = stamp(7)
    assert found["seed"] == "7"
    assert "torch " in found["versions"]
    assert "cores of" in found["hardware"]
    assert set(found) == {"seed", "commit", "versions", "hardware"}


def test_a_training_is_begun_continued_or_left_alone(tmp_path, monkeypatch):
    asked = []

    def ended(command):
        asked.append(command[2:])
        return 0

    monkeypatch.setattr(experiments, "_ended", ended)
    words, run = ["experiment=keyframe_multitask", "profile=tiny"], tmp_path / "run"
    (run / "checkpoints").mkdir(parents=True)  # killed before its first checkpoint was whole
    assert trained(words, run) == run
    assert not (run / "checkpoints").exists()
    (run / "checkpoints").mkdir()
    (run / "checkpoints" / "last.ckpt").touch()
    trained(words, run)
    (run / "metrics.json").write_text(json.dumps({"test/F1": 0.5}))
    assert trained(words, run) == run
    assert asked == [[*words, f"run_dir={run}"], [*words, f"resume={run}"]]
    assert metrics(run) == {"test/F1": 0.5}


def test_a_training_that_fails_or_is_interrupted_ends_the_experiment(tmp_path, monkeypatch, capsys):
    with pytest.raises(InputError, match="ended with exit code 2"):
        trained(["experiment=nothing_of_that_name"], tmp_path / "run")
    monkeypatch.setattr(experiments, "_ended", lambda command: 130)
    with pytest.raises(KeyboardInterrupt):
        trained(["experiment=flow"], tmp_path / "run")
    assert f"training in {tmp_path / 'run'} has stopped, the same command goes on from there" in capsys.readouterr().err


SAVES = """
import pathlib, sys, time
try:
    pathlib.Path("began").touch()
    time.sleep(60)
except KeyboardInterrupt:
    time.sleep(1)
    pathlib.Path("saved").touch()
"""


DRIVES = """
import sys
from faceimit.tracking.cli import run_command
from faceimit.tracking.experiments import _ended
sys.exit(run_command(lambda words: sys.exit(_ended(["-c", *words]))))
"""


@pytest.mark.parametrize(
    ("told", "number", "code"),
    [
        ("everybody, as by a terminal", signal.SIGINT, 130),
        ("us alone", signal.SIGINT, 130),
        ("us alone, as by a cluster", signal.SIGTERM, 143),
        ("nobody, we are killed", signal.SIGKILL, -9),
    ],
)
def test_an_interrupt_lets_the_training_save(tmp_path, told, number, code):
    if told.startswith("nobody") and sys.platform != "linux":
        pytest.skip("elsewhere an orphan trains on")
    process = subprocess.Popen(
        [sys.executable, "-c", DRIVES, SAVES], cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)},
        stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    while not (tmp_path / "began").exists():
        assert process.poll() is None
        time.sleep(0.05)
    time.sleep(0.2)
    if told.startswith("everybody"):
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    assert process.wait(timeout=20) == code
    for _ in range(200 if told.startswith("nobody") else 1):
        if (tmp_path / "saved").exists():
            return
        time.sleep(0.05)
    raise AssertionError("the training was not let save")
