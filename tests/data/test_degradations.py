import numpy as np
import pytest

from faceimit.data.degradations import DEGRADATIONS, LEVELS, degrade
from faceimit.errors import InputError
from tests.clips import blob_clip


@pytest.fixture(scope="module")
def frames():
    generator = np.random.default_rng(0)
    texture = generator.integers(0, 255, (128, 128, 3)).astype(np.uint8)
    frames = np.repeat(texture[None], 9, axis=0)
    frames[4:, 40:60] = 30  # one change
    return frames


@pytest.mark.parametrize("name", DEGRADATIONS)
def test_each_level_is_worse_than_the_one_before(frames, name):
    before = frames.copy()
    errors = []
    for level in LEVELS:
        spoilt = degrade(frames, name, level, seed=3)
        assert spoilt.shape == frames.shape
        assert spoilt.dtype == np.uint8
        errors.append(np.abs(spoilt.astype(float) - frames).mean())
    assert errors == sorted(errors)
    assert errors[0] > 1
    assert len(set(errors)) == 3
    assert np.array_equal(frames, before)  # the clean pictures stay clean


@pytest.mark.parametrize("name", DEGRADATIONS)
def test_the_seed_decides(frames, name):
    same = [degrade(frames, name, 2, seed=1) for _ in range(2)]
    assert np.array_equal(*same)
    drawn = not np.array_equal(same[0], degrade(frames, name, 2, seed=2))
    assert drawn == (name in {"occlusion", "low_light"})


def test_level_0_and_no_frames_change_nothing(frames):
    assert degrade(frames, "blur", 0) is frames
    assert degrade(frames[:0], "compression", 3).shape == (0, 128, 128, 3)


@pytest.mark.parametrize("name", ["blur", "low_resolution"])
def test_a_still_face_stays_still(frames, name):
    spoilt = degrade(frames, name, 3)
    assert np.array_equal(spoilt[0], spoilt[3])
    assert not np.array_equal(spoilt[3], spoilt[4])


def test_a_cover_sways_over_part_of_the_picture(frames):
    covered = (degrade(frames, "occlusion", 2, seed=5) != frames).any(axis=-1).mean(axis=(1, 2))
    expected = np.pi / 4 * 0.4 * 0.4 * 0.8
    assert np.all((covered > 0.6 * expected) & (covered < 1.2 * expected))
    assert not np.array_equal(*degrade(frames[:1].repeat(9, axis=0), "occlusion", 2, seed=5)[[0, 8]])


def test_little_light_is_dark_and_noisy(frames):
    grey = np.full((4, 64, 64, 3), 128, dtype=np.uint8)
    spoilt = degrade(grey, "low_light", 1)
    assert spoilt.mean() == pytest.approx(128 * 0.3 ** (1 / 2.2), rel=0.03)
    assert spoilt.std() > 1
    assert not np.array_equal(spoilt[0], spoilt[1])


@pytest.mark.parametrize(("count", "fps"), [(1, 25.0), (7, 23.976), (130, 60.0)])
def test_the_codec_gives_every_frame_back_in_its_place(count, fps):
    clip = blob_clip(1, frames=max(count, 40)).frames[:count]
    spoilt = degrade(clip, "compression", 1, fps=fps)
    assert len(spoilt) == count
    nearest = [int(np.abs(clip.astype(float) - one).mean(axis=(1, 2, 3)).argmin()) for one in spoilt]
    assert np.abs(clip[nearest].astype(float) - clip).mean() < 3


def test_unknown_names_and_levels(frames):
    with pytest.raises(InputError, match="occlusion, blur"):
        degrade(frames, "fog", 1)
    with pytest.raises(InputError, match="0 to 3"):
        degrade(frames, "blur", 4)
