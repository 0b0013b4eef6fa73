import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d

from faceimit.data.synthetic import motion
from faceimit.data.synthetic.expressions import EXPRESSIONS, coefficients
from faceimit.face.blendshapes import INDEX


def change(moves: motion.Motion, fps: float) -> np.ndarray:
    """The design's change c_t."""
    shapes = gaussian_filter1d(moves.blendshapes, 0.04 * fps, axis=0)
    pose = gaussian_filter1d(moves.pose, 0.04 * fps, axis=0)
    return np.sqrt((np.diff(shapes, axis=0) ** 2).sum(1) + (np.diff(pose, axis=0) ** 2).sum(1)) * fps / 25


@pytest.fixture(scope="module")
def clips():
    return [
        (motion.draw_motion(np.random.default_rng(i), 150, 25.0 + 5 * (i % 2)), 25.0 + 5 * (i % 2)) for i in range(80)
    ]


def test_ranges(clips):
    for moves, _ in clips:
        assert moves.blendshapes.min() >= 0
        assert moves.blendshapes.max() <= 1
        assert np.isfinite(moves.pose).all()
        assert np.abs(moves.pose).max() < np.radians(60)


def test_speed_of_change_is_like_that_of_real_faces(clips):
    pooled = np.concatenate([change(moves, fps) for moves, fps in clips])
    assert 0.28 < np.percentile(pooled, 95) < 0.50  # real clips: 0.40
    assert 0.06 < np.median(pooled) < 0.2  # real clips: 0.14


def test_every_style_occurs(clips):
    assert {moves.style for moves, _ in clips} == {"talk", "expressive", "mixed", "micro", "head"}


def test_same_motion_at_any_frame_rate():
    slow = motion.minimum_jerk(np.arange(0, 2, 1 / 25), 0.5, 0.4)
    fast = motion.minimum_jerk(np.arange(0, 2, 1 / 50), 0.5, 0.4)
    np.testing.assert_allclose(slow, fast[::2])
    assert slow[0] == 0
    assert slow[-1] == 1


def test_names_without_a_side_set_both():
    vector = coefficients({"mouthSmile": 0.5, "jawOpen": 0.2})
    assert vector[INDEX["mouthSmileLeft"]] == vector[INDEX["mouthSmileRight"]] == 0.5
    assert vector.sum() == pytest.approx(1.2)


def test_every_expression_has_known_names():
    for weights in EXPRESSIONS.values():
        assert coefficients(weights).max() > 0
