import threading
import time

import numpy as np
import pytest

from faceimit.errors import InputError
from faceimit.face.controls import NEUTRAL, SPAN
from faceimit.robot.profile import load_profile
from faceimit.runtime import sources
from faceimit.runtime.handover import Latest
from faceimit.runtime.modes import MODES, Uniform, make_mode
from faceimit.runtime.perception import Percept
from faceimit.runtime.performance import performance
from faceimit.runtime.recording import check_folder
from faceimit.runtime.simulation import SOMEWHERE
from faceimit.runtime.sources import open_source
from faceimit.runtime.timing import Timer
from faceimit.runtime.watch import LimitWatch


def test_percentiles_are_exact_to_one_percent_and_memory_stays():
    rng = np.random.default_rng(0)
    seconds = rng.lognormal(-5, 1, 20_000)
    timer = Timer("a", "b")
    for value in seconds:
        timer.add("a", value)
    found = timer.milliseconds()
    assert set(found) == {"a"}
    for share, name in ((50, "p50"), (95, "p95"), (99, "p99")):
        assert found["a"][name] == pytest.approx(1e3 * np.percentile(seconds, share), rel=0.015)
    assert found["a"]["count"] == 20_000


def test_a_stage_that_fails_is_counted():
    timer = Timer("a")
    with pytest.raises(ValueError), timer.stage("a"):
        raise ValueError
    assert timer.milliseconds()["a"]["count"] == 1


def test_a_stage_of_no_time_at_all_has_percentiles():
    timer = Timer("a")
    timer.add("a", 0.0)
    assert timer.milliseconds()["a"] == {"p50": 0.0, "p95": 0.0, "p99": 0.0, "count": 1}


def test_the_latest_thing_wins_and_the_others_are_counted():
    latest = Latest()
    for i in range(5):
        latest.put(i)
    assert (latest.take(0), latest.take(0), latest.put_count, latest.dropped) == (4, None, 5, 4)


def test_closing_wakes_who_waits_and_keeps_what_lies_there():
    latest = Latest()
    threading.Timer(0.05, latest.close).start()
    start = time.monotonic()
    assert latest.take(10) is None
    assert time.monotonic() - start < 5
    latest = Latest()
    latest.put("last")
    latest.close()
    assert not latest.ended
    assert latest.take() == "last"
    assert latest.ended


class Seen:
    """Controls that are the frame's number in hundredths of the range."""

    def controls(self, number):
        return None if number < 0 else NEUTRAL + 0.01 * number * SPAN

    def captured(self, number):
        return number / 25


def percept(number, keyframes=(), face=True):
    return Percept(number, number / 25, number / 25, SOMEWHERE if face else None, (), keyframes)


def run(mode, percepts):
    return [mode.push(p, Seen()) for p in percepts]


def test_keyframes_move_at_keyframes_and_when_a_face_appears():
    percepts = [percept(0), percept(1), percept(2, (1,)), percept(3, face=False), percept(4)]
    targets = run(make_mode("keyframes"), percepts)
    assert [None if t is None else (t.number, t.keyframe) for t in targets] == [
        (0, False),
        None,
        (1, True),
        None,
        (4, False),
    ]


def test_streaming_moves_at_every_frame_and_uniform_at_its_rate():
    percepts = [percept(n) for n in range(50)]
    assert all(t is not None for t in run(make_mode("streaming"), percepts))
    numbers = [t.number for t in run(Uniform(5.0), percepts) if t is not None]
    assert numbers == list(range(0, 50, 5))


def test_uniform_goes_on_after_a_pause_without_catching_up():
    numbers = [t.number for t in run(Uniform(5.0), [percept(n) for n in (0, 1, 100, 101, 105)]) if t]
    assert numbers == [0, 100, 105]


def test_a_misspelt_mode_is_named():
    with pytest.raises(InputError, match=r"did you mean hybrid\?.*uniform"):
        make_mode("hybird")
    assert {make_mode(name).name for name in MODES} == set(MODES)


@pytest.mark.parametrize("fault", ["range", "leap", "nan", "jerk"])
def test_the_watch_sees_what_breaks_a_limit(fault):
    profile = load_profile("ameca")
    watch = LimitWatch(profile)
    for i in range(600):
        values = profile.neutral.copy()
        if i == 300:
            values[0] += {"range": 2.0, "leap": 0.3, "nan": np.nan, "jerk": 0.01}[fault]
        watch.look(values, i * 0.02)
    assert watch.violations > 0


def test_the_watch_accepts_a_robot_at_rest_and_leaps_over_pauses():
    profile = load_profile("ameca")
    watch = LimitWatch(profile)
    for i in range(600):
        watch.look(profile.neutral - (0.1 if i >= 300 else 0.0) * profile.mask, i * 0.02 + (1.0 if i >= 300 else 0.0))
    assert watch.violations == 0


@pytest.mark.parametrize("fps", [float("nan"), -3.0, 0.0, 1e9, float("inf")])
def test_a_rate_that_cannot_be_is_refused(tmp_path, fps):
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(InputError, match=r"--fps from 0.1 to 1000 but got"):
        open_source(str(tmp_path), fps)


@pytest.mark.parametrize("spec", [None, "camera:0", "http://127.0.0.1/x", __file__])
def test_a_rate_is_for_a_folder(spec):
    with pytest.raises(InputError, match="--fps 30 is for"):
        open_source(spec, 30.0)


def test_a_camera_that_is_not_there_is_our_sentence_alone(capfd):
    with pytest.raises(InputError, match="camera 99 cannot be opened"):
        open_source("camera:99")
    assert capfd.readouterr().err == ""


def test_rendering_is_said_once(tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(sources, "performance", lambda say: performance(tmp_path, 0.1, 32, say=say))
    for _ in range(2):
        open_source(None, say=said.append)
    assert len(said) == 1
    assert "rendering a performance" in said[0]


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["run.rrd", ".commands.parquet.abc", ".frames.123.mp4"], "broken off"),
        (["run.rrd", "thesis.txt"], "holds other files"),
        ([".git"], "holds other files"),
    ],
)
def test_a_recording_that_was_broken_off_is_called_one(tmp_path, names, said):
    for name in names:
        (tmp_path / name).touch()
    with pytest.raises(InputError, match=said):
        check_folder(tmp_path)
    (tmp_path / "commands.parquet").touch()
    check_folder(tmp_path)
