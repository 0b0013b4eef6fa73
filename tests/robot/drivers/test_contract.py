"""What every driver keeps to, tried on all of them."""

import contextlib
import json
import socket

import numpy as np
import pytest
from pythonosc.osc_bundle import OscBundle

from faceimit.errors import InputError
from faceimit.face import controls
from faceimit.robot.drivers import driver_names, make_driver
from faceimit.robot.drivers.livelink import decode
from tests.robot_rigs import TOKEN, Gateway, Rig, Rosbridge, ServoBus, UdpRig, wait_for

PERIOD = 0.02


class OscRig(UdpRig):
    def vector(self, command):
        return np.array([message.params[0] for message in OscBundle(command)])


class LiveLinkRig(UdpRig):
    def vector(self, command):
        return decode(command).values

    def expected(self, values):
        return make_driver("livelink", self.profile).values(values)


class Simulation(Rig):
    """Servos have backlash, and take a moment."""

    can_go = False

    def __init__(self):
        super().__init__("virtual")
        self.driver = None

    def count(self):
        return 0 if self.driver._servos is None or self.driver._moved is None else 1

    def last(self):
        return self.driver._servos.position(self.driver._now + 3.0)

    def slack(self):
        return self.driver._servos.backlash + 0.005 * controls.SPAN


class RecordRig(Rig):
    can_go = False

    def __init__(self, folder):
        super().__init__("ameca", path=folder / "sent.jsonl", resume=True)

    def last(self):
        return np.array(json.loads((self.options["path"]).read_text().splitlines()[-1])[1:])

    def count(self):
        return 0  # in a dry run the file is written all the same


class ReplayRig(OscRig):
    """Plays one pose for ever."""

    def __init__(self, folder):
        path = folder / "pose.jsonl"
        pose = target_of(Rig("ameca").profile).tolist()
        head = json.dumps({"format": "faceimit-commands 1", "names": ["time", *controls.NAMES]})
        path.write_text("\n".join([head, json.dumps([0, *pose]), json.dumps([9, *pose]), ""]))
        super().__init__("ameca", to="osc", path=path)


def target_of(profile, seed=0):
    """A pose well away from neutral."""
    random = np.random.default_rng(seed).uniform(profile.low, profile.high)
    return profile.clip(profile.neutral + 0.7 * (random - profile.neutral))


def make_rig(name, folder):
    rigs = {
        "simulated": Simulation,
        "tritium": Gateway,
        "livelink": lambda: LiveLinkRig("arkit_avatar"),
        "osc": lambda: OscRig("hobby_head"),
        "dynamixel": lambda: ServoBus(folder=folder),
        "ros2": Rosbridge,
        "record": lambda: RecordRig(folder),
        "replay": lambda: ReplayRig(folder),
    }
    return rigs[name]()


@pytest.fixture(params=driver_names())
def name(request):
    return request.param


@pytest.fixture
def rig(name, tmp_path, monkeypatch):
    monkeypatch.setenv("TRITIUM_AUTH_TOKEN", TOKEN)
    found = make_rig(name, tmp_path)
    yield found
    found.gone()


@pytest.fixture
def driver(name, rig):
    found = connectable(name, rig)
    yield found
    found.close()


def connectable(name, rig, **more):
    found = make_driver(name, rig.profile, **rig.options, **more)
    found.pause = lambda seconds: None
    rig.driver = found
    return found


def go(driver, target, start=0.0, seconds=2.0, **more):
    """Send one target at 50 Hz and return what was told (T, 30)."""
    return np.stack([driver.send(target, start + i * PERIOD, **more) for i in range(round(seconds / PERIOD))])


def arrives(rig, values, digits=2e-3):
    """Whether the last command heard is soon that of values."""
    expected = rig.expected(values)
    scale = digits * np.maximum(1.0, np.abs(expected)) + rig.slack()
    return wait_for(lambda: rig.count() >= 0 and (np.abs(rig.last() - expected) <= scale).all())


def test_it_sends_what_it_returns(rig, driver):
    target = target_of(rig.profile)
    with driver:
        told = go(driver, target)
        np.testing.assert_allclose(told[-1], target, atol=1e-6)
        assert arrives(rig, told[-1])
        assert driver.counts.sent == len(told)
        assert not driver.away


def test_limits_are_kept_by_default(rig, driver, name):
    profile = rig.profile
    wild = np.random.default_rng(3).uniform(controls.LOW - 500, controls.HIGH + 500, (24, 30))
    with driver:
        told = np.concatenate([go(driver, command, start=0.1 * i, seconds=0.1) for i, command in enumerate(wild)])
    assert (told >= profile.low - 1e-9).all()
    assert (told <= profile.high + 1e-9).all()
    step = np.abs(np.diff(told, axis=0, prepend=profile.neutral[None] if name != "dynamixel" else told[:1]))
    assert (step <= profile.velocity * PERIOD * (1 + 1e-6)).all()
    assert (told[:, ~profile.mask] == profile.neutral[~profile.mask]).all()


def test_non_finite_commands_are_refused(rig, driver, name):
    target = target_of(rig.profile)
    with driver:
        go(driver, target)
        target[[2, 7]] = np.nan, np.inf
        told = go(driver, target, start=2.0, seconds=0.1)
        assert np.isfinite(told).all()
        assert np.ptp(told, axis=0).max() < 1e-6
        assert driver.counts.refused == (0 if name == "replay" else len(told))
        if name != "replay":
            with pytest.raises(InputError, match=r"shape \(30,\)"):
                driver.send(target[:5], 3.0)


@pytest.mark.parametrize("trouble", [None, RuntimeError("the camera is gone"), KeyboardInterrupt()])
def test_leaving_leaves_it_at_neutral(rig, driver, trouble):
    with pytest.raises(type(trouble)) if trouble else contextlib.nullcontext(), driver:
        go(driver, target_of(rig.profile), seconds=0.5)
        if trouble:
            raise trouble
    assert arrives(rig, rig.profile.neutral)


def test_closing_twice_and_connecting_again(rig, driver):
    target = target_of(rig.profile)
    with driver:
        go(driver, target, seconds=0.3)
        driver.close()
        driver.close()
        with pytest.raises(InputError, match="not connected"):
            driver.send(target, 1.0)
    with driver:
        with pytest.raises(InputError, match="already connected"):
            driver.__enter__()
        told = go(driver, target, start=100.0)
        assert arrives(rig, told[-1])


def test_one_that_is_sent_nothing_is_left_as_it_is(rig, driver, name):
    with driver:
        pass
    assert rig.count() == 0
    if name == "simulated":
        assert driver._moved is None


def test_stale_input_is_held_then_eased(rig, driver, name):
    if name == "replay":
        pytest.skip("a recording does not get stale")
    target = target_of(rig.profile)
    with driver:
        go(driver, target)
        told = go(driver, target, start=2.0, seconds=4.0, input_time=2.0)
        assert np.abs(told[10] - target).max() < 1e-6, "held"
        np.testing.assert_allclose(told[-1], rig.profile.neutral, atol=1e-6)


def test_an_emergency_stop_stays_one_to_the_end(rig, driver):
    with driver:
        go(driver, target_of(rig.profile), seconds=0.4)
        driver.stop()
        told = go(driver, target_of(rig.profile, seed=1), start=0.4, seconds=1.0)
        assert np.ptp(told[-10:], axis=0).max() < 1e-9
    assert np.abs(driver._told - told[-1]).max() < 1e-9
    assert np.abs(told[-1] - rig.profile.neutral).max() > 0.05


def test_a_robot_that_goes_and_returns(rig, driver):
    if not rig.can_go:
        pytest.skip("it cannot go")
    target, there = target_of(rig.profile), {}
    with driver:
        before = go(driver, target, seconds=0.5)
        rig.gone()
        assert wait_for(lambda: driver.send(target, 0.5) is not None and driver.away)
        away = np.stack([driver.send(target, 1.0 + i * PERIOD) for i in range(50)])
        assert np.abs(np.diff(away, axis=0)).max() < controls.SPAN.max() * 0.02, "what was told does not run on"
        rig.back()
        now = [2.0]

        def delivered():
            now[0] += PERIOD
            there["told"] = driver.send(target, now[0])
            return not driver.away and driver.counts.returned > 0

        assert wait_for(delivered, 10.0)
        told = go(driver, target, start=now[0] + PERIOD, seconds=3.0)
        step = np.abs(np.diff(told, axis=0, prepend=there["told"][None]))
        assert (step <= rig.profile.velocity * PERIOD * (1 + 1e-6)).all(), "it starts softly"
        assert arrives(rig, told[-1])
        np.testing.assert_allclose(told[-1], target, atol=1e-6)
    assert len(before)
    assert arrives(rig, rig.profile.neutral)


def test_leaving_while_it_is_gone_ends(rig, driver):
    if not rig.can_go:
        pytest.skip("it cannot go")
    with driver:
        go(driver, target_of(rig.profile), seconds=0.2)
        rig.gone()
    assert not driver._open


def test_a_dry_run_sends_nothing(rig, name, monkeypatch):
    if name not in {"record", "replay"}:
        rig.gone()
    for call in ("connect", "sendto", "bind"):
        monkeypatch.setattr(socket.socket, call, lambda *_: pytest.fail("a dry run opened a socket"))
    target = target_of(rig.profile)
    with connectable(name, rig, dry_run=True) as driver:
        told = go(driver, target)
        np.testing.assert_allclose(told[-1], target, atol=1e-6)
    assert rig.count() == 0
