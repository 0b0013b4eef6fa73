import numpy as np
import pytest

from faceimit.face.controls import NEUTRAL, SPAN
from faceimit.robot.feedforward import FeedforwardPlanner
from faceimit.robot.profile import load_profile
from faceimit.runtime.live import Stop, ease
from faceimit.runtime.loop import Commanding, Observers
from faceimit.runtime.timing import Timer

RATE = 100.0


class Echo:
    """A robot that does what it is told, at once, and may tell where it stood at first."""

    def __init__(self, pose=None):
        self.log, self.pose = [], pose

    def send(self, motion, now, input_time):
        self.log.append((now, motion[0].copy()))
        return motion[0]

    def measured(self, now):
        return self.pose


@pytest.mark.parametrize("end", [1.0, 1.06, 1.12, 1.18])
def test_the_way_to_neutral_begun_in_full_motion_swings_to_no_end_of_a_range(end):
    profile, robot, now = load_profile("ameca"), Echo(), 0.0
    commanding = Commanding(robot, FeedforwardPlanner(profile), profile, Timer("plan", "send"), Observers([]))
    commanding.start(now)
    while now < end:  # nodding and talking twice a second
        commanding.aim(NEUTRAL + 0.2 * SPAN * np.sin(4 * np.pi * now), now)
        commanding.command(now)
        now += 1 / RATE
    begun, clock = len(robot.log), [now]
    ease(commanding, robot, NEUTRAL, SPAN, Stop(), RATE, lambda: clock[0], lambda s: clock.__setitem__(0, clock[0] + s))
    away = np.abs(np.array([sent for _, sent in robot.log]) - NEUTRAL) / SPAN
    assert away[begun:].max() < away[:begun].max() + 0.05
    assert away[-1].max() < 1e-3
    assert robot.log[-1][0] - now < 2.0


def test_a_robot_that_started_elsewhere_and_saw_nothing_goes_to_neutral():
    profile, clock = load_profile("ameca"), [0.0]
    robot = Echo(profile.clip(NEUTRAL + 0.2 * SPAN))
    commanding = Commanding(robot, FeedforwardPlanner(profile), profile, Timer("plan", "send"), Observers([]))
    commanding.start(0.0)
    ease(commanding, robot, NEUTRAL, SPAN, Stop(), RATE, lambda: clock[0], lambda s: clock.__setitem__(0, clock[0] + s))
    sent = np.array([values for _, values in robot.log])
    assert np.abs(sent[:20] - robot.pose).max() < 1e-6  # it stands still for a moment
    assert (np.abs(sent[-1] - NEUTRAL) / SPAN).max() < 1e-3
    assert 0.5 < robot.log[-1][0] < 2.0
