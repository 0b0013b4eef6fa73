"""Keyframe errors against exhaustive and scipy references."""

from itertools import combinations, permutations

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from faceimit.metrics.matching import (
    Counts,
    count_hits,
    f1,
    location_error_matched,
    location_error_ordinal,
    number_error,
)


def _frames(rng: np.random.Generator, most: int, span: int = 30) -> list[int]:
    return sorted(rng.choice(span, size=rng.integers(0, most + 1), replace=False).tolist())


def _cheapest(p: list[int], g: list[int]) -> float:
    short, long = sorted((p, g), key=len)
    return min(
        (sum(abs(a - b) for a, b in zip(short, order, strict=True)) for order in permutations(long, len(short))),
        default=0.0,
    )


@pytest.mark.parametrize("seed", range(30))
def test_matched_error_is_the_cheapest_of_all_assignments(seed):
    rng = np.random.default_rng(seed)
    p, g = _frames(rng, 5), _frames(rng, 5)
    assert location_error_matched(p, g) == (pytest.approx(_cheapest(p, g)), min(len(p), len(g)))


@pytest.mark.parametrize("seed", range(30))
def test_near_error_has_the_most_pairs_then_the_closest(seed):
    rng = np.random.default_rng(seed)
    p, g, within = _frames(rng, 5, 20), _frames(rng, 5, 20), 2
    best = (0, 0.0)
    for n in range(1, min(len(p), len(g)) + 1):
        costs = [
            sum(abs(a - b) for a, b in zip(some, order, strict=True))
            for some in combinations(p, n)
            for order in permutations(g, n)
            if all(abs(a - b) <= within for a, b in zip(some, order, strict=True))
        ]
        best = (n, min(costs)) if costs else best
    assert location_error_matched(p, g, within) == (pytest.approx(best[1]), best[0])


@pytest.mark.parametrize("seed", range(60))
def test_hits_are_the_best_weighted_assignment(seed):
    rng = np.random.default_rng(seed)
    p = _frames(rng, 8)
    true = _frames(rng, 12)
    is_weak = rng.random(len(true)) < 0.4
    g, w = (
        [t for t, k in zip(true, is_weak, strict=True) if not k],
        [t for t, k in zip(true, is_weak, strict=True) if k],
    )
    counts = count_hits(p, g, w, tolerance=2)
    near = np.abs(np.subtract.outer(p, true)) <= 2 if p and true else np.zeros((len(p), len(true)), bool)
    value = near * np.where(is_weak, 1.0, 100.0)
    rows, columns = linear_sum_assignment(-value) if near.size else ([], [])
    total = sum(value[r, c] for r, c in zip(rows, columns, strict=True))
    hits, excused = int(total // 100), int(total % 100)
    assert counts == Counts(hits, len(p) - hits - excused, len(g) - hits)


def test_a_prediction_on_a_weak_peak_counts_neither_way():
    assert count_hits([10, 20], [10], [21]) == Counts(1, 0, 0)
    assert count_hits([10, 20], [10], []) == Counts(1, 1, 0)
    # Only one prediction per weak peak is excused.
    assert count_hits([20, 22], [], [21]) == Counts(0, 1, 0)
    # The prediction nearer to the weak peak goes there, so that both count well.
    assert count_hits([8, 12], [10], [7]) == Counts(1, 0, 0)


def test_ordinal_error_goes_by_rank():
    assert location_error_ordinal([1, 10, 20], [10, 20]) == (19.0, 2)
    assert location_error_matched([1, 10, 20], [10, 20]) == (0.0, 2)


@pytest.mark.parametrize(("p", "g"), [([], []), ([], [3]), ([3], [])])
def test_empty_sides(p, g):
    assert number_error(p, g) == len(p) + len(g)
    assert location_error_ordinal(p, g) == location_error_matched(p, g) == (0.0, 0)
    assert count_hits(p, g) == Counts(0, len(p), len(g))


def test_f1_is_pooled_over_clips():
    assert f1([[5], [1, 9]], [[5], [1]]) == pytest.approx(2 * 2 / (2 * 2 + 1))
    assert f1([[5], [1, 9]], [[5], [1]], [[], [9]]) == 1.0
    assert f1([], []) == 1.0
    assert f1([[]], [[4]]) == 0.0
