"""What is left of a damaged run folder is told in a sentence, with the line."""

import json

import pytest
import yaml

from faceimit.errors import InputError
from faceimit.tracking.config import composed, plain
from faceimit.tracking.inspection_runs import run_source
from faceimit.tracking.runs import known_config, saved_config
from tests.dummy import EXPERIMENT, as_dummy

WHOLE = as_dummy(plain(composed(EXPERIMENT)))
TEXT = yaml.safe_dump(WHOLE, sort_keys=False)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"is cut short or damaged, it lacks experiment, seed, data"),
        ("- a\n", r"is cut short or damaged, it lacks experiment, seed, data"),
        (TEXT[: TEXT.index("runs:") + 2], r"cannot be read \(line \d+: could not find expected ':'\)"),
        ("a: b: c\n", r"cannot be read \(line 1: mapping values are not allowed here\)"),
        (yaml.safe_dump(WHOLE | {"data": "abc"}), r"is cut short or damaged, it lacks data"),
        (yaml.safe_dump(WHOLE | {"experiment": None}), r"is cut short or damaged, it lacks experiment"),
    ],
)
def test_a_damaged_configuration_is_told(tmp_path, text, message):
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(InputError, match=rf"config\.yaml {message}.*, give the folder|{message}: give the folder"):
        saved_config(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"task": {"_target_": "tests.dummy.DummyTask", "lr": -1}},
            r"\(expected task\.lr to be a number above 0 but got",
        ),
        ({"task": {"_target_": "tests.dummy.DummyTusk"}}, r"\(_target_: tests\.dummy\.DummyTusk cannot be imported"),
        ({"task": {"_target_": "..a"}}, r"\(_target_: \.\.a cannot be imported"),
        ({"callbacks": None}, r"\(expected callbacks to be names and values but got nothing"),
    ],
)
def test_one_that_does_not_fit_is_damaged_or_of_another_version(tmp_path, change, message):
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(WHOLE | change))
    with pytest.raises(InputError, match=rf"does not fit this version of faceimit {message}.* is of another one$"):
        known_config(tmp_path)
    about = {"commit": {"id": "0123456789"}, "versions": {"faceimit": "0.0.1"}}
    (tmp_path / "environment.json").write_text(json.dumps(about))
    with pytest.raises(
        InputError, match=r"is of another one, faceimit 0\.0\.1, commit 0123456 \(git checkout 0123456 "
    ):
        known_config(tmp_path)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({}, "data names no _target_"),
        ({"_target_": "tests.dummy.DummyData", "foo": 1}, "no configuration key 'foo' in data"),
        (
            {"_target_": "tests.dummy.DummyData", "workers": -1},
            r"expected data\.workers to be a whole number of 0 or more",
        ),
    ],
)
def test_damaged_data_are_told_where_they_are_inspected(tmp_path, data, message):
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(WHOLE | {"data": data}))
    with pytest.raises(InputError, match=message):
        run_source(tmp_path)
