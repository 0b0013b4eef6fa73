"""Every number of a configuration has a range, and what is out of it is told by its key before anything is built."""

import functools
import math
import re
from typing import Annotated, Any, Literal, get_args, get_origin

import pytest

from faceimit.errors import InputError
from faceimit.ranges import Count, MidShare, PartShare, Positive, Range, Seed, Share, Splits, Weight, Whole
from faceimit.tracking.config import composed, options, plain
from faceimit.tracking.schema import _alternatives, _hints, check, check_fields, check_target, fits, parameters, resolve


@functools.cache
def job(experiment, data=None):
    more = [] if data is None else [f"data={data}"]
    return plain(composed([f"experiment={experiment}", "profile=gpu", *more]))


def changed(config, key, value):
    name, _, rest = key.partition(".")
    return config | {name: changed(config[name], rest, value) if rest else value}


KEYFRAMES = [
    ("data.steps", -1, "a whole number of 1 or more or null but got -1"),
    ("data.steps", 0, "1 or more"),
    ("data.c_ref", 0, "a number above 0 or null but got 0"),
    ("data.c_ref", math.nan, "a number above 0 or null but got nan"),
    ("data.candidates", 0, "1 or more"),
    ("data.window", 1, "2 or more"),
    ("data.renderers", -1, "0 or more"),
    ("data.size", 8, "16 or more"),
    ("data.clips.test", 0, "a whole number of 1 or more but got 0"),
    ("data.clips", 3, "a group of settings but got 3"),
    ("data.augmentation.flip", 2, "a number from 0 to 1 but got 2"),
    ("data.augmentation.noise", -1, "a number of 0 or more"),
    ("task.width", 0, "1 or more"),
    ("task.lr", 0, "a number above 0"),
    ("task.lr", math.inf, "a number above 0 but got inf"),
    ("task.mse", math.nan, "but got nan"),
    ("task.warmup", -1, "0 or more"),
    ("task.dropout", 1, "a number from 0 to below 1 but got 1"),
    ("task.kernels", 5, "a list but got 5"),
    ("task.joint_every", 0, "1 or more"),
    ("task.optimizer", "adam", "adamw or sgd but got 'adam'"),
    ("task.flow", None, "true or false but got nothing"),
    ("trainer.accumulate_grad_batches", 0, "1 or more"),
    ("trainer.gradient_clip_val", -1, "0 or more or null"),
    ("trainer.limit_train_batches", 0, "1 or more"),
    ("trainer.enable_checkpointing", False, "True"),
    ("trainer.precision", "64-true", "bf16-mixed"),
    ("trainer.max_epochs", 0, "1 or more, -1 or null but got 0"),
    ("trainer.log_every_n_steps", 0, "1 or more"),
    ("budget.minutes", "abc", "a number above 0 or null but got 'abc'"),
    ("budget.frames", 1, "2 or more"),
    ("callbacks.pictures.every_epochs", 0, "1 or more"),
    ("cache", "", "text but got nothing"),
    ("flow", 3, "a group of settings but got 3"),
]


@pytest.mark.parametrize(("key", "value", "message"), KEYFRAMES)
def test_a_number_out_of_range_is_refused_by_its_key(key, value, message):
    with pytest.raises(InputError, match=rf"^expected {key} to be .*{re.escape(message)}"):
        check(changed(job("keyframe_multitask"), key, value))


@pytest.mark.parametrize(
    ("experiment", "key", "value"),
    [
        ("flow", "task.census", -1.0),
        ("flow", "task.gap", 0),
        ("flow", "data.people", -1),
        ("landmarks", "task.categories", 1.5),
        ("landmarks", "task.width", 0.0),
        ("landmarks", "data.fps", 0),
        ("control_mapping", "task.hidden", 0),
        ("control_mapping", "data.held", 1.0),
        ("control_mapping", "data.real_share", 1.0),
        ("control_mapping", "data.every", 0),
    ],
)
def test_so_it_is_in_every_task(experiment, key, value):
    with pytest.raises(InputError, match=rf"^expected {key} to be a (whole )?number .* but got {value}"):
        check(changed(job(experiment), key, value))


def test_what_is_wrong_inside_a_list_or_group_is_told_by_its_place():
    with pytest.raises(InputError, match=r"expected task\.kernels\[1\] to be a whole number of 1 or more but got 0"):
        check(changed(job("keyframe_multitask"), "task.kernels", [5, 0]))
    with pytest.raises(InputError, match=r"no configuration key 'flop' in data\.augmentation, did you mean 'flip'"):
        check(changed(job("keyframe_multitask"), "data.augmentation.flop", 1))
    real = job("keyframe_multitask", "real")
    with pytest.raises(InputError, match=r"configuration key data\.names\.val is missing"):
        check(changed(real, "data.names", {"train": ["a"], "test": ["b"]}))
    with pytest.raises(InputError, match=r"configuration key data\.people\.val is missing"):
        check(changed(job("landmarks"), "data.people", {"train": 4, "test": 2}))


@pytest.mark.parametrize("name", options("data"))
def test_the_numbers_of_all_data_have_ranges(name):
    _all_have_ranges(job("keyframe_multitask" if name != "flow_clips" else "flow", name)["data"])


@pytest.mark.parametrize("experiment", ["keyframe_multitask", "flow", "landmarks", "control_mapping"])
def test_the_numbers_of_all_tasks_have_ranges(experiment):
    _all_have_ranges(job(experiment)["task"])


def _all_have_ranges(node):
    hints = _hints(resolve(node["_target_"]).__init__)
    bare = {name for name in parameters(node) for kind in _alternatives(hints[name]) if kind in {int, float}}
    assert not bare


@pytest.mark.parametrize(
    ("experiment", "data", "message"),
    [
        ("keyframe_multitask", "ameca_virtual", "KeyframeTask learns from clips of faces, but VirtualPairs gives pict"),
        ("landmarks", "synthetic", "LandmarkTask learns from single faces .*: choose data=landmark_faces"),
        ("control_mapping", "real", "choose data=ameca or ameca_virtual"),
        ("flow", "videos", "choose data=flow_clips"),
    ],
)
def test_data_that_a_task_cannot_learn_from_are_refused_with_those_it_can(experiment, data, message):
    with pytest.raises(InputError, match=message):
        check(job(experiment, data))


@pytest.mark.parametrize(
    ("hint", "inside", "outside", "words"),
    [
        (Count, 1, 0, "of 1 or more"),
        (Whole, 0, -1, "of 0 or more"),
        (Positive, 1e-9, 0, "above 0"),
        (Weight, 0, -1e-9, "of 0 or more"),
        (Share, 1, 1.01, "from 0 to 1"),
        (PartShare, 0, 1, "from 0 to below 1"),
        (MidShare, 0.5, 0, "above 0 and below 1"),
        (Seed, 2**32 - 1, 2**32, "from 0 to 4294967295"),
        (Annotated[float, Range(0, 2, above=True)], 2, 0, "above 0 and at most 2"),
    ],
)
def test_ranges(hint, inside, outside, words):
    assert get_origin(hint) is Annotated
    assert fits(inside, hint)
    assert not fits(outside, hint)
    assert not fits(math.nan, hint)
    assert str(get_args(hint)[1]) == words


def test_a_switch_is_no_number_and_no_other_kind_of_one():
    assert not fits(True, Literal[1])
    assert not fits(True, Count)
    assert fits(3, Any)
    assert not fits(math.nan, Any)
    assert fits({"train": 1}, Splits)  # the names in it are checked one by one


class Plugin:
    """Of somebody who has not annotated a thing."""

    def __init__(self, some, other=3):
        pass


def test_a_plug_in_needs_no_annotations():
    check_target("task", {"_target_": f"{__name__}.Plugin", "some": [1, {"a": None}]})
    with pytest.raises(InputError, match=r"configuration key task\.some is missing"):
        check_target("task", {"_target_": f"{__name__}.Plugin"})


def test_a_group_may_be_left_out_where_it_has_defaults():
    from faceimit.data.transforms import Strength

    check_fields("data.augmentation", {}, Strength)
    check_fields("data.augmentation", {"flip": 0}, Strength)
