import json

import numpy as np
import pytest
import torch

from faceimit.errors import InputError
from faceimit.keyframes.search import SearchParams
from faceimit.keyframes.weights import load_network, network_scorer, pack_network
from faceimit.nets.keyframe import KeyframeNet, score_clip

ARGUMENTS = {"backbone": "resnet10", "flow": False, "size": 64, "width": 8}
SEARCH = SearchParams(prominence=0.07, gap_ms=200.0, smooth_ms=20.0)


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    return KeyframeNet(**ARGUMENTS).eval()


def clip(count=20):
    return np.random.default_rng(0).integers(0, 255, (count, 64, 64, 3), dtype=np.uint8)


def stream(scorer, frames):
    scorer.start(25.0)
    return np.array([score for frame in frames for score in scorer.push(frame)] + scorer.finish())


@pytest.mark.parametrize(("half", "tolerance"), [(False, 1e-6), (True, 5e-3)])
def test_a_network_comes_back(net, tmp_path, half, tolerance):
    path = tmp_path / "a.safetensors"
    path.write_bytes(pack_network(net, ARGUMENTS, SEARCH, "mine", half=half))
    scorer = load_network(path)
    assert (scorer.name, scorer.params, scorer.size) == ("mine", SEARCH, 128)
    frames = clip()
    with torch.inference_mode():
        expected = score_clip(net, torch.from_numpy(frames).permute(0, 3, 1, 2), 25.0).numpy()
    assert stream(scorer, frames) == pytest.approx(expected, abs=tolerance)


def test_streamed_in_parts_as_in_one(net):
    frames = clip(30)
    scorer = network_scorer(net, SEARCH, "mine")
    scorer._chunk = 7
    whole = stream(network_scorer(net, SEARCH, "mine"), frames)
    assert stream(scorer, frames) == pytest.approx(whole, abs=1e-5)


def test_another_version_is_refused(net, tmp_path):
    content = pack_network(net, ARGUMENTS, SEARCH, "mine")
    path = tmp_path / "a.safetensors"
    path.write_bytes(content.replace(b"faceimit-keyframe-1", b"faceimit-keyframe-9"))
    with pytest.raises(InputError, match="faceimit-keyframe-9"):
        load_network(path)
    path.write_bytes(pack_network(net, {**ARGUMENTS, "width": 16}, SEARCH, "mine"))
    with pytest.raises(InputError, match="do not fit"):
        load_network(path)


def test_the_header_is_plain(net):
    content = pack_network(net, ARGUMENTS, SEARCH, "mine")
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    assert json.loads(header["__metadata__"]["faceimit"])["arguments"] == ARGUMENTS
