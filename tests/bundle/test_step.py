import numpy as np
import pytest
import torch

from faceimit.bundle.step import KeyframeStep
from faceimit.bundle.stream import ScoreStream
from faceimit.errors import InputError
from faceimit.keyframes.search import SearchParams
from faceimit.keyframes.weights import network_scorer
from faceimit.nets.keyframe import score_clip
from tests.bundles import crops, network

NETS = {
    "default": {},
    "frame alone": {"inputs": "frame", "kernels": (), "look_ahead": 0},
    "no flow": {"flow": False, "size": 32},
    "long context": {"kernels": (5, 5, 3), "look_ahead": 4, "affine": False},
    "no look-ahead": {"kernels": (3,), "look_ahead": 0},
}


def torch_stream(net, fps=25.0):
    """The step in torch behind the same stream as on the robot."""
    step = KeyframeStep(net, 128)

    @torch.no_grad()
    def run(crop, rate, state):
        before = [torch.from_numpy(value) for value in state.values()]
        scores, *after = step(torch.from_numpy(crop), torch.from_numpy(rate), *before)
        return scores.numpy(), dict(zip(state, (value.numpy() for value in after), strict=True))

    start = {tensor.name: value.numpy() for tensor, value in zip(step.state, step.zeros(), strict=True)}
    stream = ScoreStream("test", 128, SearchParams(), net.look_ahead, run, start)
    stream.start(fps)
    return stream


def streamed(stream, frames):
    return np.array([score for frame in frames for score in stream.push(frame)] + stream.finish())


def clip_scores(net, frames, fps=25.0):
    return score_clip(net, torch.from_numpy(frames).permute(0, 3, 1, 2), fps).numpy()


@pytest.mark.parametrize("changes", NETS.values(), ids=NETS)
def test_stream_equals_clip_of_any_length(changes):
    net, frames = network(**changes), crops(14)
    whole = clip_scores(net, frames, 50.0)
    assert whole.std() > 0.01
    stream = torch_stream(net, 50.0)
    for count in (1, 2, 3, 4, 5, 8, 14):
        found, expected = streamed(stream, frames[:count]), clip_scores(net, frames[:count], 50.0)
        if net.look_ahead == 0:  # the first frame must be answered before there is a second
            expected[0] = 0.0
        assert found == pytest.approx(expected, abs=1e-5)


def test_gaps_and_restarts_equal_the_chunked_scorer():
    net = network()
    a, b = crops(9), crops(6, seed=1)
    frames = [None, *a, None, None, b[0], None, *b, None, *a[:2]]
    scorer, stream = network_scorer(net, SearchParams(), "offline"), torch_stream(net)
    scorer.start(25.0)
    expected, found = streamed(scorer, frames), streamed(stream, frames)
    assert len(found) == len(frames)
    assert np.isnan(found).sum() == 5
    assert found[12] == 0.0  # a face of a single frame
    assert found == pytest.approx(expected, abs=1e-5, nan_ok=True)


def test_after_missing_frames_the_change_is_that_of_more_time():
    """Every second frame of a clip, said to be that, scores as a clip of half the frame rate does."""
    net, frames = network(kernels=(), look_ahead=0), crops(12)[::2]
    stream = torch_stream(net, 50.0)
    found = [score for frame in frames for score in stream.push(frame, missing=1)] + stream.finish()
    expected = clip_scores(net, frames, 25.0)
    assert found[1:] == pytest.approx(expected[1:], abs=1e-5)
    assert np.abs(expected - clip_scores(net, frames, 50.0))[1:].max() > 0.01


def test_pending_scores_are_those_of_a_clip_that_ends_now():
    net, frames = network(), crops(10)
    stream = torch_stream(net)
    known = []
    for count, frame in enumerate(frames, start=1):
        known += stream.push(frame)
        assert len(stream.pending) == min(count, net.look_ahead)
        assert [*known, *stream.pending] == pytest.approx(clip_scores(net, frames[:count]), abs=1e-5)


def test_each_frame_is_looked_at_once(monkeypatch):
    net, seen = network(), []
    stream = torch_stream(net)
    extract = type(net.flow).pyramid
    monkeypatch.setattr(type(net.flow), "pyramid", lambda self, x: (seen.append(len(x)), extract(self, x))[1])
    streamed(stream, crops(5))
    assert seen == [1] * 5


def test_the_network_itself_stays_as_it_is():
    net = network().train()
    KeyframeStep(net, 128)
    assert net.training


@pytest.mark.parametrize("crop", [np.zeros((64, 64, 3), np.uint8), np.zeros((128, 128, 3)), np.zeros((128, 128), "u1")])
def test_what_is_no_crop_is_refused(crop):
    with pytest.raises(InputError, match=r"expected a crop \(128, 128, 3\) uint8 RGB but got"):
        torch_stream(network(flow=False)).push(crop)


@pytest.mark.parametrize("fps", [0.0, -1.0, float("nan"), float("inf")])
def test_what_is_no_frame_rate_is_refused(fps):
    with pytest.raises(InputError, match="frame rate"):
        torch_stream(network(flow=False)).start(fps)
