"""What a wrong configuration says: the name, its neighbours, the remedy."""

import shutil

import pytest

from faceimit.errors import InputError
from faceimit.tracking import config
from faceimit.tracking.config import check_flags, composed, conf_dir, options, path_quoted, plain, unquoted
from faceimit.tracking.schema import check, fits, monitor_of
from tests.dummy import EXPERIMENT, as_dummy


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["experiment=flwo"], r"experiment=flwo does not exist, .*valid here: .*keyframe_multitask"),
        (["experiment=keyframe_multitask", "profile=tinny"], r"profile=tinny does not exist, did you mean 'tiny'\?"),
        (
            ["experiment=keyframe_multitask", "data=sinthetic"],
            r"data=sinthetic does not exist, did you mean 'synthetic'",
        ),
        (["experiment=keyframe_multitask", "sed=3"], r"no configuration key 'sed', did you mean 'seed'\?"),
        (
            ["experiment=keyframe_multitask", "trainer.max_epoch=3"],
            r"'max_epoch' in trainer, did you mean 'max_epochs'",
        ),
        (["experiment=keyframe_multitask", "trainer.precision=64"], r"add it with \+trainer.precision="),
        (["experiment=keyframe_multitask", "seed.x=3"], r"seed\.x goes too deep, seed is a plain value"),
        (["experimnt=flow"], r"no configuration key 'experimnt', did you mean 'experiment'"),
        ([], r"experiment=NAME is missing, valid names: .*paper_table1"),
        (["experiment=keyframe_multitask", "flow"], r"'flow' is not an override, write name=value"),
        (["experiment=keyframe_multitask", "lr=1"], r"no configuration key 'lr', did you mean 'task\.lr'\?"),
        (
            ["experiment=landmarks", "data.corpora={300vw: a}"],
            r"data\.corpora is a group of settings, set each of them",
        ),
        (["experiment=keyframe_multitask", "robot=a"], r"no configuration key 'robot', valid here: (?!.*robot)"),
        (["experiment=keyframe_multitask", "task=3"], r"task=3 does not exist, valid here: control"),
        (["experiment=keyframe_multitask", "profile=null"], r"profile=null does not exist, valid here: cpu"),
        (
            ["experiment=keyframe_multitask", "data.clips.val=3"],
            r"data\.clips follows budget\.clips, set budget\.clips\.val",
        ),
    ],
)
def test_a_wrong_override_is_explained(overrides, message):
    with pytest.raises(InputError, match=message):
        composed(overrides)


@pytest.mark.parametrize("experiment", options("experiment"))
@pytest.mark.parametrize("profile", options("profile"))
def test_every_experiment_composes_with_every_profile_and_is_valid(experiment, profile):
    job = plain(composed([f"experiment={experiment}", f"profile={profile}"]))
    assert job["experiment"] == experiment
    assert job["profile"] == profile
    check(job)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["seed=-1"], "expected seed to be a whole number from 0 to 4294967295 but got -1"),
        (["seed=abc"], "expected seed to be a whole number from 0 to 4294967295 but got 'abc'"),
        (["budget.clips.train=0"], "expected budget.clips.train to be a whole number of 1 or more but got 0"),
        (["+trainer.fast=true"], "no configuration key 'fast' in trainer"),
        (["+flow.wights=none"], "no configuration key 'wights' in flow, did you mean 'weights'"),
        (["+rl=1"], "no configuration key .rl., valid here: budget"),
        (["budget.minutes=abc"], "expected budget.minutes to be a number above 0 or null but got 'abc'"),
        (["callbacks.last.every_steps=0"], "expected callbacks.last.every_steps to be a whole number of 1 or more"),
        (["trainer.max_epochs=many"], "expected trainer.max_epochs to be .* but got 'many'"),
    ],
)
def test_wrong_values_are_explained(overrides, message):
    with pytest.raises(InputError, match=message):
        check(as_dummy(plain(composed([*EXPERIMENT, *overrides]))))


def test_an_evaluation_has_no_profile_and_needs_a_checkpoint():
    with pytest.raises(InputError, match=r"no configuration key 'profile', valid here: (?!.*(profile|experiment))"):
        composed(["checkpoint=none", "profile=tiny"], "evaluate")
    with pytest.raises(InputError, match=r"checkpoint=VALUE is missing: a trained task .* shipped \| none"):
        plain(composed([], "evaluate"), "evaluate")


@pytest.mark.parametrize("setting", ["flow=3", "flow=null"])
def test_a_value_in_the_place_of_a_group_is_told(setting):
    with pytest.raises(InputError, match=r"expected flow to be a group of settings, set flow\.weights instead"):
        plain(composed(["experiment=keyframe_multitask", setting]))


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--lr", "1"], r"no option --lr, settings are written without dashes: task\.lr=VALUE"),
        (["--lr=1"], r"no option --lr=1, .*: task\.lr=VALUE"),
        (["--run-dir", "a"], r"no option --run-dir, .*: run_dir=VALUE"),
        (["--whatever"], r"no option --whatever, .*: whatever=VALUE"),
        (["--cfg", "everything"], r"invalid choice: 'everything' .* see --help"),
    ],
)
def test_an_option_with_dashes_is_told_how_settings_are_written(flags, message):
    with pytest.raises(InputError, match=message):
        check_flags(flags, ["experiment=keyframe_multitask"])


def test_the_options_of_hydra_are_options():
    check_flags(["--cfg", "job", "--resolve"], [])
    check_flags(["-m", "--help"], [])


TRAIN = (conf_dir() / "train.yaml").read_text()


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "task/keyframe.yaml",
            "_target_: x\n  lr: 3\n",
            r"task/keyframe\.yaml cannot be read \(line 2: mapping values are not allowed",
        ),
        ("train.yaml", f"{TRAIN}\nseed: 1\n", r"train\.yaml cannot be read \(line \d+: found duplicate key seed"),
        ("task/keyframe.yaml", "- a\n", r"task/keyframe\.yaml to hold names and values but got a list"),
        ("task/keyframe.yaml", "lr: ${a", r"task/keyframe\.yaml cannot be read \(no viable alternative at input"),
        ("task/keyframe.yaml", "lr: \xff", r"task/keyframe\.yaml cannot be read \('utf-8' codec"),
        ("profile/tiny.yaml", "defaults: 3\n", r"defaults in .*profile/tiny\.yaml to be a list of group: name"),
        (
            "profile/for/keyframe_multitask_tiny.yaml",
            "a: [",
            r"for/keyframe_multitask_tiny\.yaml cannot be read \(line 1",
        ),
    ],
)
def test_a_damaged_file_of_conf_is_named_with_the_line(name, text, message, tmp_path, monkeypatch):
    folder = shutil.copytree(conf_dir(), tmp_path / "conf")
    (folder / name).write_bytes(text.encode("latin-1"))
    monkeypatch.setattr(config, "conf_dir", lambda: folder)
    with pytest.raises(InputError, match=f"{message}.*, mend the file or restore it$"):
        composed(["experiment=keyframe_multitask", "profile=tiny"])


def test_a_bug_in_a_job_is_none_of_the_configuration():
    with pytest.raises(ValueError, match=r"^a bug$"), config.explained([]):
        raise ValueError("a bug")


def test_defaults_are_valid():
    check(as_dummy(plain(composed(EXPERIMENT))))


def test_conf_is_absolute():
    assert conf_dir().is_absolute()


@pytest.mark.parametrize(
    ("value", "hint", "expected"),
    [
        (1, float, True),
        (True, int, False),
        (None, int | None, True),
        ("a", int | None, False),
        ([1, 2], tuple[int, ...], True),
        (["a"], list[int], False),
        ({"a": 1}, dict[str, int], True),
        ({"a": "b"}, dict[str, int], False),
        (3, object, True),
    ],
)
def test_fits(value, hint, expected):
    assert fits(value, hint) is expected


@pytest.mark.parametrize(
    ("experiment", "metric", "mode"),
    [
        ("control_mapping", "val/cosine_centred", "max"),
        ("control_mapping", "val/MAE", "min"),
        ("landmarks", "val/AUC", "max"),
        ("keyframe_multitask", "val/recall", "max"),
        ("keyframe_multitask", "val/E_n", "min"),
        ("flow", "val/EPE", "min"),
    ],
)
def test_a_metric_that_picks_the_checkpoint_knows_which_way_is_better(experiment, metric, mode):
    job = plain(composed([f"experiment={experiment}", f"monitor={metric}"]))
    assert monitor_of(job) == (metric, mode)


@pytest.mark.parametrize(
    "path", ["/tmp/a,b", "/tmp/ü ber/x", "/tmp/a=b(1)", "/tmp/it's", "/tmp/{b}", "/tmp/plain", "C:/x\\y"]
)
def test_any_path_can_be_given_as_it_is(path):
    job = composed(["experiment=flow", f"run_dir={path}"])
    assert job.run_dir == path
    assert unquoted(path_quoted(f"run_dir={path}").partition("=")[2]) == path


def test_lists_quotes_and_choices_stay_as_they_are():
    for override in ("data.names.train=[a/b,c/d]", "x='a/b,c'", "data=real", "+x={a: b/c}", "~x"):
        assert path_quoted(override) == override
