import numpy as np
import pytest

from faceimit.data.checks.coverage import CELLS, coverage, nearest, next_poses, pair_coverage
from faceimit.data.checks.records import robot_controls
from faceimit.face import controls


def evenly(count, columns, seed=5):
    return np.random.default_rng(seed).random((count, columns))


def test_even_points_cover_and_points_on_a_line_do_not():
    even = coverage(evenly(3000, 6))
    assert even.overall == pytest.approx(1.0, abs=0.02)
    assert even.dimensions == pytest.approx(6, abs=0.1)
    assert even.gap_median == pytest.approx(even.even_gap, rel=0.05)
    line = coverage(np.repeat(evenly(3000, 1), 6, axis=1))
    assert line.overall == pytest.approx(1 / CELLS, abs=0.01)
    assert line.dimensions == pytest.approx(1, abs=1e-6)
    assert line.hull_share < 1e-6
    assert line.reach > 1.5 * line.even_reach


def test_the_hull_in_two_dimensions_is_the_square():
    corners = np.array([[0, 0], [0, 1], [1, 0], [1, 1.0]])
    found = coverage(np.concatenate([corners, evenly(500, 2)]))
    assert found.hull_share == pytest.approx(1.0, abs=1e-6)
    half = coverage(0.5 * np.concatenate([corners, evenly(500, 2)]))
    assert half.hull_share == pytest.approx(0.25, abs=1e-6)


def test_pairs_count_the_cells_visited():
    points = np.array([[0.01, 0.01], [0.99, 0.99], [1.0, 1.0]])
    assert pair_coverage(points, cells=4)[0, 1] == 2 / 16


def test_distance_is_one_from_corner_to_corner():
    assert nearest(np.zeros((1, 30)), np.ones((1, 30)))[0] == pytest.approx(1.0)


def test_next_poses_lie_in_what_was_left_out_and_keep_to_what_the_robot_can_do():
    vocabulary = robot_controls()
    generator = np.random.default_rng(0)
    values = controls.NEUTRAL + 0.05 * controls.SPAN * generator.normal(size=(800, 30))
    values = np.clip(values, controls.LOW, controls.HIGH)
    # brows and mouth always move together: brows up with the mouth at rest was never recorded
    up = generator.random(800)
    for name in ("Brow Inner Left", "Brow Inner Right", "Jaw Pitch"):
        values[:, controls.INDEX[name]] = up
    poses = next_poses(values, vocabulary, count=6)
    assert len(poses) == 6
    for pose in poses:
        assert (pose.values >= controls.LOW - 1e-9).all()
        assert (pose.values <= controls.HIGH + 1e-9).all()
    brow, jaw = controls.INDEX["Brow Inner Left"], controls.INDEX["Jaw Pitch"]
    assert any(abs(pose.values[brow] - pose.values[jaw]) > 0.5 for pose in poses)
    gaps = [pose.gap for pose in poses]
    assert gaps == sorted(gaps, reverse=True)
    assert len({pose.why for pose in poses}) == 6


def test_a_recorded_pose_is_not_proposed():
    values = np.repeat(controls.NEUTRAL[None], 20, axis=0)
    ends = np.concatenate([values, np.tile(controls.LOW, (1, 1)), np.tile(controls.HIGH, (1, 1))])
    recorded = robot_controls().normalised(ends)
    for pose in next_poses(ends, robot_controls(), count=3):
        assert nearest(robot_controls().normalised(pose.values)[None], recorded)[0] > 0.05
