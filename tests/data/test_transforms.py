import numpy as np
import pytest

from faceimit.data.transforms import (
    MIRROR,
    MIRROR_SIGN,
    Strength,
    Window,
    augment,
    backwards,
    moved,
    moved_flow,
    placements,
)
from faceimit.face.blendshapes import INDEX
from tests.clips import blob_clip

STILL = Strength(**dict.fromkeys(Strength.__dataclass_fields__, 0.0))


@pytest.fixture
def frames():
    return blob_clip(0, frames=6).frames


def test_zero_strength_leaves_the_window_as_it_is(frames):
    velocity = np.random.default_rng(0).normal(size=(6, 55)).astype(np.float32)
    flow = np.random.default_rng(2).normal(size=(6, 2, 16, 16)).astype(np.float32)
    new = augment(Window(frames, velocity, (flow,)), STILL, np.random.default_rng(1))
    assert np.array_equal(new.frames, frames)
    assert np.array_equal(new.velocity, velocity)
    assert new.flow[0] == pytest.approx(flow, abs=1e-5)


def test_flip_mirrors_the_picture_and_swaps_named_columns(frames):
    velocity = np.zeros((6, 55), dtype=np.float32)
    velocity[:, INDEX["eyeBlinkLeft"]] = 0.3
    velocity[:, INDEX["jawOpen"]] = 0.1
    velocity[:, 52:] = (0.5, 0.6, 0.7)  # yaw, pitch, roll
    always = Strength(**(STILL.__dict__ | {"flip": 1.0}))
    new = augment(Window(frames, velocity), always, np.random.default_rng(0))
    mirrored = new.velocity
    assert np.array_equal(new.frames, frames[:, :, ::-1])
    assert mirrored[0, INDEX["eyeBlinkRight"]] == pytest.approx(0.3)
    assert mirrored[0, INDEX["eyeBlinkLeft"]] == 0.0
    assert mirrored[0, INDEX["jawOpen"]] == pytest.approx(0.1)
    assert mirrored[0, 52:] == pytest.approx([-0.5, 0.6, -0.7])


def test_mirror_twice_is_the_identity():
    assert np.array_equal(MIRROR[MIRROR], np.arange(55))
    assert np.all(MIRROR_SIGN * MIRROR_SIGN[MIRROR] == 1)


def test_one_draw_for_the_whole_window():
    still = np.repeat(blob_clip(1, frames=1).frames, 5, axis=0)
    strength = Strength(noise=0.0, drift=0.0)
    new = augment(Window(still, np.zeros((5, 55))), strength, np.random.default_rng(3)).frames
    assert np.array_equal(new, np.repeat(new[:1], 5, axis=0))  # a still face stays still


def test_same_generator_same_window(frames):
    window = Window(frames, np.zeros((6, 55)))
    one, two = (augment(window, Strength(), np.random.default_rng(5)).frames for _ in range(2))
    assert np.array_equal(one, two)
    assert one.shape == frames.shape
    assert one.dtype == np.uint8


def blob(places, side=64):
    y, x = np.mgrid[0:side, 0:side]
    pictures = [255 * np.exp(-((x - px) ** 2 + (y - py) ** 2) / 40) for px, py in places]
    return np.repeat(np.array(pictures)[..., None], 3, axis=3).astype(np.uint8)


def centre(picture):
    y, x = np.mgrid[0 : len(picture), 0 : len(picture)]
    weights = picture[..., 0].astype(float)
    return np.array([(x * weights).sum(), (y * weights).sum()]) / weights.sum()


def test_moved_flow_is_the_flow_of_the_moved_frames():
    step = np.array([1.5, -2.0])
    frames = blob([np.array([30, 34]) + t * step for t in range(3)])
    flow = np.zeros((3, 2, 16, 16), dtype=np.float32)  # a quarter of the resolution
    flow[1:] = -step[:, None, None] / 4
    strength = Strength(rotation=40.0, scale=0.2, shift=0.1, drift=0.2)
    matrices = placements(3, 64, strength, np.random.default_rng(4))
    new = moved(frames, matrices)
    found = moved_flow(flow, matrices, 64)
    for t in (1, 2):
        x, y = np.rint(centre(new[t]) / 4 - 0.5).astype(int)
        assert 4 * found[t, :, y, x] == pytest.approx(centre(new[t - 1]) - centre(new[t]), abs=0.1)


def test_backwards_twice_is_the_identity(frames):
    velocity = np.random.default_rng(0).normal(size=(6, 55))
    window = Window(frames, velocity, (np.ones((6, 2, 4, 4)),))
    again = backwards(backwards(window))
    assert np.array_equal(again.frames, frames)
    assert np.array_equal(again.velocity, velocity)
    assert np.array_equal(again.flow[0], window.flow[0])
