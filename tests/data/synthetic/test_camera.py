from dataclasses import replace

import numpy as np
import pytest

from faceimit.data.synthetic import camera, raster


@pytest.fixture
def frames():
    rng = np.random.default_rng(0)
    return np.clip(rng.normal(0.5, 0.15, (6, 32, 32, 3)), 0, 1).astype(np.float32)


def test_no_degradation_changes_nothing(frames):
    np.testing.assert_allclose(camera.degrade(frames, camera.NONE, 25.0), camera.to_uint8(frames), atol=1)


@pytest.mark.parametrize(
    "changes",
    [
        {"codec": "jpeg"},
        {"codec": "h264", "codec_scale": 2.0},
        {"noise": 0.03, "noise_grain": 0.6},
        {"shrink": 0.5},
        {"blur": 1.0},
        {"vignette": 0.3},
        {"gamma": 1.2},
        {"sharpen": 0.5},
    ],
)
def test_degradations_keep_the_picture_and_repeat_exactly(frames, changes):
    how = replace(camera.NONE, **changes)
    once, twice = camera.degrade(frames, how, 25.0), camera.degrade(frames, how, 25.0)
    np.testing.assert_array_equal(once, twice)
    assert once.shape == frames.shape
    assert once.dtype == np.uint8
    assert 0 < np.abs(once.astype(int) - camera.to_uint8(frames)).mean() < 40


def test_noise_differs_from_frame_to_frame(frames):
    still = np.repeat(frames[:1], 4, axis=0)
    noisy = camera.degrade(still, replace(camera.NONE, noise=0.03), 25.0).astype(int)
    assert np.abs(noisy[0] - noisy[1]).mean() > 2


def test_the_nearer_triangle_wins():
    size = 8
    far = [(0, 0, 0.01), (20, 0, 0.01), (0, 20, 0.01)]
    near = [(0, 0, 0.02), (4, 0, 0.02), (0, 4, 0.02)]
    points = np.array(far + near, np.float32)
    depth, face = np.empty((size, size), np.float32), np.empty((size, size), np.int32)
    bary = np.empty((size, size, 2), np.float32)
    triangles = np.array([[0, 1, 2], [3, 4, 5]], np.int32)
    raster.rasterise(points, triangles, np.ones(2, np.bool_), size, depth, face, bary)
    assert face[0, 0] == 1
    assert face[7, 7] == 0
    np.testing.assert_allclose(depth[0, 0], 0.02, rtol=1e-5)
    # Barycentrics give back the pixel's own position.
    weights = np.array([*bary[2, 5], 1 - bary[2, 5].sum()])
    np.testing.assert_allclose(weights @ points[:3, :2], (5.5, 2.5), atol=1e-4)


def test_back_faces_are_left_out_unless_two_sided():
    points = np.array([(0, 0, 0.01), (20, 0, 0.01), (0, 20, 0.01)], np.float32)
    depth, face = np.empty((8, 8), np.float32), np.empty((8, 8), np.int32)
    for two_sided in (False, True):
        raster.rasterise(
            points,
            np.array([[0, 1, 2]], np.int32),
            np.array([two_sided]),
            8,
            depth,
            face,
            np.empty((8, 8, 2), np.float32),
        )
        assert (face[0, 0] == 0) == two_sided
