import numpy as np
import pytest

from faceimit.data import videos
from faceimit.data.videos import CropStream, crop_video, load_real, real_names
from faceimit.errors import InputError
from tests import video_files
from tests.faces import REAL, SquareDetector, needs_real, picture


@pytest.fixture
def squares(monkeypatch):
    """Every tracker sees the drawn squares as faces."""
    monkeypatch.setattr(videos, "make_detector", lambda name: SquareDetector())


def corpus(root, name="one", frames=24, gone=range(10, 24), annotated=24):
    """A clip of a face that goes, annotated as if it had been there for one frame longer."""
    (root / "clips").mkdir(parents=True, exist_ok=True)
    (root / "annotations").mkdir(exist_ok=True)
    images = [picture(80, 60, side=0 if t in gone else 24) for t in range(frames)]
    video_files.write(root / "clips" / f"{name}.mp4", images)
    valid = np.ones(annotated, dtype=bool)
    valid[:2] = False
    matrices = np.tile(np.eye(4), (annotated, 1, 1))
    landmarks = np.full((annotated, 478, 3), 0.5, dtype=np.float16)
    names = np.array(["_neutral", "jawOpen"])
    blendshapes = np.tile(np.float32([0.3, 0.7]), (annotated, 1))
    arrays = {"matrices": matrices, "landmarks": landmarks, "names": names, "blendshapes": blendshapes, "valid": valid}
    np.savez(root / "annotations" / f"{name}.npz", fps=25.0, **arrays)
    return root


def test_crops_of_a_video(tmp_path, squares):
    root = corpus(tmp_path)
    frames, valid, fps = crop_video(root / "clips" / "one.mp4", size=32)
    assert (frames.shape, frames.dtype, fps) == ((24, 32, 32, 3), np.uint8, 25.0)
    assert valid[:10].all()
    assert not valid[18:].any()
    assert not frames[~valid].any()
    assert abs(frames[5, 16, 16].astype(int) - (200, 120, 90)).max() < 20


def test_a_stream_gives_the_same_one_by_one(tmp_path, squares):
    path = corpus(tmp_path) / "clips" / "one.mp4"
    frames, valid, _ = crop_video(path, size=32)
    with CropStream(path, size=32) as stream:
        for t, frame in enumerate(stream):
            assert (frame.index, frame.crop is not None) == (t, valid[t])
            assert frame.size == (160, 120)
            assert frame.crop is None or np.array_equal(frame.crop, frames[t])


def test_a_clip_is_valid_where_face_and_annotation_are(tmp_path, squares):
    (clip,) = load_real(corpus(tmp_path), size=32)
    assert (clip.name, clip.identity, clip.fps) == ("one", "one", 25.0)
    assert not clip.annotation.valid[:2].any()
    assert clip.annotation.valid[2:10].all()
    assert not clip.annotation.valid[18:].any()
    assert clip.annotation.blendshapes[3, 24] == pytest.approx(0.7)
    assert clip.annotation.pose[3] == pytest.approx(0.0)
    assert clip.annotation.landmarks[3] == pytest.approx(15.5, abs=1.0)


def test_crops_are_kept_and_made_anew_when_something_changes(tmp_path, squares, monkeypatch):
    root, cache = corpus(tmp_path), tmp_path / "cache"
    (first,) = load_real(root, ["one"], size=32, cache=cache)
    made = []
    whole = videos._annotated
    monkeypatch.setattr(videos, "_annotated", lambda *args: made.append(args) or whole(*args))
    (again,) = load_real(root, ["one"], size=32, cache=cache)
    assert made == []
    assert np.array_equal(first.frames, again.frames)
    assert np.array_equal(first.annotation.valid, again.annotation.valid)
    load_real(root, ["one"], size=24, cache=cache)
    corpus(tmp_path, frames=25, annotated=25)
    load_real(root, ["one"], size=32, cache=cache)
    assert len(made) == 2


def test_a_last_frame_more_or_less_is_no_error(tmp_path, squares):
    (clip,) = load_real(corpus(tmp_path, annotated=23), size=16)
    assert len(clip.frames) == len(clip.annotation.valid) == 23


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda root: (root / "clips" / "one.mp4").unlink(), "one.mp4"),
        (lambda root: (root / "annotations" / "one.npz").write_bytes(b"PK nothing"), "no readable annotation"),
        (lambda root: corpus(root, annotated=40), "describes 40 frames"),
    ],
)
def test_a_damaged_corpus_is_named(tmp_path, squares, damage, words):
    root = corpus(tmp_path)
    damage(root)
    with pytest.raises(InputError, match=words):
        load_real(root, ["one"], size=16)


def test_missing_names_and_empty_folders(tmp_path, squares):
    with pytest.raises(InputError, match=r"'two'.*one"):
        load_real(corpus(tmp_path), ["two"])
    with pytest.raises(InputError, match="annotations"):
        real_names(tmp_path / "nowhere")


@needs_real
def test_a_real_clip():
    (clip,) = load_real(REAL, ["liveportrait_d0"], size=64)
    assert clip.frames.shape == (78, 64, 64, 3)
    assert clip.annotation.valid.all()
    inside = (clip.annotation.landmarks > 0) & (clip.annotation.landmarks < 63)
    assert inside.mean() > 0.99
    assert clip.annotation.blendshapes.max() > 0.2
