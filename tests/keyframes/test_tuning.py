"""Grid search: the plain search over every combination, only faster; and the choice among them."""

from itertools import product

import numpy as np
import pytest

from faceimit.errors import InputError
from faceimit.keyframes import tuning
from faceimit.keyframes.methods import noisy_truth
from faceimit.keyframes.search import SearchParams, find_keyframes, true_keyframes
from faceimit.keyframes.tuning import COUNT_WEIGHT, NEIGHBOURS, Grid, tune
from faceimit.metrics.matching import f1

FPS = (25.0, 30.0, 24.0)


@pytest.fixture(scope="module")
def truth() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    clips = [np.clip(np.convolve(rng.random(90), [0.2, 0.6, 0.2], "same") * 2 - 0.6, 0, 1) for _ in FPS]
    clips[1][40:43] = np.nan
    return clips


def test_same_choice_as_trying_everything(truth):
    scores, truths = (
        [noisy_truth(s, i, 0.1) for i, s in enumerate(truth)],
        [true_keyframes(s, f) for s, f in zip(truth, FPS, strict=True)],
    )
    grid = Grid(prominence=(0.05, 0.1, 0.3), gap_ms=(80.0, 160.0, 300.0), smooth_ms=(0.0, 30.0))
    shape = (len(grid.smooth_ms), len(grid.gap_ms), len(grid.prominence))
    values = np.empty(shape)
    for place in np.ndindex(shape):
        found = [find_keyframes(s, f, at(grid, place)) for s, f in zip(scores, FPS, strict=True)]
        errors = sum(abs(len(p) - len(t.strong)) for p, t in zip(found, truths, strict=True))
        share = errors / sum(len(t.strong) for t in truths)
        values[place] = f1(found, [t.strong for t in truths], [t.weak for t in truths]) - COUNT_WEIGHT * share
    calm = {place: around(values, place) for place in np.ndindex(shape)}
    assert tune(scores, truths, FPS, grid) == at(grid, max(calm, key=calm.get))


def at(grid, place):
    smooth_ms, gap_ms, prominence = place
    return SearchParams(grid.prominence[prominence], grid.gap_ms[gap_ms], grid.smooth_ms[smooth_ms])


def around(values, place):
    """Mean over neighbours up to four steps away, by a Gaussian; beyond the border the border's value counts."""
    steps = range(-4, 5)
    weights = np.exp(-(np.array(steps) ** 2) / (2 * NEIGHBOURS**2))
    total = 0.0
    for offsets in product(range(9), repeat=3):
        other = [np.clip(p + steps[o], 0, n - 1) for p, o, n in zip(place, offsets, values.shape, strict=True)]
        total += np.prod(weights[list(offsets)]) * values[tuple(other)]
    return total / weights.sum() ** 3


def test_the_middle_of_a_plateau_wins_over_a_spike(monkeypatch):
    grid = Grid(prominence=tuple(0.01 * k for k in range(1, 10)), gap_ms=(0.0,), smooth_ms=(0.0,))
    given = iter([0.2, 0.75, 0.2, 0.2, 0.7, 0.7, 0.7, 0.7, 0.7])
    monkeypatch.setattr(tuning, "_value", lambda *_: next(given))
    assert tune([np.zeros(5)], [true_keyframes(np.zeros(5), 25.0)], [25.0], grid).prominence >= 0.07


def test_the_truth_itself_is_found_again(truth):
    truths = [true_keyframes(s, f) for s, f in zip(truth, FPS, strict=True)]
    params = tune(truth, truths, FPS)
    found = [find_keyframes(s, f, params) for s, f in zip(truth, FPS, strict=True)]
    assert f1(found, [t.strong for t in truths], [t.weak for t in truths]) == 1.0


def test_nothing_to_tune_on_is_refused():
    with pytest.raises(InputError):
        tune([], [], [])
