import json
import multiprocessing
import os
import time

import numpy as np
import pytest

from faceimit.errors import InputError
from faceimit.face import controls
from faceimit.robot.drivers import make_driver
from faceimit.robot.drivers.replay import play, read_recording
from faceimit.robot.profile import load_profile
from faceimit.robot.rollout import roll_out
from faceimit.robot.script import Commands, as_csv, as_json, read_commands
from tests.robot_rigs import UdpRig, wait_for

PROFILE = load_profile("ameca")


def wave(count=80, period=0.02):
    """A slow smile (T, 30)."""
    values = np.tile(PROFILE.neutral, (count, 1))
    values[:, controls.INDEX["Lip Corner Raise Left"]] += 0.2 * np.sin(np.arange(count) * period * 3)
    return values


def record(path, start=0.0, count=80, **options):
    driver = make_driver("record", PROFILE, path=path, limits=False, neutral_seconds=0.2, **options)
    with driver:
        return np.stack([driver.send(values, start + 0.02 * i) for i, values in enumerate(wave(count))])


@pytest.mark.parametrize("suffix", [".jsonl", ".csv"])
def test_a_recording_is_what_was_told(tmp_path, suffix):
    path = tmp_path / "folder" / f"sent{suffix}"
    told = record(path, start=5.0)
    found = read_recording(path)
    np.testing.assert_allclose(found.values[:80], told, atol=1e-6)
    np.testing.assert_allclose(found.times[:80], 0.02 * np.arange(80), atol=1e-6)
    np.testing.assert_allclose(found.values[-1], PROFILE.neutral, atol=1e-6)
    if suffix == ".csv":
        assert read_commands(path).times[0] == 5.0


@pytest.mark.parametrize("suffix", [".jsonl", ".csv"])
def test_a_recording_that_was_killed_goes_on(tmp_path, suffix):
    path = tmp_path / f"sent{suffix}"
    process = multiprocessing.get_context("spawn").Process(target=_killed, args=(path,))
    process.start()
    process.join(30)
    assert process.exitcode == 9
    with path.open("a") as file:
        file.write("[3.1, 0.2" if suffix == ".jsonl" else "3.1,0.2")
    with pytest.raises(InputError, match="is there already, give another path or resume=true"):
        record(path)
    record(path, start=1000.0, resume=True)
    found = read_recording(path)
    assert len(found.times) > 140
    assert (np.diff(found.times) > 0).all()
    assert np.diff(found.times).max() < 0.03, "the second part follows the first"
    np.testing.assert_allclose(found.values[:60], wave(60), atol=1e-6)


def _killed(path):
    driver = make_driver("record", PROFILE, path=path, limits=False)
    driver.__enter__()
    for i, values in enumerate(wave(60)):
        driver.send(values, 0.02 * i)
    os._exit(9)


def test_a_recording_of_a_robot_and_of_a_dry_run(tmp_path):
    rig = UdpRig("ameca")
    record(tmp_path / "robot.csv", to="osc", port=rig.port)
    rows = len(read_recording(tmp_path / "robot.csv").times)
    assert wait_for(lambda: len(rig.heard) >= rows)
    time.sleep(0.05)
    heard = len(rig.heard)
    record(tmp_path / "dry.csv", to="osc", port=rig.port, dry_run=True)
    assert len(rig.heard) == heard
    rig.gone()
    for name in ("robot", "dry"):
        assert len(read_recording(tmp_path / f"{name}.csv").times) >= 80


def test_what_cannot_be_written_or_gone_on_with(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="cannot write"):
        record(tmp_path / "file" / "sent.csv")
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="to be a recording to go on with but it is none"):
        record(tmp_path / "other.csv", resume=True)
    assert (tmp_path / "other.csv").read_text() == "a,b\n1,2\n"


def test_a_full_disk_is_reported_when_the_robot_rests(tmp_path, caplog):
    class Full:
        def write(self, text):
            raise OSError(28, "No space left on device")

        def close(self):
            raise OSError(28, "No space left on device")

    rig = UdpRig("ameca")
    driver = make_driver("record", PROFILE, path=tmp_path / "sent.csv", to="osc", port=rig.port)
    driver.pause = lambda seconds: None
    driver.__enter__()
    driver._file.close()
    driver._file = Full()
    told = np.stack([driver.send(values, 0.02 * i) for i, values in enumerate(wave())])
    with pytest.raises(InputError, match=r"cannot write all of .*sent.csv \(No space left on device\)"):
        driver.close()
    assert np.abs(told - PROFILE.neutral).max() > 0.01
    np.testing.assert_allclose(driver._told, PROFILE.neutral, atol=1e-9)
    # a burst without pauses: a busy machine's socket may lose some of it
    assert wait_for(lambda: len(rig.heard) > driver.counts.sent // 2)
    assert len(caplog.records) == 1
    rig.gone()


def test_clocks_that_stand_still_or_run_back_leave_no_bad_rows(tmp_path):
    path = tmp_path / "sent.jsonl"
    with make_driver("record", PROFILE, path=path, limits=False, neutral_seconds=0.1) as driver:
        for now in (1.0, 1.0, 1.02, 0.5, 1.04):
            driver.send(PROFILE.neutral, now)
    assert (np.diff(read_recording(path).times) > 0).all()


@pytest.mark.parametrize("suffix", [".json", ".csv"])
def test_a_rollout_script_is_played_through_a_driver(tmp_path, suffix):
    profile = load_profile("virtual")
    poses = profile.clip(np.random.default_rng(0).uniform(profile.low, profile.high, (2, 30)))
    script = roll_out(profile, np.eye(12)[:2], poses, dwell=0.4).commands
    path = tmp_path / f"rollout{suffix}"
    path.write_text(as_json(script) if suffix == ".json" else as_csv(script))
    with make_driver("simulated", profile, limits=False) as driver:
        told = play(read_recording(path), driver, rate=25, start=3.0)
    assert told.times[0] == 3.0
    np.testing.assert_allclose(told.values, script.at(told.times - 3.0), atol=1e-4)
    assert np.abs(told.values - poses[0]).max(axis=1).min() < 1e-3


def test_a_recording_in_place_of_what_is_sent(tmp_path):
    path = tmp_path / "sent.csv"
    path.write_text(as_csv(Commands(0.02 * np.arange(80), wave())))
    rig = UdpRig("ameca")
    driver = make_driver("replay", PROFILE, path=path, to="osc", port=rig.port, limits=False, loop=True)
    driver.pause = lambda seconds: None
    with driver:
        told = np.stack([driver.send(np.full(30, np.nan), 7.0 + 0.02 * i) for i in range(100)])
    np.testing.assert_allclose(told[:79], wave()[:79], atol=1e-5)
    np.testing.assert_allclose(told[79:98], wave()[:19], atol=1e-5)
    assert wait_for(lambda: len(rig.heard) >= 100)
    rig.gone()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "cannot read the recording"),
        ("{}\n", "to hold names and at least two commands"),
        (json.dumps({"names": ["time", *controls.NAMES]}) + "\n[1]\n[2]\n", "expected 31 numbers in every row"),
        (json.dumps({"names": ["time", *controls.NAMES]}) + "\n[1, 2]\n[2]\n", "cannot read the recording"),
    ],
)
def test_broken_recordings_are_refused(tmp_path, text, message):
    path = tmp_path / "sent.jsonl"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_recording(path)
    with pytest.raises(InputError, match=message):
        make_driver("replay", PROFILE, path=path).__enter__()
