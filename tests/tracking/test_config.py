"""What a wrong configuration says: the name, its neighbours, the remedy."""

import pytest

from faceimit.errors import InputError
from faceimit.tracking.config import composed, conf_dir, options, path_quoted, plain, unquoted
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
    ],
)
def test_a_wrong_override_is_explained(overrides, message):
    with pytest.raises(InputError, match=message):
        composed(overrides)


@pytest.mark.parametrize("experiment", options("experiment"))
@pytest.mark.parametrize("profile", options("profile"))
def test_every_experiment_composes_with_every_profile(experiment, profile):
    config = plain(composed([f"experiment={experiment}", f"profile={profile}"]))
    assert config["experiment"] == experiment
    assert config["profile"] == profile
    assert "_target_" in config["task"]
    assert "_target_" in config["data"]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["seed=-1"], "expected seed to be a whole number from 0 to 4294967295 but got -1"),
        (["seed=abc"], "expected seed to be a whole number from 0 to 4294967295 but got 'abc'"),
        (["budget.clips.train=0"], "expected budget.clips.train to be a whole number of 1 or more but got 0"),
        (["+trainer.fast=true"], "no configuration key 'fast' in trainer"),
        (["+flow.wights=none"], "no configuration key 'wights' in flow, did you mean 'weights'"),
        (["+lr=1"], "no configuration key .lr., did you mean .logger."),
        (["callbacks.last.every_steps=0"], "expected callbacks.last.every_steps to be a whole number of 1 or more"),
        (["trainer.max_epochs=many"], "expected trainer.max_epochs to be .* but got 'many'"),
    ],
)
def test_wrong_values_are_explained(overrides, message):
    with pytest.raises(InputError, match=message):
        check(as_dummy(plain(composed([*EXPERIMENT, *overrides]))))


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
    config = plain(composed([f"experiment={experiment}", f"monitor={metric}"]))
    assert monitor_of(config) == (metric, mode)


@pytest.mark.parametrize(
    "path", ["/tmp/a,b", "/tmp/ü ber/x", "/tmp/a=b(1)", "/tmp/it's", "/tmp/{b}", "/tmp/plain", "C:/x\\y"]
)
def test_any_path_can_be_given_as_it_is(path):
    config = composed(["experiment=flow", f"run_dir={path}"])
    assert config.run_dir == path
    assert unquoted(path_quoted(f"run_dir={path}").partition("=")[2]) == path


def test_lists_quotes_and_choices_stay_as_they_are():
    for override in ("data.names.train=[a/b,c/d]", "x='a/b,c'", "data=real", "+x={a: b/c}", "~x"):
        assert path_quoted(override) == override
