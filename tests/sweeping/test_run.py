"""The loop: kills, failures, several at a time; trials are stubs that take no time (tests/trial_stub.py)."""

import json
import os

import pytest

from faceimit.errors import InputError
from faceimit.sweeping.launch import HydraJobs, Process, Processes
from faceimit.sweeping.run import number_of_trials, run_sweep
from faceimit.sweeping.trials import SweepFolder, lock
from tests.sweeps import read


def run(folder, sweep, total=4, jobs=1, more=(), launcher=None):
    store = SweepFolder(folder / "out")
    with store.opened(sweep, list(more)):
        return run_sweep(sweep, store, launcher or Processes(jobs), total, 0, list(more))


def starts(trial):
    return (trial.folder / "starts.txt").read_text().split("\n")[:-1]


@pytest.mark.parametrize("jobs", [1, 3])
def test_trials_run_once_each_until_there_are_enough(tmp_path, jobs):
    sweep = read(tmp_path)
    trials = run(tmp_path, sweep, 2, jobs)
    trials = run(tmp_path, sweep, 5, jobs)
    assert [trial.number for trial in trials] == [0, 1, 2, 3, 4]
    assert all(len(starts(trial)) == 1 for trial in trials)
    assert len({json.dumps(trial.values) for trial in trials}) == 5
    assert {trial.state for trial in trials} <= {"complete", "stopped"}
    assert run(tmp_path, sweep, 5, jobs) == trials  # nothing left to do
    figures = [trial.figure("val/F1", True) for trial in trials]
    assert figures == [pytest.approx(-((trial.values["x"] - 3) ** 2) - 1) for trial in trials]  # best of its history


def test_a_trial_that_was_running_when_all_was_killed_goes_on_with_the_same_parameters(tmp_path):
    sweep = read(tmp_path)
    first, second = run(tmp_path, sweep, 2)
    (second.folder / "outcome.json").unlink()  # as a kill leaves it: with a checkpoint
    third = SweepFolder(tmp_path / "out").add(sweep, [], {"x": 1.0, "kind": 0}, {"x": 1.0, "kind": "a"})  # or not
    trials = run(tmp_path, sweep, 4)
    assert [trial.folder for trial in trials[:3]] == [first.folder, second.folder, third.folder]
    assert [word.split()[1] for word in starts(second)] == ["new", "resume"]
    assert len({word.split()[2] for word in starts(second)}) == 1
    assert starts(third) == [f"{starts(third)[0].split()[0]} new 1.0"]
    assert len(starts(first)) == 1
    assert len(trials) == 4


def test_a_trial_that_another_process_still_trains_is_waited_for(tmp_path, capsys):
    sweep = read(tmp_path)
    trial = SweepFolder(tmp_path / "out").add(sweep, [], {"x": 1.0, "kind": 0}, {"x": 1.0, "kind": "a"})
    handle = lock(trial.folder / "lock")
    attempt = Process(trial)
    assert not attempt.poll()
    assert not attempt.poll()
    assert not (trial.folder / "starts.txt").exists()
    assert capsys.readouterr().err.count("trial 0 is still being trained for an earlier call, waiting") == 1
    trial.end(0)  # the other process has ended it
    os.close(handle)
    assert attempt.poll()
    assert not (trial.folder / "starts.txt").exists()


def test_a_trial_that_has_ended_is_not_begun_again_before_its_outcome_is_written(tmp_path):
    sweep = read(tmp_path)
    trial = SweepFolder(tmp_path / "out").add(sweep, [], {"x": 1.0, "kind": 0}, {"x": 1.0, "kind": "a"})
    first, second = Process(trial), Process(trial)  # a cluster's job of a killed sweep, and one of the next
    assert not first.poll()
    first._process.wait()
    assert not second.poll()
    assert first.poll()
    assert second.poll()
    assert len(starts(trial)) == 1


def test_failures_are_kept_with_their_reason_and_too_many_at_the_start_end_the_sweep(tmp_path):
    sweep = read(tmp_path)
    with pytest.raises(InputError, match="the first 3 trials failed: expected x to be good but got a bad one, try"):
        run(tmp_path, sweep, 9, more=["fails=true"])
    trials = SweepFolder(tmp_path / "out").trials()
    assert [trial.state for trial in trials] == ["failed"] * 3
    assert trials[0].reason == "expected x to be good but got a bad one, try another"


def test_a_trial_without_a_figure_has_failed(tmp_path):
    (trial,) = run(tmp_path, read(tmp_path), 1, more=["figure=none"])
    assert trial.state == "failed"
    assert trial.reason == "it logged no val/F1, or none that is a finite number"


def test_interrupting_leaves_trials_that_go_on(tmp_path):
    sweep = read(tmp_path)
    store = SweepFolder(tmp_path / "out")
    trial = store.add(sweep, ["seconds=60"], {"x": 1.0, "kind": 0}, {"x": 1.0, "kind": "a"})
    attempt = Process(trial)
    attempt.poll()
    while not (trial.folder / "checkpoints" / "last.ckpt").exists():
        assert not attempt.poll()
    attempt.interrupt()
    attempt.join()
    assert trial.state == "waiting"


def test_a_folder_is_of_one_sweep_and_of_one_process(tmp_path):
    sweep = read(tmp_path)
    store = SweepFolder(tmp_path / "out")
    with (
        store.opened(sweep, []),
        pytest.raises(InputError, match="another process works on the sweep"),
        store.opened(sweep, []),
    ):
        pass
    with pytest.raises(InputError, match="began with other overrides"), store.opened(sweep, ["profile=tiny"]):
        pass
    other = read(tmp_path, method="random")
    with pytest.raises(InputError, match="has changed since the sweep"), store.opened(other, []):
        pass


def test_how_many_trials(tmp_path):
    grid = read(tmp_path, method="grid", parameters={"a": {"values": [1, 2]}, "b": {"values": [1, 2]}})
    assert number_of_trials(grid, None) == 4
    assert number_of_trials(grid, 3) == 3
    assert number_of_trials(grid, 9) == 4
    assert number_of_trials(read(tmp_path, run_cap=7), None) == 7
    with pytest.raises(InputError, match="has no end of its own, say how many trials with --count N"):
        number_of_trials(read(tmp_path), None)


@pytest.mark.parametrize(
    ("name", "options"),
    [("joblib", ["hydra.launcher.n_jobs=2"]), ("submitit_local", ["hydra.launcher.timeout_min=2"])],
)
def test_trials_run_through_a_hydra_launcher(tmp_path, name, options):
    tmp_path = tmp_path / "it's here, with a comma"
    tmp_path.mkdir()
    sweep = read(tmp_path)
    launcher = HydraJobs(name, options, 2, tmp_path / "out")
    trials = run(tmp_path, sweep, 3, launcher=launcher)
    log = (tmp_path / "out" / "launcher.log").read_text()
    assert [trial.state in {"complete", "stopped"} for trial in trials] == [True] * 3, log
    assert all(len(starts(trial)) == 1 for trial in trials)


def test_a_launcher_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(InputError, match="no Hydra launcher 'joblab' is installed, did you mean 'joblib'"):
        HydraJobs("joblab", [], 3, tmp_path / "out")


def test_a_launcher_that_fails_leaves_its_trials_for_another_time(tmp_path):
    sweep = read(tmp_path)
    launcher = HydraJobs("joblib", ["hydra.launcher.n_jops=2"], 2, tmp_path / "out")
    with pytest.raises(InputError, match=r"the launcher failed: .*n_jops.*launcher.log"):
        run(tmp_path, sweep, 2, launcher=launcher)
    assert [trial.state for trial in SweepFolder(tmp_path / "out").trials()] == ["waiting"] * 2
    assert [trial.state in {"complete", "stopped"} for trial in run(tmp_path, sweep, 2)] == [True] * 2


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"number": 0, "chosen": {}, "values": {}, "module": "m"}', None, "chosen"],
    ids=["empty", "list", "nothing", "a key is missing", "a value is missing", "a choice is missing"],
)
def test_a_damaged_trial_is_named_with_what_to_do(tmp_path, text):
    sweep = read(tmp_path)
    trial = SweepFolder(tmp_path / "out").add(sweep, [], {"x": 1.0, "kind": 0}, {"x": 1.0, "kind": "a"})
    path = trial.folder / "trial.json"
    if text in {None, "chosen"}:
        content = json.loads(path.read_text())
        del content[text or "values"]["x"]
        text = json.dumps(content)
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        run(tmp_path, sweep, 2)
    assert str(caught.value) == f"{path} is missing or damaged, delete {trial.folder} to have the trial run again"


@pytest.mark.parametrize("text", ["", "[]", "{}"])
def test_a_trial_whose_outcome_is_damaged_goes_on(tmp_path, text):
    sweep = read(tmp_path)
    (trial,) = run(tmp_path, sweep, 1)
    (trial.folder / "outcome.json").write_text(text)
    assert trial.state == "waiting"
    assert trial.reason == ""
