"""Targets: the definitions of change, reference and score, against plain loops and hand-made clips."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d

from faceimit.data import targets
from faceimit.errors import InputError


def _walk(frames: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    blendshapes = np.clip(0.4 + np.cumsum(rng.normal(0, 0.03, (frames, 52)), axis=0), 0, 1)
    return blendshapes, np.cumsum(rng.normal(0, 0.01, (frames, 3)), axis=0)


@pytest.mark.parametrize("fps", [25.0, 30.0, 59.94])
def test_smoothing_is_a_normalised_gaussian_of_40_ms(fps):
    x = np.random.default_rng(1).random((50, 2))
    sigma = 0.040 * fps
    plain = [gaussian_filter1d(a, sigma, axis=0, mode="constant", truncate=4.0) for a in (x, np.ones_like(x))]
    np.testing.assert_allclose(targets.smooth(x, fps), plain[0] / plain[1], atol=1e-12)


def test_smoothing_keeps_a_constant_and_never_crosses_an_invalid_frame():
    x, valid = np.r_[np.full(10, 2.0), 99.0, np.full(5, 7.0)], np.ones(16, dtype=bool)
    valid[10] = False
    np.testing.assert_allclose(targets.smooth(x, 25.0, valid=valid), np.r_[np.full(10, 2.0), np.nan, np.full(5, 7.0)])


@pytest.mark.parametrize("fps", [25.0, 30.0])
def test_change_is_the_definition(fps):
    blendshapes, pose = _walk(40)
    e, p = targets.smooth(blendshapes, fps), targets.smooth(pose, fps)
    expected = [np.sqrt(((e[t] - e[t - 1]) ** 2).sum() + 0.5 * ((p[t] - p[t - 1]) ** 2).sum()) for t in range(1, 40)]
    c = targets.change(blendshapes, pose, fps, w_pose=0.5)
    np.testing.assert_allclose(c[1:], np.array(expected) * fps / 25, rtol=1e-12)
    assert c[0] == c[1]


def test_change_does_not_depend_on_the_frame_rate():
    time = [np.arange(0, 2, 1 / fps) for fps in (25.0, 50.0)]
    faces = [np.repeat(0.5 + 0.3 * np.sin(4 * t)[:, None], 52, axis=1) for t in time]
    c25, c50 = (targets.change(b, np.zeros((len(b), 3)), fps) for b, fps in zip(faces, (25.0, 50.0), strict=True))
    assert c25.max() == pytest.approx(c50.max(), rel=0.02)


def test_invalid_frames_have_no_change_and_neither_have_their_successors():
    blendshapes, pose = _walk(20)
    valid = np.ones(20, dtype=bool)
    valid[[0, 7]] = False
    c = targets.change(blendshapes, pose, 25.0, valid)
    assert np.flatnonzero(np.isnan(c)).tolist() == [0, 1, 7, 8]


def test_yaw_wrapping_around_is_no_motion():
    pose = np.zeros((20, 3))
    pose[:, 0] = np.angle(np.exp(1j * (np.pi - 0.05 + 0.01 * np.arange(20))))
    c = targets.change(np.zeros((20, 52)), pose, 25.0)
    assert c.max() < 0.011


def test_one_frame_and_no_frame():
    assert targets.change(np.zeros((1, 52)), np.zeros((1, 3)), 25.0).tolist() == [0.0]
    assert targets.change(np.zeros((0, 52)), np.zeros((0, 3)), 25.0).shape == (0,)


def test_reference_is_the_pooled_95th_percentile():
    parts = [np.r_[np.nan, np.arange(30.0)], np.arange(30.0, 101.0)]
    assert targets.reference(parts) == pytest.approx(95.0)


@pytest.mark.parametrize("parts", [[], [np.full(3, np.nan)], [np.zeros(9)]])
def test_a_split_without_motion_is_refused(parts):
    with pytest.raises(InputError):
        targets.reference(parts)


def test_score_is_clipped_and_keeps_nan():
    s = targets.score(np.array([0.0, 0.2, 0.9, np.nan]), 0.4)
    np.testing.assert_allclose(s, [0.0, 0.5, 1.0, np.nan])
    assert s.dtype == np.float32


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="fps"):
        targets.smooth(np.zeros(3), 0.0)
    with pytest.raises(ValueError, match="c_ref"):
        targets.score(np.zeros(3), 0.0)
    with pytest.raises(ValueError, match="pose"):
        targets.change(np.zeros((3, 52)), np.zeros((2, 3)), 25.0)
