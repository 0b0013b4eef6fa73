import json
from itertools import pairwise

import numpy as np
import pytest

from faceimit import rollout as command
from faceimit.face import controls, highlevel
from faceimit.robot.profile import load_profile
from faceimit.robot.rollout import (
    FREE,
    SAMPLERS,
    draw_poses,
    farthest_points,
    minimum_jerk,
    move_seconds,
    quick_order,
    roll_out,
)
from faceimit.robot.script import read_commands
from faceimit.tracking.cli import run_command

AMECA = load_profile("ameca")


def derivatives(commands):
    """Largest velocity, acceleration and jerk of each control, by differences of its samples."""
    step, track = commands.times[1] - commands.times[0], commands.values
    for _ in range(3):
        track = np.diff(track, axis=0) / step
        yield np.abs(track).max(axis=0)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_samplers_give_blends_and_poses_inside_the_ranges(sampler):
    for robot in (AMECA, load_profile("hobby_head")):
        weights, poses = draw_poses(robot, sampler, 37, seed=1)
        assert weights.shape == (37, 12)
        np.testing.assert_allclose(weights.sum(axis=1), 1)
        assert (weights >= 0).all()
        assert ((poses >= robot.low) & (poses <= robot.high)).all()
        np.testing.assert_array_equal(poses[:, ~robot.mask], np.tile(robot.neutral[~robot.mask], (37, 1)))
        again = draw_poses(robot, sampler, 37, seed=1)[1]
        np.testing.assert_array_equal(poses, again)
        assert not np.allclose(poses, draw_poses(robot, sampler, 37, seed=2)[1])
    weights, poses = draw_poses(AMECA, sampler, 37, seed=1)
    np.testing.assert_allclose(poses[:, list(highlevel.COLUMNS)], highlevel.blend(weights))


def test_samplers_cover_what_they_promise():
    free = [controls.INDEX[name] for name in FREE]
    at_ends = draw_poses(AMECA, "corners", 48)
    assert set(at_ends[0].argmax(axis=1)) == set(range(12))
    assert (
        np.isclose(at_ends[1][:, free], controls.LOW[free]) | np.isclose(at_ends[1][:, free], controls.HIGH[free])
    ).all()
    entropy = {name: draw_poses(AMECA, name, 64)[0].max(axis=1) for name in ("dirichlet", "sobol")}
    assert entropy["dirichlet"].max() > 0.9
    assert entropy["dirichlet"].min() < 0.2
    even = np.sort(draw_poses(AMECA, "sobol", 64)[1][:, controls.INDEX["Head Yaw"]])
    assert np.abs((even + 30) / 60 - (np.arange(64) + 0.5) / 64).max() < 1.1 / 64, "each 64th holds one point"
    gaps = {}
    for name in ("dirichlet", "farthest"):
        points = controls.normalised(draw_poses(AMECA, name, 60)[1])
        distances = np.linalg.norm(points[:, None] - points[None], axis=-1) + 9 * np.eye(60)
        gaps[name] = distances.min(axis=1).min()
    assert gaps["farthest"] > 1.3 * gaps["dirichlet"]


def test_farthest_points_are_the_farthest():
    points = np.array([[0.0], [10.0], [0.4], [4.0], [9.0], [5.0]])
    assert farthest_points(points, 4).tolist() == [5, 0, 1, 4] or set(farthest_points(points, 3)) == {5, 0, 1}


@pytest.mark.parametrize("robot", ["ameca", "hobby_head"])
def test_moves_keep_the_limits_and_poses_are_held(robot):
    profile = load_profile(robot)
    weights, poses = draw_poses(profile, "mixed", 12)
    found = roll_out(profile, weights, poses, dwell=0.3, rate=500)
    for largest, limit in zip(
        derivatives(found.commands), (profile.velocity, profile.acceleration, profile.jerk), strict=True
    ):
        assert (largest <= limit * 1.001).all(), controls.NAMES[int((largest / limit).argmax())]
    np.testing.assert_allclose(found.commands.values[[0, -1]], np.tile(profile.neutral, (2, 1)))
    for pose, start, end in zip(found.poses, found.starts, found.ends, strict=True):
        assert 0.5 * 0.3 <= end - start <= 1.5 * 0.3 + 1e-9
        np.testing.assert_allclose(found.commands.at(np.array([start, end])), [pose, pose], atol=1e-4)
    assert sorted(map(tuple, found.poses)) == sorted(map(tuple, poses))


def test_moves_are_no_slower_than_the_limits_ask():
    weights, poses = draw_poses(AMECA, "dirichlet", 8)
    found = roll_out(AMECA, weights, poses, dwell=0.3, rate=1000)
    shares = [
        (v / limit).max()
        for v, limit in zip(derivatives(found.commands), (AMECA.velocity, AMECA.acceleration, AMECA.jerk), strict=True)
    ]
    assert max(shares) > 0.85


def test_the_order_is_quicker_than_the_draw():
    weights, poses = draw_poses(AMECA, "sobol", 60)
    order = quick_order(AMECA, poses)
    assert sorted(order) == list(range(60))
    ordered = roll_out(AMECA, weights, poses).commands.times[-1]
    stops = np.concatenate([[AMECA.neutral], poses, [AMECA.neutral]])
    as_drawn = sum(move_seconds(AMECA, a, b)[0] for a, b in pairwise(stops)) + 61 * 0.6
    assert ordered < as_drawn


def test_minimum_jerk_starts_and_ends_at_rest():
    share = np.linspace(-0.2, 1.2, 1401)
    way = minimum_jerk(share)
    assert (way[0], way[700], way[-1]) == pytest.approx((0, 0.5, 1))
    assert np.gradient(way, share).max() == pytest.approx(1.875, rel=1e-3)


@pytest.mark.parametrize("suffix", ["json", "csv"])
def test_the_script_is_read_back(tmp_path, capsys, suffix):
    path = tmp_path / f"script.{suffix}"
    options = ["--robot", "virtual", "--sampler", "mixed", "--count", "6", "--out", str(path)]
    assert run_command(command.run, options) == 0
    assert "coverage of 30 controls" in capsys.readouterr().out
    found = read_commands(path)
    weights, poses = draw_poses(load_profile("virtual"), "mixed", 6)
    expected = roll_out(load_profile("virtual"), weights, poses).commands
    np.testing.assert_allclose(found.times, expected.times, atol=1e-4)
    np.testing.assert_allclose(found.values, expected.values, atol=1e-4)
    if suffix == "json":
        held = json.loads(path.read_text())["poses"]
        assert len(held) == 6
        assert all(0 < pose["from"] < pose["to"] for pose in held)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--sampler", "sobel"], "unknown sampler 'sobel' (did you mean sobol?)"),
        (["--robot", "amica"], "did you mean ameca?"),
        (["--count", "0"], "count from 1"),
        (["--dwell", "-1"], "dwell"),
        (["--seed", "-1"], "a whole number of 0 or more but got -1"),
        (["--out", "script.txt"], ".json or .csv"),
        (["--out", "FOLDER"], "is a folder"),
        (["--out", "ROBOT/script.json"], "cannot write"),
        (["--robot", "ROBOT", "--out", "ROBOT"], "would overwrite what is read"),
    ],
)
def test_wrong_options_are_named(tmp_path, capsys, options, message):
    robot = tmp_path / "robot.yaml"
    robot.write_text("mine")
    words = [word.replace("ROBOT", str(robot)).replace("FOLDER", str(tmp_path)) for word in options]
    assert run_command(command.run, ["--out", str(tmp_path / "s.json"), "--count", "5", *words]) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [robot]
    assert robot.read_text() == "mine"
