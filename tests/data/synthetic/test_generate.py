import numpy as np
import pytest

from faceimit.data.clipfile import load_clip
from faceimit.data.synthetic import generate
from faceimit.errors import InputError


@pytest.fixture(scope="module")
def clip():
    return generate.render_clip(seed=3, identity=5, frames=8, size=64, fps=25.0, flow=True, clean=True)


def test_shapes_and_ranges(clip):
    assert clip.frames.shape == (8, 64, 64, 3)
    assert clip.frames.dtype == np.uint8
    assert clip.annotation.blendshapes.shape == (8, 52)
    assert clip.annotation.blendshapes.min() >= 0
    assert clip.annotation.blendshapes.max() <= 1
    assert clip.annotation.landmarks.shape == (8, 68, 2)
    assert clip.flow.shape == (8, 2, 64, 64)
    assert clip.flow.dtype == np.float16
    assert clip.occluded.dtype == bool
    assert clip.frames.std() > 20


def test_first_frame_has_no_flow(clip):
    assert not clip.flow[0].any()
    assert not clip.occluded[0].any()


def test_the_face_fills_the_crop_as_the_convention_says(clip):
    points = clip.annotation.landmarks[0]
    height = np.ptp(points[:, 1])
    assert 64 / 1.6 / 1.35 < height < 64 / 1.6 / 0.75
    middle = (points.min(0) + points.max(0)) / 2
    assert np.all(np.abs(middle - 32) < 64 * 0.16)


def test_deterministic(clip):
    again = generate.render_clip(seed=3, identity=5, frames=8, size=64, fps=25.0, flow=True, clean=True)
    np.testing.assert_array_equal(clip.frames, again.frames)
    np.testing.assert_array_equal(clip.flow, again.flow)


def test_degraded_clip_is_deterministic_and_differs_from_the_clean_one(clip):
    first = generate.render_clip(3, 5, 8, 64, fps=25.0)
    again = generate.render_clip(3, 5, 8, 64, fps=25.0)
    np.testing.assert_array_equal(first.frames, again.frames)
    np.testing.assert_array_equal(first.annotation.blendshapes, clip.annotation.blendshapes)


def test_prepare_resumes_and_gives_the_same_bytes_for_any_number_of_workers(tmp_path):
    alone = generate.prepare(tmp_path / "a", "val", 2, seed=1, frames=4, size=32, workers=0, progress=False)
    kept = alone[0].stat().st_mtime_ns
    alone[1].unlink()
    alone = generate.prepare(tmp_path / "a", "val", 2, seed=1, frames=4, size=32, workers=0, progress=False)
    assert alone[0].stat().st_mtime_ns == kept
    shared = generate.prepare(tmp_path / "b", "val", 2, seed=1, frames=4, size=32, workers=2, progress=False)
    assert [p.read_bytes() for p in alone] == [p.read_bytes() for p in shared]
    assert load_clip(alone[0]).identity != load_clip(alone[1]).identity


def test_splits_never_share_a_person():
    seeds, clips = (0, 7, 99, 100, 1234, 2**32 - 1), (0, 5, 99_999)
    people = {
        split: {generate.clip_seeds(split, seed, i)[1] for seed in seeds for i in clips} for split in generate.SPLITS
    }
    assert all(len(found) == len(seeds) * len(clips) for found in people.values())
    assert not people["train"] & people["val"]
    assert not people["val"] & people["test"]
    assert not people["train"] & people["test"]


def test_any_seed_that_a_training_takes_can_be_rendered(tmp_path):
    paths = generate.prepare(tmp_path, "val", 1, seed=2**32 - 1, frames=2, size=32, workers=0, progress=False)
    assert load_clip(paths[0]).identity.endswith(str(generate.clip_seeds("val", 2**32 - 1, 0)[1]))
    with pytest.raises(InputError, match="from 0 to 4294967295"):
        generate.clip_seeds("val", 2**32, 0)


def test_settings_change_the_folder():
    base = generate.Settings("train", 0, 100, 128, False, False)
    others = [
        generate.Settings("train", 1, 100, 128, False, False),
        generate.Settings("train", 0, 100, 96, False, False),
        generate.Settings("train", 0, 100, 128, True, False),
        generate.Settings("train", 0, 100, 128, False, False, version=-1),
        generate.Settings("train", 0, 100, 128, False, False, fps=2.0),
        generate.Settings("train", 0, 100, 128, False, False, turn=2.5),
    ]
    assert len({s.key for s in [base, *others]}) == 7


def test_heads_turn_further_and_frames_lie_further_apart(tmp_path):
    clips = [generate.render_clip(3, 7, frames=4, size=32, fps=2.0, turn=turn) for turn in (1.0, 2.0)]
    assert np.allclose(clips[1].annotation.pose, 2 * clips[0].annotation.pose)
    assert clips[0].fps == 2.0
    path = generate.prepare(tmp_path, "val", 1, 0, 4, 32, workers=0, progress=False, fps=2.0, turn=2.0)[0]
    assert load_clip(path).fps == 2.0


def test_unknown_split_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="train, val, test"):
        generate.prepare(tmp_path, "training", 1, seed=0)
