from dataclasses import replace

import numpy as np
import pytest

from faceimit.data.clipfile import save_clip
from faceimit.data.corpora import Source
from faceimit.data.corpus import Corpus
from faceimit.data.crop import CropBox, crop_face
from faceimit.data.crop_cache import make_crops
from faceimit.data.digest import Digest, digest_of, digests, shows_face
from faceimit.data.labels import labels_of
from faceimit.data.store import Store
from faceimit.data.stored import LazyClip, VideoCrops
from faceimit.data.video import read_frames
from faceimit.data.windows import Windows
from faceimit.errors import InputError
from faceimit.face.blendshapes import INDEX
from tests import video_files
from tests.corpora import points, pts
from tests.middle_face import MiddleFace

FRAMES = 40


def lazy(folder, name="clip", size=32, frames=FRAMES, **columns):
    """A clip of a video of noise, and its pictures decoded from the start."""
    path = folder / f"{name}.mp4"
    images = np.random.default_rng(0).integers(0, 255, size=(frames, 48, 64, 3), dtype=np.uint8)
    video_files.write(path, images)
    store = Store(folder / "S")
    store.write(replace(MiddleFace().annotate(Source(name, path, name, "train")), **columns))
    info = store.info(name)
    digest = digest_of(store, info)
    with read_frames(path) as video:
        images = [frame.image for frame in video]
    crops = VideoCrops(path, digest, size)
    return LazyClip(info, store, name, digest, crops, size, 0, frames), images


def gone(frames=FRAMES):
    """Boxes with a gap, and valid with another."""
    boxes = np.tile(np.float32([31.5, 23.5, 43.2]), (frames, 1))
    boxes[10:14] = np.nan
    valid = np.ones(frames, dtype=bool)
    valid[20:23] = False
    return {"boxes": boxes, "valid": valid}


def test_frames_are_the_crops_of_the_stored_boxes(tmp_path):
    clip, images = lazy(tmp_path, **gone())
    expected = np.stack([crop_face(image, CropBox(*clip.digest.boxes[0].tolist()), 32) for image in images])
    expected[10:14] = 0
    assert np.array_equal(clip.frames(0, FRAMES), expected)
    for start, stop in ((25, 31), (8, 16), (11, 13), (39, 40), (5, 5)):
        assert np.array_equal(clip.frames(start, stop), expected[start:stop])


def test_a_frame_is_valid_where_it_is_annotated_and_cropped(tmp_path):
    clip, _ = lazy(tmp_path, **gone())
    assert np.flatnonzero(~clip.digest.valid).tolist() == [10, 11, 12, 13, 20, 21, 22]
    assert clip.whole().annotation.valid.tolist() == clip.digest.valid.tolist()


def test_a_box_on_another_face_is_not_valid():
    landmarks = np.tile(np.float64([[40, 30], [60, 30], [60, 50], [40, 50]]), (4, 17, 1))
    boxes = np.array([[50, 40, 32], [60, 45, 32], [90, 40, 32], [50, 40, 200]], dtype=np.float32)
    assert shows_face(boxes, landmarks).tolist() == [True, True, False, False]


def test_labels_are_those_of_the_whole_clip(tmp_path):
    clip, _ = lazy(tmp_path, **gone())
    whole, found = labels_of(clip.whole()), clip.labels()
    assert np.array_equal(found.change, whole.change, equal_nan=True)
    assert np.array_equal(found.velocity, whole.velocity)
    assert np.array_equal(found.valid, whole.valid)
    parts = clip.segments(15)
    assert [part.name for part in parts] == ["clip[0:13]", "clip[13:27]", "clip[27:40]"]
    assert np.array_equal(np.concatenate([part.labels().velocity for part in parts]), whole.velocity)
    assert np.array_equal(parts[1].frames(2, 5), clip.frames(15, 18))
    assert np.array_equal(parts[1].whole().annotation.landmarks, clip.annotation().landmarks[13:27], equal_nan=True)


def test_segments_without_a_face_are_left_out(tmp_path):
    valid = np.arange(FRAMES) < 18
    clip, _ = lazy(tmp_path, valid=valid)
    assert [(part.start, part.stop) for part in clip.segments(10)] == [(0, 10), (10, 20)]
    assert [part.name for part in clip.segments(1000)] == ["clip"]


def test_a_lazy_corpus_is_the_corpus_of_its_clip_files(tmp_path):
    clip, _ = lazy(tmp_path, **gone())
    save_clip(tmp_path / "clip.npz", clip.whole())
    files = Corpus([tmp_path / "clip.npz"])
    for memory in (2e9, 0):
        corpus = Corpus([clip], memory=memory)
        assert (corpus.names, corpus.identities, corpus.fps) == (files.names, files.identities, files.fps)
        assert np.array_equal(corpus.frames(0, 21, 30), files.frames(0, 21, 30))
        assert np.array_equal(corpus[0].frames, files[0].frames)
        assert np.array_equal(corpus.labels[0].change, files.labels[0].change, equal_nan=True)
        assert (corpus[0] is corpus[0]) == bool(memory)


def test_hand_made_landmarks_stand_in_for_the_annotators(tmp_path):
    clip, _ = lazy(tmp_path)
    folder = tmp_path / "annot"
    folder.mkdir()
    for frame in (0, 5):
        (folder / f"{frame + 1:06d}.pts").write_text(pts(points()))
    found = replace(clip, points=folder).annotation()
    known = np.isfinite(found.landmarks).all(axis=(1, 2))
    assert np.flatnonzero(known).tolist() == [0, 5]
    x, y, side = clip.digest.boxes[0]
    assert found.landmarks[5] == pytest.approx((points() - (x, y)) * 32 / side + 15.5, abs=1e-3)
    assert found.valid.all()


def test_digests_are_kept_and_made_anew_for_other_rows(tmp_path):
    clip, _ = lazy(tmp_path, **gone())
    other, _ = lazy(tmp_path, name="other", frames=7)
    infos, cache = [clip.info, other.info], tmp_path / "cache"
    for _ in range(2):
        found = digests(clip.store, infos, cache)
        for one, digest in zip((clip, other), found, strict=True):
            for name in Digest.__dataclass_fields__:
                assert np.array_equal(getattr(digest, name), getattr(one.digest, name), equal_nan=name != "valid")
    assert len(list(cache.iterdir())) == 1
    digests(clip.store, [replace(clip.info, sha256="1"), other.info], cache)
    assert len(list(cache.iterdir())) == 2
    for path in cache.iterdir():
        path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match=r"digest-.*delete it"):
        digests(clip.store, infos, cache)


def smooth_video(folder, name, frames):
    """As :func:`lazy`, of pictures that JPEG keeps well."""
    path = folder / f"{name}.mp4"
    video_files.write(path, video_files.numbered(frames))
    store = Store(folder / "S")
    row = MiddleFace().annotate(Source(name, path, name, "train"))
    boxes = row.boxes.copy()
    boxes[3] = np.nan
    store.write(replace(row, boxes=boxes))
    info = store.info(name)
    digest = digest_of(store, info)
    return LazyClip(info, store, name, digest, VideoCrops(path, digest, 32), 32, 0, frames)


def test_jpeg_crops_are_nearly_the_crops(tmp_path, monkeypatch):
    monkeypatch.setattr("faceimit.data.crop_cache.FILE_FRAMES", 90)
    clips = [smooth_video(tmp_path, name, frames) for name, frames in (("b", 70), ("a", 5), ("c", 40))]
    made = make_crops(clips, tmp_path / "crops")
    files = {path.name: path.read_bytes() for path in (tmp_path / "crops").iterdir()}
    assert len(files) == 2
    for clip in clips:
        exact, found = clip.frames(0, len(clip)), made[clip.name].read(0, len(clip))
        assert not found[3].any()
        assert abs(exact.astype(int) - found).mean() < 3
        for start in range(0, len(clip), 11):
            stop = min(start + 34, len(clip))
            assert np.array_equal(made[clip.name].read(start, stop), found[start:stop])
    make_crops(clips[::-1], tmp_path / "again", processes=2)
    assert {path.name: path.read_bytes() for path in (tmp_path / "again").iterdir()} == files


def test_jpeg_crops_that_are_there_are_used(tmp_path, monkeypatch):
    clip = smooth_video(tmp_path, "a", 6)
    make_crops([clip], tmp_path / "crops")
    monkeypatch.setattr("faceimit.data.crop_cache._make", pytest.fail)
    made = make_crops([clip], tmp_path / "crops")["a"]
    (path,) = (tmp_path / "crops").iterdir()
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(InputError, match=r"crops-.*delete it"):
        made.read(0, 2)


def test_still_spans_do_not_drown_events(tmp_path):
    """A clip that is still but for a twentieth of it, as real ones are between two sentences."""
    blendshapes = np.zeros((200, 52), dtype=np.float32)
    blendshapes[100:110, INDEX["jawOpen"]] = np.abs(np.sin(np.arange(10)))
    valid = np.ones(200, dtype=bool)
    valid[140:160] = False
    clip, _ = lazy(tmp_path, frames=200, blendshapes=blendshapes, valid=valid)
    corpus, shares = Corpus([clip], memory=0), {}
    generator = np.random.default_rng(0)
    for candidates in (1, 4):
        windows = Windows(corpus, c_ref=0.3, window=12, count=1, candidates=candidates)
        starts = [windows._choose(generator)[1] for _ in range(300)]
        assert all(clip.digest.valid[start : start + 12].all() for start in starts)
        shares[candidates] = np.mean([np.nanmax(clip.digest.change[start : start + 12]) > 0.03 for start in starts])
    assert 0.05 < shares[1] < 0.2
    assert shares[4] > 2.5 * shares[1]
