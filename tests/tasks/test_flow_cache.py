import numpy as np
import pytest
import torch

from faceimit.data.corpus import Corpus
from faceimit.nets.keyframe import KeyframeNet
from faceimit.tasks.flow_cache import FlowCache, fill, flow_levels
from tests.clips import blob_clip


@pytest.fixture
def net():
    torch.manual_seed(0)
    return KeyframeNet(backbone="compact", size=32, width=16).eval()


def test_levels_do_not_depend_on_the_chunk_and_begin_with_zero(net):
    frames = torch.from_numpy(blob_clip(0, frames=9).frames).permute(0, 3, 1, 2)
    whole, parts = flow_levels(net, frames), flow_levels(net, frames, chunk=3)
    for one, two in zip(whole, parts, strict=True):
        assert one.shape == two.shape
        assert one == pytest.approx(two, abs=2e-3)
        assert not one[0].any()


def test_kept_by_pictures_and_weights(net, tmp_path, monkeypatch):
    frames = blob_clip(1, frames=5).frames
    first = FlowCache(tmp_path, net).levels(frames)
    cache = FlowCache(tmp_path, net)
    monkeypatch.setattr(cache, "_computed", lambda frames: pytest.fail("computed again"))
    for one, two in zip(first, cache.levels(frames), strict=True):
        assert np.array_equal(one, two)
    with torch.no_grad():
        net.flow.decoders["2"].flow.bias += 0.1
    other = FlowCache(tmp_path, net).levels(frames)
    assert not np.array_equal(first[0], other[0])


def test_a_damaged_file_is_computed_again(net, tmp_path):
    frames = blob_clip(1, frames=4).frames
    cache = FlowCache(tmp_path, net)
    first = cache.levels(frames)
    (path,) = cache.folder.glob("*.npz")
    path.write_bytes(path.read_bytes()[:100])
    assert np.array_equal(cache.levels(frames)[0], first[0])
    assert [p.suffix for p in cache.folder.iterdir()] == [".npz"]


def test_flow_is_computed_beforehand_only_where_that_is_less_work_and_fits(net, capsys):
    def filled(shown, memory):
        corpus = Corpus([blob_clip(seed, frames=6) for seed in range(3)], memory)
        return fill(corpus, FlowCache(None, net), shown), sorted(corpus.flow), capsys.readouterr().err

    assert filled(18, 2e9) == (True, [0, 1, 2], "")
    done, kept, said = filled(17, 2e9)
    assert (done, kept) == (False, [])
    assert "18 training frames is not computed beforehand: training shows 17 frames" in said
    done, kept, said = filled(float("inf"), 1e3)
    assert (done, kept) == (False, [])
    assert "data.memory" in said
