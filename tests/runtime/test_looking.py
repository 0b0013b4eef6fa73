"""When a picture's command goes out: before its score in modes that do not wait for it, after it in the others."""

import numpy as np
import pytest

from faceimit.face.controls import NEUTRAL
from faceimit.keyframes.search import SearchParams
from faceimit.robot.drivers import make_driver
from faceimit.robot.profile import load_profile
from faceimit.robot.trajectory import make_planner
from faceimit.runtime.handover import WhenIdle
from faceimit.runtime.loop import COMMAND_STAGES, Commanding, Looking, Observers
from faceimit.runtime.modes import MODES, make_mode
from faceimit.runtime.simulation import Given
from faceimit.runtime.timing import Timer

FPS = 25.0


class Told(Given):
    """Notes what it was asked."""

    def __init__(self, scores):
        super().__init__(np.tile(NEUTRAL, (len(scores), 1)), scores, FPS, SearchParams())
        self.asked = []

    def see(self, picture):
        self.asked.append("see")
        return super().see(picture)

    def judge(self, percept):
        self.asked.append("judge")
        return super().judge(percept)


class Watching:
    """Keeps the decisions it is shown."""

    def __init__(self):
        self.decisions = []

    def decided(self, decision):
        self.decisions.append(decision)


def bump(frames=40, peak=20):
    return np.exp(-(((np.arange(frames) - peak) / 3.0) ** 2))


@pytest.mark.parametrize("name", MODES)
def test_only_modes_that_need_the_score_wait_for_it(name):
    told, watching, handed = Told(bump()), Watching(), []
    looking = Looking(told, make_mode(name), Observers([watching]))
    for picture in told.pictures():
        looking.look(picture, lambda decision: (told.asked.append("hand"), handed.append(decision)))
    order = ["see", "judge", "hand"] if name == "keyframes" else ["see", "hand", "judge"]
    assert told.asked == order * 40
    # who watches is told once a picture, of everything
    assert len(watching.decisions) == 40
    assert [number for decision in watching.decisions for number in decision.percept.keyframes] == [20]
    assert [d.target for d in watching.decisions] == [d.target for d in handed]
    known = [(n, pytest.approx(20 / FPS)) for n in (20,)]
    assert [keyframe for decision in handed for keyframe in decision.keyframes] == known


@pytest.mark.parametrize(
    ("name", "late"),
    [("hybrid", 0.0), ("streaming", 0.0), ("uniform", 0.0), ("keyframes", 0.2)],
)
def test_keyframe_to_command_counts_from_the_keyframe_to_what_shows_it(name, late):
    told, profile, timer = Told(bump()), load_profile("ameca"), Timer(*COMMAND_STAGES)
    with make_driver("simulated", profile) as robot:
        commanding = Commanding(robot, make_planner("ruckig", profile), profile, timer, Observers([]))
        commanding.start(0.0)

        def answer(decision):
            now = decision.picture.captured + 0.01
            commanding.decide(decision, now)
            commanding.command(now)
            commanding.answered(decision, now, 0.01)

        looking = Looking(told, make_mode(name), Observers([]))
        for picture in told.pictures():
            looking.look(picture, answer)
    found = timer.milliseconds()["keyframe_to_command"]
    assert found["count"] == 1
    assert found["p50"] == pytest.approx(1e3 * (late + 0.01), rel=0.02)


def test_work_put_off_is_done_when_there_is_time():
    idle = WhenIdle("later")
    done = []
    first = idle.submit(done.append, 1)
    failing = idle.submit(int, "x")
    assert not first.done()
    idle.go()
    first.result(5)
    assert done == [1]
    with pytest.raises(ValueError):
        failing.result(5)
    never = idle.submit(done.append, 2)
    idle.shutdown(cancel_futures=True)
    assert never.cancelled()
    assert done == [1]
