"""Whole runs on drawn faces: nothing moves unsafely, whatever happens, and the summary is always there."""

import threading
import time

import numpy as np
import pytest

from faceimit.errors import InputError
from faceimit.face.controls import NEUTRAL, SPAN
from faceimit.robot.kinematics import beyond
from faceimit.robot.profile import load_profile
from faceimit.runtime.live import Stop
from faceimit.runtime.loop import Observers
from faceimit.runtime.session import Settings, run
from faceimit.runtime.sources import FileSource, FolderSource, SourceLostError
from tests import video_files
from tests.faces import SquareDetector, picture
from tests.robots import FakeBundle, FakeRobot, moving

PROFILE = load_profile("ameca")


class Pictures:
    """A recording in memory; or a live source that is lost at the pauses, given in frames."""

    name, note = "pictures", None

    def __init__(self, images, fps=30.0, live=False, lost=()):
        self.images, self.fps, self.live, self.lost = list(images), fps, live, set(lost)
        self.next, self.closed = 0, False

    def pictures(self):
        while self.next < len(self.images):
            i = self.next
            self.next += 1
            if i in self.lost:
                time.sleep(0.6)
                raise SourceLostError("unplugged")
            if self.live:
                time.sleep(1 / self.fps)
            yield i / self.fps, self.images[i]
        if self.live:
            raise SourceLostError("ended")

    def close(self):
        self.closed = True


def go(images, robot=None, bundle=None, stop=None, observers=(), source=None, **settings):
    robot = robot or FakeRobot(PROFILE)
    source = source or Pictures(images)
    outcome = run(
        bundle or FakeBundle(),
        source,
        robot,
        PROFILE,
        Settings(**{"fast": True, **settings}),
        Observers(list(observers)),
        stop or Stop(),
        SquareDetector(),
    )
    safe(robot, outcome)
    return robot, outcome.summary, outcome


def safe(robot, outcome):
    """What holds after every run: limits kept, robot left, summary complete."""
    times = np.array([now for now, _ in robot.log])
    values = np.array([sent for _, sent in robot.log])
    assert robot.left
    assert outcome.summary["limit_violations"] == 0
    # a robot that lost its time (a pause) has stopped: series between pauses count
    cuts = np.flatnonzero((np.diff(times) > 0.05) | (np.diff(times) <= 0)) + 1
    for t, v in zip(np.split(times, cuts), np.split(values, cuts), strict=True):
        assert not len(t) or not sum(beyond(t, v, PROFILE).values())
    for name in ("frames", "keyframes", "commands", "dropped_frames", "stale_holds", "latency_ms", "fps"):
        assert name in outcome.summary


def at_neutral(robot):
    return np.abs((robot.log[-1][1] - NEUTRAL) / SPAN).max() < 2e-3


def test_a_recording_as_fast_as_possible():
    robot, summary, _ = go(moving(120), mode="keyframes")
    assert (summary["status"], summary["frames"], summary["dropped_frames"]) == ("done", 120, 0)
    assert summary["keyframes"] == 7
    first = np.array([values[0] for _, values in robot.log])
    assert first.max() > 0.6
    assert first.min() < 0.35
    assert at_neutral(robot)
    for stage in ("track", "crop", "score", "search", "read", "plan", "send", "end_to_end", "keyframe_to_command"):
        assert 0 < summary["latency_ms"][stage]["p50"] <= summary["latency_ms"][stage]["p99"]


@pytest.mark.parametrize("mode", ["streaming", "uniform", "hybrid"])
def test_every_mode_moves_the_robot(mode):
    robot, summary, _ = go(moving(90), mode=mode)
    assert np.ptp([values[0] for _, values in robot.log]) > 0.2
    assert summary["mode"] == mode


def test_live_at_its_own_pace_drops_nothing(tmp_path):
    video = video_files.write(tmp_path / "a.mp4", moving(45), fps=30)
    robot, summary, _ = go((), source=FileSource(video), fast=False, mode="streaming")
    assert (summary["frames"], summary["dropped_frames"], summary["status"]) == (45, 0, "done")
    assert 1.3 < summary["seconds"] < 2.5
    assert summary["commands"] > 60
    assert summary["first_command_s"] < 1
    assert at_neutral(robot)


def test_a_slow_look_drops_pictures_and_commands_go_on(monkeypatch):
    bundle = FakeBundle()
    read = bundle.controls
    monkeypatch.setattr(bundle, "controls", lambda crop: (time.sleep(0.1), read(crop))[1])
    robot, summary, _ = go(moving(60), bundle=bundle, fast=False, mode="streaming")
    assert summary["dropped_frames"] > 20
    assert np.median(np.diff([now for now, _ in robot.log])) < 0.03


def test_a_face_lost_for_ten_seconds_and_back():
    robot, summary, _ = go(moving(450, gone=range(60, 360)))
    assert summary["stale_holds"] >= 1
    times = np.array([now for now, _ in robot.log])
    values = np.array([sent for _, sent in robot.log])
    resting = values[(times > 6) & (times < 11)]
    assert np.abs((resting - NEUTRAL) / SPAN).max() < 1e-3
    assert np.ptp(values[times > 13][:, 0]) > 0.2


def test_waiting_for_the_first_face_is_no_hold():
    robot, summary, _ = go(moving(90, gone=range(30)))
    assert (summary["stale_holds"], summary["frames_with_face"]) == (0, 60)
    assert at_neutral(robot)


def test_two_faces_are_one_target():
    images = moving(60)
    other = picture(130, 60, side=20)
    for image in images:
        image[:, 118:] = other[:, 118:]
    _, summary, _ = go(images)
    assert (summary["status"], summary["frames_with_face"]) == ("done", 60)


def test_readings_that_are_no_numbers_are_refused():
    robot, summary, _ = go(moving(90), bundle=FakeBundle(lambda n: n % 3 == 0), mode="streaming")
    assert summary["refused_readings"] > 20
    assert np.isfinite([values for _, values in robot.log]).all()
    assert summary["status"] == "done"


@pytest.mark.parametrize("mode", ["keyframes", "streaming"])
def test_a_person_who_rests_first_is_neutral(mode):
    """The dark face of the first half second is neutral from then on, the bright one is brighter by as much."""
    images = moving(90, period=45)
    plain, _, _ = go(images, mode=mode)
    robot, summary, _ = go(images, mode=mode, calibrate=0.5)
    times, values = np.array([now for now, _ in robot.log]), np.array([sent for _, sent in robot.log])
    brow = summary["neutral_offset"].pop("Brow Inner Left")
    assert not summary["neutral_offset"]
    assert brow == pytest.approx(60 / 255 - NEUTRAL[0], abs=0.02)
    assert np.abs(values[times < 1.4][:, 0] - NEUTRAL[0]).max() < 0.02
    bright = np.array([sent[0] for now, sent in plain.log if 2.5 < now < 2.9]).mean()
    assert values[(times > 2.5) & (times < 2.9)][:, 0].mean() == pytest.approx(min(1.0, bright - brow), abs=0.03)


def test_a_face_that_never_rests_or_never_comes_is_noted():
    _, summary, _ = go(moving(90, period=4), mode="streaming", calibrate=1.0)
    assert "did not rest" in summary["notes"][-1]
    robot, summary, _ = go(moving(60, gone=range(60)), calibrate=1.0)
    assert "no face was seen at rest" in summary["notes"][-1]
    assert summary["neutral_offset"] is None
    assert at_neutral(robot)


def test_a_robot_that_goes_and_comes_back():
    robot = FakeRobot(PROFILE, gone=lambda now: 1.0 < now < 2.0)
    robot, summary, _ = go(moving(120), robot=robot, mode="streaming")
    assert summary["undelivered_commands"] > 20
    assert robot.counts.returned == 1
    assert at_neutral(robot)


def test_a_robot_that_never_comes_is_a_failure_and_one_that_comes_late_is_none():
    robot = FakeRobot(PROFILE, gone=lambda now: True)
    outcome = run(
        FakeBundle(), Pictures(moving(30)), robot, PROFILE, Settings(fast=True), Observers(), Stop(), SquareDetector()
    )
    lost = outcome.summary["undelivered_commands"]
    assert (outcome.status, outcome.summary["commands"]) == ("failed", 0)
    assert f"none of {lost} commands reached the robot" in outcome.summary["error"]
    assert f"{lost} of {lost} commands undelivered" in outcome.summary["notes"][-1]
    _, summary, _ = go(moving(60), robot=FakeRobot(PROFILE, gone=lambda now: now < 1.0))
    lost = summary["undelivered_commands"]
    assert summary["status"] == "done"
    assert f"{lost} of {lost + summary['commands']} commands undelivered" in summary["notes"][-1]


@pytest.mark.parametrize(("gone", "said"), [(60, "no face was seen"), (40, "in only 20 of 60"), (20, None)])
def test_pictures_without_faces_are_noted(gone, said):
    _, summary, _ = go(moving(60, gone=range(gone)))
    assert said in summary["notes"][-1] if said else not summary["notes"]


def test_a_driver_that_breaks_ends_the_run_with_a_summary():
    robot, summary, outcome = go(moving(120), robot=FakeRobot(PROFILE, raises=50))
    assert summary["status"] == "failed"
    assert "the bus is on fire" in summary["error"]
    assert isinstance(outcome.error, RuntimeError)
    assert at_neutral(robot)


def test_pictures_that_break_end_the_run_at_neutral(monkeypatch):
    class Breaking(Pictures):
        def pictures(self):
            yield from list(super().pictures())[:20]
            raise OSError("disk gone")

    for fast in (True, False):
        robot, summary, _ = go((), source=Breaking(moving(40)), fast=fast)
        assert summary["status"] == "failed"
        assert "disk gone" in summary["error"]
        assert at_neutral(robot)


def test_no_pictures_at_all():
    robot, summary, _ = go([])
    assert (summary["status"], summary["frames"], summary["keyframes"]) == ("done", 0, 0)
    assert at_neutral(robot)


def test_a_camera_unplugged_and_back():
    source = Pictures(moving(60), live=True, lost=[25])
    robot, summary, _ = go((), source=source, fast=False, duration=3.2, mode="streaming")
    assert 50 <= summary["frames"] <= 59  # a slow machine does not get through in the time
    assert summary["stale_holds"] >= 1
    assert "lost" in summary["notes"][-1]
    assert source.closed
    assert at_neutral(robot)


@pytest.mark.parametrize("halt", [False, True])
def test_stopping_from_outside(halt):
    stop = Stop()
    threading.Timer(0.9, lambda: stop.ask("stopped", halt)).start()
    # the face stays bright, so that the robot is away from neutral when it is stopped
    robot, summary, _ = go(moving(300, period=10), stop=stop, fast=False, mode="streaming", rate=100.0)
    assert summary["status"] == "stopped"
    assert summary["seconds"] < 3
    assert halt or at_neutral(robot)
    if halt:
        assert robot.safety.stopped


def test_a_clock_that_steps_back():
    state = {"back": 0.0}
    start = time.monotonic()

    def clock():
        now = time.monotonic()
        if now - start > 0.8:
            state["back"] = 5.0
        return now - state["back"]

    robot, source = FakeRobot(PROFILE), Pictures(moving(60), live=True)
    outcome = run(
        FakeBundle(), source, robot, PROFILE, Settings(mode="streaming", duration=20),
        Observers(), _stop_later(2.0), SquareDetector(), clock,
    )  # fmt: skip
    safe(robot, outcome)
    assert max(np.diff([now for now, _ in robot.log])) < 0.2
    assert min(np.diff([now for now, _ in robot.log])) < -4


def _stop_later(seconds):
    stop = Stop()
    threading.Timer(seconds, lambda: stop.ask("stopped")).start()
    return stop


def test_an_observer_that_fails_is_left_out_and_noted():
    class Broken:
        def decided(self, decision):
            raise OSError("disk full")

        def commanded(self, command):
            pass

        def close(self):
            pass

    _, summary, _ = go(moving(60), observers=[Broken()])
    assert summary["status"] == "done"
    assert "disk full" in summary["notes"][0]


def test_fast_is_for_recordings():
    with pytest.raises(InputError, match="--fast"):
        go((), source=Pictures([], live=True))


@pytest.mark.parametrize(("name", "value"), [("rate", 1.0), ("duration", -1.0), ("look_ahead_ms", 9e9)])
def test_settings_that_cannot_be_are_refused(name, value):
    with pytest.raises(InputError, match="expected"):
        Settings(**{name: value})


def test_a_folder_of_pictures(tmp_path):
    import cv2

    for t, image in enumerate(moving(40)):
        cv2.imwrite(str(tmp_path / f"{t:04d}.png"), image[..., ::-1])
    for name in ("0020.png", "0030.png"):
        (tmp_path / name).write_bytes(b"not a picture")
    _, summary, _ = go((), source=FolderSource(tmp_path, 30.0))
    assert summary["frames"] == 38
    assert summary["notes"][-1] == f"2 of 40 pictures cannot be read, the first is {tmp_path / '0020.png'}"
