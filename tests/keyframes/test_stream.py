import numpy as np
import pytest

from faceimit.keyframes.methods import make_method
from faceimit.keyframes.search import SearchParams
from faceimit.keyframes.stream import ChunkedScorer, MethodScorer

CONTEXT, LOOK_AHEAD = 3, 2


def window_score(frames, fps):
    """Mean over the frames t - 3 to t + 2 of a window of the frame's level, ends repeated; at least two frames."""
    assert len(frames) >= 2
    levels = frames[:, 0, 0, 0].astype(float)
    padded = np.pad(levels, (CONTEXT, LOOK_AHEAD), mode="edge")
    return np.lib.stride_tricks.sliding_window_view(padded, CONTEXT + LOOK_AHEAD + 1).mean(axis=1) * fps


def chunked(chunk):
    return ChunkedScorer("test", 4, SearchParams(), window_score, CONTEXT, LOOK_AHEAD, chunk)


def crops(count, seed=0):
    levels = np.random.default_rng(seed).integers(0, 255, count, dtype=np.uint8)
    return np.broadcast_to(levels[:, None, None, None], (count, 4, 4, 3))


def stream(scorer, frames, fps=30.0):
    scorer.start(fps)
    scores = [score for frame in frames for score in scorer.push(frame)]
    return np.array(scores + scorer.finish())


@pytest.mark.parametrize("chunk", [1, 2, 7, 48, 500])
@pytest.mark.parametrize("count", [2, 3, 8, 60])
def test_chunks_show_no_seams(chunk, count):
    frames = crops(count)
    assert stream(chunked(chunk), frames) == pytest.approx(window_score(frames, 30.0))


@pytest.mark.parametrize("chunk", [1, 5, 48])
def test_parts_between_lost_faces_are_scored_alone(chunk):
    a, b = crops(20), crops(9, seed=1)
    scores = stream(chunked(chunk), [None, *a, None, None, *b, None])
    assert len(scores) == 33
    assert np.isnan(scores[[0, 21, 22, 32]]).all()
    assert scores[1:21] == pytest.approx(window_score(a, 30.0))
    assert scores[23:32] == pytest.approx(window_score(b, 30.0))


def test_a_face_of_a_single_frame_has_no_change():
    assert stream(chunked(4), [None, crops(1)[0], None])[1] == 0.0


def test_the_window_does_not_grow():
    scorer = chunked(8)
    scorer.start(25.0)
    for frame in crops(500):
        scorer.push(frame)
        assert len(scorer._window) <= 8 + CONTEXT + LOOK_AHEAD


def test_a_scorer_can_be_used_again():
    scorer, frames = chunked(8), crops(30)
    stream(scorer, crops(13, seed=2))
    scorer.start(30.0)
    scorer.push(frames[0])
    assert stream(scorer, frames) == pytest.approx(window_score(frames, 30.0))


def test_a_classical_method_streams():
    frames = np.random.default_rng(0).integers(0, 255, (6, 32, 32, 3), dtype=np.uint8)
    method = make_method("frame_difference")
    scores = stream(MethodScorer(method, SearchParams()), [*frames[:3], None, *frames[3:]])
    expected = make_method("frame_difference").score(frames[:3], 30.0)
    assert scores[:3] == pytest.approx(expected)
    assert np.isnan(scores[3])
    assert scores[4] == 0.0
