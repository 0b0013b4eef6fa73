"""Every sweep file of the project against what faceimit.train takes and logs; what is wrong with one in a sentence."""

from pathlib import Path

import pytest

from faceimit.errors import InputError
from faceimit.sweeping.sweepfile import check_sweep, merged, read_sweep
from faceimit.tracking.config import composed, plain
from faceimit.tracking.schema import build, check, resolve
from tests.sweeps import COMMAND, read, sweep_file

FOLDER = Path(__file__).parents[2] / "sweeps"
FILES = sorted(FOLDER.glob("*.yaml"))
TRAIN = ["${env}", "${interpreter}", "-m", "faceimit.train", "experiment=keyframe_multitask", "${args_no_hyphens}"]


def keyframes(folder, **changes):
    parameters = {"task.lr": {"values": [0.001]}}
    return read(folder, **({"command": TRAIN, "parameters": parameters} | changes))


def first_values(sweep):
    return {each.name: each.extremes()[0] for each in sweep.parameters}


def test_the_sweeps_of_the_project():
    sweeps = {path.stem: read_sweep(path) for path in FILES}
    assert set(sweeps) == {"flow", "keyframe", "mapping"}
    assert {sweep.method for sweep in sweeps.values()} == {"bayes", "grid"}
    assert all(sweep.bands for sweep in sweeps.values())
    metrics = {name: (sweep.metric, sweep.maximize) for name, sweep in sweeps.items()}
    assert metrics == {
        "flow": ("val/EPE", False), "keyframe": ("val/F1", True), "mapping": ("val/cosine_centred", True),
    }  # fmt: skip


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_parameters_and_metric_are_what_training_takes_and_logs(path):
    sweep = read_sweep(path)
    config = check_sweep(sweep, ["profile=tiny"])
    assert sweep.metric in resolve(config["task"]["_target_"]).metrics
    for parameter in sweep.parameters:
        node = config
        for part in parameter.name.split("."):
            node = node[part]
        assert node == parameter.extremes()[0], parameter.name


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
@pytest.mark.parametrize("profile", ["cpu", "gpu"])
def test_parameters_exist_in_every_profile(path, profile):
    sweep = read_sweep(path)
    check(plain(composed([*sweep.fixed, f"profile={profile}", *sweep.overrides(first_values(sweep))])))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_value_of_a_list_builds_the_task(path):
    sweep = read_sweep(path)
    first = first_values(sweep)
    for parameter in sweep.parameters:
        values = parameter.extremes() if parameter.name.startswith("task.") else []
        for value in values:
            changed = sweep.overrides(first | {parameter.name: value})
            build(plain(composed([*sweep.fixed, "profile=tiny", *changed]))["task"])


def test_a_key_that_does_not_exist_is_named_with_its_neighbours(tmp_path):
    sweep = keyframes(tmp_path, parameters={"task.lrr": {"values": [0.001]}})
    with pytest.raises(InputError, match=r"stub.yaml: there is no configuration key 'lrr' in task, did you mean 'lr'"):
        check_sweep(sweep)
    with pytest.raises(InputError, match="no configuration key 'tsk', did you mean 'task'"):
        check_sweep(keyframes(tmp_path, parameters={"tsk.lr": {"value": 0.001}}))


def test_every_value_is_checked_not_only_the_first(tmp_path):
    with pytest.raises(InputError, match=r"expected task.dropout to be"):
        check_sweep(keyframes(tmp_path, parameters={"task.dropout": {"min": 0.0, "max": 1.5}}))
    with pytest.raises(InputError, match=r"expected task.inputs to be"):
        check_sweep(keyframes(tmp_path, parameters={"task.inputs": {"values": ["pair", "pears"]}}))


def test_an_override_of_what_the_file_chooses_is_refused_not_ignored(tmp_path):
    with pytest.raises(InputError, match=r"stub.yaml chooses task.lr for each trial, leave out \+\+task.lr=0.1"):
        check_sweep(keyframes(tmp_path), ["++task.lr=0.1"])


@pytest.mark.parametrize("word", ["run_dir=x", "resume=runs/flow/latest", "runs=elsewhere"])
def test_another_folder_for_all_trials_is_refused(tmp_path, word):
    with pytest.raises(InputError, match=f"has a folder of its own in that of the sweep, give --out instead of {word}"):
        check_sweep(keyframes(tmp_path), [word])


def test_a_metric_that_no_task_logs_is_refused_with_those_it_logs(tmp_path):
    sweep = keyframes(tmp_path, metric={"name": "val/F2", "goal": "maximize"})
    with pytest.raises(InputError, match=r"KeyframeTask logs no metric 'val/F2', did you mean 'val/F1'.*val/E_n"):
        check_sweep(sweep)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"paramaters": {}}, "unknown key 'paramaters', did you mean 'parameters'"),
        ({"parameters": None}, "has no parameters:"),
        ({"method": "bayesian"}, "method is 'bayesian', did you mean 'bayes'"),
        ({"method": None}, "method is None, valid here: bayes, grid, random"),
        ({"metric": None}, "method: bayes needs metric:"),
        ({"metric": {"name": "val/F1", "goal": "max"}}, "minimize or maximize but got 'max'"),
        ({"method": "grid"}, "grid cannot list the values of x, which is uniform"),
        ({"parameters": {"x": {"min": 1, "max": 1}}}, "expected min of x to be below max"),
        ({"command": None}, "the command must start a module with Hydra's overrides, write command:"),
        ({"command": [*COMMAND[:-1], "${args}"]}, "the command must start a module"),
        ({"early_terminate": {"type": "median"}}, "must say type: hyperband"),
        ({"early_terminate": {"type": "hyperband"}}, "needs min_iter, or max_iter with s"),
        ({"early_terminate": {"type": "hyperband", "min_iters": 2}}, "no 'min_iters', did you mean 'min_iter'"),
        ({"early_terminate": {"type": "hyperband", "min_iter": 0}}, "min_iter of early_terminate to be 1 or more"),
        ({"early_terminate": {"type": "hyperband", "min_iter": 2, "eta": 1}}, "eta of early_terminate to be a number"),
        ({"early_terminate": {"type": "hyperband", "max_iter": 2, "s": 2}}, "never applies"),
        ({"run_cap": 0}, "expected run_cap to be 1 or more"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path, changes, message):
    with pytest.raises(InputError, match=message) as caught:
        read(tmp_path, **changes)
    assert str(caught.value).startswith(str(tmp_path / "stub.yaml"))


def test_files_that_are_none(tmp_path):
    sweep_file(tmp_path)
    with pytest.raises(InputError, match=r"stob.yaml does not exist, did you mean .*stub.yaml"):
        read_sweep(tmp_path / "stob.yaml")
    bad = tmp_path / "bad.yaml"
    bad.write_text("method: [bayes\nmetric: 3")
    with pytest.raises(InputError, match=r"bad.yaml is not YAML \(line 2\)"):
        read_sweep(bad)
    bad.write_text("just words")
    with pytest.raises(InputError, match=r"expected .*bad.yaml to hold method:"):
        read_sweep(bad)
    bad.write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(InputError, match="is no text"):
        read_sweep(bad)


def test_words_of_a_trial_are_those_of_wandb(tmp_path):
    from wandb.sdk.launch.sweeps.utils import create_sweep_command_args

    values = {"task.lr": 2.5e-05, "task.kernels": [5, 3], "task.flow": True, "task.backbone": "compact"}
    theirs = create_sweep_command_args({"args": {name: {"value": value} for name, value in values.items()}})
    assert read(tmp_path).overrides(values) == theirs["args_no_hyphens"]


def test_bands_of_hyperband(tmp_path):
    early = {"type": "hyperband", "min_iter": 2, "eta": 2, "strict": False}
    sweep = read(tmp_path, early_terminate=early)
    assert (sweep.bands[:4], sweep.eta, sweep.strict) == ((2, 4, 8, 16), 2, False)
    sweep = read(tmp_path, early_terminate={"type": "hyperband", "max_iter": 27, "s": 2})
    assert (sweep.bands, sweep.eta, sweep.strict) == ((3, 9), 3, True)


def test_the_users_overrides_take_the_place_of_the_files():
    file = ("experiment=flow", "profile=cpu", "++a.b=1")
    assert merged(file, ["profile=tiny", "a.b=2"]) == ["experiment=flow", "profile=tiny", "a.b=2"]


def test_the_environment_is_filled_in_as_wandb_does(tmp_path, monkeypatch):
    monkeypatch.setenv("PROFILE", "tiny")
    sweep = read(tmp_path, command=[*COMMAND[:-1], "profile=${envvar:PROFILE}", "x=${envvar:NOT_SET}", COMMAND[-1]])
    assert sweep.fixed == ("profile=tiny", "x=NOT_SET")
