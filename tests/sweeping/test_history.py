"""Early termination: W&B's rule. The expected sets were computed with W&B's own engine (sweeps 0.3.0)."""

import re

import pytest

from faceimit.errors import InputError
from faceimit.sweeping.history import append_history, read_history, stops

# W&B's own example: loss, max_iter 5, eta 2, s 2
RUNS = {"a": [10, 9], "b": [10, 10], "c": [10, 8, 8], "d": [10, 7, 7], "e": [10, 6, 6]}
RANDOM = [
    [0.84, 0.76, 0.42, 0.26, 0.51, 0.4, 0.78, 0.3, 0.48],
    [0.58, 0.91, 0.5, 0.28, 0.76],
    [0.62, 0.25, 0.91, 0.98, 0.81, 0.9, 0.31],
    [0.73, 0.9],
    [0.68, 0.84, 0.47, 0.54, 0.1, 0.31],
]


def stopped(runs, bands, eta, strict):
    return {number for number, own in enumerate(runs) if stops(own, runs, bands, eta, strict)}


EXPECTED = {  # bands, eta, strict: the trials that are stopped
    ((2, 4, 8, 16), 2.0, True): {2, 3},
    ((2, 4, 8, 16), 2.0, False): set(),
    ((1, 3, 9), 3.0, False): {3},
    ((1, 3), 3.0, True): {1, 2, 3},
}


@pytest.mark.parametrize(("case", "expected"), EXPECTED.items())
def test_the_same_trials_are_stopped_as_by_wandb(case, expected):
    assert stopped(RANDOM, *case) == expected


def test_a_trial_that_is_not_among_the_best_is_told_why():
    reason = stops(RUNS["b"], list(RUNS.values()), [1, 2], 2, True)
    assert (reason.band, reason.value, reason.needed) == (2, 10, 8)
    assert stops(RUNS["d"], list(RUNS.values()), [1, 2], 2, True) is None
    assert stops([5], [[5], [1]], [2], 2, True) is None  # no band reached
    assert stops([5], [[5]], [1], 2, True) is None  # alone


def test_history_is_continued_where_a_resumed_run_goes_on(tmp_path):
    assert read_history(tmp_path) == []
    for step, value in ((1, 0.1), (2, 0.2), (3, 0.3), (2, 0.25)):
        append_history(tmp_path, step, value)
    assert read_history(tmp_path) == [0.1, 0.25]


@pytest.mark.parametrize("text", ["step,value\n3,good\n", "step,value\n3\n", "step\n3\n"])
def test_a_damaged_history_is_named_with_what_to_do(tmp_path, text):
    (tmp_path / "history.csv").write_text(text)
    message = f"history.csv is damaged, delete {tmp_path} to have the trial run again"
    with pytest.raises(InputError, match=re.escape(message)):
        read_history(tmp_path)
