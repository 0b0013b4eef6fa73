import subprocess
import sys

import numpy as np
import pytest
import torch

from faceimit.bundle.load import load_bundle
from faceimit.bundle.parity import stream_scores
from faceimit.errors import InputError
from faceimit.face import controls
from faceimit.keyframes.weights import load_network
from faceimit.nets.mapper import load_mapper
from faceimit.robot.keypoints import PfldBackend
from tests.bundles import SEARCH, crops

# A process that loads and runs every graph, and then says which of these modules it has imported.
ALONE = """
import sys
import numpy as np
from faceimit.bundle.load import load_bundle
bundle = load_bundle(sys.argv[1])
crop = np.zeros((128, 128, 3), dtype=np.uint8)
stream = bundle.score_stream(30.0)
scores = [score for _ in range(4) for score in stream.push(crop)]
assert len(scores) == 1 and np.isfinite(scores[0])
bundle.landmarks(crop), bundle.controls(crop)
print(sorted({"torch", "pytorch_lightning", "hydra", "wandb", "onnx", "scipy.signal", "numba"} & set(sys.modules)))
"""


@pytest.fixture(scope="module")
def bundle(bundle_folder):
    return load_bundle(bundle_folder)


def test_scores_equal_the_network_offline(bundle, bundle_folder):
    frames = crops(70)
    valid = np.ones(70, dtype=bool)
    valid[[0, 30, 31, 40, 42]] = False
    scorer = load_network(bundle_folder.parent / "keyframe.safetensors")
    scorer.start(30.0)
    expected = [score for i, frame in enumerate(frames) for score in scorer.push(frame if valid[i] else None)]
    expected = np.array(expected + scorer.finish())
    found = stream_scores(bundle.score_stream(30.0), frames, valid)
    assert np.nanstd(found) > 0.02
    assert found == pytest.approx(expected, abs=1e-3, nan_ok=True)


def test_streams_do_not_disturb_each_other(bundle):
    a, b = crops(8), crops(8, seed=5)
    streams = bundle.score_stream(), bundle.score_stream()
    both = []
    for x, y in zip(a, b, strict=True):
        both.append([*streams[0].push(x), *streams[0].pending])
        streams[1].push(y)
    alone = bundle.score_stream()
    assert both == [[*alone.push(x), *alone.pending] for x in a]


def test_landmarks_and_controls_equal_torch(bundle, bundle_folder):
    crop = crops(1, seed=3)[0]
    backend = PfldBackend(bundle_folder.parent / "landmarks.safetensors")
    expected = backend.find(crop)
    points, confidence = bundle.landmarks(crop)
    assert points.shape == (68, 2)
    assert points == pytest.approx(expected.points, abs=0.02)
    assert confidence == pytest.approx(expected.confidence, abs=1e-3)
    with torch.no_grad():
        mapper = load_mapper(bundle_folder.parent / "mapper.safetensors")
        values = mapper.values(torch.from_numpy(crop).permute(2, 0, 1)[None])[0].numpy()
    found = bundle.controls(crop)
    assert found.shape == (30,)
    assert found.dtype == np.float64
    assert (found - values) / controls.SPAN == pytest.approx(0, abs=1e-3)
    assert np.abs((found - controls.NEUTRAL) / controls.SPAN).max() > 0.05


def test_what_the_bundle_says_of_itself(bundle):
    assert (bundle.search, bundle.look_ahead, bundle.crop_size) == (SEARCH, 3, 128)
    assert (bundle.name, bundle.robot) == ("tiny", "ameca")
    manifest = bundle.manifest
    assert manifest["keyframes"]["c_ref"] == 0.3
    assert [control["name"] for control in manifest["controls"]] == list(controls.NAMES)
    assert set(manifest["training"]) == {"keyframes", "landmarks", "mapper"}
    assert all(0 <= entry["max_abs_error"] <= 1e-3 for entry in manifest["parity"].values())
    assert manifest["versions"]["torch"] == torch.__version__.split("+")[0]


def test_no_path_of_this_machine_is_in_it(bundle_folder):
    root = str(__file__).rsplit("/tests/", 1)[0].encode()
    for path in bundle_folder.iterdir():
        content = path.read_bytes()
        assert root not in content
        assert b"stack_trace" not in content


def test_robots_need_no_torch(bundle_folder):
    done = subprocess.run([sys.executable, "-c", ALONE, bundle_folder], capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("[]\n", 0), done.stderr


def test_a_graph_left_out_is_asked_for_in_vain(bundle, monkeypatch):
    monkeypatch.setattr(bundle, "_sessions", {"step": bundle._sessions["step"]})
    assert not bundle.has_landmarks
    assert not bundle.has_controls
    with pytest.raises(InputError, match=r"no landmarks graph .* export it with --landmarks"):
        bundle.landmarks(crops(1)[0])
    with pytest.raises(InputError, match=r"no mapper graph .* export it with --mapping"):
        bundle.controls(crops(1)[0])
