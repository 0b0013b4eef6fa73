import numpy as np
import pytest

from faceimit.data.clipfile import load_clip, save_clip
from faceimit.errors import InputError
from faceimit.face.records import Annotation, Clip


def make_clip(flow: bool = True) -> Clip:
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (3, 8, 8, 3), dtype=np.uint8)
    annotation = Annotation(
        rng.random((3, 52), dtype=np.float32),
        rng.standard_normal((3, 3)).astype(np.float32),
        np.array([True, False, True]),
        rng.random((3, 68, 2)).astype(np.float32),
    )
    motion = rng.standard_normal((3, 2, 8, 8)).astype(np.float16) if flow else None
    return Clip("a clip", "someone", 29.97, frames, annotation, motion, np.ones((3, 8, 8), bool) if flow else None)


def test_round_trip(tmp_path):
    clip = make_clip()
    save_clip(tmp_path / "deep" / "c.npz", clip)
    back = load_clip(tmp_path / "deep" / "c.npz", with_flow=True)
    assert (back.name, back.identity, back.fps) == ("a clip", "someone", 29.97)
    np.testing.assert_array_equal(back.frames, clip.frames)
    np.testing.assert_array_equal(back.flow, clip.flow)
    np.testing.assert_array_equal(back.occluded, clip.occluded)
    for name in ("blendshapes", "pose", "valid", "landmarks"):
        np.testing.assert_array_equal(getattr(back.annotation, name), getattr(clip.annotation, name))


def test_flow_is_left_on_disk_unless_asked_for(tmp_path):
    save_clip(tmp_path / "c.npz", make_clip())
    assert load_clip(tmp_path / "c.npz").flow is None


def test_same_clip_same_bytes(tmp_path):
    save_clip(tmp_path / "a.npz", make_clip())
    save_clip(tmp_path / "b.npz", make_clip())
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


@pytest.mark.parametrize("damage", ["missing", "truncated", "text", "other"])
def test_bad_files_are_input_errors(tmp_path, damage):
    path = tmp_path / "c.npz"
    if damage == "truncated":
        save_clip(path, make_clip())
        path.write_bytes(path.read_bytes()[:-200])
    elif damage == "text":
        path.write_text("no clip")
    elif damage == "other":
        np.savez(path, numbers=np.ones(3))
    with pytest.raises(InputError):
        load_clip(path)


def test_nothing_is_left_behind_when_writing_fails(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError):
        save_clip(tmp_path / "file" / "c.npz", make_clip())
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
