import numpy as np
import pytest
import torch

from faceimit.data.clipfile import save_clip
from faceimit.data.flow_clips import FlowWindows, WholeClips
from faceimit.data.matte import Layers, prepare_layers, render_layers
from faceimit.errors import InputError
from faceimit.face.records import Annotation, Clip


def write_clip(path, frames=7, size=16):
    rng = np.random.default_rng(0)
    annotation = Annotation(
        np.zeros((frames, 52), np.float32), np.zeros((frames, 3), np.float32), np.ones(frames, dtype=bool)
    )
    pictures = rng.integers(0, 256, (frames, size, size, 3), dtype=np.uint8)
    flow = rng.standard_normal((frames, 2, size, size)).astype(np.float16)
    clip = Clip("c", "someone", 25.0, pictures, annotation, flow, np.zeros((frames, size, size), dtype=bool))
    save_clip(path, clip)
    return clip


def test_windows(tmp_path):
    clip = write_clip(tmp_path / "a.npz")
    windows = FlowWindows([tmp_path / "a.npz"], window=3, with_flow=True)
    assert len(windows) == 2
    item = windows[0]
    assert item["frames"].shape == (3, 3, 16, 16)
    starts = [t for t in range(5) if np.array_equal(clip.frames[t].transpose(2, 0, 1), item["frames"][0].numpy())]
    assert len(starts) == 1
    np.testing.assert_array_equal(item["flow"].numpy(), clip.flow[starts[0] : starts[0] + 3].astype(np.float32))
    assert "flow" not in FlowWindows([tmp_path / "a.npz"], window=3)[0]


def test_windows_longer_than_the_clip(tmp_path):
    write_clip(tmp_path / "a.npz", frames=4)
    with pytest.raises(InputError, match="fewer than 5 frames"):
        FlowWindows([tmp_path / "a.npz"], window=5)


def test_layers_come_with_the_window(tmp_path):
    write_clip(tmp_path / "a.npz")
    layers = Layers(
        np.full((2, 16, 16, 4), 7, np.uint8), np.full((2, 16, 16, 4), 8, np.uint8), np.full((2, 16, 16, 3), 9, np.uint8)
    )
    item = FlowWindows([tmp_path / "a.npz"], window=3, layers=layers)[0]
    assert [item[name].shape[0] for name in ("head", "hand", "background")] == [4, 4, 3]
    assert [int(item[name].max()) for name in ("head", "hand", "background")] == [7, 8, 9]


def test_whole_clips(tmp_path):
    write_clip(tmp_path / "a.npz")
    item = WholeClips([(tmp_path / "a.npz", True)])[0]
    assert item["frames"].shape == (7, 3, 16, 16)
    assert item["occluded"].dtype == torch.bool
    assert bool(item["noise_free"])


def test_cut_outs_of_rendered_people(tmp_path, monkeypatch):
    layers = render_layers(identity=3, seed=0, size=48)
    again = render_layers(identity=3, seed=0, size=48)
    np.testing.assert_array_equal(layers.heads, again.heads)
    alpha = layers.heads[..., 3] / 255
    assert layers.heads.shape == (3, 48, 48, 4)
    assert 0.2 < alpha.mean() < 0.95
    assert ((alpha < 0.02) | (alpha > 0.98)).mean() > 0.9  # solid but for the rim
    assert layers.backgrounds.shape == (3, 48, 48, 3)
    assert set(np.unique(layers.hands[..., 3])) <= {0, 255}
    monkeypatch.setattr("faceimit.data.matte.render_layers", lambda *_: layers)
    cached = prepare_layers(tmp_path, people=2, seed=0, size=48)
    assert len(cached.heads) == 6
    monkeypatch.setattr("faceimit.data.matte.render_layers", lambda *_: pytest.fail("rendered again"))
    assert len(prepare_layers(tmp_path, people=2, seed=0, size=48).heads) == 6
