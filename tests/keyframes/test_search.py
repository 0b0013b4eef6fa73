"""Offline search: scipy's semantics, splits at NaN, apexes, weak peaks."""

import numpy as np
import pytest
from scipy.signal import find_peaks

from faceimit.data.targets import smooth
from faceimit.keyframes.search import SearchParams, find_keyframes, settled_frame, true_keyframes


@pytest.mark.parametrize("seed", range(20))
def test_same_as_scipy(seed):
    rng = np.random.default_rng(seed)
    scores, fps = rng.random(rng.integers(3, 200)), float(rng.choice([24, 25, 30, 60]))
    params = SearchParams(rng.choice([0, 0.1, 0.4]), rng.choice([0, 100, 160, 400]), rng.choice([0, 30]), 0.2)
    smoothed = smooth(scores, fps, params.smooth_ms)
    expected = find_peaks(
        smoothed, height=0.2, prominence=params.prominence, distance=max(1, round(params.gap_ms / 1000 * fps))
    )[0]
    assert find_keyframes(scores, fps, params) == tuple(expected)


def test_saturated_scores_give_the_same_answer_as_scipy_on_few_peaks():
    scores = np.array([0, 1, 0, 1, 1, 1, 0.5, 1, 0.2, 0.9, 0, 0.3, 0])
    expected = find_peaks(scores, prominence=0.1, distance=4)[0]
    assert find_keyframes(scores, 25.0) == tuple(expected)


def test_invalid_frames_split_the_clip():
    part = np.array([0.0, 0.2, 0.9, 0.1, 0.0])
    scores = np.r_[part, np.nan, part]
    assert find_keyframes(scores, 25.0) == (2, 8)
    # Beside an invalid frame nothing is known to be a peak.
    assert find_keyframes(np.array([0.0, 0.5, 1.0, np.nan, 0.2, 0.1]), 25.0) == ()


@pytest.mark.parametrize("scores", [[], [0.5], [0.5, 0.5, 0.5], [np.nan] * 4, [0, 1], [1, 0]])
def test_degenerate_clips_have_no_keyframe(scores):
    assert find_keyframes(np.array(scores, dtype=float), 25.0) == ()


def test_apex_is_the_first_settled_frame():
    scores = np.array([0, 0.4, 1.0, 0.6, 0.26, 0.2, 0.1, 0.1])
    assert find_keyframes(scores, 25.0, SearchParams(at="apex")) == (5,)


def test_apex_is_the_valley_where_the_next_change_begins_first():
    scores = np.array([0, 1.0, 0.7, 0.55, 0.52, 0.56, 0.54, 0.8, 1.0, 0.6, 0.5])
    params = SearchParams(gap_ms=40, at="apex")
    # A ripple of less than the prominence (0.56) does not end the first; the second never settles.
    assert find_keyframes(scores, 25.0, params) == (4, 10)


def test_apex_of_a_plateau_lies_behind_it():
    scores = np.array([0, 1.0, 1.0, 1.0, 0.5, 0.7, 0.1, 0])
    assert settled_frame(scores, 2, SearchParams()) == 4
    assert settled_frame(scores, 2, SearchParams(prominence=0.3)) == 6


@pytest.mark.parametrize("seed", range(10))
def test_apexes_lie_between_the_peaks(seed):
    scores = np.round(np.random.default_rng(seed).random(150), 1)
    params = SearchParams(gap_ms=120)
    peaks = find_keyframes(scores, 25.0, params)
    apexes = find_keyframes(scores, 25.0, SearchParams(gap_ms=120, at="apex"))
    assert len(peaks) == len(apexes)
    assert all(p < a for p, a in zip(peaks, apexes, strict=True))
    assert all(a < p for a, p in zip(apexes, peaks[1:], strict=False))


def test_weak_peaks_are_those_of_small_prominence():
    scores = np.array([0, 0.5, 0.2, 0.2, 0.2, 0.25, 0.2, 0.2, 0.2, 0.21, 0.2, 0.2, 0.2, 0.9, 0])
    truth = true_keyframes(scores, 25.0)
    assert truth.strong == (1, 13)
    assert truth.weak == (5,)


def test_bad_parameters_are_named():
    with pytest.raises(ValueError, match="peak or apex"):
        SearchParams(at="valley")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="prominence"):
        SearchParams(prominence=-1)
    with pytest.raises(ValueError, match=r"\(T,\)"):
        find_keyframes(np.zeros((2, 2)), 25.0)
