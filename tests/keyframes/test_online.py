"""Online search: each decision is the offline search's on the frames it had; memory and cost stay flat."""

import numpy as np
import pytest

from faceimit.keyframes.online import OnlineSearch
from faceimit.keyframes.search import SearchParams, find_keyframes

KINDS = ("noise", "steps", "ripple", "bursts", "holes")


def _scores(kind: str, frames: int, rng: np.random.Generator) -> np.ndarray:
    noise = rng.random(frames)
    t = np.arange(frames)
    if kind == "noise":
        return noise
    if kind == "steps":  # equal values and plateaus
        return np.clip(np.round(noise * 1.6, 1), 0, 1)
    if kind == "ripple":  # long stairs of ever lower peaks
        return np.exp(-(t % 60) / 40.0) * (0.8 + 0.2 * np.cos(t * 2.1))
    if kind == "bursts":
        return np.clip(np.abs(np.sin(t / 9.0)) ** 3 + 0.1 * noise, 0, 1)
    return np.where(rng.random(frames) < 0.05, np.nan, noise)


def _by_prefix(scores: np.ndarray, fps: float, params: SearchParams, look_ahead: int) -> list[int]:
    """The definition: for each frame, the offline search on what has arrived look_ahead frames later."""
    peak = SearchParams(params.prominence, params.gap_ms, params.smooth_ms, params.height)
    found = []
    for t in range(len(scores)):
        seen = scores[: t + look_ahead + 1]
        peaks = find_keyframes(seen, fps, peak)
        if t in peaks:
            found.append(find_keyframes(seen, fps, params)[peaks.index(t)])
    return found


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", range(4))
def test_decisions_are_the_offline_search_on_the_frames_so_far(kind, case):
    rng = np.random.default_rng(100 * KINDS.index(kind) + case)
    scores, fps = _scores(kind, 160, rng), (25.0, 30.0)[case % 2]
    params = SearchParams(
        prominence=(0.0, 0.1, 0.3, 0.6)[case],
        gap_ms=(0.0, 160.0, 100.0, 240.0)[case],
        smooth_ms=(0.0, 40.0, 0.0, 20.0)[case],
        at=("peak", "apex")[case // 2],
    )
    search = OnlineSearch(fps, params, look_ahead_ms=200.0, history_ms=1200.0)
    online = [frame for score in scores for frame in search.push(score)] + search.finish()
    assert online == _by_prefix(scores, fps, params, search.look_ahead)


def test_all_the_future_gives_the_offline_answer():
    scores = np.random.default_rng(5).random(120)
    search = OnlineSearch(25.0, SearchParams(smooth_ms=40), look_ahead_ms=10_000)
    online = [frame for score in scores for frame in search.push(score)] + search.finish()
    assert tuple(online) == find_keyframes(scores, 25.0, SearchParams(smooth_ms=40))


def test_a_slow_rise_long_before_the_window_still_counts():
    # The valley lies 20 s back, far outside the window of 1 s.
    scores = np.r_[np.linspace(0, 0.9, 500), 0.95, np.linspace(0.9, 0.0, 8), np.zeros(9)]
    search = OnlineSearch(25.0, SearchParams(prominence=0.5), look_ahead_ms=400, history_ms=1000)
    assert [frame for score in scores for frame in search.push(score)] == [500]


def test_decisions_come_after_the_look_ahead_and_not_later():
    scores = np.zeros(30)
    scores[10] = 1.0
    search = OnlineSearch(25.0, look_ahead_ms=200)
    when = [t for t, score in enumerate(scores) if search.push(score)]
    assert when == [10 + 5]


def test_memory_is_flat():
    search = OnlineSearch(25.0, SearchParams(smooth_ms=40), look_ahead_ms=200, history_ms=800)
    sizes = set()
    for t, score in enumerate(np.random.default_rng(0).random(600)):
        search.push(score)
        if t > 100:
            sizes.add(len(search._scores))
    assert len(sizes) == 1


def test_usable_again_after_the_end():
    search = OnlineSearch(25.0)
    part = [0.0, 0.5, 1.0, 0.5, 0.0]
    runs = [[f for s in part for f in search.push(s)] + search.finish() for _ in range(2)]
    assert runs == [[2], [2]]
    assert search.finish() == []
