import numpy as np
import pytest

from faceimit.data.transforms import MIRROR, MIRROR_SIGN, Strength, augment
from faceimit.face.blendshapes import INDEX
from tests.clips import blob_clip

STILL = Strength(**dict.fromkeys(Strength.__dataclass_fields__, 0.0))


@pytest.fixture
def frames():
    return blob_clip(0, frames=6).frames


def test_zero_strength_leaves_the_window_as_it_is(frames):
    velocity = np.random.default_rng(0).normal(size=(6, 55)).astype(np.float32)
    new, same = augment(frames, velocity, STILL, np.random.default_rng(1))
    assert np.array_equal(new, frames)
    assert np.array_equal(same, velocity)


def test_flip_mirrors_the_picture_and_swaps_named_columns(frames):
    velocity = np.zeros((6, 55), dtype=np.float32)
    velocity[:, INDEX["eyeBlinkLeft"]] = 0.3
    velocity[:, INDEX["jawOpen"]] = 0.1
    velocity[:, 52:] = (0.5, 0.6, 0.7)  # yaw, pitch, roll
    always = Strength(**(STILL.__dict__ | {"flip": 1.0}))
    new, mirrored = augment(frames, velocity, always, np.random.default_rng(0))
    assert np.array_equal(new, frames[:, :, ::-1])
    assert mirrored[0, INDEX["eyeBlinkRight"]] == pytest.approx(0.3)
    assert mirrored[0, INDEX["eyeBlinkLeft"]] == 0.0
    assert mirrored[0, INDEX["jawOpen"]] == pytest.approx(0.1)
    assert mirrored[0, 52:] == pytest.approx([-0.5, 0.6, -0.7])


def test_mirror_twice_is_the_identity():
    assert np.array_equal(MIRROR[MIRROR], np.arange(55))
    assert np.all(MIRROR_SIGN * MIRROR_SIGN[MIRROR] == 1)


def test_one_draw_for_the_whole_window():
    still = np.repeat(blob_clip(1, frames=1).frames, 5, axis=0)
    new, _ = augment(still, np.zeros((5, 55)), Strength(noise=0.0, drift=0.0), np.random.default_rng(3))
    assert np.array_equal(new, np.repeat(new[:1], 5, axis=0))  # a still face stays still


def test_same_generator_same_window(frames):
    one, two = (augment(frames, np.zeros((6, 55)), Strength(), np.random.default_rng(5))[0] for _ in range(2))
    assert np.array_equal(one, two)
    assert one.shape == frames.shape
    assert one.dtype == np.uint8
