import numpy as np
import pytest

from faceimit.data.checks.counts import empty_clips, frame_rates, resolutions, split_counts
from faceimit.data.checks.records import ClipFacts

FACTS = [
    ClipFacts("b/1", "test", "b", 50, 25.0, 25, 640, 480),
    ClipFacts("a/1", "train", "a", 100, 25.0, 100, 640, 480),
    ClipFacts("a/2", "train", "a", 300, 30.0, 150, 320, 240),
    ClipFacts("c/1", "train", "c", 0, float("nan"), None, note="damaged"),
]


def test_counts_of_each_split_and_of_all():
    train, test, everything = split_counts(FACTS)
    assert (train.split, train.clips, train.identities, train.frames) == ("train", 3, 2, 400)
    assert (train.shortest, train.median, train.longest) == (0, 100, 300)
    assert train.seconds == pytest.approx(14.0)
    assert train.valid_share == 250 / 400
    assert test.split == "test"
    assert everything.frames == 450


def test_without_splits_there_is_one_row_and_an_empty_set_counts_nothing():
    assert [row.split for row in split_counts([ClipFacts("a", "", "", 5, 25.0)])] == ["all"]
    nothing = split_counts([])[0]
    assert (nothing.clips, nothing.frames, nothing.shortest) == (0, 0, 0)
    assert np.isnan(nothing.valid_share)


def test_rates_and_sizes_are_listed_the_usual_first():
    assert list(frame_rates(FACTS).items()) == [(25.0, 2), (30.0, 1)]
    assert list(resolutions(FACTS)) == [(640, 480), (320, 240)]
    assert empty_clips(FACTS) == ["c/1"]
