"""A simulated run: the same every time, its servos seen as often as one likes, any planner."""

import numpy as np
import pytest

from faceimit.face.controls import NEUTRAL, SPAN
from faceimit.keyframes.search import SearchParams
from faceimit.robot.feedforward import FeedforwardPlanner
from faceimit.robot.profile import load_profile
from faceimit.runtime.modes import Hybrid, Streaming
from faceimit.runtime.simulation import Given, replayed, simulate

PROFILE = load_profile("ameca")


def given(fps=30.0, seconds=2.0):
    times = np.arange(0, seconds, 1 / fps)
    wave = 0.15 * np.sin(2 * np.pi * times)[:, None] * SPAN
    return Given(PROFILE.clip(NEUTRAL + wave), np.full(len(times), 0.5), fps, SearchParams())


def played(mode, planner="ruckig", **options):
    perception = given()
    return simulate(perception, perception.pictures(), mode, PROFILE, planner, **options)


@pytest.fixture(scope="module")
def streamed():
    return played(Streaming(), seed=3, latency_s=0.015)


def test_the_replay_stands_where_the_robot_stood(streamed):
    times, positions = replayed(streamed, PROFILE, 500.0, seed=3)
    assert times[-1] == pytest.approx(streamed.times[-1], abs=0.002)
    for command in range(10, len(streamed.times), 7):
        at = np.argmin(np.abs(times - streamed.times[command]))
        gap = np.abs(positions[at] - streamed.positions[command]) / SPAN
        assert gap.max() < 0.03  # what a control moves in a step of the replay
    assert np.abs(replayed(streamed, PROFILE, 500.0, seed=4)[1] - positions).max() > 0


def test_a_planner_may_be_given_and_keeps_the_limits(streamed):
    ours = played(Hybrid(), FeedforwardPlanner(PROFILE), seed=3, latency_s=0.015)
    assert ours.violations == streamed.violations == 0
    assert ours.retargets == len(ours.frame_times)
    again = played(Hybrid(), FeedforwardPlanner(PROFILE), seed=3, latency_s=0.015)
    np.testing.assert_array_equal(ours.sent, again.sent)
