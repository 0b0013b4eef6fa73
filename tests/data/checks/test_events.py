import numpy as np
import pytest

from faceimit.data.checks.events import event_statistics, expression_change
from faceimit.data.checks.records import Track, expressions
from faceimit.data.targets import change


def test_statistics_of_a_score_with_a_known_answer():
    still, busy = np.zeros(50), np.concatenate([[np.nan] * 10, np.full(40, 0.5)])
    found = event_statistics([still, busy], [(), (12, 30)], [25.0, 25.0], c_ref=1.0)
    assert found.keyframes == 2
    assert found.a_second == pytest.approx(2 / 3.6)
    assert found.still_share == pytest.approx(50 / 90)
    assert found.histogram.sum() == 90
    assert found.histogram[0] == 50


def test_change_is_that_of_the_targets_with_pose_in_degrees():
    generator = np.random.default_rng(0)
    blendshapes, pose = generator.random((30, 52)), generator.normal(0, 0.2, (30, 3))
    track = Track("a", "", 25.0, np.concatenate([blendshapes, np.degrees(pose)], axis=1), np.ones(30, bool))
    assert track.values.shape[1] == len(expressions().names)
    np.testing.assert_allclose(expression_change(track), change(blendshapes, pose, 25.0))
