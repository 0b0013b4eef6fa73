"""Grid search: it is the plain search over every combination, only faster."""

from itertools import product

import numpy as np
import pytest

from faceimit.errors import InputError
from faceimit.keyframes.methods import noisy_truth
from faceimit.keyframes.search import SearchParams, find_keyframes, true_keyframes
from faceimit.keyframes.tuning import Grid, tune
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
    values = {}
    for smooth_ms, gap_ms, prominence in product(grid.smooth_ms, grid.gap_ms, grid.prominence):
        params = SearchParams(prominence, gap_ms, smooth_ms)
        found = [find_keyframes(s, f, params) for s, f in zip(scores, FPS, strict=True)]
        errors = sum(abs(len(p) - len(t.strong)) for p, t in zip(found, truths, strict=True))
        values[params] = (f1(found, [t.strong for t in truths], [t.weak for t in truths]), -errors)
    chosen = tune(scores, truths, FPS, grid)
    assert values[chosen] == max(values.values())
    assert chosen == next(params for params, value in values.items() if value == max(values.values()))


def test_the_truth_itself_is_found_again(truth):
    truths = [true_keyframes(s, f) for s, f in zip(truth, FPS, strict=True)]
    params = tune(truth, truths, FPS)
    found = [find_keyframes(s, f, params) for s, f in zip(truth, FPS, strict=True)]
    assert f1(found, [t.strong for t in truths], [t.weak for t in truths]) == 1.0


def test_nothing_to_tune_on_is_refused():
    with pytest.raises(InputError):
        tune([], [], [])
