"""``python -m faceimit.sweep``: killed and continued, interrupted, refused; and the real thing, slowly."""

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.sweeps import sweep_file

ROOT = Path(__file__).parents[1]
TINY = [
    "profile=tiny", "logger=none", "budget.clips={train:2,val:1,test:1}", "budget.frames=32", "data.steps=1",
    "data.size=64", "task.flow=false", "task.size=16", "task.width=8",
]  # fmt: skip


def start(folder, *arguments, module="tests.sweeps", background=False):
    """A sweep in a process; `background` as a shell's & starts it, which has it ignore Ctrl-C."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", module, *map(str, arguments)]
    if background:
        command = ["sh", "-c", 'trap "" INT; exec "$@"', "sh", *command]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=pipe, stderr=pipe, text=True)


def finished(process, code=0, seconds=120):
    output, errors = process.communicate(timeout=seconds)
    assert process.returncode == code, errors
    return output.splitlines(), errors


def wait_for_ends(folder, number, process, seconds=120):
    for _ in range(seconds * 20):
        if len(list(folder.glob("trials/[0-9]*/outcome.json"))) >= number:
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    raise AssertionError(f"no {number} trials in {seconds} s")


def ranking(folder):
    with (folder / "ranking.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def starts(folder):
    return {path.parent.name: path.read_text().splitlines() for path in sorted(folder.glob("trials/[0-9]*/starts.txt"))}


@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -9), (signal.SIGINT, 130)])
def test_four_trials_killed_after_the_second_and_continued(tmp_path, number, code):
    file, out = sweep_file(tmp_path), tmp_path / "runs" / "sweeps" / "stub"
    arguments = [file.name, "--count", 4, "held=2"]
    process = start(tmp_path, *arguments)
    wait_for_ends(out, 2, process)
    while len(starts(out)) < 3:
        time.sleep(0.05)
    time.sleep(0.2)
    process.send_signal(number)
    _, errors = finished(process, code)
    if number == signal.SIGINT:
        assert "the same command goes on from there" in errors
        assert "Traceback" not in errors
    assert not (out / "ranking.csv").exists()

    output, errors = finished(start(tmp_path, *arguments))
    assert output[-1] == str(out.relative_to(tmp_path))
    rows = ranking(out)
    assert sorted(int(row["trial"]) for row in rows) == [0, 1, 2, 3]
    assert len({(row["x"], row["kind"]) for row in rows}) == 4
    figures = [float(row["best val/F1"]) for row in rows if row["state"] == "complete"]
    assert figures == sorted(figures, reverse=True)
    assert (out / "parallel_coordinates.png").read_bytes().startswith(b"\x89PNG")
    begun = list(starts(out).values())
    assert [len(lines) for lines in begun] == [1, 1, 2, 1]
    assert len({line.split()[2] for line in begun[2]}) == 1  # the same parameters
    assert errors.count("trial ") >= 2


@pytest.mark.parametrize("background", [False, True])
def test_a_killed_sweep_takes_its_trial_with_it(tmp_path, background):
    if sys.platform != "linux":
        pytest.skip("elsewhere an orphan trains on and is waited for")
    out = tmp_path / "out"
    process = start(tmp_path, sweep_file(tmp_path), "--count", 1, "--out", out, "seconds=60", background=background)
    while not any(lines for lines in starts(out).values()):
        time.sleep(0.05)
    time.sleep(0.3)
    process.kill()
    process.communicate()
    (line,) = next(iter(starts(out).values()))
    for _ in range(200):
        if not Path("/proc", line.split()[0]).exists():
            return
        time.sleep(0.05)
    raise AssertionError("the trial outlived the sweep")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "error: give a sweep file first, such as sweeps/keyframe.yaml; see python -m faceimit.sweep --help"),
        (["--count", "2", "profile=tiny"], "error: give a sweep file first, such as sweeps/keyframe.yaml"),
        (["missing.yaml", "--count", "2"], "error: sweep file missing.yaml does not exist"),
        ([".", "--count", "2"], "error: . is no text, give a sweep file such as sweeps/keyframe.yaml"),
        (["stub.yaml", "--count", "1", "--out", "stub.yaml"], "error: --out stub.yaml is a file, give the name of"),
        (["stub.yaml"], "say how many trials with --count N"),
        (
            ["stub.yaml", "--count", "0"],
            "expected a number of 1 or more but got 0; see python -m faceimit.sweep --help",
        ),
        (["stub.yaml", "--count", "-3"], "expected a number of 1 or more but got -3"),
        (["stub.yaml", "--cuont", "3"], "unknown option --cuont (did you mean --count?)"),
        (["stub.yaml", "--count", "1", "hydra.launcher.n_jobs=2"], "name one with --launcher"),
        (["stub.yaml", "--count", "1", "--launcher", "joblab"], "did you mean 'joblib'"),
        (["stub.yaml", "--count", "1", "fails=true"], "the only trial failed: expected x to be good"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_2(tmp_path, arguments, message, monkeypatch, capsys):
    from faceimit import sweep

    sweep_file(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setattr("faceimit.sweeping.sweepfile.check_sweep", lambda *_: {})
    monkeypatch.setattr(sys, "argv", ["sweep", *arguments])
    assert sweep.main() == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("error: ")
    assert message in last
    assert (tmp_path / "runs").exists() == ("fails=true" in arguments)  # else nothing is claimed for another call


def test_a_sweep_without_a_metric_names_no_plot_that_is_not_there(tmp_path, monkeypatch, capsys):
    from faceimit.sweep import command

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setattr("faceimit.sweeping.sweepfile.check_sweep", lambda *_: {})
    monkeypatch.setattr("faceimit.sweeping.trials.read_history", lambda _: [])  # the stub's: no metric, no history
    file = sweep_file(tmp_path, method="grid", metric=None, parameters={"x": {"values": [1]}})
    command([str(file)])
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["ranking", "runs/sweeps/stub"]
    assert not list(tmp_path.rglob("*.png"))


@pytest.mark.slow
def test_the_keyframe_sweep_itself_killed_and_continued(tmp_path):
    out = tmp_path / "out"
    arguments = [ROOT / "sweeps" / "keyframe.yaml", "--count", 4, "--out", out, f"cache={tmp_path / 'cache'}", *TINY]
    process = start(tmp_path, *arguments, module="faceimit.sweep")
    wait_for_ends(out, 2, process, seconds=900)
    process.kill()
    process.communicate()
    output, _ = finished(start(tmp_path, *arguments, module="faceimit.sweep"), seconds=900)
    assert output[-1] == str(out)
    rows = ranking(out)
    assert sorted(int(row["trial"]) for row in rows) == [0, 1, 2, 3]
    assert len({row["task.lr"] for row in rows}) == 4
    assert {row["state"] for row in rows} <= {"complete", "stopped"}
    for row in rows:
        run = out / row["run"]
        assert all((run / name).is_file() for name in ("checkpoints/best.ckpt", "config.yaml", "metrics.json"))
