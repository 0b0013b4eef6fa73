import numpy as np
import pytest

from faceimit.data.transforms import MIRROR, MIRROR_SIGN, Photometric, Strength, Window, backwards, mirrored, placements
from faceimit.face.blendshapes import INDEX
from tests.clips import blob_clip

STILL = Strength(**dict.fromkeys(Strength.__dataclass_fields__, 0.0))


@pytest.fixture
def frames():
    return blob_clip(0, frames=6).frames


def test_zero_strength_leaves_the_window_as_it_is(frames):
    assert np.array_equal(Photometric(STILL)(frames, np.random.default_rng(1)), frames)
    still = placements(6, 64, STILL, np.random.default_rng(1))
    assert still == pytest.approx(np.repeat(np.eye(3)[None, :2], 6, axis=0))


def test_flip_mirrors_the_picture_and_swaps_named_columns(frames):
    velocity = np.zeros((6, 55), dtype=np.float32)
    velocity[:, INDEX["eyeBlinkLeft"]] = 0.3
    velocity[:, INDEX["jawOpen"]] = 0.1
    velocity[:, 52:] = (0.5, 0.6, 0.7)  # yaw, pitch, roll
    flow = np.zeros((6, 2, 4, 4), dtype=np.float32)
    flow[:, :, 1, 0] = (2.0, 3.0)
    new = mirrored(Window(frames, velocity, (flow,)))
    assert np.array_equal(new.frames, frames[:, :, ::-1])
    assert new.velocity[0, INDEX["eyeBlinkRight"]] == pytest.approx(0.3)
    assert new.velocity[0, INDEX["eyeBlinkLeft"]] == 0.0
    assert new.velocity[0, INDEX["jawOpen"]] == pytest.approx(0.1)
    assert new.velocity[0, 52:] == pytest.approx([-0.5, 0.6, -0.7])
    assert new.flow[0][0, :, 1, 3] == pytest.approx([-2.0, 3.0])


def test_mirror_twice_is_the_identity():
    assert np.array_equal(MIRROR[MIRROR], np.arange(55))
    assert np.all(MIRROR_SIGN * MIRROR_SIGN[MIRROR] == 1)


@pytest.mark.parametrize("seed", range(4))
def test_one_draw_for_the_whole_window(seed):
    still = np.repeat(blob_clip(1, frames=1).frames, 5, axis=0)
    strength = Strength(noise=0.0, blur=1.0, resolution=1.0, compression=1.0, occlusion=1.0)
    new = Photometric(strength)(still, np.random.default_rng(seed))
    assert np.array_equal(new, np.repeat(new[:1], 5, axis=0))  # a still face stays still
    assert not np.array_equal(new, still)


def test_noise_is_new_in_every_frame_and_as_strong_as_asked():
    grey = np.full((40, 32, 32, 3), 128, dtype=np.uint8)
    only = Strength(**(STILL.__dict__ | {"noise": 6.0}))
    photometric = Photometric(only)
    deviations = []
    for seed in range(20):
        noise = photometric(grey, np.random.default_rng(seed)).astype(float) - 128
        deviations.append(noise.std())
        if noise.std() > 1:
            assert abs(np.corrcoef(noise[0].ravel(), noise[1].ravel())[0, 1]) < 0.1
            assert noise.std(axis=(1, 2, 3)) == pytest.approx(noise.std(), rel=0.2)  # of one strength
    assert max(deviations) <= 6.5
    assert 0.5 < np.mean(deviations) < 4


def test_same_generator_same_window(frames):
    one, two = (Photometric(Strength())(frames, np.random.default_rng(5)) for _ in range(2))
    assert np.array_equal(one, two)
    assert one.shape == frames.shape
    assert one.dtype == np.uint8
    photometric = Photometric(Strength())
    first = photometric(frames, np.random.default_rng(5))
    assert np.array_equal(first, one)  # whatever was drawn before
    assert np.array_equal(photometric(frames, np.random.default_rng(5)), one)


def test_backwards_twice_is_the_identity(frames):
    velocity = np.random.default_rng(0).normal(size=(6, 55))
    window = Window(frames, velocity, (np.ones((6, 2, 4, 4)),))
    again = backwards(backwards(window))
    assert np.array_equal(again.frames, frames)
    assert np.array_equal(again.velocity, velocity)
    assert np.array_equal(again.flow[0], window.flow[0])
