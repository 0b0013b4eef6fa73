"""What is said of a run and its repetition: every difference by name, and nothing where there is none."""

import copy

import pytest

from faceimit.errors import InputError
from faceimit.tracking.repetition import Verdict, compared, data_differences, differences, first_difference

HERE = {
    "commit": {"id": "a" * 40, "dirty": False},
    "versions": {"torch": "2.1", "numpy": "2.0"},
    "hardware": {"processor": "this", "threads": 2},
}


def with_change(**changes):
    there = copy.deepcopy(HERE)
    for group, values in changes.items():
        there[group] |= values
    return there


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, []),
        ({"commit": {"id": "b" * 40}}, ["commit bbbbbbb then, aaaaaaa now"]),
        ({"commit": {"id": None}}, ["commit unknown then, aaaaaaa now"]),
        ({"commit": {"dirty": True}}, ["changes that were not committed, then"]),
        ({"versions": {"torch": "2.0", "only_there": "1"}}, ["torch 2.0 then, 2.1 now"]),
        ({"hardware": {"threads": 1}}, ["threads 1 then, 2 now"]),
    ],
)
def test_differences_are_named(changes, words):
    assert differences(with_change(**changes), HERE) == words


def test_other_data_are_named():
    past = {"train": {"items": 3, "digest": "a"}, "val": {"items": 1, "digest": "b"}}
    now = {
        "train": {"items": 3, "digest": "c"},
        "val": {"items": 1, "digest": "b"},
        "layers": {"items": 1, "digest": "d"},
    }
    assert data_differences(past, past) == []
    assert data_differences({}, now) == []  # it was not recorded
    assert data_differences(past, now) == [
        "data layers: nothing then, 1 of them, digest d now",
        "data train: 3 of them, digest a then, 3 of them, digest c now",
    ]


def test_the_first_other_step_is_found(tmp_path):
    texts = (
        "step,loss,val\n0,1,\n5,0.5,2\n",
        "step,val,loss\n5,2,0.5\n0,,1\n",
        "step,loss,val\n0,1,\n5,0.5,3\n",
        "step\n0\n",
    )
    paths = [tmp_path / f"{i}.csv" for i in range(4)]
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text)
    assert first_difference(paths[0], paths[1]) is None  # the order of columns and rows says nothing
    assert first_difference(paths[0], paths[2]) == 5
    assert first_difference(paths[0], paths[3]) == 0
    with pytest.raises(InputError, match="does not exist"):
        first_difference(paths[0], tmp_path / "none.csv")


def test_speed_is_no_figure_of_the_training():
    rows = compared({"fit/seconds": 1.0, "a": 1.0, "b": 2.0}, {"fit/seconds": 2.0, "a": 1.0, "c": 3.0})
    assert [row["name"] for row in rows] == ["a", "b", "c"]
    assert [row["delta"] for row in rows] == [0.0, None, None]
    assert not Verdict([], rows, None, True).identical
    assert Verdict([], rows[:1], None, None).identical
    assert not Verdict([], rows[:1], None, False).identical
